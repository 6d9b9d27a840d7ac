//! Records of QZMQ in WebSocket frames: a binary frame for each, with the byte 0 in place of the record's length.
//!
//! The records themselves are those of byte streams. What goes out is a row of them, and what comes in is made one where it lies.

use super::frame::{self, Opcode};
use super::{Masks, Role, mask};
use crate::engine::Failure;
use crate::engine::mechanism::qzmq::record::{HEAD_BYTES, MAX_BOX_BYTES, box_len};

/// The byte in front of a box.
const FLAGS: u8 = 0;
/// Bytes that a record takes more of as a frame, at most.
pub const OVERHEAD_BYTES: usize = frame::MAX_HEADER_BYTES;

/// The frames of one connection, both ways.
#[derive(Debug)]
pub struct RecordFrames {
    masks: Option<Masks>,
    /// Whether the peer has to mask its frames.
    masked: bool,
}

/// What lies at the front of the bytes received.
#[derive(Debug, PartialEq, Eq)]
pub enum Front {
    /// This number of bytes is missing, at least.
    Needs(usize),
    /// A record: the number of bytes to skip, and of those behind them in the form of byte streams.
    Record { skip: usize, len: usize },
    /// A control frame and its length. Its payload begins at `payload`.
    Control { opcode: Opcode, payload: usize, len: usize },
}

impl RecordFrames {
    pub fn new(role: &Role) -> RecordFrames {
        RecordFrames { masks: role.masks(), masked: role.peer_masks() }
    }

    /// Appends the frame of the record at the front of `records`, and returns the record's length; `None` where no whole one is there.
    pub fn append(&mut self, out: &mut Vec<u8>, records: &[u8]) -> Result<Option<usize>, Failure> {
        let Some(len) = box_len(records)? else { return Ok(None) };
        let len = HEAD_BYTES.saturating_add(len);
        let Some(sealed) = records.get(HEAD_BYTES..len) else { return Ok(None) };
        frame::append_binary(out, self.masks.as_mut(), FLAGS, &[], sealed);
        Ok(Some(len))
    }

    /// Appends a control frame of ours.
    pub fn append_control(&mut self, out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
        frame::append_control(out, opcode, self.masks.as_mut(), payload);
    }

    /// Whether these bytes begin with a part of a record's frame. A control frame is another's word as well as the peer's.
    pub fn is_begun(received: &[u8]) -> bool {
        received.first().is_some_and(|first| frame::is_binary(*first))
    }

    /// Takes the frame at the front of `received` apart, in place. It is unmasked, so this is done once for each frame.
    ///
    /// Fails for what is neither a record nor a control frame.
    pub fn front(&self, received: &mut [u8]) -> Result<Front, Failure> {
        let Some(header) = frame::parse_header(received, self.masked)? else { return Ok(Front::Needs(1)) };
        let (from, len) = (header.header_len, header.frame_len());
        // The byte of flags, and the box.
        let sealed = usize::try_from(header.payload_len.saturating_sub(1)).unwrap_or(usize::MAX);
        let record_head = match u16::try_from(sealed) {
            Ok(sealed) => sealed.to_be_bytes(),
            Err(_) => [u8::MAX; HEAD_BYTES],
        };
        if header.opcode == Opcode::Binary {
            // A frame that is too long is not waited for.
            box_len(&record_head)?;
        }
        let have = received.len();
        let Some(payload) = received.get_mut(from..len) else { return Ok(Front::Needs(len - have)) };
        if self.masked {
            mask::apply(header.mask, 0, payload);
        }
        if header.opcode != Opcode::Binary {
            return Ok(Front::Control { opcode: header.opcode, payload: from, len });
        }
        if payload.first() != Some(&FLAGS) {
            return Err(Failure::MALFORMED_MESSAGE);
        }
        // The last byte of the header and the byte of flags make room for the length.
        let skip = from.saturating_sub(1);
        if let Some(head) = received.get_mut(skip..skip + HEAD_BYTES) {
            head.copy_from_slice(&record_head);
        }
        Ok(Front::Record { skip, len: HEAD_BYTES + sealed })
    }
}

/// Most bytes of a frame.
pub const MAX_FRAME_BYTES: usize = OVERHEAD_BYTES + 1 + MAX_BOX_BYTES;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn sides() -> (RecordFrames, RecordFrames) {
        let client = Role::Client { host: "a:1".into(), path: "/".into() };
        (RecordFrames::new(&client), RecordFrames::new(&Role::Server))
    }

    fn record(len: usize) -> Vec<u8> {
        let sealed = (0..len).map(|at| at as u8);
        (len as u16).to_be_bytes().into_iter().chain(sealed).collect()
    }

    #[test]
    fn records_come_back_as_they_were() {
        for len in [17, 18, 100, 123, 124, 125, 126, 16_384, MAX_BOX_BYTES] {
            let (mut client, mut server) = sides();
            for from_client in [true, false] {
                let mut wire = Vec::new();
                let (near, far) = if from_client { (&mut client, &server) } else { (&mut server, &client) };
                assert_eq!(near.append(&mut wire, &record(len)), Ok(Some(len + HEAD_BYTES)));
                assert!(wire.len() <= MAX_FRAME_BYTES);
                for cut in [0, 1, 2, wire.len() / 2, wire.len() - 1] {
                    let mut begun = wire[..cut].to_vec();
                    let Ok(Front::Needs(missing)) = far.front(&mut begun) else { panic!("{cut}") };
                    assert!((1..=wire.len() - cut).contains(&missing) && begun == wire[..cut], "{cut}");
                }
                let Ok(Front::Record { skip, len: found }) = far.front(&mut wire) else { panic!("{len}") };
                assert_eq!((skip + found, &wire[skip..]), (wire.len(), &record(len)[..]));
            }
        }
    }

    #[test]
    fn only_whole_records_go_out() {
        let (mut client, _) = sides();
        let mut wire = Vec::new();
        for cut in [0, 1, 2, 50] {
            assert_eq!(client.append(&mut wire, &record(60)[..cut]), Ok(None));
        }
        assert!(client.append(&mut wire, &[0, 16, 0]).is_err() && wire.is_empty());
    }

    #[test]
    fn what_is_no_record_is_refused_at_its_first_bytes() {
        let (_, server) = sides();
        let (client, _) = sides();
        // Longer than any record, and shorter.
        for len in [MAX_BOX_BYTES + 2, 70_000, 17, 1] {
            let mut wire = Vec::new();
            frame::append_binary(&mut wire, None, FLAGS, &[], &vec![0; len - 1]);
            wire.truncate(10);
            assert!(client.front(&mut wire).is_err(), "{len}");
        }
        for flags in [1, 2, 4, 0x80] {
            let mut wire = Vec::new();
            frame::append_binary(&mut wire, None, flags, &[], &[0; 20]);
            assert_eq!(client.front(&mut wire), Err(Failure::MALFORMED_MESSAGE), "{flags}");
        }
        // Fragments, text, and a mask that is not there.
        for bytes in [[0x02, 0x80], [0x00, 0x80], [0x81, 0x80], [0x82, 20]] {
            assert!(server.front(&mut bytes.to_vec()).is_err());
        }
    }

    #[test]
    fn control_frames_are_told_apart() {
        let (mut client, server) = sides();
        let mut wire = Vec::new();
        client.append_control(&mut wire, Opcode::Ping, b"hello");
        let len = wire.len();
        let found = server.front(&mut wire);
        assert_eq!(found, Ok(Front::Control { opcode: Opcode::Ping, payload: len - 5, len }));
        assert_eq!(&wire[len - 5..], b"hello");
    }
}
