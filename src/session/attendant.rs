//! Looks at a socket while its program makes no calls on it. An I/O thread does it.
//!
//! A socket belongs to the thread that has its lock, and what other threads ask of it waits in its mailbox for the next call. For most
//! sockets that is soon enough. A publisher with last values owes them to a late subscriber, though its program may publish nothing for hours.

use super::socket_link::SocketLink;
use crate::reactor::{Handle, Ready, Remote, Source, SourceContext};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What has come of a look at the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The mailbox is empty, or its next command tells the attendant again.
    Done,
    /// A call of the program has the socket. It may have taken the commands, or not.
    Busy,
    /// The socket is closed.
    Gone,
}

/// The time until the next look at a socket that is busy. A call is shorter, or waits without the lock.
const BUSY_PAUSE: Duration = Duration::from_millis(1);
const BUSY_TIMER: u8 = 1;

/// Has the I/O thread call `look` whenever the mailbox gets something. `false`: it is looked at already.
pub fn attend(io_thread: &Handle, owner: &SocketLink, look: Box<dyn FnMut() -> Look + Send>) -> bool {
    let place: Arc<OnceLock<Remote>> = Arc::default();
    let theirs = Arc::clone(&place);
    let wake = move || {
        if let Some(remote) = theirs.get() {
            remote.wake();
        }
    };
    let is_first = owner.mailbox.attend(Box::new(wake));
    if is_first {
        io_thread.add(Box::new(move |cx| {
            let _ = place.set(cx.remote());
            // What came before this source had a place.
            cx.again();
            Box::new(Attendant { look })
        }));
    }
    is_first
}

/// Lives on an I/O thread.
struct Attendant {
    look: Box<dyn FnMut() -> Look + Send>,
}

impl Source for Attendant {
    fn ready(&mut self, _: &mut SourceContext<'_>, _: Ready) {}

    fn timer(&mut self, cx: &mut SourceContext<'_>, _: u8) {
        self.wake(cx);
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        match (self.look)() {
            Look::Done => {}
            Look::Busy => cx.set_timer(BUSY_TIMER, BUSY_PAUSE),
            Look::Gone => cx.finish(),
        }
    }
}
