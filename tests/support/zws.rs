//! A raw peer that speaks WebSocket as a client does.

use super::bench::Bench;
use std::io::{Read, Write};
use std::net::TcpStream;

pub const MORE: u8 = 1;
pub const COMMAND: u8 = 2;

pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

pub fn request(subprotocol: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// A masked header for a payload that is, or claims to be, so long.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match len {
        0..126 => header.push(0x80 | len as u8),
        126..65_536 => {
            header.push(0x80 | 126);
            header.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend_from_slice(&len.to_be_bytes());
        }
    }
    header.extend_from_slice(&MASK);
    header
}

pub fn masked(payload: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, byte)| byte ^ MASK[i % 4]).collect()
}

pub fn control(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, payload.len() as u64), masked(payload)].concat()
}

/// A frame of a message, or a command.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    control(BINARY, &[&[flags], body].concat())
}

/// Reads the head of an answer.
pub fn answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A peer that is connected, with no routing id.
pub fn peer(bench: &Bench) -> TcpStream {
    let mut stream = bench.attack();
    stream.write_all(&request("ZWS2.0")).unwrap();
    let answer = answer(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    assert!(answer.contains("Sec-WebSocket-Protocol: ZWS2.0\r\n"), "{answer}");
    stream.write_all(&frame(0, b"")).unwrap();
    let mut routing_id = [0; 3];
    stream.read_exact(&mut routing_id).unwrap();
    assert_eq!(&routing_id, b"\x82\x01\0");
    stream
}
