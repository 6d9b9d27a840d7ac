//! What the handshake of a peer that has come to us counts as in the budget of its context (`ZMQ_FERRO_MAX_HANDSHAKES_SIZE`).
//!
//! A handshake begins with what each of its kind holds. What the peer makes it hold beyond that is counted as it comes, in steps. It is
//! given back at the end of the handshake alone: a mechanism may keep what it has read.

use crate::ctx::Grown;
use crate::errno::{Errno, Result};
use crate::session::lifecycle::admission::Tickets;
use crate::sys::log::{Level, Notice, Subsystem};
use crate::transport::Layers;

/// Memory that a handshake holds at most whose peer says what is needed and no more. It was measured with NULL, PLAIN and CURVE, over
/// WebSocket, and with TLS below.
const BYTES: usize = 4096;
const WS_BYTES: usize = 8192;
const TLS_BYTES: usize = 64 * 1024;
/// Bytes of the peer's that are in those.
const INCLUDED_BYTES: usize = 640;
/// Twice the bytes of TLS's own handshake that are in those.
const TLS_INCLUDED_BYTES: usize = 32 * 1024;
/// More is counted in these steps, so that few bytes take no lock.
const STEP_BYTES: usize = 1024;
/// A question to the program's authenticator, beside the bytes in it: its pipe, and one that waits to be taken back.
pub const QUESTION_BYTES: usize = 4096;

/// The tickets of a handshake, and what it counts as.
pub struct HandshakeMemory {
    tickets: Tickets,
    begun_with: usize,
    counted: usize,
}

/// What a peer has made a handshake hold.
#[derive(Clone, Copy, Default)]
pub struct Held {
    /// Bytes that it has said.
    pub heard: usize,
    /// Ciphertext of TLS's handshake.
    pub below: usize,
    /// Memory beside those.
    pub beside: usize,
}

impl HandshakeMemory {
    pub fn new(tickets: Tickets, layers: &Layers) -> HandshakeMemory {
        let begun_with = begins_with(layers);
        HandshakeMemory { tickets, begun_with, counted: begun_with }
    }

    /// Counts what is held by now. Whether others have to end for it, which they do in the next turn of their I/O threads: until then
    /// this one should take no more. Errors: `ENOBUFS` where it is this handshake that has to end.
    pub fn hold(&mut self, held: Held) -> Result<bool> {
        let bytes = self.begun_with.saturating_add(counts_as(held));
        let [Some(ticket), _] = &self.tickets else { return Ok(false) };
        if bytes <= self.counted {
            return Ok(false);
        }
        self.counted = bytes;
        match ticket.grow(bytes) {
            Grown::HasToEnd => Err(Errno::NOBUFS),
            Grown::Fits { stopped, limit_bytes } => {
                note_stopped(stopped, limit_bytes);
                Ok(stopped > 0)
            }
        }
    }
}

/// What a handshake counts as when it begins.
pub fn begins_with(layers: &Layers) -> usize {
    match (&layers.tls, &layers.ws) {
        (Some(_), _) => TLS_BYTES,
        (None, Some(_)) => WS_BYTES,
        (None, None) => BYTES,
    }
}

/// What is held counts as, beyond what a handshake begins with.
fn counts_as(held: Held) -> usize {
    // A buffer that has grown beyond them is not in what was measured.
    let beyond = |bytes: usize, included: usize| if bytes > included { bytes } else { 0 };
    let said = beyond(held.heard, INCLUDED_BYTES);
    let below = beyond(held.below.saturating_mul(2), TLS_INCLUDED_BYTES);
    let bytes = said.saturating_add(below).saturating_add(held.beside);
    bytes.checked_next_multiple_of(STEP_BYTES).unwrap_or(bytes)
}

/// Tells of handshakes that had to end for another.
pub fn note_stopped(stopped: usize, limit_bytes: usize) {
    static NOTICE: Notice = Notice::new(Subsystem::Limits, Level::Warn);
    if stopped > 0 {
        NOTICE.write(format_args!(
            "handshakes hold more than {limit_bytes} bytes (ZMQ_FERRO_MAX_HANDSHAKES_SIZE): the oldest end unfinished"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_handshake_has_counts_once_and_more_by_steps() {
        for (heard, below, beside, counts) in [
            (0, 0, 0, 0),
            (INCLUDED_BYTES, 0, 0, 0),
            (INCLUDED_BYTES + 1, 0, 0, STEP_BYTES),
            (INCLUDED_BYTES, 0, 1, STEP_BYTES),
            (STEP_BYTES, 0, 0, STEP_BYTES),
            (STEP_BYTES + 1, 0, 0, 2 * STEP_BYTES),
            (32 * 1024, 0, 0, 32 * 1024),
            (0, TLS_INCLUDED_BYTES / 2, 0, 0),
            (0, 64 * 1024, 0, 128 * 1024),
        ] {
            assert_eq!(counts_as(Held { heard, below, beside }), counts, "{heard} {below} {beside}");
        }
        let endless = Held { heard: usize::MAX, below: usize::MAX, beside: usize::MAX };
        assert!(counts_as(endless) > usize::MAX / 2);
    }
}
