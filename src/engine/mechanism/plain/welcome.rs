//! WELCOME, server to client: the password was right.
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x07WELCOME";

/// Appends a WELCOME frame.
pub fn append(out: &mut Vec<u8>) {
    command::append(out, NAME, &[]);
}

/// Checks the body of a WELCOME; no byte may follow the name.
pub fn parse(body: &[u8]) -> Result<(), Failure> {
    match body.strip_prefix(NAME) {
        Some([]) => Ok(()),
        Some(_) => Err(Failure::MALFORMED_WELCOME),
        None => Err(Failure::UNEXPECTED_COMMAND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_welcome_is_parsed_back() {
        assert_eq!(body(append), b"\x07WELCOME");
        assert_eq!(parse(&body(append)), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(parse(b"\x07WELCOMEx"), Err(Failure::MALFORMED_WELCOME));
        for body in [&b""[..], b"\x07WELCOM", b"\x05READY"] {
            assert_eq!(parse(body), Err(Failure::UNEXPECTED_COMMAND));
        }
    }
}
