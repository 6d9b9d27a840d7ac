//! The context itself.

use super::named_security::NamedSecurity;
use super::{Handshakes, Stop, io_thread_count};
use crate::audit;
use crate::counters;
use crate::errno::{Errno, Result};
use crate::options::ContextOptions;
use crate::options::number::ZMQ_FERRO_SECURITY;
use crate::reactor::{Handle, spawn_reactor};
use crate::security::SecurityFile;
use crate::sys::fork::Born;
use crate::sys::keylog;
use crate::sys::lock::{Lock, LockGuard};
use crate::sys::log::shortage::{self, What};
use crate::sys::log::{self, Level, Notice, Subsystem};
use crate::sys::panics;
use crate::sys::park::Parker;
use crate::sys::thread::{Thread, ThreadSettings};
use slotmap::SlotMap;
use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};

static FULL: Notice = Notice::new(Subsystem::Limits, Level::Warn);

slotmap::new_key_type! {
    /// Identifies a socket of a context; never reused.
    pub struct SocketId;
}

/// A context, as `zmq_ctx_new` makes it. Clones refer to the same context.
///
/// It is open until [`shutdown`](Context::shutdown) or [`terminate`](Context::terminate). Then it is
/// stopping: it takes no new socket, and calls on the old ones give `ETERM`. `terminate` ends it and its I/O
/// threads once every [`SocketTicket`] and [`Guard`] is gone. Without `terminate` it ends with the last
/// clone.
///
/// In a forked child it is dead: no socket can be made and `terminate` returns at once. The parent's threads
/// and descriptors are left alone. The child forgets it rather than drop it.
#[derive(Clone)]
pub struct Context(Arc<Shared>);

/// A place among the context's sockets. Held until the socket is closed and nothing of it lingers in the
/// application's threads. Work that lingers on I/O threads holds a [`Guard`].
pub struct SocketTicket {
    shared: Arc<Shared>,
    id: SocketId,
}

/// Keeps the context's I/O threads alive: held by every object that still has work to do there.
pub struct Guard(Arc<Shared>);

struct Shared {
    /// What its closed sockets have counted. Before what keeps the file of counters.
    record: counters::ContextRecord,
    _counted: counters::InUse,
    options: Lock<ContextOptions>,
    state: Lock<State>,
    extension: OnceLock<Arc<dyn Any + Send + Sync>>,
    handshakes: Arc<Handshakes>,
    security: NamedSecurity,
    born: Born,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// `None` before the first socket.
    io: Option<Io>,
    sockets: SlotMap<SocketId, Weak<dyn Stop>>,
    guards: usize,
    /// Threads that wait in `terminate`.
    terminators: Vec<Arc<Parker>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    Stopping,
    /// A thread in `terminate` is joining the I/O threads.
    Ending,
    Ended,
}

struct Io {
    reactors: Vec<(Handle, Thread)>,
    /// `ZMQ_MAX_SOCKETS` as it was at the first socket.
    max_sockets: usize,
}

impl Context {
    pub fn new(options: ContextOptions) -> Context {
        audit::begin_by_environment();
        panics::begin();
        // It says at once that keys are written.
        keylog::key_log();
        let (options, state) = (Lock::new(options), Lock::new(State::default()));
        Context(Arc::new(Shared {
            // The file comes before the records in it.
            _counted: counters::InUse::begin(),
            record: counters::ContextRecord::begin(),
            options,
            state,
            extension: OnceLock::new(),
            handshakes: Arc::default(),
            security: NamedSecurity::begin(),
            born: Born::now(),
        }))
    }

    /// The number by which the records of its sockets name it.
    pub fn number(&self) -> u64 {
        self.0.record.number()
    }

    /// What its closed sockets have counted.
    pub fn record(&self) -> &counters::ContextRecord {
        &self.0.record
    }

    /// The options, locked. I/O threads and sockets made before keep their old values.
    pub fn options(&self) -> LockGuard<'_, ContextOptions> {
        self.0.options.lock()
    }

    /// As [`options`](Context::options), in a forked child, where the caller keeps all other threads away. `None` where a thread of the parent
    /// was using them when the process forked: it does not exist here.
    pub fn inherited_options(&self) -> Option<LockGuard<'_, ContextOptions>> {
        self.0.options.try_lock()
    }

    /// Makes a place for a new socket. The first one starts the I/O threads. `stop` is called when the
    /// context stops.
    ///
    /// Errors: `ETERM` once the context stops and in a forked child; `EMFILE` when there are
    /// `ZMQ_MAX_SOCKETS` sockets already, or no descriptors for the I/O threads; `ENFILE`, `ENOMEM`, `EAGAIN`
    /// (no more threads).
    pub fn register_socket(&self, stop: Weak<dyn Stop>) -> Result<SocketTicket> {
        let shared = Arc::clone(&self.0);
        if shared.born.forked() {
            return Err(Errno::TERM);
        }
        let mut state = shared.state.lock();
        if state.phase != Phase::Open {
            return Err(Errno::TERM);
        }
        let max_sockets = match &state.io {
            Some(io) => io.max_sockets,
            None => state.io.insert(start(&shared, &shared.options.lock())?).max_sockets,
        };
        if state.sockets.len() >= max_sockets {
            drop(state);
            FULL.write(format_args!("the context has its {max_sockets} sockets (ZMQ_MAX_SOCKETS)"));
            return Err(Errno::MFILE);
        }
        let id = state.sockets.insert(stop);
        drop(state);
        Ok(SocketTicket { shared, id })
    }

    /// The I/O thread with the fewest sources among those of the `affinity` mask (`ZMQ_AFFINITY`); 0 means
    /// all. `None` where the mask has none.
    pub fn choose_io_thread(&self, affinity: u64) -> Option<Handle> {
        if self.0.born.forked() {
            return None;
        }
        let state = self.0.state.lock();
        let reactors = state.io.iter().flat_map(|io| &io.reactors).enumerate();
        let in_mask = |number: usize| affinity == 0 || (number < 64 && affinity >> number & 1 != 0);
        let eligible = reactors.filter(|(number, _)| in_mask(*number)).map(|(_, (handle, _))| handle);
        eligible.min_by_key(|handle| handle.load()).cloned()
    }

    /// The number of its I/O threads; 0 before the first socket.
    pub fn io_threads(&self) -> usize {
        if self.0.born.forked() {
            return 0;
        }
        self.0.state.lock().io.iter().map(|io| io.reactors.len()).sum()
    }

    /// Keeps the I/O threads alive until dropped.
    pub fn guard(&self) -> Guard {
        if !self.0.born.forked() {
            self.0.state.lock().guards += 1;
        }
        Guard(Arc::clone(&self.0))
    }

    /// An object that another layer keeps for this context, made at the first call. The context has one type
    /// of it; `None` for a second.
    pub fn extension<T: Default + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let extension = self.0.extension.get_or_init(|| Arc::new(T::default()));
        Arc::clone(extension).downcast::<T>().ok()
    }

    /// The handshakes with peers of all its endpoints.
    pub fn handshakes(&self) -> &Arc<Handshakes> {
        &self.0.handshakes
    }

    /// The file that secures its sockets, by `ZMQ_FERRO_SECURITY` or the environment, as it was when this was first called.
    pub fn security(&self) -> Option<&Arc<SecurityFile>> {
        self.0.security.file()
    }

    /// `zmq_ctx_set_ext`. Errors: as [`ContextOptions::set`]; `EINVAL` for a security file that comes too late to count.
    pub fn set_option(&self, option: i32, value: &[u8]) -> Result<()> {
        if option != ZMQ_FERRO_SECURITY {
            return self.options().set(option, value);
        }
        if self.0.security.is_settled() {
            return Err(Errno::INVAL);
        }
        let mut options = self.options();
        options.set(option, value)?;
        self.0.security.name(&options.security);
        Ok(())
    }

    /// Whether the context was shut down or is being terminated.
    pub fn stopping(&self) -> bool {
        self.0.born.forked() || self.0.state.lock().phase != Phase::Open
    }

    /// Whether the context was made before a fork, in the parent.
    pub fn forked(&self) -> bool {
        self.0.born.forked()
    }

    /// `zmq_ctx_shutdown`: from now on calls on the sockets give `ETERM`, including calls that block now. A
    /// second call does nothing.
    pub fn shutdown(&self) {
        if self.0.born.forked() {
            return;
        }
        let mut state = self.0.state.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Stopping;
        let stops: Vec<_> = state.sockets.values().filter_map(Weak::upgrade).collect();
        drop(state);
        // With the lock released: stopping a socket takes its mailbox's lock. The last reference may be
        // dropped here as well.
        stops.iter().for_each(|socket| socket.stop());
    }

    /// `zmq_ctx_term`: shuts down, waits until all sockets are closed and nothing lingers, then ends the I/O
    /// threads. It may be called again after `EINTR`, and by several threads, which all wait.
    ///
    /// Errors: `EINTR`.
    pub fn terminate(&self) -> Result<()> {
        if self.0.born.forked() {
            return Ok(());
        }
        self.shutdown();
        let parker = Arc::new(Parker::new());
        self.0.state.lock().terminators.push(Arc::clone(&parker));
        let outcome = self.0.wait_for_the_end(&parker);
        let mut state = self.0.state.lock();
        state.terminators.retain(|other| !Arc::ptr_eq(other, &parker));
        drop(state);
        // The program may end now, without a call of exit(3).
        audit::flush();
        log::flush();
        outcome
    }
}

impl SocketTicket {
    pub fn id(&self) -> SocketId {
        self.id
    }

    pub fn context(&self) -> Context {
        Context(Arc::clone(&self.shared))
    }
}

impl Guard {
    pub fn context(&self) -> Context {
        Context(Arc::clone(&self.0))
    }
}

impl Clone for Guard {
    fn clone(&self) -> Guard {
        self.context().guard()
    }
}

impl Drop for SocketTicket {
    fn drop(&mut self) {
        self.shared.release(|state| {
            state.sockets.remove(self.id);
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.release(|state| state.guards = state.guards.saturating_sub(1));
    }
}

impl Shared {
    /// Removes a socket or a guard, for which `terminate` may be waiting.
    fn release(&self, change: impl FnOnce(&mut State)) {
        if self.born.forked() {
            return;
        }
        let mut state = self.state.lock();
        change(&mut state);
        if state.phase == Phase::Stopping && state.idle() {
            state.wake_terminators();
        }
    }

    /// Ends the I/O threads once no socket or guard needs them, or waits for the thread that does so.
    fn wait_for_the_end(&self, parker: &Parker) -> Result<()> {
        loop {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Ended => return Ok(()),
                Phase::Stopping if state.idle() => {
                    state.phase = Phase::Ending;
                    let io = state.io.take();
                    drop(state);
                    drop(io);
                    let mut state = self.state.lock();
                    state.phase = Phase::Ended;
                    state.wake_terminators();
                    return Ok(());
                }
                Phase::Open | Phase::Stopping | Phase::Ending => {}
            }
            drop(state);
            parker.park(None)?;
        }
    }
}

impl State {
    fn idle(&self) -> bool {
        self.sockets.is_empty() && self.guards == 0
    }

    fn wake_terminators(&self) {
        self.terminators.iter().for_each(|parker| parker.unpark());
    }
}

impl Drop for Io {
    /// Also runs where a context is never terminated, or its start failed half way. All threads are told to
    /// stop first, and then joined one by one.
    fn drop(&mut self) {
        self.reactors.iter().for_each(|(handle, _)| handle.stop());
        self.reactors.drain(..).for_each(|(_, thread)| thread.join());
    }
}

/// Starts the I/O threads. Errors: those of [`spawn_reactor`]; the threads already started are ended again.
///
/// When an I/O thread is lost the context stops: calls that wait for its sockets would otherwise wait for
/// ever.
fn start(shared: &Arc<Shared>, options: &ContextOptions) -> Result<Io> {
    let settings = thread_settings(options);
    let count = io_thread_count::number(options.io_threads);
    let max_sockets = usize::try_from(options.max_sockets).unwrap_or(0);
    let mut io = Io { reactors: Vec::new(), max_sockets };
    for number in 0..count {
        let context = Arc::downgrade(shared);
        let on_loss = move || {
            if let Some(shared) = context.upgrade() {
                Context(shared).shutdown();
            }
        };
        let record = counters::IoThreadRecord::of(&shared.record);
        let spawned = spawn_reactor(&settings, number, record, Box::new(on_loss));
        io.reactors.push(spawned.inspect_err(|errno| {
            shortage::tell(What::Thread, *errno, format_args!("an I/O thread cannot be started"));
        })?);
    }
    Ok(io)
}

fn thread_settings(options: &ContextOptions) -> ThreadSettings {
    ThreadSettings {
        name_prefix: options.thread_name_prefix.as_c_bytes().to_vec(),
        priority: Some(options.thread_priority).filter(|priority| *priority >= 0),
        policy: Some(options.thread_sched_policy).filter(|policy| *policy >= 0),
        affinity_cpus: options
            .thread_affinity_cpus
            .iter()
            .filter_map(|cpu| usize::try_from(*cpu).ok())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::ctx::Mailbox;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::thread;

    fn context(io_threads: i32, max_sockets: i32) -> Context {
        let mut options = ContextOptions::new();
        options.io_threads = io_threads;
        options.max_sockets = max_sockets;
        Context::new(options)
    }

    fn socket(context: &Context) -> Result<(Arc<Mailbox<()>>, SocketTicket)> {
        let mailbox = Arc::new(Mailbox::new());
        let stop: Weak<Mailbox<()>> = Arc::downgrade(&mailbox);
        Ok((mailbox, context.register_socket(stop)?))
    }

    #[test]
    fn threads_start_with_the_first_socket() {
        let context = context(2, 10);
        assert!(context.choose_io_thread(0).is_none());
        assert_eq!(context.io_threads(), 0);
        let socket = socket(&context).unwrap();
        assert_eq!(context.io_threads(), 2);
        let first = context.choose_io_thread(1).unwrap();
        let second = context.choose_io_thread(2).unwrap();
        assert!(!first.same(&second));
        assert!(context.choose_io_thread(4).is_none());
        assert!(context.choose_io_thread(u64::MAX << 2).is_none());
        first.add(Box::new(|_| Box::new(Idle)));
        assert!(context.choose_io_thread(0).unwrap().same(&second), "the thread with the fewest sources");
        drop(socket);
        context.terminate().unwrap();
        assert_eq!(first.load(), 0);
    }

    struct Idle;

    impl crate::reactor::Source for Idle {
        fn ready(&mut self, _: &mut crate::reactor::SourceContext<'_>, _: crate::reactor::Ready) {}
        fn timer(&mut self, _: &mut crate::reactor::SourceContext<'_>, _: u8) {}
        fn wake(&mut self, _: &mut crate::reactor::SourceContext<'_>) {}
    }

    #[test]
    fn sockets_are_counted() {
        let context = context(0, 2);
        let first = socket(&context).unwrap();
        let second = socket(&context).unwrap();
        assert_ne!(first.1.id(), second.1.id());
        assert_eq!(socket(&context).err(), Some(Errno::MFILE));
        drop(first);
        assert!(socket(&context).is_ok());
    }

    #[test]
    fn shutdown_stops_sockets_and_refuses_new_ones() {
        let context = context(1, 10);
        let (mailbox, ticket) = socket(&context).unwrap();
        assert!(!mailbox.stopped() && !context.stopping());
        context.shutdown();
        context.shutdown();
        assert!(mailbox.stopped() && context.stopping());
        assert_eq!(socket(&context).err(), Some(Errno::TERM));
        drop(ticket);
        assert_eq!(context.terminate(), Ok(()));
        assert_eq!(context.terminate(), Ok(()));
    }

    #[test]
    fn an_unused_context_ends_at_once() {
        assert_eq!(context(1, 10).terminate(), Ok(()));
    }

    #[test]
    fn termination_waits_for_sockets_and_guards() {
        let context = context(1, 10);
        let (mailbox, ticket) = socket(&context).unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (context, closed) = (context.clone(), Arc::clone(&closed));
                thread::spawn(move || {
                    let outcome = context.terminate();
                    (outcome, closed.load(SeqCst))
                })
            })
            .collect();
        // The socket learns that it has to stop, and hands over to a lingering guard, which then ends.
        let parker = Arc::new(Parker::new());
        if !mailbox.register(&parker).is_stopped() {
            while !mailbox.stopped() {
                parker.park(None).unwrap();
            }
        }
        let guard = context.guard();
        drop(ticket);
        let second = guard.clone();
        drop(guard);
        closed.store(true, SeqCst);
        drop(second);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), (Ok(()), true));
        }
    }

    #[test]
    fn sockets_and_termination_race() {
        for _ in 0..100 {
            let (context, barrier) = (context(1, 1000), Barrier::new(4));
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        barrier.wait();
                        while let Ok((_mailbox, _ticket)) = socket(&context) {
                            let _guard = context.guard();
                        }
                    });
                }
                barrier.wait();
                assert_eq!(context.terminate(), Ok(()));
            });
        }
    }
}
