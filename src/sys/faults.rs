//! Makes system calls fail for a test, only on the thread of that test.

/// The calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Signalling an eventfd, by either call.
    Signal,
    EpollWait,
    Poll,
    Nanosleep,
    FutexWait,
    FutexWake,
    Accept,
    Connect,
    Random,
    Receive,
    Send,
    /// Starting a thread.
    Thread,
    /// Of files.
    Open,
    Read,
    Write,
    /// Memory for one more peer of a socket.
    MakeRoom,
    /// Memory that the caller can do without.
    Allocate,
}

pub use chosen::*;

#[cfg(not(test))]
mod chosen {
    use super::Call;
    use crate::errno::Errno;

    /// Nothing is refused but by the system.
    #[inline(always)]
    pub fn next(_call: Call) -> Option<Errno> {
        None
    }
}

#[cfg(test)]
mod chosen {
    use super::Call;
    use crate::errno::Errno;
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        static REFUSED: RefCell<HashMap<Call, (Errno, u32, u32)>> = RefCell::default();
    }

    /// Ends a refusal when it is dropped.
    pub struct Refusal(Call);

    /// The calling thread's next `times` calls of this kind fail.
    pub fn refuse(call: Call, errno: Errno, times: u32) -> Refusal {
        refuse_after(call, errno, 0, times)
    }

    /// As [`refuse`], after `after` calls that are let through.
    pub fn refuse_after(call: Call, errno: Errno, after: u32, times: u32) -> Refusal {
        REFUSED.with_borrow_mut(|refused| refused.insert(call, (errno, after, times)));
        Refusal(call)
    }

    /// How the call that is about to be made fails.
    pub fn next(call: Call) -> Option<Errno> {
        REFUSED.with_borrow_mut(|refused| {
            let (errno, after, left) = refused.get_mut(&call)?;
            if *after > 0 {
                *after -= 1;
                return None;
            }
            *left = left.checked_sub(1)?;
            Some(*errno)
        })
    }

    impl Drop for Refusal {
        fn drop(&mut self) {
            let _ = REFUSED.try_with(|refused| refused.borrow_mut().remove(&self.0));
        }
    }
}
