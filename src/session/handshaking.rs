//! A handshake over a stream.

use super::state::Reason;
use super::zap::Zap;
use crate::engine::zap::{ZapRequest, ZapStatus};
use crate::engine::{Config, Failure, Handshake, Peer, Progress};
use crate::errno::Errno;
use crate::sys::stream;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use zeroize::{Zeroize, Zeroizing};

/// Bytes read in one call. What comes behind the handshake in the same read is handed on.
const READ: usize = 2048;

/// The stream, the engine's handshake, and what is still to be written.
pub struct Handshaking {
    fd: OwnedFd,
    handshake: Handshake,
    out: Zeroizing<Vec<u8>>,
    out_at: usize,
    /// The question to the authenticator that is under way.
    pub zap: Option<Zap>,
    /// The authenticator has said no, and that has been told: the end of the stream is no news.
    pub denied: bool,
}

/// What came of driving it.
pub enum Outcome {
    /// The stream has no more for now.
    More,
    Done {
        peer: Peer,
        /// Of our side's last words, what the stream did not take yet.
        unsent: Vec<u8>,
        /// Of the peer's, what belongs to the data phase already.
        rest: Vec<u8>,
    },
    /// The authenticator is to be asked; then drive on.
    Ask(ZapRequest),
    /// The authenticator has said no. Drive on: the peer may have to be told.
    Denied(ZapStatus),
    Failed(Errno),
    Broken(Failure),
}

impl Handshaking {
    pub fn new(fd: OwnedFd, config: Config) -> Handshaking {
        let handshake = Handshake::new(config);
        Handshaking {
            fd,
            handshake,
            out: Zeroizing::new(Vec::with_capacity(READ)),
            out_at: 0,
            zap: None,
            denied: false,
        }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Whether the handshake ends here by the peer's doing. A denial has been counted as such already; and a peer whose
    /// time runs out while the authenticator thinks has done nothing wrong.
    pub fn is_the_peers_fault(&self, reason: Reason) -> bool {
        !self.denied
            && match reason {
                Reason::Stream(errno) => errno != Errno::NOMEM,
                Reason::Timeout => self.zap.is_none(),
                Reason::Protocol(failure) => failure.is_the_peers(),
            }
    }

    /// Writes and reads as far as the stream goes.
    pub fn drive(&mut self) -> Outcome {
        if let Some(reply) = self.zap.as_mut().and_then(Zap::reply) {
            self.zap = None;
            let progress = reply.and_then(|reply| self.handshake.zap_reply(reply));
            if let Some(outcome) = self.outcome(progress, Vec::new()) {
                return outcome;
            }
        }
        // Wiped, as all that follows: there may be a password in it.
        let mut buffer = Zeroizing::new([0; READ]);
        loop {
            if let Err(errno) = self.write() {
                return Outcome::Failed(errno);
            }
            let bytes = match stream::read(&self.fd, &mut *buffer) {
                Ok(0) => return Outcome::Failed(Errno::PIPE),
                Ok(n) => buffer.get(..n).unwrap_or_default(),
                Err(errno) if errno.would_block() => return Outcome::More,
                Err(errno) => return Outcome::Failed(errno),
            };
            let (taken, progress) = match self.handshake.input(bytes) {
                Ok((taken, progress)) => (taken, Ok(progress)),
                Err(failure) => (0, Err(failure)),
            };
            let rest = bytes.get(taken..).unwrap_or_default().to_vec();
            if let Some(outcome) = self.outcome(progress, rest) {
                return outcome;
            }
        }
    }

    /// There is nobody to ask about the peer.
    pub fn zap_unavailable(&mut self) -> Option<Outcome> {
        let progress = self.handshake.zap_unavailable();
        self.outcome(progress, Vec::new())
    }

    /// What a step of the handshake means for the session; `None`: nothing yet.
    fn outcome(&mut self, progress: Result<Progress, Failure>, rest: Vec<u8>) -> Option<Outcome> {
        match progress {
            Ok(Progress::More) => None,
            Ok(Progress::Zap(request)) => Some(Outcome::Ask(request)),
            Ok(Progress::Denied(status)) => {
                self.denied = true;
                Some(Outcome::Denied(status))
            }
            Ok(Progress::Done(peer)) => {
                self.handshake.output(&mut self.out);
                let unsent = self.out.get(self.out_at..).unwrap_or_default().to_vec();
                Some(Outcome::Done { peer, unsent, rest })
            }
            Err(failure) => {
                // The peer may be owed a last word (ERROR); it is no loss if the stream does not take it.
                let _ = self.write();
                Some(Outcome::Broken(failure))
            }
        }
    }

    fn write(&mut self) -> Result<(), Errno> {
        self.handshake.output(&mut self.out);
        while let Some(rest) = self.out.get(self.out_at..)
            && !rest.is_empty()
        {
            match stream::write(&self.fd, &[IoSlice::new(rest)]) {
                Ok(n) => self.out_at += n,
                Err(errno) if errno.would_block() => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        self.out.zeroize();
        self.out_at = 0;
        Ok(())
    }
}
