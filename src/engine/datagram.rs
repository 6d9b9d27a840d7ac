//! The content of datagrams. RADIO and DISH: the length of the group in one byte, the group, the body. DGRAM:
//! only a body; its address travels as a frame before it. A message has two frames, group or address, and
//! body.
//!
//! Source: zmq_udp(7), RFC 48, and the datagrams that libzmq sends.

use crate::options::SocketType;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

/// The relation of a message of two frames to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// RADIO and DISH.
    Group,
    /// DGRAM.
    Address,
}

impl Form {
    /// `None` for socket types without datagrams.
    pub fn of(socket_type: SocketType) -> Option<Form> {
        match socket_type {
            SocketType::Radio | SocketType::Dish => Some(Form::Group),
            SocketType::Dgram => Some(Form::Address),
            _ => None,
        }
    }

    /// Bytes of the largest datagram. With groups it is the most that a libzmq peer takes; it would cut a
    /// larger one. With addresses it is the most that UDP carries, as the peer may be any program.
    pub fn largest(self) -> usize {
        match self {
            Form::Group => 8192,
            Form::Address => 65_535,
        }
    }

    /// Splits a datagram into two frames: writes the first to `first` and returns the second. `None` for an
    /// empty datagram, and for one that ends before its group does.
    pub fn decode<'d>(self, datagram: &'d [u8], from: SocketAddr, first: &mut Vec<u8>) -> Option<&'d [u8]> {
        first.clear();
        match self {
            Form::Group => {
                let (length, rest) = datagram.split_first()?;
                let (group, body) = rest.split_at_checked(usize::from(*length))?;
                first.extend_from_slice(group);
                Some(body)
            }
            Form::Address => {
                first.extend_from_slice(address_text(from).as_bytes());
                // Programs take the frame for a C string, as libzmq makes it one.
                first.push(0);
                Some(datagram)
            }
        }
    }
}

/// A datagram under construction.
#[derive(Debug)]
pub struct Outgoing {
    form: Form,
    bytes: Vec<u8>,
    to: Option<SocketAddr>,
    sound: bool,
}

impl Outgoing {
    /// `to`: the destination of all datagrams (RADIO); `None` where each message names its own.
    pub fn new(form: Form, to: Option<SocketAddr>) -> Outgoing {
        Outgoing { form, bytes: Vec::new(), to, sound: false }
    }

    /// Begins a datagram with the first frame of a message.
    pub fn begin(&mut self, first: &[u8]) {
        self.bytes.clear();
        self.sound = match self.form {
            Form::Group => match u8::try_from(first.len()) {
                Ok(length) => {
                    self.bytes.push(length);
                    self.bytes.extend_from_slice(first);
                    true
                }
                Err(_) => false,
            },
            Form::Address => {
                self.to = parse_address(first);
                self.to.is_some()
            }
        };
    }

    /// Ends the datagram with the second frame. `false`: the message's address, group or length is invalid.
    pub fn finish(&mut self, body: &[u8]) -> bool {
        self.sound &= body.len() <= self.form.largest().saturating_sub(self.bytes.len());
        if self.sound {
            self.bytes.extend_from_slice(body);
        }
        self.sound
    }

    /// The datagram and its destination; `None` if none is finished.
    pub fn datagram(&self) -> Option<(&[u8], SocketAddr)> {
        Some((&self.bytes, self.to.filter(|_| self.sound)?))
    }
}

/// `127.0.0.1:5555`, or `[::1]:5555`. An IPv4 address that an IPv6 socket shows mapped is written as IPv4.
fn address_text(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()).to_string(),
        // With its zone: a link-local address is useless without it.
        IpAddr::V6(_) => address.to_string(),
    }
}

/// The address in the frame before a body, with or without a NUL behind it: an IP address, a colon, and the
/// digits of a port other than 0. IPv6 may have brackets and the number of a zone. Text behind the digits is
/// ignored, as in libzmq.
fn parse_address(text: &[u8]) -> Option<SocketAddr> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (host, port) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
    let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let port = port.get(..digits)?.parse::<u16>().ok().filter(|port| *port != 0)?;
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return Some((v4, port).into());
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let (bare, zone) = match bare.split_once('%') {
        Some((bare, zone)) => (bare, zone.parse().ok()?),
        None => (bare, 0),
    };
    Some(SocketAddrV6::new(bare.parse().ok()?, port, 0, zone).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn peer() -> SocketAddr {
        "10.1.2.3:4567".parse().unwrap()
    }

    fn decode(form: Form, datagram: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut first = b"left over".to_vec();
        let body = form.decode(datagram, peer(), &mut first)?.to_vec();
        Some((first, body))
    }

    #[test]
    fn groups_come_back() {
        let longest = [b'g'; 255];
        for (group, body) in
            [(&b"TV"[..], &b"Friends"[..]), (b"", b""), (b"g", b""), (b"", b"b"), (&longest, b"x")]
        {
            let mut out = Outgoing::new(Form::Group, Some(peer()));
            out.begin(group);
            assert!(out.finish(body));
            let (datagram, to) = out.datagram().unwrap();
            assert_eq!((datagram.len(), to), (1 + group.len() + body.len(), peer()));
            assert_eq!(decode(Form::Group, datagram), Some((group.to_vec(), body.to_vec())));
        }
    }

    #[test]
    fn on_the_wire_a_group_is_length_group_body() {
        let mut out = Outgoing::new(Form::Group, Some(peer()));
        out.begin(b"TV");
        assert!(out.finish(b"Friends"));
        assert_eq!(out.datagram().unwrap().0, b"\x02TVFriends");
    }

    #[test]
    fn a_datagram_that_ends_before_its_group_is_no_message() {
        for datagram in [&b""[..], b"\x01", b"\x03TV", b"\xff\xff", &[255; 255]] {
            assert_eq!(decode(Form::Group, datagram), None, "{datagram:?}");
        }
        assert_eq!(decode(Form::Group, &[255; 256]), Some((vec![255; 255], vec![])));
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let mut out = Outgoing::new(Form::Group, Some(peer()));
        out.begin(b"TV");
        assert!(!out.finish(&[0; 8190]));
        assert!(out.datagram().is_none());
        out.begin(b"TV");
        assert!(out.finish(&[0; 8189]));
        out.begin(&[b'g'; 256]);
        assert!(!out.finish(b"") && out.datagram().is_none());
    }

    #[test]
    fn an_address_is_a_frame_of_its_own() {
        assert_eq!(decode(Form::Address, b"body"), Some((b"10.1.2.3:4567\0".to_vec(), b"body".to_vec())));
        assert_eq!(decode(Form::Address, b""), Some((b"10.1.2.3:4567\0".to_vec(), vec![])));
        let mut first = Vec::new();
        Form::Address.decode(b"", "[::ffff:10.1.2.3]:9".parse().unwrap(), &mut first);
        assert_eq!(first, b"10.1.2.3:9\0");
        Form::Address.decode(b"", "[::1]:9".parse().unwrap(), &mut first);
        assert_eq!(first, b"[::1]:9\0");
    }

    #[test]
    fn messages_to_invalid_addresses_are_not_sent() {
        let parsed = |text: &str| parse_address(text.as_bytes()).map(|address| address.to_string());
        for (text, address) in [
            ("127.0.0.1:5", "127.0.0.1:5"),
            ("127.0.0.1:5\0", "127.0.0.1:5"),
            ("127.0.0.1:5\0:6", "127.0.0.1:5"),
            ("127.0.0.1:5x", "127.0.0.1:5"),
            ("[::1]:5", "[::1]:5"),
            ("::1:5", "[::1]:5"),
            ("[fe80::1%7]:5", "[fe80::1%7]:5"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(address), "{text}");
        }
        for text in [
            "",
            ":",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "localhost:5",
            ":5",
            "\0",
            "[::1%x]:5",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(parse_address(b"\xff\xfe:5"), None);
        let mut out = Outgoing::new(Form::Address, None);
        out.begin(b"127.0.0.1:5");
        assert!(out.finish(b"to 5"));
        out.begin(b"nowhere");
        assert!(!out.finish(b"to nobody") && out.datagram().is_none());
    }
}
