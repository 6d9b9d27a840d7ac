//! Commands: frames with the COMMAND flag, whose body is a short name and its arguments (RFC 37).
use super::frame;
use crate::message::COMMAND;

/// PONG echoes no more than this many bytes of a PING's context.
pub const MAX_PING_CONTEXT_BYTES: usize = 16;

const PING: &[u8] = b"\x04PING";
const PONG: &[u8] = b"\x04PONG";
const SUBSCRIBE: &[u8] = b"\x09SUBSCRIBE";
const CANCEL: &[u8] = b"\x06CANCEL";
const JOIN: &[u8] = b"\x04JOIN";
const LEAVE: &[u8] = b"\x05LEAVE";
const READY: &[u8] = b"\x05READY";
const ERROR: &[u8] = b"\x05ERROR";

/// The body of a command, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The peer is alive, asks for a PONG, and asks to be given up if it stays silent for `ttl_ds` tenths of
    /// a second; 0 asks for nothing.
    Ping {
        ttl_ds: u16,
        context: &'a [u8],
    },
    Pong {
        context: &'a [u8],
    },
    /// The topic.
    Subscribe(&'a [u8]),
    /// The topic.
    Cancel(&'a [u8]),
    /// The group (RFC 48).
    Join(&'a [u8]),
    /// The group (RFC 48).
    Leave(&'a [u8]),
    /// The properties.
    Ready(&'a [u8]),
    /// The bytes behind the name; [`error_reason`] reads them.
    Error(&'a [u8]),
    /// Unknown or malformed. After the handshake such commands are ignored, as in libzmq.
    Other,
}

impl<'a> Command<'a> {
    /// Reads the body of a frame.
    pub fn parse(body: &'a [u8]) -> Command<'a> {
        let after = |name| body.strip_prefix(name);
        if let Some(topic) = after(SUBSCRIBE) {
            Command::Subscribe(topic)
        } else if let Some(topic) = after(CANCEL) {
            Command::Cancel(topic)
        } else if let Some(group) = after(JOIN) {
            Command::Join(group)
        } else if let Some(group) = after(LEAVE) {
            Command::Leave(group)
        } else if let Some((ttl_ds, context)) = after(PING).and_then(<[u8]>::split_first_chunk::<2>) {
            Command::Ping { ttl_ds: u16::from_be_bytes(*ttl_ds), context }
        } else if let Some(context) = after(PONG) {
            Command::Pong { context }
        } else if let Some(metadata) = after(READY) {
            Command::Ready(metadata)
        } else if let Some(payload) = after(ERROR) {
            Command::Error(payload)
        } else {
            Command::Other
        }
    }

    /// Whether it is a subscription request, which the socket gets.
    pub fn is_subscription_request(&self) -> bool {
        matches!(self, Command::Subscribe(_) | Command::Cancel(_) | Command::Join(_) | Command::Leave(_))
    }
}

/// The reason in an ERROR command, given the bytes behind its name; `None` if malformed. Bytes beyond the
/// reason are ignored, as in libzmq.
pub fn error_reason(payload: &[u8]) -> Option<&[u8]> {
    let (len, rest) = payload.split_first()?;
    rest.get(..usize::from(*len))
}

/// Appends a PING frame. libzmq's have no context.
pub fn append_ping(out: &mut Vec<u8>, ttl_ds: u16, context: &[u8]) {
    frame::append_header(out, COMMAND, (PING.len() + 2).saturating_add(context.len()));
    out.extend_from_slice(PING);
    out.extend_from_slice(&ttl_ds.to_be_bytes());
    out.extend_from_slice(context);
}

/// Appends the PONG frame that answers a PING with this context; bytes of it beyond 16 are cut.
pub fn append_pong(out: &mut Vec<u8>, context: &[u8]) {
    append(out, PONG, context.get(..MAX_PING_CONTEXT_BYTES).unwrap_or(context));
}

/// Appends a SUBSCRIBE frame.
#[cfg(test)]
pub fn append_subscribe(out: &mut Vec<u8>, topic: &[u8]) {
    append(out, SUBSCRIBE, topic);
}

/// Appends a CANCEL frame.
#[cfg(test)]
pub fn append_cancel(out: &mut Vec<u8>, topic: &[u8]) {
    append(out, CANCEL, topic);
}

/// Appends a READY frame around properties.
pub fn append_ready(out: &mut Vec<u8>, metadata: &[u8]) {
    append(out, READY, metadata);
}

/// Appends an ERROR frame; bytes of the reason beyond 255 are cut.
pub fn append_error(out: &mut Vec<u8>, reason: &[u8]) {
    let reason = reason.get(..usize::from(u8::MAX)).unwrap_or(reason);
    frame::append_header(out, COMMAND, ERROR.len() + 1 + reason.len());
    out.extend_from_slice(ERROR);
    out.push(reason.len() as u8);
    out.extend_from_slice(reason);
}

/// Appends a frame around a command: its name, with the byte of its length in front, and its arguments.
pub fn append(out: &mut Vec<u8>, name: &[u8], arguments: &[u8]) {
    frame::append_header(out, COMMAND, name.len().saturating_add(arguments.len()));
    out.extend_from_slice(name);
    out.extend_from_slice(arguments);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::zmtp::frame::parse_header;
    use crate::message::FrameKind;

    /// The body of the one frame that `append` makes.
    fn body(append: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out);
        let header = parse_header(&out).unwrap().unwrap();
        assert!(header.is_command());
        assert_eq!(header.frame_len(), out.len());
        out.split_off(header.header_len)
    }

    #[test]
    fn appended_commands_are_parsed_back() {
        let long = [b't'; 300];
        assert_eq!(Command::parse(&body(|out| append_subscribe(out, &long))), Command::Subscribe(&long));
        assert_eq!(Command::parse(&body(|out| append_cancel(out, b""))), Command::Cancel(b""));
        assert_eq!(Command::parse(&body(|out| append_ready(out, &long))), Command::Ready(&long));
        assert_eq!(Command::parse(&body(|out| append_error(out, b"no"))), Command::Error(b"\x02no"));
        let ping = Command::Ping { ttl_ds: 0x0102, context: b"ctx" };
        assert_eq!(Command::parse(&body(|out| append_ping(out, 0x0102, b"ctx"))), ping);
        assert_eq!(Command::parse(&body(|out| append_pong(out, b"ctx"))), Command::Pong { context: b"ctx" });
    }

    #[test]
    fn subscriptions_read_the_same_to_pipes() {
        let subscribe = body(|out| append_subscribe(out, b"a"));
        assert_eq!(FrameKind::of(COMMAND, &subscribe), FrameKind::Subscribe(b"a"));
        let cancel = body(|out| append_cancel(out, b"a"));
        assert_eq!(FrameKind::of(COMMAND, &cancel), FrameKind::Cancel(b"a"));
    }

    #[test]
    fn frames_have_the_bytes_of_libzmqs() {
        let mut out = Vec::new();
        append_ping(&mut out, 12, b"");
        append_pong(&mut out, b"abcdefghijklmnopqrst");
        append_error(&mut out, b"400");
        assert_eq!(out, b"\x04\x07\x04PING\0\x0c\x04\x15\x04PONGabcdefghijklmnop\x04\x0a\x05ERROR\x03400");
    }

    #[test]
    fn malformed_commands_are_other() {
        for body in [&b""[..], b"\x04PING", b"\x04PING\0", b"\x09PI", b"PING\0\0", b"\x03PING\0\0", b"\xff"] {
            assert_eq!(Command::parse(body), Command::Other);
        }
    }

    #[test]
    fn reasons_are_bounded_by_the_command() {
        assert_eq!(error_reason(b"\x03400"), Some(&b"400"[..]));
        assert_eq!(error_reason(b"\x03400 and more"), Some(&b"400"[..]));
        assert_eq!(error_reason(b"\0"), Some(&b""[..]));
        assert_eq!(error_reason(b""), None);
        assert_eq!(error_reason(b"\x09x"), None);
        let cut = body(|out| append_error(out, &[b'e'; 300]));
        let Command::Error(payload) = Command::parse(&cut) else { panic!("no ERROR") };
        assert_eq!(error_reason(payload), Some(&[b'e'; 255][..]));
    }
}
