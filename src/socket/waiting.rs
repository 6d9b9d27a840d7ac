//! A thread asleep until something happens to a socket.

use crate::errno::{Errno, Result};
use crate::session::{Borrowed, SocketLink};
use crate::sys::park::Parker;
use crate::sys::thread_end::AtThreadEnd;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

thread_local! {
    /// The calling thread's, while it does not wait.
    static BED: ManuallyDrop<Cell<Option<Box<Bed>>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

static FORGET: AtThreadEnd = AtThreadEnd(|| drop(BED.with(|place| place.take())));

/// What a thread needs for waiting, kept from call to call: to wait allocates nothing.
#[derive(Default)]
struct Bed {
    parker: Arc<Parker>,
    /// Its thread has registered to drop it.
    kept: bool,
    borrowed: Borrowed,
}

/// The calling thread's own parker.
pub fn thread_parker() -> Arc<Parker> {
    let bed = take_bed();
    let parker = Arc::clone(&bed.parker);
    put_bed(bed);
    parker
}

/// A thread that cannot keep one, and one that waits already, gets another one; and so does a forked child.
fn take_bed() -> Box<Bed> {
    let bed = BED.with(|place| place.take());
    bed.filter(|bed| !bed.parker.forked()).unwrap_or_default()
}

fn put_bed(mut bed: Box<Bed>) {
    bed.kept = bed.kept || FORGET.register();
    if bed.kept {
        BED.with(|place| place.set(Some(bed)));
    }
}

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Sending,
    Receiving,
}

/// Registered with a socket's mailbox for as long as it lives.
pub struct Waiting {
    owner: Arc<SocketLink>,
    /// `Some` until it is dropped.
    bed: Option<Box<Bed>>,
    what: For,
    /// `None`: for ever.
    deadline: Option<Instant>,
}

impl Waiting {
    /// Registers the calling thread. `timeout_ms`: negative waits for ever. Errors: `EAGAIN` for a timeout of 0,
    /// with which nobody waits.
    pub fn begin(owner: &Arc<SocketLink>, what: For, timeout_ms: i32) -> Result<Waiting> {
        if timeout_ms == 0 {
            return Err(Errno::AGAIN);
        }
        let deadline = match u64::try_from(timeout_ms) {
            Ok(timeout_ms) => Instant::now().checked_add(Duration::from_millis(timeout_ms)),
            Err(_) => None,
        };
        let bed = take_bed();
        owner.mailbox.register(&bed.parker);
        // What is left of an earlier call would end the first sleep for nothing. What comes from now on shows in the look
        // that follows.
        bed.parker.forget();
        Ok(Waiting { owner: Arc::clone(owner), bed: Some(bed), what, deadline })
    }

    /// Sleeps until the mailbox has something; who waits for messages receives them from the socket's connections meanwhile.
    /// Errors: `EAGAIN` when the time is over, `EINTR`.
    pub fn wait(&mut self) -> Result<()> {
        let timeout = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Errno::AGAIN);
        }
        let Some(bed) = &mut self.bed else { return Ok(()) };
        // A wake by mistake costs one more look.
        match self.what {
            For::Sending => bed.parker.park(timeout).map(|_| ()),
            For::Receiving => {
                let owners = std::iter::once(&*self.owner);
                bed.borrowed.sleep(&bed.parker, owners, &mut [], timeout, None)
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(mut bed) = self.bed.take() {
            self.owner.mailbox.unregister(&bed.parker);
            bed.borrowed.leave();
            put_bed(bed);
        }
    }
}
