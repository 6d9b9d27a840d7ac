use super::*;
use crate::queue::shim::AtomicBool;
use crate::session::connection::contention::TurnedAway;
use loom::sync::{Arc, Mutex, MutexGuard, Notify};
use std::sync::atomic::{AtomicU8, Ordering};

/// What a twin leaves out. Set before the model runs, read inside it; loom does not see it.
static LEFT_OUT: AtomicU8 = AtomicU8::new(0);
/// A thread that leaves does not register the stream again.
const REGISTER_ON_LEAVE: u8 = 1;

/// One stream as the system sees it: an edge-triggered reactor, and a thread that polls.
#[derive(Default)]
struct Kernel {
    unread: u8,
    in_reactor: bool,
}

/// A connection with one message on its way, which one of its threads must read.
struct Model {
    watch: Mutex<Watch>,
    kernel: Mutex<Kernel>,
    /// The lock of the receiving half: `true` while it is free.
    recv_free: AtomicBool,
    turned_away: TurnedAway,
    /// The message was read, or the connection is over.
    over: AtomicBool,
    io_thread: Notify,
}

impl Model {
    fn new() -> Model {
        Model {
            watch: Mutex::new(at_reactor(false)),
            kernel: Mutex::new(Kernel { unread: 0, in_reactor: true }),
            recv_free: AtomicBool::new(true),
            turned_away: TurnedAway::default(),
            over: AtomicBool::new(false),
            io_thread: Notify::new(),
        }
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.kernel.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The peer's message comes. The reactor tells of it at the edge, once.
    fn arrive(&self) {
        let mut kernel = self.kernel();
        kernel.unread = 1;
        if kernel.in_reactor {
            self.io_thread.notify();
        }
    }

    fn step(&self, watch: &mut Watch, event: Event) {
        let (after, actions) = next(*watch, event);
        for action in actions.iter() {
            let mut kernel = self.kernel();
            match action {
                Action::TakeFromReactor | Action::Deregister => kernel.in_reactor = false,
                Action::Register { .. }
                    if matches!(event, Event::Leave(_))
                        && LEFT_OUT.load(Ordering::Relaxed) == REGISTER_ON_LEAVE => {}
                Action::Register { .. } => {
                    kernel.in_reactor = true;
                    if kernel.unread > 0 {
                        self.io_thread.notify();
                    }
                }
                _ => {}
            }
        }
        *watch = after;
    }

    fn try_lock_recv(&self) -> Option<()> {
        let free = self.recv_free.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed);
        free.ok().map(|_| ())
    }

    /// With the receiving half: reads all bytes, and lets go.
    fn read(&self) {
        let mut kernel = self.kernel();
        if std::mem::take(&mut kernel.unread) > 0 {
            self.end();
        }
        drop(kernel);
        self.recv_free.swap(true, Ordering::Release);
    }

    /// Lets the I/O thread of the model come to its end.
    fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.io_thread.notify();
    }

    fn caller(&self) {
        self.step(&mut self.watch(), Event::Borrow { lend: true, front: Front::Absent });
        let lent = matches!(*self.watch(), Watch::Thread { .. });
        if lent && self.kernel().unread > 0 {
            if self.try_lock_recv().is_some() {
                self.read();
                if self.turned_away.take() {
                    self.io_thread.notify();
                }
            } else {
                self.step(&mut self.watch(), Event::Recall);
            }
        }
        self.step(&mut self.watch(), Event::Leave(Leave::ToReactor));
    }

    /// Sleeps for ever if no thread tells it of the message, which loom reports.
    fn io_thread(&self) {
        while !self.over.load(Ordering::Acquire) {
            self.io_thread.wait();
            if self.turned_away.unless_in_use(|| self.try_lock_recv()).is_some() {
                self.read();
                self.turned_away.take();
            }
        }
    }

    fn closer(&self) {
        self.step(&mut self.watch(), Event::Close);
        self.end();
    }
}

fn model(closes: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let model = Arc::new(Model::new());
        let (program, other) = (Arc::clone(&model), Arc::clone(&model));
        let program = loom::thread::spawn(move || program.caller());
        let other = loom::thread::spawn(move || {
            if closes {
                other.closer();
            } else {
                other.arrive();
            }
        });
        if closes {
            model.arrive();
        }
        model.io_thread();
        assert!(program.join().is_ok() && other.join().is_ok());
        let watch = *model.watch();
        assert!(if closes { watch == Watch::Closed } else { !watch.is_held() }, "{watch:?}");
    });
}

#[test]
#[ignore = "run by the tests below"]
fn twin() {
    let left_out = std::env::var("LEFT_OUT").ok().and_then(|name| name.parse().ok());
    LEFT_OUT.store(left_out.unwrap_or(0), Ordering::Relaxed);
    model(false);
}

fn fails(left_out: u8) -> bool {
    crate::sys::weakened_twin::fails(
        "session::connection::watch::loom_tests::twin",
        "LEFT_OUT",
        &left_out.to_string(),
    )
}

#[test]
fn loom_message_is_read_under_any_watcher() {
    model(false);
}

#[test]
fn loom_close_is_final_under_any_watcher() {
    model(true);
}

#[test]
fn loom_twin_passes_with_nothing_left_out() {
    assert!(!fails(0));
}

#[test]
fn loom_twin_fails_where_a_thread_leaves_without_registering() {
    assert!(fails(REGISTER_ON_LEAVE));
}
