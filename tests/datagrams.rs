//! Sockets over `udp://`, among themselves and with programs that know nothing of ØMQ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "hostile/bench.rs"]
mod bench;

use bench::*;
use std::ffi::{CStr, CString, c_int, c_void};
use std::net::{SocketAddr, UdpSocket};
use zmq::errno::Errno;
use zmq::ffi::draft_constants::*;
use zmq::options::draft_number::ZMQ_MULTICAST_LOOP;

struct Context(*mut c_void);

impl Context {
    fn new() -> Context {
        Context(zmq_ctx_new())
    }

    fn open(&self, kind: c_int) -> Socket {
        open(self.0, kind)
    }

    /// A DGRAM socket on a port of its own, and its address.
    fn dgram(&self) -> (Socket, SocketAddr) {
        let socket = self.open(ZMQ_DGRAM);
        let endpoint = bind(socket, "udp://127.0.0.1:*").unwrap();
        (socket, endpoint.strip_prefix("udp://").unwrap().parse().unwrap())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(zmq_ctx_term(self.0), 0);
        }
    }
}

/// Binds, and says what the endpoint is called then.
fn bind(socket: Socket, endpoint: &str) -> Result<String, i32> {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string, and room for the answer.
    unsafe {
        if zmq_bind(socket, endpoint.as_ptr()) != 0 {
            return Err(errno());
        }
        let (mut name, mut len) = ([0u8; 256], 256);
        assert_eq!(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, name.as_mut_ptr().cast(), &raw mut len), 0);
        Ok(CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_string())
    }
}

fn try_connect(socket: Socket, endpoint: &str) -> Result<(), i32> {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string.
    if unsafe { zmq_connect(socket, endpoint.as_ptr()) } == 0 { Ok(()) } else { Err(errno()) }
}

fn unbind(socket: Socket, endpoint: &str) -> c_int {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string.
    unsafe { zmq_unbind(socket, endpoint.as_ptr()) }
}

fn send_to(socket: Socket, to: &str, body: &[u8]) {
    send(socket, to.as_bytes(), ZMQ_SNDMORE).unwrap();
    send(socket, body, 0).unwrap();
}

fn stranger() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Of an address as it comes with a message.
fn named(address: &str) -> Vec<u8> {
    let mut frame = address.as_bytes().to_vec();
    frame.push(0);
    frame
}

#[test]
fn dgrams_go_back_and_forth() {
    let context = Context::new();
    let ((one, at_one), (two, at_two)) = (context.dgram(), context.dgram());
    send_to(one, &at_two.to_string(), b"question");
    let question = recv_all(two, 0).unwrap();
    assert_eq!(question, [named(&at_one.to_string()), b"question".to_vec()]);
    // As it came: with its NUL.
    send(two, &question[0], ZMQ_SNDMORE).unwrap();
    send(two, b"answer", 0).unwrap();
    assert_eq!(recv_all(one, 0).unwrap(), [named(&at_two.to_string()), b"answer".to_vec()]);
    zmq_close(one);
    zmq_close(two);
}

#[test]
fn dgrams_of_every_size_pass_whole() {
    let context = Context::new();
    let (socket, at) = context.dgram();
    let (stranger, name) = stranger();
    for size in [0, 1, 8192, 8193, 65_507] {
        let body: Vec<u8> = (0..size).map(|i| i as u8).collect();
        stranger.send_to(&body, at).unwrap();
        assert_eq!(recv_all(socket, 0).unwrap(), [named(&name), body.clone()]);
        send_to(socket, &name, &body);
        let mut room = vec![0; 70_000];
        let (length, from) = stranger.recv_from(&mut room).unwrap();
        assert_eq!((&room[..length], from), (&body[..], at));
    }
    zmq_close(socket);
}

#[test]
fn what_cannot_be_sent_is_dropped_and_nothing_else() {
    let context = Context::new();
    let (socket, _) = context.dgram();
    let (stranger, name) = stranger();
    for to in ["", "nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "255.255.255.255:9", "[::1]:9"]
    {
        send_to(socket, to, b"lost");
    }
    send_to(socket, &name, &[0; 65_508]);
    send_to(socket, &name, &[0; 1_000_000]);
    send_to(socket, &name, b"found");
    let mut room = [0; 16];
    assert_eq!(stranger.recv_from(&mut room).unwrap().0, 5);
    assert_eq!(&room[..5], b"found");
    assert_eq!(send(socket, b"alone", 0), Err(libc::EINVAL));
    send(socket, name.as_bytes(), ZMQ_SNDMORE).unwrap();
    assert_eq!(send(socket, b"third to come", ZMQ_SNDMORE), Err(libc::EINVAL));
    send(socket, b"whole", 0).unwrap();
    assert_eq!(stranger.recv_from(&mut room).unwrap().0, 5);
    zmq_close(socket);
}

#[test]
fn what_nobody_reads_stays_within_the_mark() {
    let context = Context::new();
    let socket = context.open(ZMQ_DGRAM);
    set(socket, ZMQ_RCVHWM, 10);
    let endpoint = bind(socket, "udp://127.0.0.1:*").unwrap();
    let at: SocketAddr = endpoint.strip_prefix("udp://").unwrap().parse().unwrap();
    let (stranger, _) = stranger();
    // More than pipe and kernel hold; the kernel drops what is too much.
    for i in 0..20_000u32 {
        stranger.send_to(&[&i.to_be_bytes()[..], &[0; 1000]].concat(), at).unwrap();
    }
    set(socket, ZMQ_RCVTIMEO, 300);
    let mut got = Vec::new();
    while let Ok(frames) = recv_all(socket, 0) {
        got.push(u32::from_be_bytes(frames[1][..4].try_into().unwrap()));
    }
    assert!(got.len() >= 10 && got.len() < 20_000, "{}", got.len());
    assert!(got.is_sorted(), "in order");
    set(socket, ZMQ_RCVTIMEO, PATIENCE.as_millis() as c_int);
    stranger.send_to(b"after the flood", at).unwrap();
    assert_eq!(recv_all(socket, 0).unwrap()[1], b"after the flood");
    zmq_close(socket);
}

#[test]
fn what_was_sent_before_closing_leaves() {
    let context = Context::new();
    let (stranger, name) = stranger();
    let (socket, _) = context.dgram();
    set(socket, ZMQ_LINGER, -1);
    for i in 0..100u8 {
        send_to(socket, &name, &[i]);
    }
    zmq_close(socket);
    for i in 0..100 {
        let mut room = [0; 4];
        assert_eq!((stranger.recv_from(&mut room).unwrap().0, room[0]), (1, i));
    }
}

#[test]
fn endpoints_come_and_go() {
    let context = Context::new();
    let socket = context.open(ZMQ_DGRAM);
    assert_eq!(send(socket, b"127.0.0.1:9", ZMQ_SNDMORE | ZMQ_DONTWAIT), Err(libc::EAGAIN));
    let endpoint = bind(socket, "udp://127.0.0.1:*").unwrap();
    let at: SocketAddr = endpoint.strip_prefix("udp://").unwrap().parse().unwrap();
    let (stranger, _) = stranger();
    stranger.send_to(b"1", at).unwrap();
    assert_eq!(recv_all(socket, 0).unwrap()[1], b"1");
    assert_eq!(unbind(socket, "udp://127.0.0.1:1"), -1);
    assert_eq!(errno(), libc::ENOENT);
    assert_eq!(unbind(socket, &endpoint), 0);
    stranger.send_to(b"to nobody", at).unwrap();
    assert_eq!(recv(socket, ZMQ_DONTWAIT), Err(libc::EAGAIN));
    // The same once more, by the name it was given.
    let name = format!("udp://127.0.0.1:{}", at.port());
    assert_eq!(bind(socket, &name).unwrap(), name);
    stranger.send_to(b"2", at).unwrap();
    assert_eq!(recv_all(socket, 0).unwrap()[1], b"2");
    assert_eq!(unbind(socket, &name), 0);
    zmq_close(socket);
}

#[test]
fn what_does_not_fit_is_refused() {
    let context = Context::new();
    let no_protocol = Errno::NOCOMPATPROTO.0;
    for kind in [ZMQ_PAIR, ZMQ_PUB, ZMQ_REQ, ZMQ_STREAM] {
        let socket = context.open(kind);
        assert_eq!(bind(socket, "udp://127.0.0.1:*"), Err(no_protocol));
        assert_eq!(try_connect(socket, "udp://127.0.0.1:9"), Err(no_protocol));
        zmq_close(socket);
    }
    let socket = context.open(ZMQ_DGRAM);
    assert_eq!(try_connect(socket, "udp://127.0.0.1:9"), Err(no_protocol));
    for (endpoint, error) in [
        ("udp://127.0.0.1", libc::EINVAL),
        ("udp://127.0.0.1:http", libc::EINVAL),
        ("udp://lo;127.0.0.1:9", libc::EINVAL),
        ("udp://239.0.0.1;239.0.0.1:9", libc::EINVAL),
        ("udp://nosuchif:9", libc::ENODEV),
        ("udp://nosuchif;239.0.0.1:9", libc::ENODEV),
        ("udp://192.0.2.1:9", libc::EADDRNOTAVAIL),
    ] {
        assert_eq!(bind(socket, endpoint), Err(error), "{endpoint}");
    }
    set(socket, ZMQ_MULTICAST_HOPS, 256);
    assert_eq!(bind(socket, "udp://127.0.0.1:*"), Err(libc::EINVAL));
    set(socket, ZMQ_MULTICAST_HOPS, 1);
    set_bytes(socket, ZMQ_BINDTODEVICE, b"nosuchif");
    assert!(matches!(bind(socket, "udp://127.0.0.1:*"), Err(libc::ENODEV | libc::EPERM)));
    zmq_close(socket);
}

#[test]
fn by_ipv6_the_same() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let context = Context::new();
    let socket = context.open(ZMQ_DGRAM);
    set(socket, ZMQ_IPV6, 1);
    let endpoint = bind(socket, "udp://*:*").unwrap();
    let port = endpoint.strip_prefix("udp://*:").unwrap();
    for host in ["[::1]", "127.0.0.1"] {
        let stranger = UdpSocket::bind(format!("{host}:0")).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.send_to(b"hello", format!("{host}:{port}")).unwrap();
        let frames = recv_all(socket, 0).unwrap();
        assert_eq!(frames, [named(&stranger.local_addr().unwrap().to_string()), b"hello".to_vec()]);
        send(socket, &frames[0], ZMQ_SNDMORE).unwrap();
        send(socket, b"back", 0).unwrap();
        assert_eq!(stranger.recv_from(&mut [0; 16]).unwrap().0, 4);
    }
    zmq_close(socket);
}

#[test]
fn groups_of_hosts_are_joined_and_left() {
    let context = Context::new();
    let receive = |endpoint: &str| {
        let socket = context.open(ZMQ_DGRAM);
        bind(socket, endpoint).map(|bound| (socket, bound))
    };
    // Through the loopback interface, which needs no network.
    let Ok((one, bound)) = receive("udp://127.0.0.1;239.255.77.1:*") else { return };
    let port = bound.rsplit_once(':').unwrap().1;
    assert_eq!(bound, format!("udp://127.0.0.1;239.255.77.1:{port}"));
    let (two, _) = receive(&bound).expect("several on one port");
    let sender = context.open(ZMQ_DGRAM);
    bind(sender, "udp://127.0.0.1;239.255.77.2:*").unwrap();
    let group = format!("239.255.77.1:{port}");
    send_to(sender, &group, b"to all");
    for socket in [one, two] {
        assert_eq!(recv_all(socket, 0).unwrap()[1], b"to all");
    }
    let mute = context.open(ZMQ_DGRAM);
    set(mute, ZMQ_MULTICAST_LOOP, 0);
    bind(mute, "udp://127.0.0.1;239.255.77.2:*").unwrap();
    send_to(mute, &group, b"to nobody here");
    send_to(sender, &group, b"second");
    for socket in [one, two] {
        assert_eq!(recv_all(socket, 0).unwrap()[1], b"second");
    }
    for socket in [one, two, sender, mute] {
        zmq_close(socket);
    }
}
