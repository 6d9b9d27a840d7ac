//! ERROR, server to client: the password was wrong, or the authenticator failed.
//!
//! libzmq has misspelt the name since 4.3: in `"\x05ERROR"` C takes the first E for a digit of the escape.
//! Such a client understands no other spelling, and would take the right one for a breach of the protocol. So
//! this server sends the wrong one, and this client understands both.

use crate::engine::Failure;
use crate::engine::mechanism::error;
use crate::engine::zmtp::command;

const MISSPELT: &[u8] = b"\x5eRROR";

/// Appends an ERROR frame; bytes of the reason beyond 255 are cut.
pub fn append(out: &mut Vec<u8>, reason: &[u8]) {
    let reason = reason.get(..usize::from(u8::MAX)).unwrap_or(reason);
    command::append(out, MISSPELT, &[&[reason.len() as u8], reason].concat());
}

/// Fails if this command is an ERROR, in either spelling.
pub fn check(body: &[u8]) -> Result<(), Failure> {
    error::check(body)?;
    body.strip_prefix(MISSPELT).map_or(Ok(()), |payload| Err(error::told(payload)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_error_is_understood() {
        for (reason, code) in [(&b"300"[..], 300), (b"400", 400), (b"500", 500)] {
            assert_eq!(check(&body(|out| append(out, reason))), Err(Failure::Auth(code)));
        }
        assert_eq!(check(&body(|out| append(out, &[b'e'; 300]))), Err(Failure::SILENT));
    }

    #[test]
    fn error_has_the_bytes_of_libzmqs() {
        let mut out = Vec::new();
        append(&mut out, b"400");
        assert_eq!(out, b"\x04\x09^RROR\x03400");
    }

    #[test]
    fn both_spellings_are_understood() {
        assert_eq!(check(b"\x05ERROR\x03400"), Err(Failure::Auth(400)));
        assert_eq!(check(b"^RROR\x03400"), Err(Failure::Auth(400)));
        assert_eq!(check(b"^RROR"), Err(Failure::MALFORMED_ERROR));
        assert_eq!(check(b"\x07WELCOME"), Ok(()));
    }
}
