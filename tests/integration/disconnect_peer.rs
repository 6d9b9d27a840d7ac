//! `zmq_ferro_disconnect_peer`: one peer of many is let go of by its routing id.

use crate::support::program::*;
use crate::support::zmtp::{Version, hello, until_closed};
use std::io::Write;
use std::net::TcpStream;
use zmq::ffi::draft_constants::*;

fn disconnect(socket: Socket, routing_id: &[u8]) -> Result<(), i32> {
    // SAFETY: that many readable bytes.
    let rc = unsafe { zmq_ferro_disconnect_peer(socket.0, routing_id.as_ptr().cast(), routing_id.len()) };
    if rc == 0 { Ok(()) } else { Err(zmq_errno()) }
}

/// A peer of a ROUTER at this endpoint.
fn dealer(context: Context, endpoint: &str, name: &str) -> Socket {
    let dealer = context.patient(ZMQ_DEALER);
    dealer.set_bytes(ZMQ_ROUTING_ID, name.as_bytes());
    dealer.set(ZMQ_RECONNECT_IVL, -1);
    dealer.connect(endpoint);
    dealer
}

#[test]
fn what_a_peer_has_sent_is_received_and_others_are_left_alone() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*", "inproc://named"] {
        let context = Context::new();
        let router = context.patient(ZMQ_ROUTER);
        router.set(ZMQ_ROUTER_MANDATORY, 1);
        router.bind(endpoint);
        let endpoint = router.last_endpoint();
        let (bad, good) = (dealer(context, &endpoint, "bad"), dealer(context, &endpoint, "good"));
        good.send(&["here"]);
        assert_eq!(router.recv(), ["good", "here"]);
        bad.send(&["1"]);
        bad.send(&["2"]);
        bad.send(&["3"]);
        assert_eq!(router.recv(), ["bad", "1"], "{endpoint}");
        assert_eq!(disconnect(router, b"bad"), Ok(()));
        assert_eq!(disconnect(router, b"bad"), Err(libc::EHOSTUNREACH), "{endpoint}: it is gone");
        assert_eq!(router.try_send(b"bad", ZMQ_SNDMORE), Err(libc::EHOSTUNREACH));
        // What had come before may be read, what had not is lost: over a stream nobody can tell which it is.
        router.set(ZMQ_RCVTIMEO, 0);
        let mut expected = ["2", "3"].into_iter();
        while let Ok(frames) = router.try_frames(0) {
            assert_eq!(frames, [b"bad", expected.next().unwrap().as_bytes()]);
        }
        router.set(ZMQ_RCVTIMEO, crate::support::PATIENCE_MS);
        router.send(&["good", "still there"]);
        assert_eq!(good.recv(), ["still there"]);
        // The same name may come again.
        let again = dealer(context, &endpoint, "bad");
        again.send(&["again"]);
        assert_eq!(router.recv(), ["bad", "again"]);
        context.end(&[router, bad, good, again]);
    }
}

/// A peer that does not read would keep its connection for ever, with what waits for it.
#[test]
fn what_was_not_sent_is_dropped_though_the_socket_lingers() {
    let context = Context::new();
    let router = context.patient(ZMQ_ROUTER);
    router.set(ZMQ_LINGER, -1);
    router.set(ZMQ_SNDHWM, 0);
    let endpoint = router.bind_anywhere();
    let mut peer = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    peer.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    peer.write_all(&hello(Version::V3, "DEALER", b"deaf")).unwrap();
    peer.write_all(&[0, 5, b'h', b'e', b'l', b'l', b'o']).unwrap();
    assert_eq!(router.recv(), ["deaf", "hello"]);
    const COUNT: usize = 200;
    let body = "x".repeat(60_000);
    for _ in 0..COUNT {
        router.send(&["deaf", &body]);
    }
    assert_eq!(disconnect(router, b"deaf"), Ok(()));
    let received = until_closed(&mut peer);
    assert!(received.len() < COUNT * body.len(), "{} bytes came", received.len());
    context.end(&[router]);
}

#[test]
fn raw_peers_and_numbered_ones_are_disconnected_too() {
    let context = Context::new();
    let stream = context.patient(ZMQ_STREAM);
    let endpoint = stream.bind_anywhere();
    let mut peer = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
    peer.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    peer.write_all(b"bytes").unwrap();
    let id = loop {
        let frames = stream.try_frames(0).unwrap();
        if frames[1] == b"bytes" {
            break frames[0].clone();
        }
    };
    assert_eq!(disconnect(stream, &id), Ok(()));
    until_closed(&mut peer);
    assert_eq!(disconnect(stream, &id), Err(libc::EHOSTUNREACH));
    for (socket_type, peer_type) in [(ZMQ_SERVER, ZMQ_CLIENT), (ZMQ_PEER, ZMQ_PEER)] {
        let server = context.patient(socket_type);
        let client = context.patient(peer_type);
        let endpoint = server.bind_anywhere();
        client.set(ZMQ_RECONNECT_IVL, -1);
        client.connect(&endpoint);
        // A PEER has to know the number of the one that it sends to: here the other side begins.
        let id = if peer_type == ZMQ_CLIENT {
            client.try_send(b"hello", 0).unwrap();
            // SAFETY: the message is initialised first and closed last.
            unsafe {
                let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
                let msg = msg.as_mut_ptr();
                zmq_msg_init(msg);
                assert_eq!(zmq_msg_recv(msg, server.0, 0), 5);
                let id = zmq_msg_routing_id(msg);
                zmq_msg_close(msg);
                id
            }
        } else {
            let endpoint = std::ffi::CString::new(server.last_endpoint()).unwrap();
            // SAFETY: a string.
            unsafe { zmq_connect_peer(client.0, endpoint.as_ptr()) }
        };
        let socket = if peer_type == ZMQ_CLIENT { server } else { client };
        assert_eq!(disconnect(socket, &id.to_ne_bytes()[..3]), Err(libc::EINVAL));
        assert_eq!(disconnect(socket, &id.wrapping_add(77).to_ne_bytes()), Err(libc::EHOSTUNREACH));
        assert_eq!(disconnect(socket, &id.to_ne_bytes()), Ok(()));
        assert_eq!(disconnect(socket, &id.to_ne_bytes()), Err(libc::EHOSTUNREACH));
        server.close();
        client.close();
    }
    context.end(&[stream]);
}

#[test]
fn mistakes_of_the_caller() {
    let context = Context::new();
    for socket_type in [ZMQ_PUSH, ZMQ_DEALER, ZMQ_REP, ZMQ_PUB, ZMQ_PAIR] {
        let socket = context.socket(socket_type);
        assert_eq!(disconnect(socket, b"name"), Err(libc::ENOTSUP));
        socket.close();
    }
    let router = context.socket(ZMQ_ROUTER);
    assert_eq!(disconnect(router, b"name"), Err(libc::EHOSTUNREACH));
    assert_eq!(disconnect(router, b""), Err(libc::EHOSTUNREACH));
    // SAFETY: NULL, which is refused.
    assert_eq!(unsafe { zmq_ferro_disconnect_peer(router.0, std::ptr::null(), 4) }, -1);
    assert_eq!(zmq_errno(), libc::EFAULT);
    router.close();
    assert_eq!(disconnect(router, b"name"), Err(libc::ENOTSOCK));
    context.term();
}
