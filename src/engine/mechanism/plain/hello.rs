//! HELLO, client to server: user name and password.
use crate::engine::Failure;
use crate::engine::mechanism::check_name;
use crate::engine::zmtp::command;
use zeroize::Zeroizing;

const NAME: &[u8] = b"\x05HELLO";

/// The client's claim.
#[derive(PartialEq, Eq)]
pub struct Hello {
    pub username: Zeroizing<Vec<u8>>,
    pub password: Zeroizing<Vec<u8>>,
}

/// Appends a HELLO frame; bytes of either beyond 255 are cut.
pub fn append(out: &mut Vec<u8>, username: &[u8], password: &[u8]) {
    let mut arguments = Zeroizing::new(Vec::with_capacity(2 * (1 + usize::from(u8::MAX))));
    for text in [username, password] {
        let text = text.get(..usize::from(u8::MAX)).unwrap_or(text);
        arguments.push(text.len() as u8);
        arguments.extend_from_slice(text);
    }
    command::append(out, NAME, &arguments);
}

/// Reads the body of a HELLO; it must end with the password.
pub fn parse(body: &[u8]) -> Result<Hello, Failure> {
    check_name(body)?;
    let rest = body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)?;
    let (username, rest) = split_text(rest).ok_or(Failure::MALFORMED_HELLO)?;
    match split_text(rest) {
        Some((password, [])) => Ok(Hello {
            username: Zeroizing::new(username.to_vec()),
            password: Zeroizing::new(password.to_vec()),
        }),
        _ => Err(Failure::MALFORMED_HELLO),
    }
}

fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::mechanism::tests::body;

    #[test]
    fn an_appended_hello_is_parsed_back() {
        for (username, password) in [(&b"ann"[..], &b"secret"[..]), (b"", b""), (&[b'u'; 255], &[0; 255])] {
            let hello = parse(&body(|out| append(out, username, password))).ok().unwrap();
            assert_eq!((&hello.username[..], &hello.password[..]), (username, password));
        }
    }

    #[test]
    fn hello_has_the_bytes_of_libzmqs() {
        let mut out = Vec::new();
        append(&mut out, b"admin", b"pw");
        assert_eq!(out, b"\x04\x0f\x05HELLO\x05admin\x02pw");
    }

    #[test]
    fn every_fault_has_its_code() {
        for body in [&b""[..], b"\x05", b"\x05HELL", b"\x06HELLO"] {
            assert_eq!(parse(body).err(), Some(Failure::MALFORMED_COMMAND), "{body:?}");
        }
        for body in [&b"\x05HULLO\x01a\x01b"[..], b"\x05READY", b"\x08INITIATE", b"\0x"] {
            assert_eq!(parse(body).err(), Some(Failure::UNEXPECTED_COMMAND), "{body:?}");
        }
        let whole = b"\x05HELLO\x03ann\x02pw";
        for cut in 6..whole.len() {
            assert_eq!(parse(&whole[..cut]).err(), Some(Failure::MALFORMED_HELLO), "cut at {cut}");
        }
        assert_eq!(parse(b"\x05HELLO\x03ann\x02pw!").err(), Some(Failure::MALFORMED_HELLO));
        assert!(parse(whole).is_ok());
    }
}
