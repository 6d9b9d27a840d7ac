//! A handshake over a stream.

use crate::engine::zap::{ZapRequest, ZapStatus};
use crate::engine::{Config, Failure, Opening, Peer, Progress, Security};
use crate::errno::Errno;
use crate::options::Mechanism;
use crate::session::connection::tls_stream::{self, Tunnel};
use crate::session::lifecycle::blame::{self, Circumstances};
use crate::session::lifecycle::handshake_memory::{HandshakeMemory, Held};
use crate::session::lifecycle::handshake_trail::HandshakeTrail;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::zap::Zap;
use crate::transport::Layers;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Bytes read in one call. Bytes behind the handshake in the same read are handed on.
const READ_BYTES: usize = 2048;
/// Room for what we say ourselves: all of it where there is a password in it, which growing would leave behind unwiped; else
/// what is said as a rule. Where many connect at once this is what makes up the most memory at the same time.
const SECRET_OUT_BYTES: usize = 2048;
const OPEN_OUT_BYTES: usize = 256;

/// The stream, the engine's handshake, and what is still to be written.
pub struct Handshaking {
    fd: OwnedFd,
    tunnel: Option<Arc<Tunnel>>,
    handshake: Opening,
    out: Wiped,
    out_at: usize,
    /// The reactor watches the stream for room as well.
    for_room: bool,
    began: Instant,
    /// The end of the stream may be there already, of which no event will tell again. Until the stream has no more; then once
    /// the peer has closed its side.
    pub hangup: bool,
    /// The last read has left nothing in the stream: what comes later is a new event.
    drained: bool,
    /// Nothing can be written any more. What the peer has said before is heard all the same.
    write_failed: Option<Errno>,
    /// The question to the authenticator that is under way.
    pub zap: Option<Zap>,
    /// When the last question began.
    asked: Option<Instant>,
    /// The peer has said something.
    pub heard: bool,
    /// The authenticator has said no, and that has been told: the end of the stream is no news.
    pub denied: bool,
    /// What the audit trail is to have of it.
    pub trail: Option<Box<HandshakeTrail>>,
    /// Bytes of the peer's that the handshake has taken.
    heard_bytes: usize,
    /// Of a peer that has come to us. Last: it is given back once all else is dropped.
    memory: Option<HandshakeMemory>,
}

/// A stream on which the peers have introduced themselves.
pub struct Stream {
    pub fd: OwnedFd,
    pub tunnel: Option<Arc<Tunnel>>,
    /// The reactor watches it for room as well as for something to read.
    pub for_room: bool,
}

/// Bytes among which there may be a password: they are wiped when they are no longer needed, and no more than was used of them,
/// for that is done byte by byte.
struct Wiped(Vec<u8>);

impl Wiped {
    fn wipe(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The outcome of driving it.
pub enum Outcome {
    /// The stream has no more for now.
    Blocked,
    /// The stream may have more, which is for the next turn of the I/O thread: others make room until then.
    Later,
    /// Something was done about the last outcome, and the stream may have more.
    DriveOn,
    Done {
        peer: Peer,
        /// Of our side's last words, what the stream did not take yet.
        unsent: Vec<u8>,
        /// Of the peer's, what belongs to the data phase already.
        rest: Vec<u8>,
        /// Whether there is no more in the stream for now.
        drained: bool,
    },
    /// The authenticator is to be asked; then drive on.
    Ask(ZapRequest),
    /// The authenticator has said no. Drive on: the peer may have to be told.
    Denied(ZapStatus),
    Failed(Errno),
    Broken(Failure),
}

impl Handshaking {
    /// `for_room`: the reactor watches the stream for room as well. Errors: those of [`Tunnel::new`].
    pub fn new(fd: OwnedFd, for_room: bool, layers: &Layers, config: Config) -> Result<Handshaking, Errno> {
        let tunnel = layers.tls.as_ref().map(Tunnel::new).transpose()?.map(Arc::new);
        let is_secret = matches!(config.security, Security::PlainClient { .. });
        let handshake = Opening::new(layers.ws.as_ref(), config);
        let out = Wiped(Vec::with_capacity(if is_secret { SECRET_OUT_BYTES } else { OPEN_OUT_BYTES }));
        Ok(Handshaking {
            fd,
            tunnel,
            handshake,
            out,
            out_at: 0,
            for_room,
            began: Instant::now(),
            hangup: true,
            drained: false,
            write_failed: None,
            zap: None,
            asked: None,
            heard: false,
            denied: false,
            trail: None,
            heard_bytes: 0,
            memory: None,
        })
    }

    /// Since it began.
    pub fn duration(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn recorded_in(self, trail: Option<Box<HandshakeTrail>>) -> Handshaking {
        Handshaking { trail, ..self }
    }

    pub fn counted_in(self, memory: Option<HandshakeMemory>) -> Handshaking {
        Handshaking { memory, ..self }
    }

    /// Counts what the peer has made this handshake hold; see [`HandshakeMemory::hold`].
    fn count(&mut self) -> Result<bool, Errno> {
        let Some(memory) = &mut self.memory else { return Ok(false) };
        let own = self.out.0.capacity().saturating_sub(SECRET_OUT_BYTES);
        let beside = own.saturating_add(self.handshake.held_beside());
        let beside = beside.saturating_add(self.zap.as_ref().map_or(0, Zap::held));
        let below = self.tunnel.as_deref().map_or(0, Tunnel::handshake_bytes);
        memory.hold(Held { heard: self.heard_bytes, below, beside })
    }

    /// The subject of the certificate that the peer has shown.
    pub fn peer_subject(&self) -> Option<String> {
        self.tunnel.as_deref().and_then(Tunnel::peer_subject)
    }

    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn into_stream(self) -> Stream {
        Stream { fd: self.fd, tunnel: self.tunnel, for_room: self.for_room }
    }

    /// Whether the reactor has to watch for room from now on, and did not so far.
    pub fn needs_room(&mut self) -> bool {
        let is_blocked = self.out_at < self.out.0.len();
        is_blocked && !std::mem::replace(&mut self.for_room, true)
    }

    /// Whether the handshake, which ends now, counts towards a ban of the peer.
    pub fn counts(&self, reason: Reason) -> bool {
        let asked_for = self.zap.as_ref().and(self.asked).map(|asked| asked.elapsed());
        let only_asks_for_qzmq = self.handshake.only_asks_for_qzmq();
        blame::counts(reason, Circumstances { denied: self.denied, asked_for, only_asks_for_qzmq })
    }

    /// See [`Opening::mechanism`].
    pub fn mechanism(&self) -> Mechanism {
        self.handshake.mechanism()
    }

    /// The authenticator has been asked.
    pub fn await_answer(&mut self, zap: Zap) {
        (self.zap, self.asked) = (Some(zap), Some(Instant::now()));
    }

    /// Reads and writes as far as the stream goes. Writes only when there is nothing to read: more leaves in one piece then, such
    /// as all of the greeting where the peer's is there first. A peer that has gone in between may have said all that is needed, and
    /// messages behind that: so a write that fails is followed by another read.
    pub fn drive(&mut self) -> Outcome {
        match self.advance() {
            Outcome::Blocked => self.count().map_or_else(Outcome::Failed, |_| Outcome::Blocked),
            outcome => outcome,
        }
    }

    fn advance(&mut self) -> Outcome {
        if let Some(reply) = self.zap.as_mut().and_then(Zap::reply) {
            self.zap = None;
            if let (Some(trail), Ok(reply)) = (&mut self.trail, &reply) {
                trail.hear(reply);
            }
            let progress = reply.and_then(|reply| self.handshake.zap_reply(reply));
            if let Some(outcome) = self.outcome(progress, Vec::new()) {
                return outcome;
            }
        }
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.count() {
                Ok(false) => {}
                Ok(true) => return Outcome::Later,
                Err(errno) => return Outcome::Failed(errno),
            }
            let bytes = match tls_stream::read(self.fd.as_fd(), self.tunnel.as_deref(), &mut buffer) {
                Ok(0) => return Outcome::Failed(Errno::PIPE),
                Ok(n) => buffer.get_mut(..n).unwrap_or_default(),
                Err(errno) if errno.would_block() => {
                    self.hangup = false;
                    match self.write_once() {
                        Some(outcome) => return outcome,
                        None => continue,
                    }
                }
                Err(errno) => return Outcome::Failed(errno),
            };
            self.drained = bytes.len() < READ_BYTES && self.tunnel.is_none() && !self.hangup;
            self.heard = true;
            let (taken, progress) = match self.handshake.input(bytes) {
                Ok((taken, progress)) => (taken, Ok(progress)),
                Err(failure) => (0, Err(failure)),
            };
            self.heard_bytes = self.heard_bytes.saturating_add(taken);
            if let Some(trail) = &mut self.trail {
                trail.speak(self.handshake.mechanism());
            }
            let rest = bytes.get(taken..).unwrap_or_default().to_vec();
            // There may be a password in it.
            bytes.zeroize();
            if let Some(outcome) = self.outcome(progress, rest) {
                return outcome;
            }
            // Later bytes are a new event; a read that finds none costs a system call of its own.
            if self.drained
                && let Some(outcome) = self.write_once()
            {
                return outcome;
            }
        }
    }

    /// Writes, where nothing was found to read. `None`: that has failed just now, and the peer may have said something meanwhile.
    fn write_once(&mut self) -> Option<Outcome> {
        if let Some(errno) = self.write_failed {
            return Some(Outcome::Failed(errno));
        }
        self.write_failed = self.write().err();
        self.write_failed.is_none().then_some(Outcome::Blocked)
    }

    /// There is no authenticator to ask about the peer.
    pub fn zap_unavailable(&mut self) -> Option<Outcome> {
        if let Some(trail) = &mut self.trail {
            trail.find_no_authenticator();
        }
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
                self.handshake.output(&mut self.out.0);
                let unsent = self.out.0.get(self.out_at..).unwrap_or_default().to_vec();
                Some(Outcome::Done { peer, unsent, rest, drained: self.drained })
            }
            Err(failure) => {
                // The peer may be owed a last word (ERROR); it is no loss if the stream does not take it.
                let _ = self.write();
                Some(Outcome::Broken(failure))
            }
        }
    }

    fn write(&mut self) -> Result<(), Errno> {
        self.handshake.output(&mut self.out.0);
        while let Some(rest) = self.out.0.get(self.out_at..)
            && !rest.is_empty()
        {
            match tls_stream::write(self.fd.as_fd(), self.tunnel.as_deref(), &[IoSlice::new(rest)]) {
                Ok(n) => self.out_at += n,
                Err(errno) if errno.would_block() => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        self.out.wipe();
        self.out_at = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::options::{SocketOptions, SocketType};
    use crate::sys::faults::{self, Call};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn handshaking(ours: UnixStream) -> Handshaking {
        ours.set_nonblocking(true).unwrap();
        let config = Config::new(&SocketOptions::new(SocketType::Pull), Security::Null, "");
        Handshaking::new(ours.into(), false, &Layers::default(), config).unwrap()
    }

    #[test]
    fn a_peer_that_has_said_all_and_gone_between_a_read_and_a_write_is_heard() {
        let mut said = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec();
        said.resize(64, 0);
        said.extend_from_slice(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH");
        for rest in [&b"\0\x01x"[..], b""] {
            let (ours, mut peer) = UnixStream::pair().unwrap();
            let mut handshaking = handshaking(ours);
            peer.write_all(&[&said, rest].concat()).unwrap();
            drop(peer);
            // As if that had come behind the read.
            let _refused = faults::refuse(Call::Receive, Errno::AGAIN, 1);
            let Outcome::Done { rest: heard, unsent, .. } = handshaking.drive() else { panic!("not heard") };
            assert_eq!(heard, rest);
            assert!(!unsent.is_empty(), "it was not written in part");
        }
        // One that has said nothing, or too little, has hung up.
        for bytes in [0, 10, 64] {
            let (ours, mut peer) = UnixStream::pair().unwrap();
            let mut handshaking = handshaking(ours);
            peer.write_all(&said[..bytes]).unwrap();
            drop(peer);
            let _refused = faults::refuse(Call::Receive, Errno::AGAIN, 1);
            assert!(matches!(handshaking.drive(), Outcome::Failed(Errno::PIPE)), "{bytes} bytes");
        }
    }

    #[test]
    fn room_is_watched_for_once_there_is_none() {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut filled = 0;
        while let Ok(bytes) = (&ours).write(&[7; 4096]) {
            filled += bytes;
        }
        let mut handshaking = handshaking(ours);
        assert!(!handshaking.needs_room());
        assert!(matches!(handshaking.drive(), Outcome::Blocked));
        assert!(handshaking.needs_room());
        assert!(!handshaking.needs_room(), "it is watched for");
        peer.read_exact(&mut vec![0; filled]).unwrap();
        assert!(matches!(handshaking.drive(), Outcome::Blocked));
        let mut signature = [0; 10];
        peer.read_exact(&mut signature).unwrap();
        assert_eq!((signature[0], signature[9]), (0xff, 0x7f));
        assert!(handshaking.into_stream().for_room);
    }
}
