//! MESSAGE, both ways: the frames of the data phase, messages and commands alike, each in a box of its own.

use super::nonce;
use crate::crypto::{BoxStream, Sealed, SharedKey, TAG_BYTES};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;
use crate::engine::zmtp::frame::FrameHeader;
use crate::engine::zmtp::{Version, frame, subscription};
use crate::errno::Errno;
use crate::message::{COMMAND, MORE};
use std::fmt;
use std::mem::MaybeUninit;

/// Bytes by which the body of a frame grows when it is sealed. All of them come before it.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES + 1;

const NAME: &[u8] = b"\x07MESSAGE";
/// Bytes of name and counter.
const HEAD_BYTES: usize = NAME.len() + size_of::<u64>();

/// MORE and COMMAND in the first byte of the box. They differ from the bits of a frame's header.
const SEALED_MORE: u8 = 1;
const SEALED_COMMAND: u8 = 2;

const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// The two directions of a connection. They share no state: one goes to the send half, the other to the
/// receive half.
pub struct CurveCodec {
    pub sealer: Sealer,
    pub opener: Opener,
}

/// Seals outgoing frames into boxes.
pub struct Sealer {
    stream: BoxStream,
    /// Counter of the last frame sent.
    counter: u64,
    version: Version,
}

/// Opens the boxes of incoming frames.
pub struct Opener {
    stream: BoxStream,
    /// Counter of the last frame received.
    counter: u64,
}

/// Consecutive frames, to be opened in one call.
pub struct Run {
    batch: [Sealed; Run::MAX_RUN_FRAMES],
    count: usize,
    /// Bytes they take as received, and opened.
    received: usize,
    opened: usize,
}

impl Default for Run {
    #[inline]
    fn default() -> Run {
        let none = Sealed { counter: 0, at: 0, len: 0, gap: 0, first: 0 };
        Run { batch: [none; Run::MAX_RUN_FRAMES], count: 0, received: 0, opened: 0 }
    }
}

impl Run {
    /// Most frames of a run.
    const MAX_RUN_FRAMES: usize = 64;

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn is_full(&self) -> bool {
        self.count == Run::MAX_RUN_FRAMES
    }

    /// Bytes its frames take where they were received.
    pub fn received(&self) -> usize {
        self.received
    }

    /// Bytes its frames take once they are opened.
    pub fn opened(&self) -> usize {
        self.opened
    }
}

/// The counters at the end of the handshake.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    pub ours: u64,
    pub theirs: u64,
}

impl CurveCodec {
    pub fn of_client(key: &SharedKey, counters: Counters, version: Version) -> CurveCodec {
        CurveCodec::new(key, (FROM_CLIENT, FROM_SERVER), counters, version)
    }

    pub fn of_server(key: &SharedKey, counters: Counters, version: Version) -> CurveCodec {
        CurveCodec::new(key, (FROM_SERVER, FROM_CLIENT), counters, version)
    }

    fn new(
        key: &SharedKey,
        (ours, theirs): (&[u8; 16], &[u8; 16]),
        counters: Counters,
        version: Version,
    ) -> CurveCodec {
        CurveCodec {
            sealer: Sealer { stream: key.stream(ours), counter: counters.ours, version },
            opener: Opener { stream: key.stream(theirs), counter: counters.theirs },
        }
    }
}

impl Sealer {
    /// Appends a complete frame with header, for a frame with these flags and this body in a pipe; only the
    /// flags MORE and COMMAND count. Subscriptions get the form of the peer's version.
    ///
    /// Fails with `ENOMEM` where memory is short, and with `EPROTO` once all counters are used up; `out` is
    /// then unchanged.
    #[inline]
    pub fn append_frame(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        self.append_unfinished(out, flags, body)?;
        self.finish(out);
        Ok(())
    }

    /// As [`append_frame`](Sealer::append_frame), faster for consecutive frames. They are complete only after
    /// [`finish`](Sealer::finish); until then the caller only appends to `out`.
    #[inline]
    pub fn append_unfinished(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        if flags & COMMAND != 0
            && !self.version.takes_subscription_commands()
            && let Some((first, topic)) = subscription::message_form(flags, body)
        {
            return self.append(out, 0, &[first], topic);
        }
        self.append(out, flags, &[], body)
    }

    /// Completes the appended frames.
    pub fn finish(&mut self, out: &mut [u8]) {
        self.stream.finish(out);
    }

    /// Length of the frame for a body of `body_len` bytes, with header.
    pub fn frame_len(body_len: usize) -> usize {
        let sealed = body_len.saturating_add(OVERHEAD_BYTES);
        let header = if sealed <= usize::from(u8::MAX) { 2 } else { frame::MAX_HEADER_BYTES };
        sealed.saturating_add(header)
    }

    #[inline]
    fn append(&mut self, out: &mut Vec<u8>, flags: u8, first: &[u8], rest: &[u8]) -> Result<(), Failure> {
        let counter = self.counter.checked_add(1).ok_or(Failure::SILENT)?;
        let len = OVERHEAD_BYTES.saturating_add(first.len()).saturating_add(rest.len());
        out.try_reserve(len.saturating_add(frame::MAX_HEADER_BYTES))
            .map_err(|_| Failure::Errno(Errno::NOMEM))?;
        self.counter = counter;
        frame::append_header(out, 0, len);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&counter.to_be_bytes());
        match first {
            [] => self.stream.seal_onto(counter, &[sealed_flags(flags)], rest, out),
            [first, ..] => self.stream.seal_onto(counter, &[sealed_flags(flags), *first], rest, out),
        }
        Ok(())
    }
}

impl Opener {
    /// Opens the body of a frame in place. Returns its flags, MORE and COMMAND, and the body, which lies
    /// behind the first [`OVERHEAD_BYTES`] bytes. The flags in the frame's own header are ignored: an
    /// attacker could have changed them.
    ///
    /// Fails with libzmq's code for the fault; then no more frames may be opened.
    #[inline]
    pub fn open<'a>(&mut self, body: &'a mut [u8]) -> Result<(u8, &'a mut [u8]), Failure> {
        let counter = self.check(body)?;
        let sealed = body.get_mut(HEAD_BYTES..).unwrap_or_default();
        let text = self.stream.open_in_place(counter, sealed).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let (sealed_flags, text) = text.split_first_mut().ok_or(Failure::MALFORMED_MESSAGE)?;
        Ok((flags(*sealed_flags), text))
    }

    /// Adds the frame with this header to the run. It has to follow those of the run in `received`.
    ///
    /// Fails as [`open`](Opener::open) does for faults visible from outside; the run is then unchanged.
    #[inline]
    pub fn add(&mut self, run: &mut Run, header: &FrameHeader, received: &[u8]) -> Result<(), Failure> {
        let at = run.received.saturating_add(header.header_len);
        let body = received.get(at..run.received.saturating_add(header.frame_len())).unwrap_or_default();
        let counter = self.check(body)?;
        let opened = body.len().saturating_sub(OVERHEAD_BYTES);
        let gap = frame::header(0, opened).as_slice().len();
        if let Some(sealed) = run.batch.get_mut(run.count) {
            *sealed = Sealed { counter, at: at + HEAD_BYTES, len: body.len() - HEAD_BYTES, gap, first: 0 };
            run.count += 1;
            run.received += header.frame_len();
            run.opened += gap + opened;
        }
        Ok(())
    }

    /// Empties the run before any of it was opened. `last` is the value of [`last`](Opener::last) before it.
    pub fn take_back(&mut self, last: u64) {
        self.counter = last;
    }

    /// The counter of the last frame.
    pub fn last(&self) -> u64 {
        self.counter
    }

    /// Opens the frames of a run into `room`, in the form of a pipe, up to the first forgery. `false`: there
    /// was one, and no more frames may be opened.
    pub fn open_run<'a>(
        &mut self,
        run: &mut Run,
        received: &[u8],
        room: &'a mut [MaybeUninit<u8>],
    ) -> (&'a mut [u8], bool) {
        let batch = run.batch.get_mut(..run.count).unwrap_or_default();
        let (opened, good) = self.stream.open_batch(received, batch, room);
        let mut end = 0;
        for sealed in batch.iter().take(good) {
            let (header_at, len) = (end, sealed.room());
            let header = frame::header(flags(sealed.first), len.saturating_sub(sealed.gap));
            let place = opened.get_mut(header_at..header_at + sealed.gap).unwrap_or_default();
            place.copy_from_slice(header.as_slice());
            end += len;
        }
        (opened.get_mut(..end).unwrap_or_default(), good == run.count)
    }

    /// As [`open`](Opener::open), into `room`.
    pub fn open_into<'a>(
        &mut self,
        body: &[u8],
        room: &'a mut [MaybeUninit<u8>],
    ) -> Result<(u8, &'a mut [u8]), Failure> {
        let counter = self.check(body)?;
        let mut batch = [Sealed { counter, at: HEAD_BYTES, len: body.len() - HEAD_BYTES, gap: 0, first: 0 }];
        let (text, good) = self.stream.open_batch(body, &mut batch, room);
        if good == 1 { Ok((flags(batch[0].first), text)) } else { Err(Failure::CRYPTOGRAPHIC) }
    }

    /// Checks the parts visible from outside; returns the counter.
    fn check(&mut self, body: &[u8]) -> Result<u64, Failure> {
        let Some(rest) = body.strip_prefix(NAME) else {
            check_name(body)?;
            return Err(Failure::UNEXPECTED_COMMAND);
        };
        let Some(counter) = rest.first_chunk::<8>().filter(|_| body.len() >= OVERHEAD_BYTES) else {
            // A name alone is no command in libzmq.
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

/// MORE and COMMAND for the first byte of the box.
pub(in crate::engine) fn sealed_flags(flags: u8) -> u8 {
    let more = if flags & MORE == 0 { 0 } else { SEALED_MORE };
    let command = if flags & COMMAND == 0 { 0 } else { SEALED_COMMAND };
    more | command
}

/// The inverse of [`sealed_flags`].
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
        assert!(!header.more() && !header.is_command(), "the outer flags are those of libzmq");
        assert_eq!(header.frame_len(), out.len());
        out.split_off(header.header_len)
    }

    #[test]
    fn sealed_frames_open_both_ways() {
        let (mut client, mut server) = codecs(Version::V3_1);
        for len in [0, 1, 63, 64, 100, 221, 222, 223, 255, 256, 4096, 100_000] {
            for flags in [0, MORE, COMMAND, MORE | COMMAND] {
                let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
                let pairs =
                    [(&mut client.sealer, &mut server.opener), (&mut server.sealer, &mut client.opener)];
                for (sealer, opener) in pairs {
                    let mut frame = sealed(sealer, flags, &body);
                    assert_eq!(frame.len(), OVERHEAD_BYTES + len);
                    let header = if frame.len() > 255 { 9 } else { 2 };
                    assert_eq!(Sealer::frame_len(len), header + frame.len());
                    assert_eq!(opener.open(&mut frame).unwrap(), (flags, &mut body.clone()[..]));
                    assert_eq!(frame[OVERHEAD_BYTES..], body);
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
    fn no_frame_is_accepted_twice_or_out_of_order() {
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
    fn every_changed_byte_is_detected() {
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
    fn short_frames_are_malformed() {
        let (mut client, mut server) = codecs(Version::V3_1);
        let good = sealed(&mut client.sealer, 0, b"");
        for cut in 0..good.len() {
            let expected = if cut < 8 { Failure::MALFORMED_COMMAND } else { Failure::MALFORMED_MESSAGE };
            assert_eq!(server.opener.open(&mut good[..cut].to_vec()), Err(expected), "cut at {cut}");
        }
        assert_eq!(server.opener.open(&mut b"\x04PING\0\0".to_vec()), Err(Failure::UNEXPECTED_COMMAND));
    }

    #[test]
    fn older_peers_get_subscriptions_as_messages() {
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
