//! READY, server to client: the server's properties.
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x05READY";

/// Appends the frame around properties.
pub fn append(out: &mut Vec<u8>, metadata: &[u8]) {
    command::append(out, NAME, metadata);
}

/// The properties in the body.
pub fn parse(body: &[u8]) -> Result<&[u8], Failure> {
    body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn appended_properties_are_parsed_back() {
        for metadata in [&b""[..], b"\x01a\0\0\0\x01b", &[7; 300]] {
            assert_eq!(parse(&body(|out| append(out, metadata))), Ok(metadata));
        }
    }

    #[test]
    fn other_commands_are_unexpected() {
        for body in [&b""[..], b"\x05", b"\x05HELLO", b"\x07WELCOME"] {
            assert_eq!(parse(body), Err(Failure::UNEXPECTED_COMMAND));
        }
    }
}
