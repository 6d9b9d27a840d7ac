//! Whole consecutive messages, which can be moved from lane to lane as they are.

use crate::message::{LARGE, MORE};
use crate::pipe::next_frame::ends_message;
use crate::pipe::wire::Header;

/// Most bytes moved at once. A run that does not fit into a block begins the next one, so up to this much may
/// stay unused in each.
const MAX_RUN_BYTES: usize = 8 * 1024;

/// Some messages at the front of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub messages: u32,
    /// Bytes of the messages' bodies.
    pub bytes: u64,
    /// Frames that are not the last of their message.
    pub continuations: u64,
    /// Bytes of the frames, headers and all.
    pub(super) len: usize,
}

impl Run {
    /// Up to `most` messages at the front of `bytes` that lie there whole. A frame that is no part of a
    /// message ends the run. So does an unknown flag, which must not be passed on.
    #[inline]
    pub(super) fn ahead(bytes: &[u8], most: u32) -> Run {
        let (mut run, mut len, mut bodies, mut continuations) = (Run::default(), 0usize, 0, 0);
        while run.messages < most
            && let Some(header) = bytes.get(len..).and_then(Header::parse)
            && header.flags & !(MORE | LARGE) == 0
        {
            len = len.saturating_add(header.frame_len());
            if len > bytes.len() || (len > MAX_RUN_BYTES && run.messages > 0) {
                break;
            }
            bodies += header.body_len;
            if ends_message(header.flags) {
                run = Run { messages: run.messages + 1, bytes: bodies, continuations, len };
            } else {
                continuations += 1;
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::COMMAND;

    /// Frames with these flags and lengths.
    fn frames(frames: &[(u8, usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(flags, len) in frames {
            bytes.extend_from_slice(crate::pipe::wire::Encoded::new(flags, len).as_slice());
            bytes.resize(bytes.len() + len, b'x');
        }
        bytes
    }

    #[test]
    fn a_run_is_of_whole_messages() {
        let bytes = frames(&[(0, 3), (MORE, 300), (0, 0), (MORE, 5)]);
        let whole = Run { messages: 2, bytes: 303, continuations: 1, len: bytes.len() - 7 };
        assert_eq!(Run::ahead(&bytes, 9), whole);
        let first = Run { messages: 1, bytes: 3, continuations: 0, len: 5 };
        assert_eq!(Run::ahead(&bytes, 1), first);
        assert_eq!(Run::ahead(&bytes[..bytes.len() - 8], 9), first);
        for other in [COMMAND, 0x80] {
            let bytes = frames(&[(0, 3), (other, 3), (0, 3)]);
            assert_eq!(Run::ahead(&bytes, 9).messages, 1);
        }
    }

    #[test]
    fn a_run_is_short_unless_its_first_message_is_long() {
        let bytes = frames(&[(0, 3000), (0, 3000), (0, 3000), (0, 10_000), (0, 1)]);
        assert_eq!(Run::ahead(&bytes, 9).messages, 2);
        let rest = bytes.get(3 * 3009..).unwrap_or_default();
        assert_eq!(Run::ahead(rest, 9), Run { messages: 1, bytes: 10_000, continuations: 0, len: 10_009 });
    }
}
