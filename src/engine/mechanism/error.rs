//! ERROR: the peer will have nothing to do with us, and says why. The same in all mechanisms.
use crate::engine::Failure;
use crate::engine::zap::ZapStatus;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x05ERROR";

/// Appends an ERROR frame.
pub fn append(out: &mut Vec<u8>, reason: &[u8]) {
    command::append_error(out, reason);
}

/// Fails if this command is an ERROR. A reason that is a ZAP status tells of failed authentication; any other is no
/// event, as with libzmq.
pub fn check(body: &[u8]) -> Result<(), Failure> {
    let Some(payload) = body.strip_prefix(NAME) else { return Ok(()) };
    let reason = command::error_reason(payload).ok_or(Failure::MALFORMED_ERROR)?;
    match ZapStatus::parse(reason) {
        None | Some(ZapStatus::Success) => Err(Failure::SILENT),
        Some(refusal) => Err(Failure::Auth(refusal.code())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_appended_is_understood() {
        for (reason, code) in [(&b"300"[..], 300), (b"400", 400), (b"500", 500)] {
            let mut out = Vec::new();
            append(&mut out, reason);
            assert_eq!(out[..2], [4, 10]);
            assert_eq!(check(&out[2..]), Err(Failure::Auth(code)));
        }
    }

    #[test]
    fn a_zap_status_alone_is_an_authentication_failure() {
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
