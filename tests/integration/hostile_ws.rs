//! As hostile.rs, over WebSocket: whoever breaks HTTP, WebSocket, ZWS or TLS is dropped, and all others go on.

use crate::support::bench::{Bench, PATIENCE, Socket, pour, until_closed};
use crate::support::program::*;
use crate::support::random::noise;
use crate::support::wss;
use crate::support::zws::{BINARY, CLOSE, COMMAND, MORE, PING, PONG, control, frame, header, peer, request};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};

/// `ZMQ_PROTOCOL_ERROR_WS_UNSPECIFIED`
const WS_UNSPECIFIED: u32 = 0x3000_0000;

fn pull(prepare: impl FnOnce(Socket)) -> Bench {
    Bench::over("ws", ZMQ_PULL, ZMQ_PUSH, |_, socket| prepare(socket), |_| {})
}

#[test]
fn requests_that_are_none() {
    let mut bench = pull(|_| {});
    let plain = String::from_utf8(request("ZWS2.0")).unwrap();
    let mut attacks: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec(),
        request("chat"),
        request("ZWS2.0/PLAIN"),
        request("ZWS2.0/CURVE, ZWS1.0"),
        plain.replace("Version: 13", "Version: 12").into_bytes(),
        plain.replace("Key: dGhl", "Key:\x01 dGhl").into_bytes(),
        plain.replace("HTTP/1.1", "HTTP/1.0").into_bytes(),
        plain.replace("Upgrade: websocket\r\n", "").into_bytes(),
    ];
    attacks.extend((1..30).map(|seed| noise(seed, 50 * seed as usize)));
    for (i, bytes) in attacks.iter().enumerate() {
        let mut stream = bench.attack();
        pour(&mut stream, bytes);
        let said = until_closed(&mut stream);
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&said));
        assert_eq!(bench.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), WS_UNSPECIFIED);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        if i % 8 == 0 {
            bench.good();
        }
    }
    bench.good();
}

#[test]
fn a_request_of_a_megabyte() {
    let mut bench = pull(|_| {});
    for field in
        [&b"X: "[..], b"Cookie: a=b; ", b"A: b\r\n", b"Sec-WebSocket-Protocol: ZWS2.0\r\n", b"\r", b"\n"]
    {
        let mut stream = bench.attack();
        let taken = pour(&mut stream, b"GET / HTTP/1.1\r\n")
            && pour(&mut stream, &field.repeat(1_000_000 / field.len()));
        let said = until_closed(&mut stream);
        assert!(!taken || said.len() < 200);
        assert_eq!(bench.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), WS_UNSPECIFIED);
        bench.good();
    }
}

#[test]
fn a_slow_request_is_given_so_long_and_no_longer() {
    let mut bench = pull(|socket| socket.set(ZMQ_HANDSHAKE_IVL, 200));
    let whole = [request("ZWS2.0"), frame(0, b"me")].concat();
    let cuts = [0, 1, 4, 20, 100, whole.len() - 9, whole.len() - 8, whole.len() - 1];
    bench.times_out(cuts.map(|cut| &whole[..cut]));
    // One byte at a time, for ever: it is the whole that has to be there in time.
    let mut stream = bench.attack();
    while stream.write_all(b"G").is_ok() && stream.write_all(b"ET / HTTP/1.1\r\nX: ").is_ok() {
        std::thread::yield_now();
        if bench.event(0).is_some_and(|(kind, _)| kind == ZMQ_EVENT_DISCONNECTED) {
            break;
        }
    }
    bench.good();
}

#[test]
fn frames_that_nobody_may_send() {
    let mut bench = pull(|_| {});
    let bad: [(&str, Vec<u8>); 12] = [
        ("a first fragment", control(0x02, b"\0hi")),
        ("a fragment further on", control(0x00, b"\0hi")),
        ("a last fragment", control(0x80, b"\0hi")),
        ("text", control(0x81, b"\0hi")),
        ("an unknown opcode", control(0x83, b"\0hi")),
        ("reserved bits", control(0xc2, b"\0hi")),
        ("no mask", b"\x82\x03\0hi".to_vec()),
        ("no flags", control(BINARY, b"")),
        ("a fragmented ping", control(0x09, b"")),
        ("a long ping", control(PING, &[0; 126])),
        ("a length that cannot be", header(BINARY, u64::MAX)),
        ("another", header(BINARY, 1 << 63)),
    ];
    for (what, bytes) in bad {
        let mut stream = peer(&bench);
        stream.write_all(&frame(0, what.as_bytes())).unwrap();
        stream.write_all(&frame(MORE, b"half a message")).unwrap();
        pour(&mut stream, &bytes);
        until_closed(&mut stream);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        bench.good();
        assert!(bench.strays.drain(..).eq([vec![what.as_bytes().to_vec()]]), "{what}");
    }
}

#[test]
fn noise_behind_a_handshake() {
    let mut bench = pull(|_| {});
    for seed in 0..60 {
        let mut stream = peer(&bench);
        if pour(&mut stream, &noise(seed, 2000)) {
            let _ = stream.shutdown(Shutdown::Write);
        }
        until_closed(&mut stream);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    }
    bench.good();
}

#[test]
fn messages_longer_than_allowed() {
    let mut bench = pull(|socket| socket.set_i64(ZMQ_MAXMSGSIZE, 20_000));
    for len in [20_002, 1 << 30, 1 << 50] {
        let mut stream = peer(&bench);
        pour(&mut stream, &frame(0, &[1; 20_000]));
        pour(&mut stream, &header(BINARY, len));
        until_closed(&mut stream);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        bench.good();
        assert!(bench.strays.drain(..).eq([vec![vec![1; 20_000]]]));
    }
}

#[test]
fn messages_arrive_whole_whatever_the_pieces() {
    let mut bench = pull(|_| {});
    let sizes = [0, 1, 124, 125, 126, 5000, 8191, 8192, 8193, 70_000];
    let message: Vec<Vec<u8>> = sizes.iter().map(|len| noise(*len as u64, *len)).collect();
    let mut wire = Vec::new();
    for (i, part) in message.iter().enumerate() {
        let more = if i + 1 < message.len() { MORE } else { 0 };
        // Commands may come in between, and nobody hears of them.
        wire.extend(frame(COMMAND, b"\x04PING\0\0"));
        wire.extend(control(PONG, b"unasked"));
        wire.extend(frame(more, part));
    }
    for piece in [1, 7, 100, 4096, wire.len()] {
        let mut stream = peer(&bench);
        for piece in wire.chunks(if piece == 1 { 3 } else { piece }) {
            stream.write_all(piece).unwrap();
        }
        while bench.strays.is_empty() {
            bench.good();
        }
        assert!(bench.strays.drain(..).eq([message.clone()]), "{piece}");
    }
}

#[test]
fn pings_and_farewells_are_answered() {
    let mut bench = pull(|_| {});
    let mut stream = peer(&bench);
    stream.write_all(&control(PING, b"are you there")).unwrap();
    let mut pong = [0; 15];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\x8a\x0dare you there");
    stream.write_all(&frame(0, b"last words")).unwrap();
    stream.write_all(&control(CLOSE, b"\x03\xe8bye")).unwrap();
    assert_eq!(until_closed(&mut stream), b"\x88\x05\x03\xe8bye");
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    bench.good();
    assert!(bench.strays.drain(..).eq([vec![b"last words".to_vec()]]));
}

#[test]
fn a_peer_that_does_not_answer_pings_is_given_up() {
    let mut bench = pull(|socket| {
        socket.set(ZMQ_HEARTBEAT_IVL, 50);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 500);
    });
    let mut stream = peer(&bench);
    let mut ping = [0; 2];
    stream.read_exact(&mut ping).unwrap();
    assert_eq!(&ping, b"\x89\0");
    stream.write_all(&control(PONG, b"")).unwrap();
    // From here on it says nothing.
    let said = until_closed(&mut stream);
    assert!(!said.is_empty() && said.chunks(2).all(|ping| ping == b"\x89\0"), "{said:?}");
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    bench.good();
}

#[test]
fn a_socket_that_closes_says_farewell() {
    let bench = Bench::over("ws", ZMQ_PUSH, ZMQ_PULL, |_, _| {}, |_| {});
    let mut stream = peer(&bench);
    // A socket that closes earlier than it knows its peer has nobody to say it to: it sends to that peer first.
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut said = Vec::new();
    while said.is_empty() {
        bench.socket.try_send(b"to whoever is there", 0).unwrap();
        let mut bytes = [0; 64];
        said.extend(stream.read(&mut bytes).map_or(&[][..], |n| &bytes[..n]));
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    bench.socket.set(ZMQ_LINGER, 10_000);
    drop(bench);
    said.extend(until_closed(&mut stream));
    assert!(said.ends_with(b"\x88\x02\x03\xe8"), "{said:?}");
}

#[test]
fn tls_or_nothing() {
    let prepare = |_, socket: Socket| {
        socket.set_bytes(ZMQ_WSS_CERT_PEM, wss::CERTIFICATE);
        socket.set_bytes(ZMQ_WSS_KEY_PEM, wss::KEY);
        socket.set(ZMQ_HANDSHAKE_IVL, 5000);
    };
    let prepare_good = |socket: Socket| {
        socket.set_bytes(ZMQ_WSS_TRUST_PEM, wss::CERTIFICATE);
        socket.set_bytes(ZMQ_WSS_HOSTNAME, wss::HOSTNAME);
    };
    let mut bench = Bench::over("wss", ZMQ_PULL, ZMQ_PUSH, prepare, prepare_good);
    let mut attacks =
        vec![request("ZWS2.0"), vec![0; 5000], vec![0x16; 100_000], b"\x16\x03\x01\xff\xff".to_vec()];
    attacks.extend((1..20).map(|seed| noise(seed, 3000)));
    for bytes in attacks {
        bench.turns_away(&bytes);
        bench.good();
    }
    // What is large is many records.
    let body = noise(9, 300_000);
    bench.good_with(&body);
}
