//! Sockets over `ws://`, `wss://` and `tls://`: full streams and closing ones.

use crate::support::program::{Context, Socket};
use crate::support::wss;
use zmq::ffi::constants::*;
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};
use zmq::options::number::{ZMQ_RCVBUF, ZMQ_RCVHWM, ZMQ_RCVTIMEO, ZMQ_SNDBUF, ZMQ_SNDHWM};

/// More than the streams between two sockets hold, whose buffers are small.
const COUNT: usize = 40;
const LEN: usize = 69_000;

/// Two sockets connected to each other.
fn pair(context: Context, scheme: &str) -> (Socket, Socket) {
    let (server, client) = (context.socket(ZMQ_DEALER), context.socket(ZMQ_DEALER));
    for socket in [server, client] {
        for (option, value) in [
            (ZMQ_SNDHWM, 0),
            (ZMQ_RCVHWM, 3),
            (ZMQ_RCVTIMEO, 60_000),
            (ZMQ_SNDBUF, 50_000),
            (ZMQ_RCVBUF, 50_000),
        ] {
            socket.set(option, value);
        }
    }
    server.set_bytes(ZMQ_WSS_CERT_PEM, wss::CERTIFICATE);
    server.set_bytes(ZMQ_WSS_KEY_PEM, wss::KEY);
    client.set_bytes(ZMQ_WSS_TRUST_PEM, wss::CERTIFICATE);
    client.set_bytes(ZMQ_WSS_HOSTNAME, wss::HOSTNAME);
    let path = if scheme == "tls" { "" } else { "/path" };
    server.bind(&format!("{scheme}://127.0.0.1:*{path}"));
    client.connect(&server.last_endpoint());
    (server, client)
}

fn body(i: usize) -> Vec<u8> {
    (0..LEN + i).map(|at| (at * 7 + i) as u8).collect()
}

/// A reader that is slower than the writer, which has to wait at every layer.
#[test]
fn large_messages_both_ways_through_full_streams() {
    for scheme in ["ws", "wss", "tls"] {
        let context = Context::new();
        let (server, client) = pair(context, scheme);
        for (from, to) in [(client, server), (server, client)] {
            for i in 0..COUNT {
                from.try_send(&body(i), 0).unwrap();
            }
            for i in 0..COUNT {
                assert!(to.try_recv(0).unwrap() == body(i), "{scheme} {i}");
            }
        }
        // Small ones in both directions at once.
        for i in 0..2000 {
            client.try_send(&[1; 10], 0).unwrap();
            server.try_send(&[2; 10], 0).unwrap();
            if i % 2 == 1 {
                for _ in 0..2 {
                    assert_eq!(server.try_recv(0).unwrap(), [1; 10]);
                    assert_eq!(client.try_recv(0).unwrap(), [2; 10]);
                }
            }
        }
        client.close();
        server.close();
        context.term();
    }
}

/// What was sent arrives although the sender closes right behind it: farewells of WebSocket and TLS come after it.
#[test]
fn nothing_is_lost_when_a_socket_closes() {
    for scheme in ["ws", "wss", "tls"] {
        let context = Context::new();
        let (server, client) = pair(context, scheme);
        client.set(zmq::options::number::ZMQ_LINGER, -1);
        for i in 0..COUNT {
            client.try_send(&body(i), 0).unwrap();
        }
        client.close();
        for i in 0..COUNT {
            assert!(server.try_recv(0).unwrap() == body(i), "{scheme} {i}");
        }
        server.close();
        context.term();
    }
}
