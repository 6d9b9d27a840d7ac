//! Pipes that sessions have handed to a socket whose program makes no call.
//!
//! They wait in the socket's mailbox, and a peer that comes, shakes hands and goes, again and again, would leave one each time. So the pipe
//! of a session that has ended is taken back, unless the program is to have something from it. Laws: a pipe by which a message or a
//! subscription has come stays. Only those of a socket that never reads go with what they hold: it would not look at that either, since
//! the peer has gone. So do questions to an authenticator whose session has ended: the answer would reach no one. The order of the others stays.
//!
//! What peers have sent before they went is the program's, however many they are. So beyond [`MAX_KEPT_PIPES`] the socket's endpoints accept
//! nothing more, until the program makes a call: a peer that waits to be accepted costs us nothing, and loses nothing.
//!
//! One look passes over all that waits. So looks are as rare as pipes stay: each ended session costs two steps at most.

use crate::ctx::Mailbox;
use crate::pipe::Pipe;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sessions that end before a look.
pub const LOOK_SESSIONS: usize = 64;

/// Pipes of peers that have gone, which may wait for the program before no further peer is accepted.
pub const MAX_KEPT_PIPES: usize = if cfg!(test) { 200 } else { 10_000 };

/// The counts are guesses for all I/O threads, which write and read them. They order nothing, so Relaxed: the mailbox has a lock.
#[derive(Default)]
pub struct Unclaimed {
    /// Sessions that have ended, since the last look, with a pipe that the socket had not taken in.
    ended: AtomicUsize,
    /// Commands that the last look has left.
    left: AtomicUsize,
    /// Pipes of ended sessions among them.
    kept: AtomicUsize,
}

impl Unclaimed {
    /// A session has ended, and its end of the pipe is dropped, which the socket had not taken in. `never_reads`: the socket.
    /// `pipe_of`: the pipe that a command hands over.
    pub fn note<C>(&self, mailbox: &Mailbox<C>, never_reads: bool, pipe_of: fn(&mut C) -> Option<&mut Pipe>) {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let due = self.left.load(Ordering::Relaxed).saturating_add(LOOK_SESSIONS);
        if ended < due {
            return;
        }
        self.ended.store(0, Ordering::Relaxed);
        let mut kept = 0;
        let (void, left) = mailbox.take_back(|command| match pipe_of(command) {
            Some(pipe) if pipe.is_peer_closed() => {
                let is_void = never_reads || pipe.is_void() || !pipe.holds_message();
                kept += usize::from(!is_void);
                is_void
            }
            _ => false,
        });
        self.left.store(left, Ordering::Relaxed);
        self.kept.store(kept, Ordering::Relaxed);
        drop(void);
    }

    /// Whether no further peer is to be accepted before the program makes a call.
    pub fn are_many<C>(&self, mailbox: &Mailbox<C>) -> bool {
        let kept = self.kept.load(Ordering::Relaxed);
        if kept < MAX_KEPT_PIPES {
            return false;
        }
        let has_called = mailbox.waiting() < kept;
        if has_called {
            self.kept.store(0, Ordering::Relaxed);
        }
        !has_called
    }
}
