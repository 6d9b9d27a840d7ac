//! Looks at a socket while its program makes no calls on it. An I/O thread does it.
//!
//! A socket belongs to the thread that has its lock, and what other threads ask of it waits in its mailbox for the next call. For most
//! sockets that is soon enough. A publisher with last values owes them to a late subscriber, though its program may publish nothing for hours.

use super::socket_link::SocketLink;
use crate::reactor::{Handle, Ready, Source, SourceContext};
use std::time::Duration;

/// What has come of a look at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing is left for the attendant: the mailbox is empty, or its program watches `ZMQ_FD` and comes by itself.
    Done,
    /// Something is left, and is to be looked at once this time is over. Until then no command brings the attendant back.
    Later(Duration),
    /// The socket is closed.
    Gone,
}

const LATER_TIMER: u8 = 1;

/// Has the I/O thread call `look` now, and whenever the mailbox gets something. The caller has the socket's lock, so that no two threads do this
/// at a time. `false`: it is looked at already.
pub fn attend(io_thread: &Handle, owner: &SocketLink, look: Box<dyn FnMut() -> Look + Send>) -> bool {
    if owner.mailbox.is_attended() {
        return false;
    }
    let remote = io_thread.add(Box::new(move |_| Box::new(Attendant { look, is_paused: false })));
    let theirs = remote.clone();
    let is_first = owner.mailbox.attend(Box::new(move || theirs.wake()));
    // For what came before the mailbox knew of the attendant.
    remote.wake();
    is_first
}

/// Lives on an I/O thread.
struct Attendant {
    look: Box<dyn FnMut() -> Look + Send>,
    /// The timer is set. A look that leaves work undone raises the mailbox, which wakes the attendant: the pause would be none.
    is_paused: bool,
}

impl Source for Attendant {
    fn ready(&mut self, _: &mut SourceContext<'_>, _: Ready) {}

    fn timer(&mut self, cx: &mut SourceContext<'_>, _: u8) {
        self.is_paused = false;
        self.wake(cx);
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        if self.is_paused {
            return;
        }
        match (self.look)() {
            Look::Done => {}
            Look::Later(pause) => {
                self.is_paused = true;
                cx.set_timer(LATER_TIMER, pause);
            }
            Look::Gone => cx.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::counters::{IoThreadRecord, SocketRecord};
    use crate::reactor::spawn_reactor;
    use crate::sys::thread::ThreadSettings;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Longer than any test takes.
    const HOUR: Duration = Duration::from_secs(3600);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// An attendant that takes what there is, raises the mailbox again, says that it has looked, and answers this.
    fn attended(handle: &Handle, answers: Vec<Look>) -> (Arc<SocketLink>, Receiver<()>) {
        let owner = Arc::new(SocketLink::new(0, SocketRecord::default()));
        let (looked, looks): (Sender<()>, _) = channel();
        let (theirs, mut answers) = (Arc::clone(&owner), answers.into_iter());
        let look = move || {
            theirs.mailbox.take(&mut Vec::new());
            theirs.mailbox.touch();
            looked.send(()).unwrap();
            answers.next().unwrap_or(Look::Gone)
        };
        assert!(attend(handle, &owner, Box::new(look)));
        (owner, looks)
    }

    /// Waits until the I/O thread has done what was asked of it before.
    fn settle(handle: &Handle) {
        let (arrived, has_arrived) = channel();
        handle.add(Box::new(move |cx| {
            arrived.send(()).unwrap();
            cx.finish();
            Box::new(Attendant { look: Box::new(|| Look::Gone), is_paused: false })
        }));
        has_arrived.recv_timeout(PATIENCE).unwrap();
    }

    fn with_io_thread(test: impl FnOnce(&Handle)) {
        let record = IoThreadRecord::default();
        let (handle, thread) = spawn_reactor(&ThreadSettings::default(), 0, record, Box::new(|| {})).unwrap();
        test(&handle);
        handle.stop();
        thread.join();
    }

    #[test]
    fn what_comes_meanwhile_does_not_shorten_the_pause() {
        with_io_thread(|handle| {
            let (owner, looks) = attended(handle, vec![Look::Later(HOUR)]);
            looks.recv_timeout(PATIENCE).unwrap();
            owner.mailbox.take(&mut Vec::new());
            owner.mailbox.touch();
            // The wakes of the look itself and of this thread lie before it in the I/O thread's queue.
            settle(handle);
            assert!(looks.try_recv().is_err());
        });
    }

    #[test]
    fn after_the_pause_it_looks_by_itself_and_then_for_each_command() {
        with_io_thread(|handle| {
            let pause = Look::Later(Duration::from_millis(1));
            let (owner, looks) = attended(handle, vec![pause, pause, Look::Done, Look::Gone]);
            (0..4).for_each(|_| looks.recv_timeout(PATIENCE).unwrap());
            assert!(looks.recv_timeout(PATIENCE).is_err(), "the I/O thread has let go of it");
            assert!(!attend(handle, &owner, Box::new(|| Look::Gone)), "there was one already");
        });
    }
}
