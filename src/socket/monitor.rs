//! `zmq_socket_monitor`: events as messages of a socket that is bound inside the context.
//!
//! The events are told in `session::monitor_events`.

use super::{Command, DONTWAIT, Handle, SocketLink};
use crate::audit::{self, Record};
use crate::counters::{Snapshot, json};
use crate::ctx::{Context, Mailbox};
use crate::errno::{Errno, Result};
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::number::ZMQ_LINGER;
use crate::reactor::{self, Interest, Ready, Source, SourceContext};
use crate::session::{Endpoints, Observer, PeerNames, event};
use crate::sys::lock::Lock;
use crate::transport::{self, Scheme};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Events kept for a reader that is not there yet or too slow; older ones are kept, later ones dropped. libzmq
/// would stop the I/O thread instead.
const MAX_WAITING_MESSAGES: usize = 1000;

/// Monitors a socket; see [`Handle::monitor`].
pub fn monitor(
    handle: Handle,
    endpoint: Option<&str>,
    events: u64,
    version: i32,
    socket_type: i32,
) -> Result<()> {
    let (link, context, stats_ivl_ms) = {
        let socket = handle.lock()?;
        socket.alive()?;
        (Arc::clone(&socket.link), socket.context(), socket.options.stats_ivl_ms)
    };
    let events = wanted(version, events)?;
    let Some(endpoint) = endpoint else {
        link.monitor.clear();
        return Ok(());
    };
    let (scheme, _) = transport::parse(endpoint)?;
    if scheme != Scheme::Inproc {
        return Err(Errno::PROTONOSUPPORT);
    }
    let reporter = Reporter::new(version, events, context.choose_io_thread(0));
    begin(&link, &reporter, stats_ivl_ms, || open(&context, socket_type, endpoint))
}

/// Has the reporter told of what happens at the socket of this link, without its lock, from now on until it is closed.
fn begin(
    link: &SocketLink,
    reporter: &Arc<Reporter>,
    stats_ivl_ms: i32,
    open: impl FnOnce() -> Result<Handle>,
) -> Result<()> {
    // Events are wanted from now on, for the program may have connected already; they wait until there is a socket. The old
    // monitor lets go of its name here.
    let observer = Arc::clone(reporter) as Arc<dyn Observer>;
    link.monitor.set(reporter.events, Arc::clone(&observer))?;
    match open() {
        Ok(socket) => {
            reporter.begin(socket);
            if reporter.events & event::STATS == event::STATS {
                reporter.tell_counts(link.record.number(), stats_ivl_ms);
            }
            Ok(())
        }
        Err(errno) => {
            link.monitor.take_back(&observer);
            Err(errno)
        }
    }
}

/// The events of a mask. Those of the audit trail, of peers and of counts are events only where they are asked for by themselves: neither all
/// bits together nor the lower 16 mean them. Errors: `EINVAL` for bits that the first version has not, which counts events with 16.
fn wanted(version: i32, events: u64) -> Result<u64> {
    /// `ZMQ_EVENT_ALL_V2`.
    const OF_LIBZMQ: u64 = 0xffff | event::PIPES_STATS;
    const OURS: [u64; 3] = [event::AUDIT, event::PEER, event::STATS];
    let ours = OURS.iter().fold(0, |all, event| all | event) & !OF_LIBZMQ;
    let is_asked_for = |event: &u64| events & event == *event;
    let asks = OURS.iter().any(is_asked_for) && events & !(OF_LIBZMQ | ours) == 0;
    let others = if asks { events & !ours } else { events };
    if version == 1 && others >> 16 != 0 {
        return Err(Errno::INVAL);
    }
    Ok(if asks { events } else { events & !ours })
}

/// The socket that events are sent by.
fn open(context: &Context, socket_type: i32, endpoint: &str) -> Result<Handle> {
    let socket_type = match socket_type {
        0 => SocketType::Pair,
        1 => SocketType::Pub,
        8 => SocketType::Push,
        _ => return Err(Errno::INVAL),
    };
    let socket = Handle::open(context, socket_type)?;
    // Events never hold up the end of the context.
    let bound = socket.set_option(ZMQ_LINGER, &0i32.to_ne_bytes()).and_then(|()| socket.bind(endpoint));
    if let Err(errno) = bound {
        let _ = socket.close();
        return Err(errno);
    }
    Ok(socket)
}

/// The sending side of a monitor.
struct Reporter {
    version: i32,
    events: u64,
    /// Where to wait for a reader; `None` in a context without I/O threads, where few events happen.
    io_thread: Option<reactor::Handle>,
    itself: Weak<Reporter>,
    /// The lock also keeps the frames of a message together.
    outbox: Lock<Outbox>,
}

struct Outbox {
    stage: Stage,
    /// Messages that the monitor's socket has not taken yet.
    waiting: VecDeque<Vec<Vec<u8>>>,
    /// Frames of the first of them that it has taken.
    taken: usize,
    /// A [`Courier`] has been sent for.
    watched: bool,
    /// A [`Retry`] has been sent for.
    retried: bool,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The socket is being made.
    Opening,
    Open(Handle),
    Stopped,
}

impl Reporter {
    fn new(version: i32, events: u64, io_thread: Option<reactor::Handle>) -> Arc<Reporter> {
        let (stage, waiting) = (Stage::Opening, VecDeque::new());
        let outbox = Lock::new(Outbox { stage, waiting, taken: 0, watched: false, retried: false });
        Arc::new_cyclic(|itself| Reporter { version, events, io_thread, itself: itself.clone(), outbox })
    }

    /// From now on events are sent by this socket, which becomes the reporter's own.
    fn begin(&self, socket: Handle) {
        let mut outbox = self.outbox.lock();
        if let Stage::Stopped = outbox.stage {
            drop(outbox);
            let _ = socket.close();
            return;
        }
        outbox.stage = Stage::Open(socket);
        self.deliver(&mut outbox);
    }

    /// The frames of an event (zmq_socket_monitor(3), zmq_socket_monitor_versioned(3)). None in an unknown version, which libzmq
    /// accepts without an error.
    fn frames(&self, kind: u64, values: &[u64], endpoints: &Endpoints) -> Option<Vec<Vec<u8>>> {
        let first = values.first().copied().unwrap_or(0);
        if self.version == 1 {
            // Both numbers are cut to the widths that the first version has for them.
            let kind = match kind {
                event::PEER => event::PEER_V1,
                event::STATS => event::STATS_V1,
                kind => kind as u16,
            };
            let mut event = kind.to_ne_bytes().to_vec();
            event.extend_from_slice(&(first as u32).to_ne_bytes());
            return Some(vec![event, endpoints.identifier().as_bytes().to_vec()]);
        }
        if self.version != 2 {
            return None;
        }
        let mut frames = vec![kind.to_ne_bytes().to_vec(), (values.len() as u64).to_ne_bytes().to_vec()];
        frames.extend(values.iter().map(|value| value.to_ne_bytes().to_vec()));
        frames.push(endpoints.local.as_bytes().to_vec());
        frames.push(endpoints.remote.as_bytes().to_vec());
        Some(frames)
    }

    /// Has the counts of the socket with this number told, again and again.
    fn tell_counts(&self, number: u64, ivl_ms: i32) {
        let (Some(io_thread), Ok(ivl_ms @ 1..)) = (&self.io_thread, u64::try_from(ivl_ms)) else { return };
        let reporter = Weak::clone(&self.itself);
        io_thread.add(Box::new(move |cx| {
            let ivl = Duration::from_millis(ivl_ms);
            cx.set_timer(COUNTS_TIMER, ivl);
            Box::new(Counts { reporter, number, ivl })
        }));
    }

    /// The frames of any event, and behind them the counts. `false`: there is no more to tell.
    fn counts(&self, number: u64, ivl: Duration) -> bool {
        // Where there is no memory for the counts this event is left out, and the next one is tried.
        let counts = Snapshot::of_socket(number);
        if matches!(counts, Ok(None)) {
            return false;
        }
        let ivl_ms = u64::try_from(ivl.as_millis()).unwrap_or(u64::MAX);
        if let Ok(Some(counts)) = counts
            && let Ok(text) = json::of_socket(&counts)
            && let Some(mut frames) = self.frames(event::STATS, &[ivl_ms], &Endpoints::default())
        {
            frames.push(text);
            self.send(frames);
        }
        !matches!(self.outbox.lock().stage, Stage::Stopped)
    }

    fn send(&self, frames: Vec<Vec<u8>>) {
        let mut outbox = self.outbox.lock();
        if outbox.waiting.len() < MAX_WAITING_MESSAGES && !matches!(outbox.stage, Stage::Stopped) {
            outbox.waiting.push_back(frames);
        }
        self.deliver(&mut outbox);
    }

    /// Sends what waits, as far as the reader takes it.
    fn deliver(&self, outbox: &mut Outbox) {
        let Stage::Open(socket) = outbox.stage else { return };
        while let Some(frames) = outbox.waiting.front() {
            let last = frames.len().saturating_sub(1);
            while let Some(frame) = frames.get(outbox.taken) {
                match socket.send(&mut OutFrame::bytes(frame, outbox.taken < last), DONTWAIT) {
                    Ok(()) => outbox.taken += 1,
                    // Only ever before the first frame: a message is taken whole.
                    Err(Errno::AGAIN) if outbox.taken == 0 => return self.watch(outbox, socket),
                    // The next event would go on with the message that has begun.
                    Err(Errno::NOMEM) => return self.retry(outbox),
                    Err(_) => break,
                }
            }
            outbox.waiting.pop_front();
            outbox.taken = 0;
        }
    }

    /// Has the rest delivered after a pause, since memory that comes back wakes no thread. Without an I/O thread the next event takes it along.
    fn retry(&self, outbox: &mut Outbox) {
        let Some(io_thread) = self.io_thread.as_ref().filter(|_| !outbox.retried) else { return };
        outbox.retried = true;
        let reporter = Weak::clone(&self.itself);
        io_thread.add(Box::new(move |cx| {
            cx.set_timer(RETRY_TIMER, RETRY_PAUSE);
            Box::new(Retry(reporter))
        }));
    }

    /// Has the rest delivered once there is a reader, or room: the next event may never come. Where that cannot be, for want
    /// of a descriptor, it is the next event that takes the rest along, and that tries again.
    fn watch(&self, outbox: &mut Outbox, socket: Handle) {
        if outbox.watched {
            return;
        }
        let (Some(io_thread), Ok(link)) = (&self.io_thread, socket.link()) else { return };
        let mailbox = Arc::clone(&link.mailbox);
        let Ok(fd) = mailbox.fd() else { return };
        outbox.watched = true;
        let reporter = Weak::clone(&self.itself);
        io_thread.add(Box::new(move |cx| {
            if cx.register(fd, Interest::READABLE).is_err() {
                // For want of memory. The next event takes the rest along.
                cx.finish();
            }
            Box::new(Courier { reporter, fd, _mailbox: mailbox })
        }));
    }
}

impl Observer for Reporter {
    fn event(&self, kind: u64, values: &[u64], endpoints: &Endpoints) {
        if let Some(frames) = self.frames(kind, values, endpoints) {
            self.send(frames);
        }
    }

    /// The frames of any event, and behind them: the peer's address, its routing id, its user id, and the record.
    fn record(&self, record: &Record, endpoints: &Endpoints) {
        let status = record.status.unwrap_or(0).into();
        if let Some(mut frames) = self.frames(event::AUDIT, &[status], endpoints) {
            frames.push(record.peer.as_bytes().to_vec());
            frames.extend([record.routing_id.clone(), record.user.clone(), audit::line(record).into_bytes()]);
            self.send(frames);
        }
    }

    /// The frames of any event, and behind them: the peer's endpoint, its routing id, its user id, and the mechanism.
    fn peer(&self, arrived: bool, names: &PeerNames, endpoints: &Endpoints) {
        if let Some(mut frames) = self.frames(event::PEER, &[arrived.into()], endpoints) {
            let PeerNames { routing_id, user_id, mechanism } = names;
            frames.push(endpoints.remote.as_bytes().to_vec());
            frames.extend([routing_id.clone(), user_id.clone(), mechanism.as_bytes().to_vec()]);
            self.send(frames);
        }
    }

    fn stop(&self) {
        if self.events & event::MONITOR_STOPPED != 0 {
            self.event(event::MONITOR_STOPPED, &[0], &Endpoints::default());
        }
        let mut outbox = self.outbox.lock();
        let stage = std::mem::replace(&mut outbox.stage, Stage::Stopped);
        outbox.waiting.clear();
        drop(outbox);
        if let Stage::Open(socket) = stage {
            // It may be closed already: it lives in the same context as the program's own sockets.
            let _ = socket.close();
        }
    }
}

/// The only timer of [`Counts`].
const COUNTS_TIMER: u8 = 1;

/// Tells a socket's counts on an I/O thread, again and again, until the monitor is stopped or the socket is gone.
struct Counts {
    reporter: Weak<Reporter>,
    number: u64,
    ivl: Duration,
}

impl Source for Counts {
    fn ready(&mut self, _cx: &mut SourceContext<'_>, _ready: Ready) {}

    fn timer(&mut self, cx: &mut SourceContext<'_>, _id: u8) {
        match self.reporter.upgrade() {
            Some(reporter) if reporter.counts(self.number, self.ivl) => cx.set_timer(COUNTS_TIMER, self.ivl),
            _ => cx.finish(),
        }
    }

    fn wake(&mut self, _cx: &mut SourceContext<'_>) {}
}

/// Waits on an I/O thread until a monitor's socket can send again.
struct Courier {
    reporter: Weak<Reporter>,
    /// The mailbox's. Readable when a reader has come, has made room, or the socket has closed. Sending obeys the mailbox's
    /// commands, so each event after a send that found no reader makes an edge.
    fd: RawFd,
    /// Keeps `fd` open.
    _mailbox: Arc<Mailbox<Command>>,
}

impl Source for Courier {
    fn ready(&mut self, cx: &mut SourceContext<'_>, _ready: Ready) {
        if let Some(reporter) = self.reporter.upgrade() {
            let mut outbox = reporter.outbox.lock();
            if let Stage::Open(_) = outbox.stage {
                return reporter.deliver(&mut outbox);
            }
        }
        // Others may hold the mailbox still.
        let _ = cx.deregister(self.fd);
        cx.finish();
    }

    fn timer(&mut self, _cx: &mut SourceContext<'_>, _id: u8) {}

    fn wake(&mut self, _cx: &mut SourceContext<'_>) {}
}

/// The only timer of [`Retry`].
const RETRY_TIMER: u8 = 1;
/// How long a message waits for memory before the next try.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Delivers on an I/O thread what there was no memory for, once.
struct Retry(Weak<Reporter>);

impl Source for Retry {
    fn ready(&mut self, _cx: &mut SourceContext<'_>, _ready: Ready) {}

    fn timer(&mut self, cx: &mut SourceContext<'_>, _id: u8) {
        if let Some(reporter) = self.0.upgrade() {
            let mut outbox = reporter.outbox.lock();
            outbox.retried = false;
            reporter.deliver(&mut outbox);
        }
        cx.finish();
    }

    fn wake(&mut self, _cx: &mut SourceContext<'_>) {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::options::ContextOptions;
    use crate::options::number::ZMQ_RCVTIMEO;
    use crate::sys::faults::{self, Call};

    const ENDPOINT: &str = "inproc://events";
    const PATIENCE_MS: i32 = 60_000;

    fn reporter(context: &Context) -> Arc<Reporter> {
        Reporter::new(2, event::CLOSED, context.choose_io_thread(0))
    }

    /// The frames of the next message.
    fn next(socket: Handle) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            let (frame, more) = socket.recv(0, |frame| Ok((frame.data().to_vec(), frame.more()))).unwrap();
            frames.push(frame);
            if !more {
                return frames;
            }
        }
    }

    /// Another thread closes the socket once the thread that begins a monitor has let go of its lock.
    #[test]
    fn socket_that_closes_while_a_monitor_begins_leaves_none() {
        let context = Context::new(ContextOptions::new());
        let pair = |kind| [(); 2].map(|()| Handle::open(&context, kind).unwrap());
        let [closed, closing] = pair(SocketType::Pull);
        let [late, early] = [(); 2].map(|()| reporter(&context));
        let link = closed.link().unwrap();
        closed.close().unwrap();
        let opened = begin(&link, &late, 0, || open(&context, 0, ENDPOINT));
        assert_eq!(opened, Err(Errno::NOTSOCK));
        let link = closing.link().unwrap();
        let opened = begin(&link, &early, 0, || {
            closing.close().unwrap();
            open(&context, 0, ENDPOINT)
        });
        assert_eq!(opened, Ok(()), "the close came after it");
        // It would wait for a monitor's socket.
        assert_eq!(context.terminate(), Ok(()));
    }

    #[test]
    fn failed_monitor_leaves_the_one_that_has_replaced_it() {
        let context = Context::new(ContextOptions::new());
        let socket = Handle::open(&context, SocketType::Pull).unwrap();
        let link = socket.link().unwrap();
        let [failing, other] = [(); 2].map(|()| reporter(&context));
        let outcome = begin(&link, &failing, 0, || {
            begin(&link, &other, 0, || open(&context, 0, ENDPOINT)).unwrap();
            open(&context, 0, ENDPOINT)
        });
        assert_eq!(outcome, Err(Errno::ADDRINUSE));
        assert!(link.monitor.wants(event::CLOSED));
        socket.close().unwrap();
        assert_eq!(context.terminate(), Ok(()));
    }

    #[test]
    fn event_cut_off_for_want_of_memory_goes_on_where_it_was() {
        let context = Context::new(ContextOptions::new());
        let [socket, reader] =
            [SocketType::Pull, SocketType::Pair].map(|kind| Handle::open(&context, kind).unwrap());
        reader.set_option(ZMQ_RCVTIMEO, &PATIENCE_MS.to_ne_bytes()).unwrap();
        let reporter = reporter(&context);
        begin(&socket.link().unwrap(), &reporter, 0, || open(&context, 0, ENDPOINT)).unwrap();
        reader.connect(ENDPOINT).unwrap();
        // Its frames have memory already, but for the address.
        let large = "x".repeat(1 << 20);
        let told = |value: u64, local: &str| {
            let numbers = [event::CLOSED, 1, value].map(|number| number.to_ne_bytes().to_vec());
            numbers.into_iter().chain([local.as_bytes().to_vec(), Vec::new()]).collect::<Vec<_>>()
        };
        reporter.event(event::CLOSED, &[1], &Endpoints::bound(""));
        assert_eq!(next(reader), told(1, ""));
        let refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
        reporter.event(event::CLOSED, &[2], &Endpoints::bound(&large));
        let cut = {
            let outbox = reporter.outbox.lock();
            (outbox.waiting.len(), outbox.taken)
        };
        drop(refused);
        assert!(matches!(cut, (1, 3) | (0, 0)), "in the middle, unless the I/O thread was quicker: {cut:?}");
        assert!(next(reader) == told(2, &large), "by the I/O thread, without another event");
        reporter.event(event::CLOSED, &[3], &Endpoints::bound(""));
        assert_eq!(next(reader), told(3, ""));
        for socket in [socket, reader] {
            socket.close().unwrap();
        }
        assert_eq!(context.terminate(), Ok(()));
    }

    /// Programs of libzmq ask for 16 bits, for those and one more, or for all that there are.
    #[test]
    fn the_trail_and_peers_are_told_to_those_alone_that_ask_for_them() {
        const INVAL: Result<u64> = Err(Errno::INVAL);
        let (audit, peer) = (event::AUDIT, event::PEER);
        for (version, events, expected) in [
            (1, 0xffff, Ok(0xffff)),
            (1, audit, Ok(audit)),
            (1, audit | 0xffff, Ok(audit | 0xffff)),
            (1, audit | 0x1_0000, INVAL),
            (1, peer, Ok(peer)),
            (1, peer | audit | 0xffff, Ok(peer | audit | 0xffff)),
            (1, peer | 0x0800_0000, INVAL),
            (1, 0x2000_0000, INVAL),
            (2, peer | 0x1_ffff, Ok(peer | 0x1_ffff)),
            (2, 0x2000_0000, Ok(0)),
            (1, 0x4000_0000, INVAL),
            (1, 0x1_0000, INVAL),
            (1, u64::MAX, INVAL),
            (2, 0x1_ffff, Ok(0x1_ffff)),
            (2, audit | 0x1_ffff, Ok(audit | 0x1_ffff)),
            (2, 0x4000_0000, Ok(0)),
            (2, u64::MAX, Ok(!0x7000_0000)),
            (1, event::STATS, Ok(event::STATS)),
            (2, event::STATS | audit | 0x1_ffff, Ok(event::STATS | audit | 0x1_ffff)),
            (2, 0x1000_0000, Ok(0)),
            (1, event::STATS | 0x1_0000, INVAL),
        ] {
            assert_eq!(wanted(version, events), expected, "{version}, {events:#x}");
        }
    }
}
