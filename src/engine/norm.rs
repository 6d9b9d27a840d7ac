//! Messages in the byte stream of a NORM sender: frames of ZMTP 2.0, each behind a byte that marks the first
//! of a message. NORM knows where some messages begin. A receiver that comes late, or has lost bytes, begins
//! there. Source: libzmq, which documents it nowhere.

use super::multicast::{Limits, Message};
use super::zmtp::frame;
use crate::message::MORE;
use std::collections::VecDeque;

/// Before the first frame of a message.
const FIRST_FRAME_MARK: u8 = 0;
/// Before its other frames.
const FURTHER_FRAME_MARK: u8 = 0xff;

/// Packs frames into the stream.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    written: usize,
    /// Between the frames of a message.
    inside: bool,
    /// Where in `bytes` messages end that are not written whole.
    ends: VecDeque<usize>,
}

impl Packer {
    /// Adds a frame.
    pub fn add(&mut self, flags: u8, body: &[u8]) {
        self.bytes.push(if self.inside { FURTHER_FRAME_MARK } else { FIRST_FRAME_MARK });
        frame::append_frame(&mut self.bytes, flags & MORE, body);
        self.inside = flags & MORE != 0;
        if !self.inside {
            self.ends.push_back(self.bytes.len());
        }
    }

    /// The bytes that are not written yet.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Whether the frame added last completes a message.
    pub fn is_whole(&self) -> bool {
        !self.inside
    }

    /// Counts `bytes` of [`rest`](Packer::rest) as written. How many messages have ended with them.
    pub fn wrote(&mut self, bytes: usize) -> usize {
        self.written = self.written.saturating_add(bytes);
        let before = self.ends.len();
        while self.ends.pop_front_if(|end| *end <= self.written).is_some() {}
        let ended = before - self.ends.len();
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
            // Frees the memory of a large message.
            self.bytes.shrink_to(64 * 1024);
        }
        ended
    }

    /// Messages that are packed whole, and of which some bytes were not written.
    pub fn unsent(&self) -> usize {
        self.ends.len()
    }
}

/// Unpacks one sender's stream.
#[derive(Debug, Default)]
pub struct Unpacker {
    stage: Stage,
    message: Message,
    /// Bytes of `message`, headers included.
    weight: u64,
    /// `message` has all its frames so far: the first was seen and none was dropped.
    complete: bool,
}

#[derive(Debug)]
enum Stage {
    /// The received part of the byte before a frame and its header.
    Header(Vec<u8>),
    /// A frame's body.
    Body { body: Vec<u8>, missing: usize, more: bool },
    /// A frame to be dropped.
    Skipped { missing: u64 },
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::Header(Vec::new())
    }
}

impl Unpacker {
    /// Bytes were lost: the next ones begin a frame.
    pub fn lost(&mut self) {
        *self = Unpacker::default();
    }

    /// Takes bytes, and passes completed messages to `take`. A message that breaks the rules is dropped. A
    /// frame longer than memory has no end, so nothing follows it before a loss.
    pub fn bytes(&mut self, mut data: &[u8], limits: Limits, mut take: impl FnMut(Message)) {
        while !data.is_empty() {
            match &mut self.stage {
                Stage::Header(header) => {
                    // Headers are short, so one byte at a time costs nothing and never takes one too many.
                    let Some((byte, rest)) = data.split_first() else { return };
                    header.push(*byte);
                    data = rest;
                    self.header(limits);
                }
                Stage::Body { body, missing, .. } => {
                    let (taken, rest) = data.split_at((*missing).min(data.len()));
                    *missing -= taken.len();
                    data = rest;
                    // Memory is allocated for bytes received, not for bytes announced.
                    match body.try_reserve(taken.len()) {
                        Ok(()) => body.extend_from_slice(taken),
                        Err(_) => {
                            let missing = *missing as u64;
                            self.drop_message();
                            self.stage = Stage::Skipped { missing };
                        }
                    }
                }
                Stage::Skipped { missing } => {
                    let skipped = usize::try_from(*missing).unwrap_or(usize::MAX).min(data.len());
                    data = data.get(skipped..).unwrap_or_default();
                    *missing = missing.saturating_sub(skipped as u64);
                }
            }
            self.finish_frame(&mut take);
        }
    }

    /// Goes on to the body, once the header is complete.
    fn header(&mut self, limits: Limits) {
        let Stage::Header(bytes) = &self.stage else { return };
        let Some((first, bytes)) = bytes.split_first() else { return };
        let (first, header) = (*first == FIRST_FRAME_MARK, frame::parse_header(bytes));
        let header = match header {
            Ok(Some(header)) => header,
            Ok(None) => return,
            Err(_) => {
                self.drop_message();
                self.stage = Stage::Skipped { missing: u64::MAX };
                return;
            }
        };
        if first {
            self.drop_message();
            self.complete = true;
        }
        let weight = self.weight.saturating_add(header.frame_len() as u64);
        let fits = frame::check_size(header.body_len, limits.frame).is_ok() && weight <= limits.message;
        let missing = usize::try_from(header.body_len).ok();
        match missing.filter(|_| self.complete && fits && !header.is_command()) {
            Some(missing) => {
                self.weight = weight;
                self.stage = Stage::Body { body: Vec::new(), missing, more: header.more() };
            }
            None => {
                self.drop_message();
                self.stage = Stage::Skipped { missing: header.body_len };
            }
        }
    }

    /// Adds a completed frame to its message, and passes a completed message on.
    fn finish_frame(&mut self, take: &mut impl FnMut(Message)) {
        match &mut self.stage {
            Stage::Body { body, missing: 0, more } => {
                let (body, more) = (std::mem::take(body), *more);
                self.message.push(body);
                self.stage = Stage::default();
                if !more {
                    take(std::mem::take(&mut self.message));
                    self.drop_message();
                }
            }
            Stage::Skipped { missing: 0 } => self.stage = Stage::default(),
            _ => {}
        }
    }

    fn drop_message(&mut self) {
        self.message.clear();
        self.weight = 0;
        self.complete = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::message::COMMAND;

    const NO_LIMITS: Limits = Limits { frame: -1, message: u64::MAX };

    fn packed(messages: &[&[&[u8]]]) -> Vec<u8> {
        let (mut packer, mut bytes) = (Packer::default(), Vec::new());
        for message in messages {
            for (i, frame) in message.iter().enumerate() {
                packer.add(if i + 1 < message.len() { MORE } else { 0 }, frame);
                assert_eq!(packer.is_whole(), i + 1 == message.len());
                while !packer.rest().is_empty() {
                    let part = packer.rest().len().min(7);
                    bytes.extend_from_slice(&packer.rest()[..part]);
                    packer.wrote(part);
                }
            }
        }
        bytes
    }

    fn unpacked(unpacker: &mut Unpacker, bytes: &[u8], at_once: usize, limits: Limits) -> Vec<Message> {
        let mut messages = Vec::new();
        bytes.chunks(at_once).for_each(|part| unpacker.bytes(part, limits, |message| messages.push(message)));
        messages
    }

    #[test]
    fn a_message_is_sent_with_its_last_byte() {
        let mut packer = Packer::default();
        // Four bytes, then two frames of five, and an empty message of three.
        for (flags, body) in [(0, &b"a"[..]), (MORE, b"bc"), (0, b"de"), (0, b"")] {
            packer.add(flags, body);
        }
        assert_eq!(packer.unsent(), 3);
        let written = [3, 1, 5, 4, 1, 2].map(|bytes| packer.wrote(bytes));
        assert_eq!((written, packer.unsent()), ([0, 1, 0, 0, 1, 0], 1));
        assert_eq!((packer.wrote(1), packer.unsent(), packer.rest()), (1, 0, &b""[..]));
        packer.add(0, b"x");
        assert_eq!((packer.wrote(3), packer.wrote(1)), (0, 1));
    }

    #[test]
    fn frames_are_distinguished_by_the_byte_before() {
        assert_eq!(packed(&[&[b"ab"], &[b"c", b""]]), b"\0\0\x02ab\0\x01\x01c\xff\0\0");
        let long = [7; 256];
        assert_eq!(packed(&[&[&long]])[..11], *b"\0\x02\0\0\0\0\0\0\x01\0\x07");
    }

    #[test]
    fn messages_come_back_however_they_are_cut() {
        let long = vec![7; 1000];
        let messages: [&[&[u8]]; 5] = [&[b"one"], &[b"", b""], &[&long, b"x", &long], &[b""], &[&long]];
        let bytes = packed(&messages);
        for at_once in [1, 2, 3, 7, 255, 5000] {
            assert_eq!(unpacked(&mut Unpacker::default(), &bytes, at_once, NO_LIMITS), messages, "{at_once}");
        }
    }

    #[test]
    fn a_receiver_that_joins_within_a_message_gets_the_next() {
        let bytes = packed(&[&[b"a", b"b", b"c"], &[b"d"]]);
        for skipped in [4, 8] {
            let late = unpacked(&mut Unpacker::default(), &bytes[skipped..], 3, NO_LIMITS);
            assert_eq!(late, [[b"d".to_vec()]], "from {skipped}");
        }
        let mut unpacker = Unpacker::default();
        assert!(unpacked(&mut unpacker, &bytes[..6], 2, NO_LIMITS).is_empty());
        unpacker.lost();
        assert_eq!(unpacked(&mut unpacker, &bytes[8..], 2, NO_LIMITS), [[b"d".to_vec()]]);
        // The next message replaces one that ends without its last frame.
        let cut = [&bytes[..8], &bytes[12..]].concat();
        assert_eq!(unpacked(&mut Unpacker::default(), &cut, 5, NO_LIMITS), [[b"d".to_vec()]]);
    }

    #[test]
    fn an_invalid_message_is_dropped_and_the_next_arrives() {
        let limits = Limits { frame: 3, message: 12 };
        for message in
            [&[&b"abcd"[..]][..], &[b"abc", b"abc", b"a"], &[b"abcd", b"a"], &[b"a", b"abcd", b"a"]]
        {
            let bytes = packed(&[message, &[b"abc", b"abc"]]);
            let got = unpacked(&mut Unpacker::default(), &bytes, 4, limits);
            assert_eq!(got, [[b"abc".to_vec(), b"abc".to_vec()]], "{message:?}");
        }
        let mut bytes = vec![FIRST_FRAME_MARK, COMMAND, 2, 5, 5];
        bytes.extend(packed(&[&[b"ok"]]));
        assert_eq!(unpacked(&mut Unpacker::default(), &bytes, 100, NO_LIMITS), [[b"ok".to_vec()]]);
    }

    #[test]
    fn a_frame_without_an_end_costs_nothing() {
        let mut unpacker = Unpacker::default();
        let mut bytes = b"\0\x02\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
        bytes.extend(packed(&[&[b"never"]]));
        assert!(unpacked(&mut unpacker, &bytes, 100, NO_LIMITS).is_empty());
        // A frame that is possible but has not arrived: only received bytes take memory.
        unpacker.lost();
        assert!(unpacked(&mut unpacker, b"\0\x02\0\0\x7f\xff\xff\xff\xff\xffabc", 100, NO_LIMITS).is_empty());
        unpacker.lost();
        assert_eq!(unpacked(&mut unpacker, &packed(&[&[b"ok"]]), 100, NO_LIMITS), [[b"ok".to_vec()]]);
    }
}
