//! The client's side of SOCKS5, sans I/O: the messages to a proxy before the connection is the peer's.
//!
//! Source: RFC 1928, and RFC 1929 for user name and password.

use crate::errno::{Errno, Result};
use std::net::IpAddr;
use zeroize::{Zeroize, Zeroizing};

/// Version of the protocol, first in all messages except those about user names.
const VERSION: u8 = 5;
/// Version of the messages about user names.
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN_METHOD: u8 = 0;
const LOGIN_METHOD: u8 = 2;
const CONNECT_COMMAND: u8 = 1;
const IPV4_ADDRESS: u8 = 1;
const NAME_ADDRESS: u8 = 3;
const IPV6_ADDRESS: u8 = 4;

/// A user name and a password.
pub type Login = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

/// Bytes allocated at once: longer than any message with a password, so that no copy stays behind where a
/// buffer grows.
const BUFFER_BYTES: usize = 1024;

/// The messages to a proxy. The session writes [`output`](Socks5::output) and passes received bytes to
/// [`input`](Socks5::input), until that returns that the bytes to follow are the peer's.
pub struct Socks5 {
    host: String,
    port: u16,
    login: Option<Login>,
    state: State,
    /// Bytes to be written.
    pending: Zeroizing<Vec<u8>>,
}

/// The message expected from the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Choice,
    LoginReply,
    Reply,
    Done,
    Failed(Errno),
}

impl Socks5 {
    /// For asking a proxy to connect to `host`: a literal address without brackets, or a name that the proxy
    /// resolves. `login` is a user name and a password. Errors: `EINVAL` for any of them beyond the 255 bytes
    /// that a message can carry.
    pub fn new(host: &str, port: u16, login: Option<Login>) -> Result<Socks5> {
        let fits = |bytes: &[u8]| bytes.len() <= usize::from(u8::MAX);
        let login_fits = login.as_ref().is_none_or(|(user, password)| fits(user) && fits(password));
        if host.is_empty() || !fits(host.as_bytes()) || !login_fits {
            return Err(Errno::INVAL);
        }
        let method = if login.is_some() { LOGIN_METHOD } else { NO_LOGIN_METHOD };
        let mut pending = Zeroizing::new(Vec::with_capacity(BUFFER_BYTES));
        pending.extend_from_slice(&[VERSION, 1, method]);
        Ok(Socks5 { host: host.to_owned(), port, login, state: State::Choice, pending })
    }

    /// Moves the bytes to be written now to the end of `out`.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.pending);
        self.pending.zeroize();
    }

    /// Takes bytes of the proxy. Returns how many were used, and whether the proxy has connected: bytes
    /// behind those are the peer's. Bytes not used yet have to be passed again, with more behind them; a
    /// message has at most 262 bytes.
    ///
    /// Errors: `EPROTO` when the proxy does not speak SOCKS5; `EACCES` when it requires another kind of login
    /// or refuses ours; the errno for its answer when it could not connect. After an error the conversation
    /// is over.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, bool)> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.step(rest) {
                Ok(0) => return Ok((used, self.state == State::Done)),
                Ok(count) => used += count,
                Err(error) => {
                    self.state = State::Failed(error);
                    return Err(error);
                }
            }
        }
    }

    /// Takes one complete message. A prefix that no valid message has is an error at once.
    fn step(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.state {
            State::Choice => match *bytes {
                [] | [VERSION] => Ok(0),
                [VERSION, NO_LOGIN_METHOD, ..] => self.request(),
                [VERSION, LOGIN_METHOD, ..] => self.log_in(),
                [VERSION, ..] => Err(Errno(libc::EACCES)),
                _ => Err(Errno::PROTO),
            },
            State::LoginReply => match *bytes {
                [] | [LOGIN_VERSION] => Ok(0),
                [LOGIN_VERSION, 0, ..] => self.request(),
                [LOGIN_VERSION, ..] => Err(Errno(libc::EACCES)),
                _ => Err(Errno::PROTO),
            },
            State::Reply => {
                let length = reply_length(bytes)?;
                if length > 0 {
                    self.state = State::Done;
                }
                Ok(length)
            }
            State::Done => Ok(0),
            State::Failed(error) => Err(error),
        }
    }

    /// RFC 1929, section 2. Refuses a proxy that asks for a login although none was offered.
    fn log_in(&mut self) -> Result<usize> {
        let (user, password) = self.login.take().ok_or(Errno(libc::EACCES))?;
        self.pending.push(LOGIN_VERSION);
        for text in [user, password] {
            self.pending.push(u8::try_from(text.len()).map_err(|_| Errno::INVAL)?);
            self.pending.extend_from_slice(&text);
        }
        self.state = State::LoginReply;
        Ok(2)
    }

    /// RFC 1928, section 4.
    fn request(&mut self) -> Result<usize> {
        self.pending.extend_from_slice(&[VERSION, CONNECT_COMMAND, 0]);
        match self.host.parse() {
            Ok(IpAddr::V4(v4)) => {
                self.pending.push(IPV4_ADDRESS);
                self.pending.extend_from_slice(&v4.octets());
            }
            Ok(IpAddr::V6(v6)) => {
                self.pending.push(IPV6_ADDRESS);
                self.pending.extend_from_slice(&v6.octets());
            }
            Err(_) => {
                self.pending.push(NAME_ADDRESS);
                self.pending.push(u8::try_from(self.host.len()).map_err(|_| Errno::INVAL)?);
                self.pending.extend_from_slice(self.host.as_bytes());
            }
        }
        self.pending.extend_from_slice(&self.port.to_be_bytes());
        self.state = State::Reply;
        Ok(2)
    }
}

impl std::fmt::Debug for Socks5 {
    /// Without the password, which must not get into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Socks5({}:{}, {:?})", self.host, self.port, self.state)
    }
}

/// Length of a good reply; 0 while it is not complete. Each byte is checked when it arrives, since a proxy
/// that refuses may leave out the address. RFC 1928, section 6.
fn reply_length(bytes: &[u8]) -> Result<usize> {
    let mut head = bytes.iter().copied();
    if head.next().is_some_and(|version| version != VERSION) {
        return Err(Errno::PROTO);
    }
    if let Some(code) = head.next().filter(|code| *code != 0) {
        return Err(refusal(code));
    }
    if head.next().is_some_and(|reserved| reserved != 0) {
        return Err(Errno::PROTO);
    }
    let Some(kind) = head.next() else { return Ok(0) };
    let address = match kind {
        IPV4_ADDRESS => 4,
        IPV6_ADDRESS => 16,
        NAME_ADDRESS => match head.next() {
            Some(length) => 1 + usize::from(length),
            None => return Ok(0),
        },
        _ => return Err(Errno::PROTO),
    };
    let length = 4 + address + 2;
    Ok(if bytes.len() < length { 0 } else { length })
}

/// The errno for a code of RFC 1928, section 6.
fn refusal(code: u8) -> Errno {
    Errno(match code {
        1 => libc::ECONNABORTED,
        2 => libc::EACCES,
        3 => libc::ENETUNREACH,
        4 => libc::EHOSTUNREACH,
        5 => libc::ECONNREFUSED,
        6 => libc::ETIMEDOUT,
        7 => libc::EOPNOTSUPP,
        8 => libc::EAFNOSUPPORT,
        _ => libc::EPROTO,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn said(socks: &mut Socks5) -> Vec<u8> {
        let mut out = Vec::new();
        socks.output(&mut out);
        out
    }

    fn login() -> Option<Login> {
        Some((b"ann".to_vec().into(), b"secret".to_vec().into()))
    }

    #[test]
    fn without_login_a_name_goes_to_the_proxy_unresolved() {
        let mut socks = Socks5::new("example.org", 0x1234, None).unwrap();
        assert_eq!(said(&mut socks), [5, 1, 0]);
        assert_eq!(socks.input(&[5, 0]), Ok((2, false)));
        assert_eq!(said(&mut socks), b"\x05\x01\x00\x03\x0bexample.org\x12\x34");
        assert_eq!(socks.input(&[5, 0, 0, 1, 1, 2, 3, 4, 0, 80, 0xff, 0]), Ok((10, true)));
        assert_eq!(said(&mut socks), b"");
    }

    #[test]
    fn literal_addresses_are_sent_as_such() {
        let request = |host| {
            let mut socks = Socks5::new(host, 80, None).unwrap();
            socks.input(&[5, 0]).unwrap();
            said(&mut socks).split_off(3)
        };
        assert_eq!(request("1.2.3.4"), [5, 1, 0, 1, 1, 2, 3, 4, 0, 80]);
        assert_eq!(request("::1"), [5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80]);
    }

    #[test]
    fn a_login_is_offered_alone_and_sent_when_chosen() {
        let mut socks = Socks5::new("h", 80, login()).unwrap();
        assert_eq!(said(&mut socks), [5, 1, 2]);
        socks.input(&[5, 2]).unwrap();
        assert_eq!(said(&mut socks), b"\x01\x03ann\x06secret");
        assert_eq!(socks.input(&[1, 0]), Ok((2, false)));
        assert_eq!(said(&mut socks), b"\x05\x01\x00\x03\x01h\x00\x50");
    }

    #[test]
    fn any_chunking_comes_to_the_same() {
        for reply in [&[5, 0, 0, 1, 1, 2, 3, 4, 0, 80][..], &[5, 0, 0, 3, 2, b'a', b'b', 0, 80], &{
            let mut v6 = [0; 22];
            (v6[0], v6[3]) = (5, 4);
            v6
        }] {
            let mut socks = Socks5::new("h", 80, login()).unwrap();
            let mut heard = Vec::new();
            let mut done = false;
            for byte in [&[5, 2, 1, 0][..], reply].concat() {
                assert!(!done);
                heard.push(byte);
                let (used, finished) = socks.input(&heard).unwrap();
                heard.drain(..used);
                done = finished;
            }
            assert!(done && heard.is_empty());
        }
    }

    #[test]
    fn bytes_of_the_peer_are_left_alone() {
        let mut socks = Socks5::new("h", 80, None).unwrap();
        let bytes = [&[5, 0][..], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0], &[0xff, 5, 5]].concat();
        assert_eq!(socks.input(&bytes), Ok((12, true)));
        assert_eq!(socks.input(&[5, 0]), Ok((0, true)));
    }

    #[test]
    fn refusals_and_invalid_bytes_are_errors_at_the_first_byte_that_shows_them() {
        let after_choice = |bytes: &[u8]| {
            let mut socks = Socks5::new("h", 80, None).unwrap();
            socks.input(&[5, 0]).unwrap();
            let first = socks.input(bytes).unwrap_err();
            assert_eq!(socks.input(&[5, 0, 0]), Err(first), "a failed conversation is over");
            first
        };
        assert_eq!(after_choice(&[4]), Errno::PROTO);
        assert_eq!(after_choice(&[5, 5]), Errno::CONNREFUSED);
        assert_eq!(after_choice(&[5, 4, 0]), Errno::HOSTUNREACH);
        assert_eq!(after_choice(&[5, 9]), Errno::PROTO);
        assert_eq!(after_choice(&[5, 0, 1]), Errno::PROTO);
        assert_eq!(after_choice(&[5, 0, 0, 2]), Errno::PROTO);

        let choice = |login, bytes: &[u8]| Socks5::new("h", 80, login).unwrap().input(bytes).unwrap_err();
        assert_eq!(choice(None, &[4]), Errno::PROTO);
        assert_eq!(choice(None, &[5, 0xff]), Errno(libc::EACCES));
        assert_eq!(choice(None, &[5, 2]), Errno(libc::EACCES));
        assert_eq!(choice(login(), &[5, 1]), Errno(libc::EACCES));
        assert_eq!(choice(login(), &[5, 2, 1, 1]), Errno(libc::EACCES));
        assert_eq!(choice(login(), &[5, 2, 5, 0]), Errno::PROTO);
    }

    #[test]
    fn names_too_long_for_a_message_are_refused_at_once() {
        let long = "x".repeat(256);
        assert_eq!(Socks5::new(&long, 80, None).unwrap_err(), Errno::INVAL);
        assert_eq!(Socks5::new("", 80, None).unwrap_err(), Errno::INVAL);
        assert!(Socks5::new("h", 80, Some((long.clone().into_bytes().into(), vec![].into()))).is_err());
        assert!(Socks5::new("h", 80, Some((vec![].into(), long.into_bytes().into()))).is_err());
        assert!(Socks5::new(&"x".repeat(255), 80, None).is_ok());
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", Socks5::new("h", 80, login()).unwrap()).contains("secret"));
    }
}
