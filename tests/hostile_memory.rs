//! What peers can make us hold is bounded by what they send, and by far less where nobody wants it. One test at a time,
//! since memory is counted for the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/allocations.rs"]
#[allow(dead_code)]
mod allocations;
#[allow(dead_code, unused_imports, unused_macros)]
mod support;

use allocations::{held as held_now, most_held};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::bench::*;
use support::curve::{self, Client};
use support::{tls, zws};
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};
use zmq::options::number::ZMQ_FERRO_MAX_HANDSHAKES_SIZE;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;

fn alone<R>(run: impl FnOnce() -> R) -> R {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    run()
}

/// Pours as much as is taken, up to `limit` bytes, until nothing is for a while. How much that was.
fn pour_until_it_stops(stream: &mut TcpStream, bytes: &[u8], limit: usize) -> usize {
    stream.set_nonblocking(true).unwrap();
    let (mut poured, mut last) = (0, Instant::now());
    while poured < limit && last.elapsed() < Duration::from_millis(250) {
        match stream.write(&bytes[poured % bytes.len()..]) {
            Ok(n) => (poured, last) = (poured + n, Instant::now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    poured
}

/// Floods a socket with what nobody wants; what that made it hold.
fn flood(bench: &mut Bench, bytes: &[u8], total: usize) -> usize {
    let mut stream = bench.peer(Version::V3, "PUSH");
    // Not counted: the flood itself.
    let bytes = bytes.repeat(MIB / bytes.len() + 1);
    most_held(|| {
        let mut poured = 0;
        while poured < total {
            assert!(pour(&mut stream, &bytes));
            poured += bytes.len();
            bench.good();
        }
    })
}

#[test]
fn floods_of_commands() {
    alone(|| {
        let mut bench = Bench::pull();
        let ping = frame(Version::V3, COMMAND, b"\x04PING\0\x0asomething");
        let subscribe = frame(Version::V3, COMMAND, b"\x09SUBSCRIBEtopic");
        let unknown = frame(Version::V3, COMMAND, &[b"\x03FOO", &[0; 300_000][..]].concat());
        let many = [ping.clone(), subscribe.clone(), unknown.clone()].concat();
        for (name, command) in [("PING", ping), ("SUBSCRIBE", subscribe), ("FOO", unknown), ("all", many)] {
            let held = flood(&mut bench, &command, 30 * MIB);
            assert!(held < 2 * MIB, "{name}: {held}");
        }
    });
}

#[test]
fn floods_over_websocket() {
    alone(|| {
        let mut bench = Bench::over("ws", ZMQ_PULL, ZMQ_PUSH, |_, _| {}, |_| {});
        let ping = zws::control(zws::PING, &[7; 125]);
        let command = zws::frame(zws::COMMAND, &[3; 1000]);
        for (name, frames) in [("pings", ping), ("commands", command)] {
            let mut stream = zws::peer(&bench);
            let bytes = frames.repeat(MIB / frames.len());
            let held = most_held(|| {
                for _ in 0..20 {
                    // Until our answers, which nobody reads, are in the way of more.
                    pour_until_it_stops(&mut stream, &bytes, bytes.len());
                    bench.good();
                }
            });
            assert!(held < 2 * MIB, "{name}: {held}");
        }
        let held = most_held(|| {
            // Half a request each, and the beginning of what claims to be a terabyte.
            let halves: Vec<_> = (0..20)
                .map(|i| {
                    let mut stream = if i % 2 == 0 { bench.attack() } else { zws::peer(&bench) };
                    let claim = zws::header(zws::BINARY, 1 << 40);
                    stream.write_all(if i % 2 == 0 { b"GET / HTTP/1.1\r\nA: " } else { &claim }).unwrap();
                    stream.write_all(&[b'b'; 10_000]).unwrap();
                    stream
                })
                .collect();
            bench.good();
            drop(halves);
        });
        assert!(held < 4 * MIB, "{held}");
    });
}

#[test]
fn subscriptions_to_a_publisher_that_is_busy_elsewhere() {
    alone(|| {
        let mut bench = Bench::new(ZMQ_PUB, ZMQ_SUB, |_| {});
        let topic = |i: u32| frame(Version::V3, COMMAND, &[b"\x09SUBSCRIBE", &i.to_be_bytes()[..]].concat());
        let bytes: Vec<u8> = (0..100_000).flat_map(topic).collect();
        let mut stream = bench.peer(Version::V3, "SUB");
        let held = most_held(|| {
            // The publisher makes no call at all: at the mark the connection is read no more.
            let poured = pour_until_it_stops(&mut stream, &bytes, 200 * MIB);
            assert!(poured < 200 * MIB);
        });
        assert!(held < 2 * MIB, "{held}");
        bench.good_out();
    });
}

#[test]
fn lengths_that_are_only_announced() {
    alone(|| {
        let mut bench = Bench::pull();
        for version in VERSIONS {
            for len in [1 << 30, 1 << 40, 1 << 50] {
                let mut stream = bench.peer(version, "PUSH");
                let body = vec![1; MIB];
                let held = most_held(|| {
                    assert!(pour(&mut stream, &header(version, 0, len)));
                    assert!(pour(&mut stream, &body));
                    bench.good();
                    drop(stream);
                    // All of it has been read then.
                    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
                });
                assert!(held < 4 * MIB, "{version:?} {len}: {held}");
            }
        }
    });
}

#[test]
fn handshakes_that_are_never_finished() {
    alone(|| {
        let mut bench = Bench::pull();
        // A property that takes its time.
        let mut half = hello(Version::V3, "PUSH", b"")[..64].to_vec();
        half.extend_from_slice(&header(Version::V3, COMMAND, 32_000));
        half.extend_from_slice(&[b'x'; 31_000]);
        let mut streams = Vec::with_capacity(200);
        let held = most_held(|| {
            for _ in 0..200 {
                let mut stream = bench.attack();
                assert!(pour(&mut stream, &half));
                streams.push(stream);
            }
            bench.good();
        });
        assert!(held < 200 * 70_000, "{held}");
    });
}

/// What peers make the library hold at most that say this and no more, where handshakes may hold `limit` bytes. Then an honest one gets in,
/// and the limit is not reached by those that have gone.
fn unfinished(mut bench: Bench, limit: usize, said: &[u8], is_greeted: bool) -> usize {
    const PEERS: usize = 360;
    let size = limit.try_into().unwrap();
    assert_eq!(zmq::ffi::zmq_ctx_set(bench.context.0, ZMQ_FERRO_MAX_HANDSHAKES_SIZE, size), 0);
    let mut streams = Vec::with_capacity(PEERS);
    let held = most_held(|| {
        while streams.len() < PEERS {
            let mut stream = bench.attack();
            // It may have had to make room for another already.
            let poured = stream.write_all(said);
            if is_greeted {
                let _ = poured.and_then(|()| stream.read_exact(&mut [0]));
            } else {
                bench.wait_for(ZMQ_EVENT_ACCEPTED);
            }
            streams.push(stream);
        }
        bench.good();
    });
    let honest = bench.context.patient(ZMQ_PUSH);
    if bench.endpoint.starts_with("tls") {
        trusting(honest);
    }
    honest.connect(&bench.endpoint);
    bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    honest.close();
    drop(streams);
    held
}

fn trusting(socket: Socket) {
    socket.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    socket.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
}

#[test]
fn unfinished_handshakes_hold_no_more_than_they_may() {
    let greeting = greeting(3, "NULL");
    let half = |len| [&greeting[..], &header(Version::V3, COMMAND, 32_000), &vec![b'x'; len]].concat();
    let head = [b"GET / HTTP/1.1\r\nA: ", &[b'b'; 15_000][..]].concat();
    let framed = [zws::request("ZWS2.0/NULL"), zws::header(zws::BINARY, 32_000), vec![b'x'; 31_000]].concat();
    // What says that it is 60,000 bytes of a ClientHello.
    let hello = [&b"\x01\0\xea\x60"[..], &[b'x'; 55_000]].concat();
    let record = |part: &[u8]| [&b"\x16\x03\x01"[..], &(part.len() as u16).to_be_bytes(), part].concat();
    let tunnel: Vec<u8> = hello.chunks(16_000).flat_map(record).collect();
    let over_tls = || {
        let prepare = |_, socket: Socket| {
            socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
            socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
        };
        Bench::over("tls", ZMQ_PULL, ZMQ_PUSH, prepare, trusting)
    };
    let over_ws = || Bench::over("ws", ZMQ_PULL, ZMQ_PUSH, |_, _| {}, |_| {});
    alone(|| {
        for (name, bench, said, is_greeted) in [
            ("greeting", Bench::pull(), half(0), true),
            ("900 bytes", Bench::pull(), half(900), true),
            ("1,500 bytes", Bench::pull(), half(1500), true),
            ("5,000 bytes", Bench::pull(), half(5000), true),
            ("31,000 bytes", Bench::pull(), half(31_000), true),
            ("head", over_ws(), head, false),
            ("frame", over_ws(), framed, true),
            ("TLS", over_tls(), tunnel, false),
        ] {
            let held = unfinished(bench, MIB, &said, is_greeted);
            // Beside them there are events, and those that had to go do so a moment later.
            assert!(held < MIB + MIB / 2, "{name}: {held}");
        }
    });
}

#[test]
fn questions_to_an_authenticator_that_is_busy() {
    alone(|| {
        let context = Context::new();
        let handler = context.bound(ZMQ_REP, "inproc://zeromq.zap.01");
        let server = context.socket(ZMQ_PULL);
        server.set(ZMQ_PLAIN_SERVER, 1);
        server.bind("tcp://127.0.0.1:*");
        let address = server.last_endpoint().strip_prefix("tcp://").unwrap().to_owned();
        let credentials = [&b"\x05HELLO"[..], &[255], &[b'u'; 255], &[255], &[b'p'; 255]].concat();
        let said = [greeting(3, "PLAIN"), frame(Version::V3, COMMAND, &credentials)].concat();
        let ask_and_go = || {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(&said).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            until_closed(&mut stream);
        };
        (0..100).for_each(|_| ask_and_go());
        let before = held_now();
        (0..2000).for_each(|_| ask_and_go());
        let held = held_now().saturating_sub(before);
        assert!(held < MIB, "{held}");
        context.end(&[handler, server]);
    });
}

#[test]
fn messages_that_nobody_reads() {
    alone(|| {
        for (version, len) in
            [(Version::V3, 100), (Version::V3, 9000), (Version::V3, 100_000), (Version::V1, 9000)]
        {
            let mut bench = Bench::new(ZMQ_PULL, ZMQ_PUSH, |socket| socket.set(ZMQ_RCVHWM, 100));
            let mut stream = bench.peer(version, "PUSH");
            let bytes = frame(version, 0, &vec![3; len]).repeat(200);
            let held = most_held(|| {
                assert!(pour_until_it_stops(&mut stream, &bytes, 500 * MIB) < 500 * MIB);
            });
            // A hundred messages, and what was read but not taken in yet.
            assert!(held < 100 * (len + 1000) * 2 + MIB, "{version:?} {len}: {held}");
            drop(stream);
            bench.good();
        }
    });
}

#[test]
fn pongs_that_nobody_reads() {
    alone(|| {
        let mut bench = Bench::pull();
        let mut stream = bench.peer(Version::V3, "PUSH");
        let ping = frame(Version::V3, COMMAND, b"\x04PING\0\0").repeat(100_000);
        let held = most_held(|| {
            for _ in 0..30 {
                assert!(pour(&mut stream, &ping));
            }
            bench.good();
        });
        assert!(held < 2 * MIB, "{held}");
        // It still answers those it can.
        assert!(pour(&mut stream, &frame(Version::V3, 0, b"end")));
        bench.good();
        let mut start = [0; 64 + 2 + 20];
        stream.read_exact(&mut start).unwrap();
    });
}

#[test]
fn a_flood_of_hellos() {
    alone(|| {
        let mut bench = curve::bench(ZMQ_PULL, ZMQ_PUSH, |_| {});
        let mut clients = Vec::with_capacity(100);
        // Each costs the server its answer, and then nothing more is heard of them.
        let held = most_held(|| {
            for _ in 0..100 {
                let mut client = Client::greeted(&bench);
                let hello = client.hello();
                client.say(&hello);
                clients.push(client);
            }
            for client in &mut clients {
                client.welcome();
            }
            bench.good();
        });
        assert!(held < 100 * 20_000, "{held}");
        let before = held_now();
        let standing = clients.len();
        drop(clients);
        for _ in 0..standing {
            bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        }
        bench.good();
        let after = held_now();
        assert!(after + standing * 100 < before, "{before} {after}");
    });
}

#[test]
fn hellos_one_after_the_other() {
    alone(|| {
        let mut bench = curve::bench(ZMQ_PULL, ZMQ_PUSH, |_| {});
        let mut round = |times| {
            for _ in 0..times {
                let mut client = Client::greeted(&bench);
                let hello = client.hello();
                client.say(&hello);
                client.welcome();
                drop(client);
                bench.wait_for(ZMQ_EVENT_DISCONNECTED);
            }
            bench.good();
        };
        round(20);
        let before = held_now();
        round(100);
        let after = held_now();
        assert!(after < before + 20_000, "{before} {after}");
    });
}

#[test]
fn a_stream_of_hellos() {
    alone(|| {
        let mut bench = curve::bench(ZMQ_PULL, ZMQ_PUSH, |_| {});
        for attempt in 0..3 {
            let mut client = Client::greeted(&bench);
            let hello = frame(Version::V3, COMMAND, &client.hello()).repeat(2000);
            let held = most_held(|| {
                pour(&mut client.stream, &hello);
                until_closed(&mut client.stream);
                bench.wait_for(ZMQ_EVENT_DISCONNECTED);
                bench.good();
            });
            assert!(held < MIB, "{attempt}: {held}");
        }
    });
}

#[test]
fn nothing_is_left_when_all_is_over() {
    alone(|| {
        let round = || {
            let mut bench = Bench::pull();
            for version in VERSIONS {
                let mut stream = bench.peer(version, "PUSH");
                pour(&mut stream, &frame(version, MORE, &[1; 100_000]).repeat(10));
                bench.good();
            }
        };
        round();
        let before = held_now();
        (0..5).for_each(|_| round());
        let after = held_now();
        assert!(after < before + 50_000, "{before} {after}");
    });
}
