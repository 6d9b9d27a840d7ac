//! A handshake over a stream.

use crate::engine::{Config, Failure, Handshake, Peer, Progress};
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::sys::stream;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Bytes read in one call. What comes behind the handshake in the same read is handed on.
const READ: usize = 2048;

/// The stream, the engine's handshake, and what is still to be written.
pub struct Handshaking {
    fd: OwnedFd,
    handshake: Handshake,
    out: Vec<u8>,
    out_at: usize,
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
    Failed(Errno),
    Broken(Failure),
}

impl Handshaking {
    pub fn new(fd: OwnedFd, options: &SocketOptions) -> Handshaking {
        let handshake = Handshake::new(Config::from(options));
        Handshaking { fd, handshake, out: Vec::new(), out_at: 0 }
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Writes and reads as far as the stream goes.
    pub fn drive(&mut self) -> Outcome {
        loop {
            if let Err(errno) = self.write() {
                return Outcome::Failed(errno);
            }
            let mut buffer = [0; READ];
            let bytes = match stream::read(&self.fd, &mut buffer) {
                Ok(0) => return Outcome::Failed(Errno::PIPE),
                Ok(n) => buffer.get(..n).unwrap_or_default(),
                Err(errno) if errno.would_block() => return Outcome::More,
                Err(errno) => return Outcome::Failed(errno),
            };
            match self.handshake.input(bytes) {
                Ok((_, Progress::More | Progress::Denied(_))) => {}
                // Nobody carries questions to an authenticator yet, so whoever would have to be asked about stays out.
                Ok((_, Progress::Zap(_))) => return Outcome::Broken(Failure::NO_AUTHENTICATOR),
                Ok((taken, Progress::Done(peer))) => {
                    let rest = bytes.get(taken..).unwrap_or_default().to_vec();
                    self.handshake.output(&mut self.out);
                    let unsent = self.out.split_off(self.out_at.min(self.out.len()));
                    return Outcome::Done { peer, unsent, rest };
                }
                Err(failure) => {
                    // The peer may be owed a last word (ERROR); it is no loss if the stream does not take it.
                    let _ = self.write();
                    return Outcome::Broken(failure);
                }
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
        self.out.clear();
        self.out_at = 0;
        Ok(())
    }
}
