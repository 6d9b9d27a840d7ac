//! INITIATE, both ways: a token of the GSSAPI library, behind its length.
use super::check_name;
use crate::engine::Failure;
use crate::engine::zmtp::command;

const NAME: &[u8] = b"\x08INITIATE";

/// Appends the frame around a token.
pub fn append(out: &mut Vec<u8>, token: &[u8]) {
    let length = u32::try_from(token.len()).unwrap_or(u32::MAX);
    command::append(out, NAME, &[&length.to_be_bytes(), token].concat());
}

/// The token in the body.
pub fn parse(body: &[u8]) -> Result<&[u8], Failure> {
    let Some(rest) = body.strip_prefix(NAME) else {
        check_name(body)?;
        return Err(Failure::UNEXPECTED_COMMAND);
    };
    let (length, token) = rest.split_first_chunk::<4>().ok_or(Failure::MALFORMED_INITIATE)?;
    if usize::try_from(u32::from_be_bytes(*length)) == Ok(token.len()) {
        Ok(token)
    } else {
        Err(Failure::MALFORMED_INITIATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_token_is_parsed_back() {
        for token in [&b""[..], b"t", &[7; 3000]] {
            assert_eq!(parse(&body(|out| append(out, token))), Ok(token));
        }
    }

    #[test]
    fn lengths_have_to_be_right() {
        for body in [
            &b"\x08INITIATE"[..],
            b"\x08INITIATE\0\0\0",
            b"\x08INITIATE\0\0\0\x02x",
            b"\x08INITIATE\0\0\0\0x",
        ] {
            assert_eq!(parse(body), Err(Failure::MALFORMED_INITIATE), "{body:?}");
        }
        assert_eq!(parse(b"\x05READY"), Err(Failure::UNEXPECTED_COMMAND));
        for body in [&b""[..], b"\x08", b"\x08INIT"] {
            assert_eq!(parse(body), Err(Failure::MALFORMED_COMMAND), "{body:?}");
        }
    }
}
