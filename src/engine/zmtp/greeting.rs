//! Greetings: how two peers find out each other's version (RFC 37, and RFC 15 on detecting ZMTP 1.0).
//!
//! Ours is sent in pieces, each only when the peer's bytes show that it will be understood. A ZMTP 1.0 peer
//! reads the first piece as the header of a long routing id frame, all others as a signature. A server of several mechanisms keeps the
//! last piece, from the mechanism on, until the peer has named its own.
use super::peer::GREETING_BYTES;
use super::{PeerGreeting, Version};
use crate::engine::Config;
use crate::options::Mechanism;

const SIGNATURE_BYTES: usize = 10;
const REVISION_AT: usize = 10;
const MINOR_AT: usize = 11;
const MECHANISM_RANGE: std::ops::Range<usize> = 12..32;
const AS_SERVER_AT: usize = 32;
/// Our version: 3.1.
const REVISION: u8 = 3;
const MINOR: u8 = 1;
/// Bytes of the greeting of ZMTP 1.0 and 2.0: signature, revision, socket type.
const OLD_GREETING_BYTES: usize = 12;

/// The peer's greeting is due, or the rest of it.
pub struct Greeting {
    received: [u8; GREETING_BYTES],
    len: usize,
    stage: Stage,
}

/// The question that the next byte needed decides.
#[derive(Clone, Copy)]
enum Stage {
    /// Whether there is a greeting: the first byte.
    First,
    /// The same again: the last byte of the signature.
    Signature,
    /// The length of the greeting.
    Revision,
    /// No question, up to the end of a greeting of ZMTP 1.0 or 2.0.
    Old,
    /// Our mechanism, where it is one of several: the one that the peer names, if it is among them.
    Mechanism,
    /// No question, up to the end.
    Current,
}

/// The result of some bytes.
pub enum Step {
    /// All were taken and more are needed.
    More(Greeting),
    Done(Greeted),
}

/// The peer's greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeted {
    /// None: ZMTP 1.0. These bytes, ten at most, already belong to its first frame.
    Unversioned {
        first: Vec<u8>,
    },
    V1,
    V2,
    V3(PeerGreeting),
}

/// The name as a greeting carries it: 20 bytes, padded with zeros.
pub fn name_field(mechanism: Mechanism) -> [u8; 20] {
    match mechanism {
        Mechanism::Null => *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        Mechanism::Plain => *b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        Mechanism::Curve => *b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        Mechanism::Qzmq => *b"QZMQ\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        Mechanism::Gssapi => *b"GSSAPI\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    }
}

/// The mechanism that a greeting names; `None` for one that no socket speaks.
pub fn mechanism_of(field: &[u8; 20]) -> Option<Mechanism> {
    use Mechanism::{Curve, Gssapi, Null, Plain, Qzmq};
    [Null, Plain, Curve, Qzmq, Gssapi].into_iter().find(|mechanism| name_field(*mechanism) == *field)
}

/// Our greeting, as a peer has it once all pieces are sent.
pub fn ours(config: &Config, mechanism: Mechanism) -> [u8; GREETING_BYTES] {
    let mut greeting = [0; GREETING_BYTES];
    greeting[..SIGNATURE_BYTES].copy_from_slice(&signature(config));
    greeting[REVISION_AT] = REVISION;
    greeting[MINOR_AT] = MINOR;
    greeting[MECHANISM_RANGE].copy_from_slice(&name_field(mechanism));
    greeting
}

/// Its first piece: the header of a routing id frame of ZMTP 1.0.
fn signature(config: &Config) -> [u8; SIGNATURE_BYTES] {
    let mut signature = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f];
    let len = (config.routing_id.len() as u64).saturating_add(1);
    signature[1..SIGNATURE_BYTES - 1].copy_from_slice(&len.to_be_bytes());
    signature
}

impl Greeting {
    /// Appends the signature.
    pub fn start(config: &Config, out: &mut Vec<u8>) -> Greeting {
        out.extend_from_slice(&signature(config));
        Greeting { received: [0; GREETING_BYTES], len: 0, stage: Stage::First }
    }

    /// Takes bytes off the front of `bytes`, at most up to the end of the greeting. Appends those of our
    /// pieces for which the peer is ready.
    pub fn input(mut self, bytes: &mut &[u8], config: &Config, out: &mut Vec<u8>) -> Step {
        while self.take(bytes) {
            self.stage = match self.stage {
                Stage::First if self.received[0] != 0xff => return self.unversioned(),
                Stage::First => Stage::Signature,
                // The flags of a long routing id frame: MORE is never set there.
                Stage::Signature if self.received[SIGNATURE_BYTES - 1] & 1 == 0 => return self.unversioned(),
                Stage::Signature => {
                    out.push(REVISION);
                    Stage::Revision
                }
                Stage::Revision if self.received[REVISION_AT] <= 1 => {
                    out.push(config.socket_type as i32 as u8);
                    Stage::Old
                }
                Stage::Revision if config.security.is_several() => {
                    out.push(MINOR);
                    Stage::Mechanism
                }
                Stage::Revision => {
                    out.extend_from_slice(&ours(config, config.security.mechanism())[MINOR_AT..]);
                    Stage::Current
                }
                Stage::Mechanism => {
                    let named = mechanism_of(&self.named());
                    let own = config.security.mechanism();
                    let mechanism = named.map_or(own, |named| config.security.mechanism_for(named));
                    out.extend_from_slice(&ours(config, mechanism)[MECHANISM_RANGE.start..]);
                    Stage::Current
                }
                Stage::Old if self.received[REVISION_AT] == 0 => return Step::Done(Greeted::V1),
                Stage::Old => return Step::Done(Greeted::V2),
                Stage::Current => return Step::Done(Greeted::V3(self.current())),
            };
        }
        Step::More(self)
    }

    /// Moves bytes in, up to the stage's need. Returns whether it has them all.
    fn take(&mut self, bytes: &mut &[u8]) -> bool {
        let needed = match self.stage {
            Stage::First => 1,
            Stage::Signature => SIGNATURE_BYTES,
            Stage::Revision => REVISION_AT + 1,
            Stage::Old => OLD_GREETING_BYTES,
            Stage::Mechanism => MECHANISM_RANGE.end,
            Stage::Current => GREETING_BYTES,
        };
        let missing = needed.saturating_sub(self.len).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.received[self.len..self.len + missing].copy_from_slice(taken);
        self.len += missing;
        *bytes = rest;
        self.len == needed
    }

    /// The peer's field for the mechanism.
    fn named(&self) -> [u8; 20] {
        let mut mechanism = [0; 20];
        mechanism.copy_from_slice(&self.received[MECHANISM_RANGE]);
        mechanism
    }

    fn unversioned(&self) -> Step {
        Step::Done(Greeted::Unversioned { first: self.received[..self.len].to_vec() })
    }

    fn current(&self) -> PeerGreeting {
        let version = match (self.received[REVISION_AT], self.received[MINOR_AT]) {
            (3, 0) => Version::V3_0,
            _ => Version::V3_1,
        };
        let mechanism = self.named();
        let as_server = self.received[AS_SERVER_AT] & 1 != 0;
        PeerGreeting { version, mechanism, as_server, bytes: Some(self.received) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::tests::{config, greeting};
    use super::*;
    use crate::options::SocketType;

    /// The peer's greeting, our reply after the signature, and the bytes left over.
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
    fn versions_are_distinguished() {
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
    fn older_peers_get_the_socket_type_instead() {
        for (revision, version) in [(0, Greeted::V1), (1, Greeted::V2)] {
            let bytes = [&b"\xff\0\0\0\0\0\0\0\x01\x7f"[..], &[revision, 5], b"rest"].concat();
            assert_eq!(outcome(&bytes), (Some(version), b"\x03\x06".to_vec(), &b"rest"[..]));
        }
    }

    #[test]
    fn peers_without_a_greeting_are_detected_by_either_end_of_the_signature() {
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
