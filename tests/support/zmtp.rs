//! What raw peers say: greetings and frames of ZMTP, without a socket of the library.

use std::io;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Connects from one of this host's addresses, of which each has ports of its own.
pub fn connect_from(from: Ipv4Addr, to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), patience)?;
    Ok(socket.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    V3,
}

pub const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::V3];

/// Of a version from 3 on.
pub fn greeting(major: u8, mechanism: &str) -> Vec<u8> {
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, major, u8::from(major == 3)];
    greeting.extend_from_slice(mechanism.as_bytes());
    greeting.resize(64, 0);
    greeting
}

/// All that a peer says before its first message.
pub fn hello(version: Version, socket_type: &str, routing_id: &[u8]) -> Vec<u8> {
    match version {
        // The routing id alone, as a frame.
        Version::V1 => frame(Version::V1, 0, routing_id),
        Version::V2 => {
            let number = match socket_type {
                "PUB" => 1,
                "SUB" => 2,
                "DEALER" => 5,
                "PULL" => 7,
                "PUSH" => 8,
                _ => panic!(),
            };
            let mut hello = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01".to_vec();
            hello.push(number);
            hello.extend_from_slice(&frame(Version::V2, 0, routing_id));
            hello
        }
        Version::V3 => {
            let mut hello = greeting(3, "NULL");
            let mut ready = b"\x05READY".to_vec();
            for (name, value) in [("Socket-Type", socket_type.as_bytes()), ("Identity", routing_id)] {
                ready.push(name.len() as u8);
                ready.extend_from_slice(name.as_bytes());
                ready.extend_from_slice(&(value.len() as u32).to_be_bytes());
                ready.extend_from_slice(value);
            }
            hello.extend_from_slice(&frame(Version::V3, COMMAND, &ready));
            hello
        }
    }
}

pub const MORE: u8 = 1;
pub const LARGE: u8 = 2;
pub const COMMAND: u8 = 4;

pub fn frame(version: Version, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = header(version, flags, body.len() as u64);
    frame.extend_from_slice(body);
    frame
}

/// Of a frame whose body is, or claims to be, so long.
pub fn header(version: Version, flags: u8, len: u64) -> Vec<u8> {
    let mut header = Vec::new();
    if version == Version::V1 {
        match len.saturating_add(1) {
            short @ 0..255 => header.push(short as u8),
            long => {
                header.push(0xff);
                header.extend_from_slice(&long.to_be_bytes());
            }
        }
        header.push(flags);
    } else if len <= 255 {
        header.extend_from_slice(&[flags, len as u8]);
    } else {
        header.push(flags | LARGE);
        header.extend_from_slice(&len.to_be_bytes());
    }
    header
}

/// Writes until all is out or the other side has closed; `false` then.
pub fn pour(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    match stream.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "neither taken nor closed: {error}"
            );
            false
        }
    }
}

/// Reads until the other side closes.
pub fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not closed");
    }
    bytes
}
