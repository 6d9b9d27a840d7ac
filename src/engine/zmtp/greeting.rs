//! Greetings: how two peers find out what the other speaks (RFC 37, and RFC 15 on telling ZMTP 1.0 apart).
//!
//! Ours goes out in pieces, each only when the peer's shows that it will be understood. The first piece reads as
//! the header of a long routing id frame to a ZMTP 1.0 peer and as a signature to all others.
use super::{PeerGreeting, Version};
use crate::engine::{Config, mechanism};

const SIGNATURE_LEN: usize = 10;
const REVISION: usize = 10;
const MINOR: usize = 11;
const MECHANISM: std::ops::Range<usize> = 12..32;
const AS_SERVER: usize = 32;
/// Signature, revision, socket type.
const ELDER_LEN: usize = 12;
const LEN: usize = 64;

/// The peer's greeting is due, or the rest of it.
pub struct Greeting {
    received: [u8; LEN],
    len: usize,
    stage: Stage,
}

/// What the next byte needed decides.
#[derive(Clone, Copy)]
enum Stage {
    /// Whether there is a greeting at all: the first byte.
    First,
    /// The same once more: the last byte of the signature.
    Signature,
    /// How long it is.
    Revision,
    /// Nothing, up to the end of a greeting of ZMTP 1.0 or 2.0.
    Elder,
    /// Nothing, up to the end.
    Current,
}

/// What some bytes led to.
pub enum Step {
    /// All were taken and more are needed.
    More(Greeting),
    Done(Greeted),
}

/// How the peer greeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeted {
    /// Not at all: ZMTP 1.0. These bytes, ten at most, already belong to its first frame.
    Unversioned {
        first: Vec<u8>,
    },
    V1,
    V2,
    V3(PeerGreeting),
}

impl Greeting {
    /// Appends the signature.
    pub fn start(config: &Config, out: &mut Vec<u8>) -> Greeting {
        out.push(0xff);
        out.extend_from_slice(&(config.routing_id.len() as u64).saturating_add(1).to_be_bytes());
        out.push(0x7f);
        Greeting { received: [0; LEN], len: 0, stage: Stage::First }
    }

    /// Takes bytes off the front of `bytes`, at most up to the end of the greeting; appends those of our own
    /// pieces that the peer is ready for.
    pub fn input(mut self, bytes: &mut &[u8], config: &Config, out: &mut Vec<u8>) -> Step {
        while self.take(bytes) {
            self.stage = match self.stage {
                Stage::First if self.received[0] != 0xff => return self.unversioned(),
                Stage::First => Stage::Signature,
                // The flags of a long routing id frame: MORE is never set there.
                Stage::Signature if self.received[SIGNATURE_LEN - 1] & 1 == 0 => return self.unversioned(),
                Stage::Signature => {
                    out.push(3);
                    Stage::Revision
                }
                Stage::Revision if self.received[REVISION] <= 1 => {
                    out.push(config.socket_type as i32 as u8);
                    Stage::Elder
                }
                Stage::Revision => {
                    out.push(1);
                    out.extend_from_slice(&mechanism::name_field(config.security.mechanism()));
                    // The as-server byte and the filler.
                    out.extend_from_slice(&[0; LEN - AS_SERVER]);
                    Stage::Current
                }
                Stage::Elder if self.received[REVISION] == 0 => return Step::Done(Greeted::V1),
                Stage::Elder => return Step::Done(Greeted::V2),
                Stage::Current => return Step::Done(Greeted::V3(self.current())),
            };
        }
        Step::More(self)
    }

    /// Moves bytes in, up to what the stage needs; whether it has that.
    fn take(&mut self, bytes: &mut &[u8]) -> bool {
        let needed = match self.stage {
            Stage::First => 1,
            Stage::Signature => SIGNATURE_LEN,
            Stage::Revision => REVISION + 1,
            Stage::Elder => ELDER_LEN,
            Stage::Current => LEN,
        };
        let missing = needed.saturating_sub(self.len).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.received[self.len..self.len + missing].copy_from_slice(taken);
        self.len += missing;
        *bytes = rest;
        self.len == needed
    }

    fn unversioned(&self) -> Step {
        Step::Done(Greeted::Unversioned { first: self.received[..self.len].to_vec() })
    }

    fn current(&self) -> PeerGreeting {
        let version = match (self.received[REVISION], self.received[MINOR]) {
            (3, 0) => Version::V3_0,
            _ => Version::V3_1,
        };
        let mut mechanism = [0; 20];
        mechanism.copy_from_slice(&self.received[MECHANISM]);
        PeerGreeting { version, mechanism, as_server: self.received[AS_SERVER] & 1 != 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::tests::{config, greeting};
    use super::*;
    use crate::options::SocketType;

    /// How the peer greeted, what it was answered after the signature, and what was left over.
    fn outcome(mut bytes: &[u8]) -> (Option<Greeted>, Vec<u8>, &[u8]) {
        let mut config = config(SocketType::Router);
        config.routing_id = b"me".to_vec();
        let mut out = Vec::new();
        let start = Greeting::start(&config, &mut out);
        assert_eq!(out, b"\xff\0\0\0\0\0\0\0\x03\x7f");
        out.clear();
        match start.input(&mut bytes, &config, &mut out) {
            Step::More(_) => (None, out, bytes),
            Step::Done(greeted) => (Some(greeted), out, bytes),
        }
    }

    #[test]
    fn each_piece_waits_for_the_peer_as_libzmq_does() {
        let theirs = greeting(3, 0, "NULL");
        let ours = greeting(3, 1, "NULL");
        for len in 0..theirs.len() {
            let (greeted, out, _) = outcome(&theirs[..len]);
            assert_eq!(greeted, None);
            let answered = if len < 10 {
                0
            } else if len < 11 {
                1
            } else {
                54
            };
            assert_eq!(out, ours[10..10 + answered], "after {len} bytes");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        let seen = [
            (3, 0, Version::V3_0),
            (3, 1, Version::V3_1),
            (3, 9, Version::V3_1),
            (2, 0, Version::V3_1),
            (4, 0, Version::V3_1),
            (255, 255, Version::V3_1),
        ];
        for (revision, minor, version) in seen {
            let bytes = [&greeting(revision, minor, "PLAIN")[..], b"rest"].concat();
            let (greeted, _, rest) = outcome(&bytes);
            let Some(Greeted::V3(peer)) = greeted else { panic!("{greeted:?}") };
            assert_eq!(peer.version, version);
            assert_eq!(peer.mechanism, *b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            assert_eq!(rest, b"rest");
        }
    }

    #[test]
    fn elders_get_the_socket_type_instead() {
        for (revision, version) in [(0, Greeted::V1), (1, Greeted::V2)] {
            let bytes = [&b"\xff\0\0\0\0\0\0\0\x01\x7f"[..], &[revision, 5], b"rest"].concat();
            assert_eq!(outcome(&bytes), (Some(version), b"\x03\x06".to_vec(), &b"rest"[..]));
        }
    }

    #[test]
    fn peers_without_a_greeting_are_told_by_either_end_of_the_signature() {
        let short = outcome(b"\x04\0abc");
        assert_eq!(short, (Some(Greeted::Unversioned { first: b"\x04".to_vec() }), vec![], &b"\0abc"[..]));
        let long = outcome(b"\xff\0\0\0\0\0\0\0\x04\0abc");
        let first = b"\xff\0\0\0\0\0\0\0\x04\0".to_vec();
        assert_eq!(long, (Some(Greeted::Unversioned { first }), vec![], &b"abc"[..]));
    }

    #[test]
    fn the_as_server_byte_is_read() {
        let mut bytes = greeting(3, 1, "CURVE");
        bytes[32] = 1;
        let Some(Greeted::V3(peer)) = outcome(&bytes).0 else { panic!() };
        assert!(peer.as_server);
    }
}
