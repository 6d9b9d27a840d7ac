//! ERROR: the peer refuses this side, with a reason. PLAIN has a form of its own besides.
use crate::engine::Failure;
use crate::engine::zap::ZapStatus;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x05ERROR";

/// Appends an ERROR frame.
pub fn append(out: &mut Vec<u8>, reason: &[u8]) {
    command::append_error(out, reason);
}

/// Fails if this command is an ERROR.
pub fn check(body: &[u8]) -> Result<(), Failure> {
    body.strip_prefix(NAME).map_or(Ok(()), |payload| Err(told(payload)))
}

/// The failure for an ERROR, given the bytes behind its name. A reason that is a ZAP status means failed
/// authentication. Any other reason raises no event, as in libzmq.
pub fn told(payload: &[u8]) -> Failure {
    match command::error_reason(payload).map(ZapStatus::parse) {
        None => Failure::MALFORMED_ERROR,
        Some(None | Some(ZapStatus::Success)) => Failure::SILENT,
        Some(Some(refusal)) => Failure::Auth(refusal.code()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn an_appended_error_is_understood() {
        for (reason, code) in [(&b"300"[..], 300), (b"400", 400), (b"500", 500)] {
            let mut out = Vec::new();
            append(&mut out, reason);
            assert_eq!(out[..2], [4, 10]);
            assert_eq!(check(&out[2..]), Err(Failure::Auth(code)));
        }
    }

    #[test]
    fn only_a_zap_status_is_an_authentication_failure() {
        assert_eq!(check(b"\x05ERROR\x03500 and more"), Err(Failure::Auth(500)));
        for silent in [&b"\x05ERROR\x03200"[..], b"\x05ERROR\x03600", b"\x05ERROR\x03foo", b"\x05ERROR\0"] {
            assert_eq!(check(silent), Err(Failure::SILENT));
        }
        for malformed in [&b"\x05ERROR"[..], b"\x05ERROR\x09x"] {
            assert_eq!(check(malformed), Err(Failure::MALFORMED_ERROR));
        }
        assert_eq!(check(b"\x05READY"), Ok(()));
    }
}
