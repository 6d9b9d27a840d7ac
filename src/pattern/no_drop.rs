//! `ZMQ_XPUB_NODROP`: a publisher that waits for its slowest subscriber.

use super::distribution::Distribution;
use crate::pipe::Pipes;

/// When a publisher that drops nothing is told to wait.
///
/// The publisher does not know of all its credit. libzmq's hears of returned credit only now and then, so a burst above the
/// high-water mark meets `EAGAIN` however fast the messages leave. Programs, and libzmq's own tests, count on that. So here
/// known credit is used up first, and then the publisher is told to wait once. The next look finds the credit that has come back
/// meanwhile. A publisher that waits looks again before it sleeps.
#[derive(Debug)]
pub struct NoDrop {
    /// Messages that may be sent before the next look.
    known: u64,
    /// The publisher has been told to wait since the last message.
    told: bool,
}

impl Default for NoDrop {
    fn default() -> NoDrop {
        // The first message has nothing to wait for.
        NoDrop { known: 0, told: true }
    }
}

impl NoDrop {
    /// Whether the matching pipes take a message whose first frame is about to be sent, or, `inside` one, its next
    /// frame.
    pub fn check(&mut self, out: &Distribution, pipes: &mut Pipes, inside: bool) -> bool {
        if !out.check_write(pipes) {
            self.told = true;
            return false;
        }
        if inside {
            return true;
        }
        if self.known == 0 {
            // Without subscribers there is none to wait for.
            let Some(credit) = out.credit(pipes) else { return true };
            if !std::mem::replace(&mut self.told, true) {
                return false;
            }
            // At least this one, for those that have no limit or are closed.
            self.known = credit.max(1);
        }
        self.told = false;
        self.known -= 1;
        true
    }
}
