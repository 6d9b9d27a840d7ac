//! Messages in the packets of a reliable multicast: per sender a stream of ZMTP 1.0 frames, cut at the end of
//! each packet. Each packet begins with the offset of the first message in it, so that a late receiver finds
//! a border. Source: zmq_pgm(7), "Wire format".

use super::Failure;
use super::multicast::{Limits, Message};
use super::zmtp::{frame, v1};

/// In place of an offset: no message begins in the packet.
const NO_OFFSET: u16 = 0xffff;
/// Bytes of the offset.
const OFFSET_BYTES: usize = 2;

/// Packs frames into packets.
#[derive(Debug)]
pub struct Packer {
    /// The packet under construction, with its offset.
    packet: Vec<u8>,
    largest: usize,
    offset: u16,
    /// The part of the last frame that did not fit, from `rest_at` on.
    rest: Vec<u8>,
    rest_at: usize,
    /// Between the frames of a message.
    inside: bool,
    /// Messages that end in the packet.
    ended: usize,
    /// A message ends with `rest`.
    rest_ends: bool,
}

impl Packer {
    /// For packets of at most `largest` bytes.
    pub fn new(largest: usize) -> Packer {
        let mut packer = Packer {
            packet: Vec::new(),
            largest,
            offset: NO_OFFSET,
            rest: Vec::new(),
            rest_at: 0,
            inside: false,
            ended: 0,
            rest_ends: false,
        };
        packer.begin();
        packer
    }

    /// Whether another frame fits, or begins to.
    pub fn has_room(&self) -> bool {
        self.packet.len() < self.largest
    }

    /// Adds a frame. Call it only while there is room.
    pub fn add(&mut self, flags: u8, body: &[u8]) {
        if !self.inside && self.offset == NO_OFFSET {
            self.offset = u16::try_from(self.packet.len().saturating_sub(OFFSET_BYTES)).unwrap_or(NO_OFFSET);
        }
        self.inside = flags & crate::message::MORE != 0;
        self.rest_ends = !self.inside;
        v1::append_frame(&mut self.rest, flags, body);
        self.fill();
    }

    /// The packet, if it has any frame bytes.
    pub fn packet(&mut self) -> Option<&[u8]> {
        if self.packet.len() <= OFFSET_BYTES {
            return None;
        }
        if let Some(offset) = self.packet.first_chunk_mut() {
            *offset = self.offset.to_be_bytes();
        }
        Some(&self.packet)
    }

    /// Begins the next packet, when this one was sent. How many messages have ended with it.
    pub fn sent(&mut self) -> usize {
        let ended = std::mem::take(&mut self.ended);
        self.begin();
        self.fill();
        ended
    }

    /// Messages that are packed whole, and of which some bytes were not sent.
    pub fn unsent(&self) -> usize {
        self.ended + usize::from(self.rest_ends)
    }

    fn begin(&mut self) {
        self.packet.clear();
        self.packet.extend_from_slice(&[0; OFFSET_BYTES]);
        self.offset = NO_OFFSET;
    }

    fn fill(&mut self) {
        let room = self.largest.saturating_sub(self.packet.len());
        let rest = self.rest.get(self.rest_at..).unwrap_or_default();
        let taken = rest.get(..room).unwrap_or(rest);
        self.packet.extend_from_slice(taken);
        self.rest_at += taken.len();
        if self.rest_at == self.rest.len() {
            self.rest.clear();
            self.rest_at = 0;
            self.ended += usize::from(std::mem::take(&mut self.rest_ends));
            // Frees the memory of a large message.
            self.rest.shrink_to(64 * 1024);
        }
    }
}

/// Unpacks one sender's packets.
#[derive(Debug, Default)]
pub struct Unpacker {
    /// A border has been found.
    joined: bool,
    /// The received part of the current frame, from its header on.
    bytes: Vec<u8>,
    message: Message,
    /// Bytes of `message`, headers included.
    weight: u64,
}

impl Unpacker {
    /// Packets were lost: bytes are skipped up to the next border.
    pub fn lost(&mut self) {
        *self = Unpacker::default();
    }

    /// Takes a packet, and passes completed messages to `take`. Invalid bytes count as a loss.
    pub fn packet(&mut self, packet: &[u8], limits: Limits, mut take: impl FnMut(Message)) {
        let Some((offset, mut data)) = packet.split_first_chunk::<OFFSET_BYTES>() else { return };
        if !self.joined {
            let offset = u16::from_be_bytes(*offset);
            if offset == NO_OFFSET {
                return;
            }
            let Some(begun) = data.get(usize::from(offset)..) else { return };
            data = begun;
            self.joined = true;
        }
        while !data.is_empty() {
            match self.frame(&mut data, limits) {
                Ok(Some(message)) => take(message),
                Ok(None) => {}
                Err(_) => return self.lost(),
            }
        }
    }

    /// Takes bytes off the front of `data`, at most one frame. Returns the message that ends with it.
    fn frame(&mut self, data: &mut &[u8], limits: Limits) -> Result<Option<Message>, Failure> {
        let header = loop {
            if let Some(header) = v1::parse_header(&self.bytes)? {
                break header;
            }
            // Headers are short, so one byte at a time costs nothing and never takes one too many.
            let Some((first, rest)) = data.split_first() else { return Ok(None) };
            self.bytes.push(*first);
            *data = rest;
        };
        frame::check_size(header.body_len, limits.frame)?;
        let whole = header.frame_len();
        if self.weight.saturating_add(whole as u64) > limits.message {
            return Err(Failure::TOO_LARGE);
        }
        let missing = whole.saturating_sub(self.bytes.len()).min(data.len());
        let (taken, rest) = data.split_at(missing);
        self.bytes.extend_from_slice(taken);
        *data = rest;
        if self.bytes.len() < whole {
            return Ok(None);
        }
        self.message.push(self.bytes.get(header.header_len..).unwrap_or_default().to_vec());
        self.bytes = Vec::new();
        self.weight = self.weight.saturating_add(whole as u64);
        if header.more() {
            return Ok(None);
        }
        self.weight = 0;
        Ok(Some(std::mem::take(&mut self.message)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::message::MORE;

    const NO_LIMITS: Limits = Limits { frame: -1, message: u64::MAX };

    /// The packets that these messages fill.
    fn packed(largest: usize, messages: &[&[&[u8]]]) -> Vec<Vec<u8>> {
        let (mut packer, mut packets) = (Packer::new(largest), Vec::new());
        let mut empty = |packer: &mut Packer, all: bool| {
            while !packer.has_room() || (all && packer.packet().is_some()) {
                packets.push(packer.packet().unwrap().to_vec());
                packer.sent();
            }
        };
        for message in messages {
            for (i, frame) in message.iter().enumerate() {
                packer.add(if i + 1 < message.len() { MORE } else { 0 }, frame);
                empty(&mut packer, false);
            }
        }
        empty(&mut packer, true);
        packets
    }

    #[test]
    fn a_message_is_sent_with_the_packet_that_it_ends_in() {
        let mut packer = Packer::new(8);
        let mut sent = Vec::new();
        for (flags, body) in [(0, &b"a"[..]), (0, b"b"), (MORE, b"cdefghij"), (0, b"klmnopqrstuv"), (0, b"")]
        {
            packer.add(flags, body);
            while !packer.has_room() {
                sent.push((packer.sent(), packer.unsent()));
            }
        }
        // Two messages fill the first packet. The third one fills four: it is unsent from its last frame on, until its last byte went.
        assert_eq!(sent, [(2, 0), (0, 0), (0, 1), (0, 1), (1, 0)], "{packer:?}");
        assert_eq!((packer.unsent(), packer.sent(), packer.unsent()), (1, 1, 0));
    }

    fn unpacked(unpacker: &mut Unpacker, packets: &[Vec<u8>], limits: Limits) -> Vec<Message> {
        let mut messages = Vec::new();
        packets.iter().for_each(|packet| unpacker.packet(packet, limits, |message| messages.push(message)));
        messages
    }

    #[test]
    fn a_packet_begins_with_the_offset_of_its_first_message() {
        assert_eq!(packed(100, &[&[b"ab"], &[b"c"]]), [b"\0\0\x03\0ab\x02\0c".to_vec()]);
        // The first packet ends inside the first message, the second has the second message's beginning.
        assert_eq!(
            packed(8, &[&[b"abcdef"], &[b"g"]]),
            [b"\0\0\x07\0abcd".to_vec(), b"\0\x02ef\x02\0g".to_vec()]
        );
        // A second frame is not the beginning of a message.
        assert_eq!(packed(6, &[&[b"ab", b"cd"]]), [b"\0\0\x03\x01ab".to_vec(), b"\xff\xff\x03\0cd".to_vec()]);
    }

    #[test]
    fn messages_come_back_with_packets_of_any_size() {
        let long = vec![7; 1000];
        let messages: [&[&[u8]]; 5] = [&[b"one"], &[b"", b""], &[&long, b"x", &long], &[b""], &[&long]];
        for largest in [3, 4, 7, 50, 255, 1452, 70_000] {
            let packets = packed(largest, &messages);
            assert!(packets.iter().all(|packet| packet.len() <= largest));
            assert_eq!(unpacked(&mut Unpacker::default(), &packets, NO_LIMITS), messages, "{largest}");
        }
    }

    #[test]
    fn a_receiver_that_is_late_or_lost_packets_begins_at_a_border() {
        let messages: [&[&[u8]]; 4] = [&[b"abcdef"], &[b"gh", b"ij"], &[b"klm"], &[b"n"]];
        let packets = packed(9, &messages);
        for missed in 0..packets.len() {
            let late = unpacked(&mut Unpacker::default(), &packets[missed..], NO_LIMITS);
            assert_eq!(late, messages[messages.len() - late.len()..], "from {missed}");
            let mut unpacker = Unpacker::default();
            let mut got = unpacked(&mut unpacker, &packets[..missed], NO_LIMITS);
            unpacker.lost();
            got.extend(unpacked(&mut unpacker, &packets[missed + 1..], NO_LIMITS));
            assert!(
                got.iter().all(|message| messages.iter().any(|whole| message == whole)),
                "without {missed}"
            );
        }
    }

    #[test]
    fn an_invalid_frame_is_a_loss_until_the_next_border() {
        for packet in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\x09abc",
            b"\xff\xfe",
            b"\0\0\0\0",
            b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
        ] {
            let mut unpacker = Unpacker::default();
            assert!(unpacked(&mut unpacker, &[packet.to_vec()], NO_LIMITS).is_empty());
            let next = b"\0\0\x03\0ok".to_vec();
            assert_eq!(unpacked(&mut unpacker, &[next], NO_LIMITS), [[b"ok".to_vec()]], "{packet:?}");
        }
        let limits = Limits { frame: 3, message: 10 };
        let packets = packed(100, &[&[b"abcd"]]);
        assert!(unpacked(&mut Unpacker::default(), &packets, limits).is_empty());
        let packets = packed(100, &[&[b"abc", b"abc", b"a"]]);
        assert!(unpacked(&mut Unpacker::default(), &packets, limits).is_empty());
        let packets = packed(100, &[&[b"abc", b"abc"]]);
        assert_eq!(unpacked(&mut Unpacker::default(), &packets, limits).len(), 1);
    }
}
