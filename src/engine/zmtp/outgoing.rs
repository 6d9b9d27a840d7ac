//! A pipe's frames on the wire, for a peer of any version: new bytes in front, the body unchanged.
use super::{Version, frame, subscription, v1};

/// Most bytes of a [`Head`].
pub const MAX_HEAD_BYTES: usize = 11;

/// The replacement for the front of a pipe's frame. The peer gets [`bytes`](Head::bytes), then the body
/// without its first `skip` bytes; nothing needs to be copied.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; MAX_HEAD_BYTES],
    len: usize,
    /// At most the length of the body.
    pub skip: usize,
}

impl Head {
    /// The head for a frame with these flags and this body in a pipe. For V3.1 peers frames are sent as they
    /// lie; this gives the same bytes, but slower.
    pub fn new(version: Version, flags: u8, body: &[u8]) -> Head {
        if version.takes_subscription_commands() {
            return Head::plain(version, flags, body.len());
        }
        match subscription::message_form(flags, body) {
            Some((first, topic)) => {
                let mut head = Head::plain(version, 0, topic.len().saturating_add(1));
                if let Some(byte) = head.bytes.get_mut(head.len) {
                    *byte = first;
                }
                Head { len: head.len + 1, skip: body.len() - topic.len(), ..head }
            }
            None => Head::plain(version, flags, body.len()),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn plain(version: Version, flags: u8, body_len: usize) -> Head {
        let mut bytes = [0; MAX_HEAD_BYTES];
        let len = match version {
            Version::V1 => {
                let mut header = [0; v1::MAX_HEADER_BYTES];
                let len = v1::encode_header(flags, body_len, &mut header);
                bytes[..v1::MAX_HEADER_BYTES].copy_from_slice(&header);
                len
            }
            Version::V2 | Version::V3_0 | Version::V3_1 => {
                let header = frame::header(flags, body_len);
                let header = header.as_slice();
                bytes[..header.len()].copy_from_slice(header);
                header.len()
            }
        };
        Head { bytes, len, skip: 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::message::{COMMAND, MORE};

    const OLD: [Version; 3] = [Version::V1, Version::V2, Version::V3_0];

    fn wire(version: Version, flags: u8, body: &[u8]) -> Vec<u8> {
        let head = Head::new(version, flags, body);
        [head.bytes(), &body[head.skip..]].concat()
    }

    fn subscribe(topic: &[u8]) -> Vec<u8> {
        [b"\x09SUBSCRIBE", topic].concat()
    }

    #[test]
    fn messages_get_the_header_of_the_version() {
        assert_eq!(wire(Version::V1, MORE, b"hi"), b"\x03\x01hi");
        for version in [Version::V2, Version::V3_0, Version::V3_1] {
            assert_eq!(wire(version, MORE, b"hi"), b"\x01\x02hi");
        }
        let long = wire(Version::V1, 0, &[7; 254]);
        assert_eq!(long[..10], *b"\xff\0\0\0\0\0\0\0\xff\0");
        assert_eq!(long.len(), 264);
    }

    #[test]
    fn subscriptions_are_messages_to_old_peers_and_commands_to_new() {
        assert_eq!(wire(Version::V1, COMMAND, &subscribe(b"abc")), b"\x05\0\x01abc");
        assert_eq!(wire(Version::V1, COMMAND, b"\x06CANCELabc"), b"\x05\0\0abc");
        for version in [Version::V2, Version::V3_0] {
            assert_eq!(wire(version, COMMAND, &subscribe(b"abc")), b"\0\x04\x01abc");
            assert_eq!(wire(version, COMMAND, b"\x06CANCELabc"), b"\0\x04\0abc");
        }
        assert_eq!(wire(Version::V3_1, COMMAND, &subscribe(b"abc")), b"\x04\x0d\x09SUBSCRIBEabc");
    }

    #[test]
    fn any_length_of_topic_is_framed_right() {
        for version in OLD {
            for len in [0, 1, 251, 252, 253, 254, 255, 256, 257, 5000] {
                let topic = vec![b't'; len];
                let bytes = wire(version, COMMAND, &subscribe(&topic));
                let header = match version {
                    Version::V1 => v1::parse_header(&bytes),
                    _ => frame::parse_header(&bytes),
                };
                let header = header.unwrap().unwrap();
                assert!(!header.is_command());
                assert_eq!(header.frame_len(), bytes.len(), "{version:?} {len}");
                assert_eq!(bytes[header.header_len], 1);
                assert_eq!(bytes[header.header_len + 1..], topic);
            }
        }
    }
}
