//! MESSAGE, both ways: the frames of the data phase, messages and commands alike, each in a box of its own.

use super::nonce;
use crate::crypto::{BoxStream, SharedKey, TAG};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;
use crate::engine::zmtp::{Version, frame, subscription};
use crate::errno::Errno;
use crate::message::{COMMAND, MORE};
use std::fmt;

/// By how many bytes the body of a frame grows when it is sealed. All of them come before it.
pub const OVERHEAD: usize = HEAD + TAG + 1;

const NAME: &[u8] = b"\x07MESSAGE";
/// Name and counter.
const HEAD: usize = NAME.len() + size_of::<u64>();

/// MORE and COMMAND as the first byte in the box has them: not the bits of a frame's header.
const SEALED_MORE: u8 = 1;
const SEALED_COMMAND: u8 = 2;

const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// The two directions of a connection. They have nothing in common any more: each goes to whoever sends or receives.
pub struct CurveCodec {
    pub sealer: Sealer,
    pub opener: Opener,
}

/// Puts what leaves into boxes.
pub struct Sealer {
    stream: BoxStream,
    /// Of what was sent last.
    counter: u64,
    version: Version,
}

/// Takes what arrives out of its boxes.
pub struct Opener {
    stream: BoxStream,
    /// Of what came last.
    counter: u64,
}

/// How far the counters have got in the handshake.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    pub ours: u64,
    pub theirs: u64,
}

impl CurveCodec {
    pub(in crate::engine) fn of_client(key: &SharedKey, counters: Counters, version: Version) -> CurveCodec {
        CurveCodec::new(key, (FROM_CLIENT, FROM_SERVER), counters, version)
    }

    pub(in crate::engine) fn of_server(key: &SharedKey, counters: Counters, version: Version) -> CurveCodec {
        CurveCodec::new(key, (FROM_SERVER, FROM_CLIENT), counters, version)
    }

    fn new(
        key: &SharedKey,
        (ours, theirs): (&[u8; 16], &[u8; 16]),
        counters: Counters,
        version: Version,
    ) -> CurveCodec {
        CurveCodec {
            sealer: Sealer { stream: BoxStream::new(key, ours), counter: counters.ours, version },
            opener: Opener { stream: BoxStream::new(key, theirs), counter: counters.theirs },
        }
    }
}

impl Sealer {
    /// Appends a whole frame, header and all, for a frame with these flags and this body as it lies in a pipe; of the
    /// flags MORE and COMMAND count. Subscriptions get the form that the peer's version takes.
    ///
    /// Fails with `ENOMEM` where memory is short, and with `EPROTO` once all counters are used up; `out` is then as
    /// it was.
    #[inline]
    pub fn append_frame(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        if flags & COMMAND != 0
            && !self.version.takes_subscription_commands()
            && let Some((first, topic)) = subscription::message_form(flags, body)
        {
            return self.append(out, 0, &[first], topic);
        }
        self.append(out, flags, &[], body)
    }

    /// How long the frame for a body of `body_len` bytes is, header and all.
    pub fn frame_len(body_len: usize) -> usize {
        let sealed = body_len.saturating_add(OVERHEAD);
        let header = if sealed <= usize::from(u8::MAX) { 2 } else { frame::MAX_HEADER };
        sealed.saturating_add(header)
    }

    fn append(&mut self, out: &mut Vec<u8>, flags: u8, first: &[u8], rest: &[u8]) -> Result<(), Failure> {
        let counter = self.counter.checked_add(1).ok_or(Failure::SILENT)?;
        let len = OVERHEAD.saturating_add(first.len()).saturating_add(rest.len());
        out.try_reserve(len.saturating_add(frame::MAX_HEADER)).map_err(|_| Failure::Errno(Errno::NOMEM))?;
        self.counter = counter;
        frame::append_header(out, 0, len);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&counter.to_be_bytes());
        let sealed_from = out.len();
        out.extend_from_slice(&[0; TAG]);
        out.push(sealed_flags(flags));
        out.extend_from_slice(first);
        out.extend_from_slice(rest);
        let sealed = out.get_mut(sealed_from..).unwrap_or_default();
        self.stream.seal_in_place(counter, sealed).map_err(Failure::Errno)
    }
}

impl Opener {
    /// Opens the body of a frame where it lies: its flags, MORE and COMMAND, and the body that was sealed, which is
    /// what remains behind the first [`OVERHEAD`] bytes. The flags in the frame's own header mean nothing: anybody
    /// could have changed them.
    ///
    /// Fails with libzmq's code for what is wrong; then nothing more may be opened.
    #[inline]
    pub fn open<'a>(&mut self, body: &'a mut [u8]) -> Result<(u8, &'a mut [u8]), Failure> {
        let counter = self.check(body)?;
        let sealed = body.get_mut(HEAD..).unwrap_or_default();
        let text = self.stream.open_in_place(counter, sealed).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let (sealed_flags, text) = text.split_first_mut().ok_or(Failure::MALFORMED_MESSAGE)?;
        Ok((flags(*sealed_flags), text))
    }

    /// All that can be seen from outside; gives the counter.
    fn check(&mut self, body: &[u8]) -> Result<u64, Failure> {
        let Some(rest) = body.strip_prefix(NAME) else {
            check_name(body)?;
            return Err(Failure::UNEXPECTED_COMMAND);
        };
        let Some(counter) = rest.first_chunk::<8>().filter(|_| body.len() >= OVERHEAD) else {
            // A name alone is no command to libzmq.
            check_name(body)?;
            return Err(Failure::MALFORMED_MESSAGE);
        };
        let counter = u64::from_be_bytes(*counter);
        nonce::rise(&mut self.counter, counter)?;
        Ok(counter)
    }
}

impl fmt::Debug for CurveCodec {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurveCodec(..)")
    }
}

/// MORE and COMMAND as the first byte in the box.
pub(in crate::engine) fn sealed_flags(flags: u8) -> u8 {
    let more = if flags & MORE == 0 { 0 } else { SEALED_MORE };
    let command = if flags & COMMAND == 0 { 0 } else { SEALED_COMMAND };
    more | command
}

/// The other way.
pub(in crate::engine) fn flags(sealed: u8) -> u8 {
    let more = if sealed & SEALED_MORE == 0 { 0 } else { MORE };
    let command = if sealed & SEALED_COMMAND == 0 { 0 } else { COMMAND };
    more | command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::codec::testing::codecs;
    use crate::engine::zmtp::frame::parse_header;

    fn sealed(sealer: &mut Sealer, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        sealer.append_frame(&mut out, flags, body).unwrap();
        assert_eq!(&out[..6], b"before");
        out.drain(..6);
        let header = parse_header(&out).unwrap().unwrap();
        assert!(!header.more() && !header.is_command(), "as libzmq sends them");
        assert_eq!(header.frame_len(), out.len());
        out.split_off(header.header_len)
    }

    #[test]
    fn what_is_sealed_opens_both_ways() {
        let (mut client, mut server) = codecs(Version::V3_1);
        for len in [0, 1, 63, 64, 100, 221, 222, 223, 255, 256, 4096, 100_000] {
            for flags in [0, MORE, COMMAND, MORE | COMMAND] {
                let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
                let pairs =
                    [(&mut client.sealer, &mut server.opener), (&mut server.sealer, &mut client.opener)];
                for (sealer, opener) in pairs {
                    let mut frame = sealed(sealer, flags, &body);
                    assert_eq!(frame.len(), OVERHEAD + len);
                    let header = if frame.len() > 255 { 9 } else { 2 };
                    assert_eq!(Sealer::frame_len(len), header + frame.len());
                    assert_eq!(opener.open(&mut frame).unwrap(), (flags, &mut body.clone()[..]));
                    assert_eq!(frame[OVERHEAD..], body);
                }
            }
        }
    }

    #[test]
    fn counters_go_on_from_the_handshake() {
        let (mut client, mut server) = codecs(Version::V3_1);
        for (sealer, first) in [(&mut client.sealer, 3), (&mut server.sealer, 2)] {
            for counter in first..first + 3 {
                assert_eq!(sealed(sealer, 0, b"x")[8..16], u64::to_be_bytes(counter));
            }
        }
    }

    #[test]
    fn the_flags_in_the_box_are_libzmqs() {
        assert_eq!([0, MORE, COMMAND, MORE | COMMAND, 0xff].map(sealed_flags), [0, 1, 2, 3, 3]);
        assert_eq!([0, 1, 2, 3, 0xfc].map(flags), [0, MORE, COMMAND, MORE | COMMAND, 0]);
    }

    #[test]
    fn nothing_is_taken_twice_or_out_of_order() {
        let (mut client, mut server) = codecs(Version::V3_1);
        let frames: Vec<_> = (0..3).map(|_| sealed(&mut client.sealer, 0, b"hi")).collect();
        server.opener.open(&mut frames[1].clone()).unwrap();
        for at in [1, 0] {
            assert_eq!(server.opener.open(&mut frames[at].clone()), Err(Failure::INVALID_SEQUENCE));
        }
        server.opener.open(&mut frames[2].clone()).unwrap();
        let mut own = sealed(&mut server.sealer, 0, b"hi");
        own[8..16].copy_from_slice(&99u64.to_be_bytes());
        assert_eq!(server.opener.open(&mut own), Err(Failure::CRYPTOGRAPHIC), "sent back to its sender");
    }

    #[test]
    fn every_changed_byte_is_found() {
        let (mut client, mut server) = codecs(Version::V3_1);
        let good = sealed(&mut client.sealer, 0, b"hello");
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x40;
            server.opener.counter = 2;
            let failure = server.opener.open(&mut changed).unwrap_err();
            match at {
                0 => assert_eq!(failure, Failure::MALFORMED_COMMAND),
                1..8 => assert_eq!(failure, Failure::UNEXPECTED_COMMAND),
                _ => assert_eq!(failure, Failure::CRYPTOGRAPHIC),
            }
        }
        server.opener.counter = 2;
        assert!(server.opener.open(&mut good.clone()).is_ok());
    }

    #[test]
    fn short_ones_are_malformed() {
        let (mut client, mut server) = codecs(Version::V3_1);
        let good = sealed(&mut client.sealer, 0, b"");
        for cut in 0..good.len() {
            let expected = if cut < 8 { Failure::MALFORMED_COMMAND } else { Failure::MALFORMED_MESSAGE };
            assert_eq!(server.opener.open(&mut good[..cut].to_vec()), Err(expected), "cut at {cut}");
        }
        assert_eq!(server.opener.open(&mut b"\x04PING\0\0".to_vec()), Err(Failure::UNEXPECTED_COMMAND));
    }

    #[test]
    fn old_peers_get_subscriptions_as_messages() {
        let subscribe = b"\x09SUBSCRIBEabc";
        let (mut client, mut server) = codecs(Version::V3_0);
        let mut frame = sealed(&mut client.sealer, COMMAND, subscribe);
        assert_eq!(server.opener.open(&mut frame).unwrap(), (0, &mut { *b"\x01abc" }[..]));
        let mut frame = sealed(&mut client.sealer, COMMAND, b"\x04PING\0\0");
        assert_eq!(server.opener.open(&mut frame).unwrap().0, COMMAND);
        let (mut client, mut server) = codecs(Version::V3_1);
        let mut frame = sealed(&mut client.sealer, COMMAND, subscribe);
        assert_eq!(server.opener.open(&mut frame).unwrap(), (COMMAND, &mut { *subscribe }[..]));
    }

    #[test]
    fn a_counter_never_starts_over() {
        let (mut client, _) = codecs(Version::V3_1);
        client.sealer.counter = u64::MAX - 1;
        let mut out = Vec::new();
        client.sealer.append_frame(&mut out, 0, b"last").unwrap();
        let len = out.len();
        assert_eq!(client.sealer.append_frame(&mut out, 0, b"more"), Err(Failure::SILENT));
        assert_eq!(out.len(), len);
    }
}
