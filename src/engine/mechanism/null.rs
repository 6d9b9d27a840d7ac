//! NULL: each side sends READY with its properties (RFC 37), or ERROR.
use super::properties::{self, PeerProperties};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::command::{self, Command};
use crate::engine::zmtp::handshake::Peer;
use crate::engine::{Config, Failure};

/// Our READY is sent, the peer's READY or ERROR is due.
pub struct AwaitReady(());

impl AwaitReady {
    /// Appends our READY.
    pub fn start(config: &Config, out: &mut Vec<u8>) -> AwaitReady {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, config);
        command::append_ready(out, &metadata);
        AwaitReady(())
    }

    /// Takes the peer's command. The COMMAND flag of its frame does not matter, as with libzmq. Properties that
    /// are malformed or a socket type that does not match ours end the connection without an event.
    pub fn command(self, body: &[u8], version: Version, config: &Config) -> Result<Peer, Failure> {
        match Command::parse(body) {
            Command::Ready(metadata) => {
                let peer = PeerProperties::parse(metadata, config).map_err(Failure::Errno)?;
                Ok(peer.into_peer(version))
            }
            Command::Error(payload) => Err(refused(payload)),
            _ => Err(Failure::UNEXPECTED_COMMAND),
        }
    }
}

/// What an ERROR command of the peer amounts to: a reason that is a ZAP status tells of failed
/// authentication; any other is no event.
pub(super) fn refused(payload: &[u8]) -> Failure {
    match command::error_reason(payload) {
        None => Failure::MALFORMED_ERROR,
        Some(b"300") => Failure::Auth(300),
        Some(b"400") => Failure::Auth(400),
        Some(b"500") => Failure::Auth(500),
        Some(_) => Failure::SILENT,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::zmtp::tests::config;
    use crate::errno::Errno;
    use crate::options::SocketType;

    fn outcome(body: &[u8]) -> Result<Peer, Failure> {
        let config = config(SocketType::Dealer);
        AwaitReady::start(&config, &mut Vec::new()).command(body, Version::V3_1, &config)
    }

    #[test]
    fn ready_is_worded_as_libzmq_words_it() {
        let mut ours = config(SocketType::Dealer);
        ours.app_metadata.insert("X-a".into(), "b".into());
        let mut out = Vec::new();
        AwaitReady::start(&ours, &mut out);
        let seen: &[u8] =
            b"\x042\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0\x03X-a\0\0\0\x01b";
        assert_eq!(out, seen);
    }

    #[test]
    fn ready_may_leave_out_the_socket_type_but_not_lie_about_it() {
        assert_eq!(outcome(b"\x05READY").unwrap().socket_type, None);
        let peer = outcome(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER").unwrap();
        assert_eq!(peer.socket_type.as_deref(), Some("ROUTER"));
        let mismatch = outcome(b"\x05READY\x0bSocket-Type\0\0\0\x03PUB").unwrap_err();
        assert_eq!(mismatch, Failure::Errno(Errno::INVAL));
    }

    #[test]
    fn malformed_properties_raise_no_event() {
        for body in [&b"\x05READY\x01"[..], b"\x05READY\x01a\0\0\0\x03a", b"\x05READY\x01a\0\0\0\0\0"] {
            assert_eq!(outcome(body).unwrap_err(), Failure::SILENT);
        }
    }

    #[test]
    fn other_commands_are_unexpected() {
        for body in [&b""[..], b"\x05HELLO", b"hello", b"\x05READ", b"\x04READY", b"\x04PING\0\0"] {
            assert_eq!(outcome(body).unwrap_err(), Failure::UNEXPECTED_COMMAND);
        }
    }

    #[test]
    fn an_error_with_a_zap_status_is_an_authentication_failure() {
        assert_eq!(outcome(b"\x05ERROR\x03300").unwrap_err(), Failure::Auth(300));
        assert_eq!(outcome(b"\x05ERROR\x03400").unwrap_err(), Failure::Auth(400));
        assert_eq!(outcome(b"\x05ERROR\x03500 and more").unwrap_err(), Failure::Auth(500));
        for silent in [&b"\x05ERROR\x03200"[..], b"\x05ERROR\x03600", b"\x05ERROR\x03foo", b"\x05ERROR\0"] {
            assert_eq!(outcome(silent).unwrap_err(), Failure::SILENT);
        }
        for malformed in [&b"\x05ERROR"[..], b"\x05ERROR\x09x"] {
            assert_eq!(outcome(malformed).unwrap_err(), Failure::MALFORMED_ERROR);
        }
    }
}
