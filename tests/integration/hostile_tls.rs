//! As hostile.rs, over `tls://`: whoever breaks TLS, or stops or floods inside it, is dropped, and all others go on.

use crate::support::bench::*;
use crate::support::random::noise;
use crate::support::tls;
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};
use std::net::Shutdown;
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};

fn pull(prepare: impl FnOnce(Socket)) -> Bench {
    let prepare = |_, socket: Socket| {
        socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
        socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
        prepare(socket);
    };
    let prepare_good = |socket: Socket| {
        socket.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
        socket.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
        socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::CLIENT);
        socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::CLIENT_KEY);
    };
    Bench::over("tls", ZMQ_PULL, ZMQ_PUSH, prepare, prepare_good)
}

/// A peer that has shaken hands in both protocols.
fn peer(bench: &Bench) -> tls::Stream {
    let mut stream = tls::client(bench.attack(), &[&TLS13], false);
    stream.write_all(&hello(Version::V3, "PUSH", b"")).unwrap();
    bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    stream
}

fn read_to_end(stream: &mut tls::Stream) {
    let mut room = [0; 4096];
    while stream.read(&mut room).is_ok_and(|n| n > 0) {}
}

#[test]
fn garbage_below_and_above() {
    let mut bench = pull(|socket| socket.set(ZMQ_HANDSHAKE_IVL, 5000));
    let mut inside = vec![vec![0; 5000], b"GET / HTTP/1.1\r\n\r\n".to_vec()];
    inside.extend((1..10).map(|seed| noise(seed, 3000)));
    let below = [hello(Version::V3, "PUSH", b""), vec![0x16; 100_000], b"\x16\x03\x01\xff\xff".to_vec()];
    for bytes in below.iter().chain(&inside) {
        bench.turns_away(bytes);
    }
    bench.good();
    for bytes in &inside {
        let mut stream = tls::client(bench.attack(), &[&TLS13], false);
        // It may have been cut off before all of it was said.
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
        let _ = stream.sock.shutdown(Shutdown::Write);
        read_to_end(&mut stream);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    }
    bench.good();
}

#[test]
fn an_old_client_is_refused() {
    let mut bench = pull(|_| {});
    let mut stream = tls::client(bench.attack(), &[&TLS12], false);
    assert!(stream.write_all(b"hello").is_err());
    assert_eq!(stream.conn.protocol_version(), None);
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    // Such a client may yet say the version that it is refused for.
    let mut stream = tls::client(bench.attack(), &[&TLS13, &TLS12], false);
    stream.write_all(&hello(Version::V3, "PUSH", b"")).unwrap();
    bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    assert_eq!(stream.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    bench.good();
}

#[test]
fn half_a_handshake_has_its_time() {
    let mut bench = pull(|socket| socket.set(ZMQ_HANDSHAKE_IVL, 200));
    // Nothing; half a record; TLS alone; TLS and half a greeting.
    for step in 0..4 {
        let mut stream = bench.attack();
        let mut tunnel = None;
        match step {
            0 => {}
            1 => assert!(pour(&mut stream, b"\x16\x03\x01\x02\x00\x01\x00")),
            _ => {
                let mut inside = tls::client(stream.try_clone().unwrap(), &[&TLS13], false);
                inside.write_all(&greeting(3, "NULL")[..if step == 2 { 1 } else { 40 }]).unwrap();
                tunnel = Some(inside);
            }
        }
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        until_closed(&mut stream);
        drop(tunnel);
        bench.good();
    }
}

/// Each request costs the server new keys and an answer.
#[test]
fn a_flood_of_new_keys_is_cut_off() {
    let mut bench = pull(|_| {});
    let mut stream = peer(&bench);
    for _ in 0..5 {
        stream.conn.refresh_traffic_keys().unwrap();
        stream.write_all(&frame(Version::V3, 0, b"from time to time")).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(bench.socket.try_frame(0).unwrap().0, b"from time to time");
    }
    let requested = (0..100_000).try_for_each(|_| {
        stream.conn.refresh_traffic_keys().unwrap();
        stream.flush()
    });
    if requested.is_ok() {
        read_to_end(&mut stream);
    }
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    bench.good();
}

/// The tunnel's own end, and a stream that just ends.
#[test]
fn either_end_of_a_connection_is_one() {
    let mut bench = pull(|_| {});
    for says_so in [true, false] {
        let mut stream = peer(&bench);
        stream.write_all(&frame(Version::V3, 0, b"last words")).unwrap();
        stream.write_all(&frame(Version::V3, MORE, b"cut off")).unwrap();
        if says_so {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        } else {
            stream.sock.shutdown(Shutdown::Write).unwrap();
        }
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        assert_eq!(bench.socket.try_frames(0).unwrap(), [b"last words"]);
        bench.good();
    }
}

#[test]
fn a_silent_peer_is_missed() {
    let mut bench = pull(|socket| {
        socket.set(ZMQ_HEARTBEAT_IVL, 50);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, 500);
    });
    let mut stream = peer(&bench);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(said.windows(5).any(|bytes| bytes == b"\x04PING"));
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    bench.good();
}

#[test]
fn those_who_fail_again_and_again_are_banned() {
    let bench = pull(|socket| {
        socket.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 3);
        socket.set_bytes(ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, tls::AUTHORITY);
    });
    for _ in 0..3 {
        let mut stream = tls::client(bench.attack(), &[&TLS13], false);
        let _ = stream.write_all(b"without a certificate");
        read_to_end(&mut stream);
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    }
    let mut stream = bench.attack();
    assert!(until_closed(&mut stream).is_empty());
    assert_eq!(bench.wait_for(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
}

#[test]
fn messages_of_many_records_and_records_of_a_byte() {
    let mut bench = pull(|_| {});
    let mut stream = peer(&bench);
    let body = noise(3, 3000);
    for byte in frame(Version::V3, 0, &body) {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(bench.socket.try_frame(0).unwrap().0 == body);
    bench.good_with(&noise(9, 300_000));
    bench.good();
}
