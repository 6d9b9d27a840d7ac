//! Sockets over `udp://`, among themselves and with programs that know nothing of ØMQ.

use crate::support::bench::*;
use crate::support::process::no_child_begins;
use std::ffi::{CStr, CString, c_int, c_void};
use std::net::{SocketAddr, UdpSocket};
use zmq::errno::Errno;
use zmq::ffi::draft_constants::*;

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
        let endpoint = try_bind(socket, "udp://127.0.0.1:*").unwrap();
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
    let endpoint = try_bind(socket, "udp://127.0.0.1:*").unwrap();
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
    set(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
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
    let _addresses_are_free_at_once = no_child_begins();
    let context = Context::new();
    let socket = context.open(ZMQ_DGRAM);
    assert_eq!(send(socket, b"127.0.0.1:9", ZMQ_SNDMORE | ZMQ_DONTWAIT), Err(libc::EAGAIN));
    let endpoint = try_bind(socket, "udp://127.0.0.1:*").unwrap();
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
    assert_eq!(try_bind(socket, &name).unwrap(), name);
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
        assert_eq!(try_bind(socket, "udp://127.0.0.1:*"), Err(no_protocol));
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
        assert_eq!(try_bind(socket, endpoint), Err(error), "{endpoint}");
    }
    set(socket, ZMQ_MULTICAST_HOPS, 256);
    assert_eq!(try_bind(socket, "udp://127.0.0.1:*"), Err(libc::EINVAL));
    set(socket, ZMQ_MULTICAST_HOPS, 1);
    set_bytes(socket, ZMQ_BINDTODEVICE, b"nosuchif");
    assert!(matches!(try_bind(socket, "udp://127.0.0.1:*"), Err(libc::ENODEV | libc::EPERM)));
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
    let endpoint = try_bind(socket, "udp://*:*").unwrap();
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
        try_bind(socket, endpoint).map(|bound| (socket, bound))
    };
    // Through the loopback interface, which needs no network.
    let Ok((one, bound)) = receive("udp://127.0.0.1;239.255.77.1:*") else { return };
    let port = bound.rsplit_once(':').unwrap().1;
    assert_eq!(bound, format!("udp://127.0.0.1;239.255.77.1:{port}"));
    let (two, _) = receive(&bound).expect("several on one port");
    let sender = context.open(ZMQ_DGRAM);
    try_bind(sender, "udp://127.0.0.1;239.255.77.2:*").unwrap();
    let group = format!("239.255.77.1:{port}");
    send_to(sender, &group, b"to all");
    for socket in [one, two] {
        assert_eq!(recv_all(socket, 0).unwrap()[1], b"to all");
    }
    for socket in [one, two, sender] {
        zmq_close(socket);
    }
}

/// A DISH in group `TV` on a port of its own, that port, and a RADIO connected to it.
fn dish_and_radio(context: &Context) -> (Socket, String, Socket) {
    let (dish, radio) = (context.open(ZMQ_DISH), context.open(ZMQ_RADIO));
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_join(dish, c"TV".as_ptr()) }, 0);
    let endpoint = try_bind(dish, "udp://127.0.0.1:*").unwrap();
    connect(radio, &endpoint);
    (dish, endpoint.strip_prefix("udp://").unwrap().to_string(), radio)
}

fn send_group(radio: Socket, group: &str, body: &[u8]) {
    let group = CString::new(group).unwrap();
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    // SAFETY: the message is initialised first and has room for the body.
    unsafe {
        assert_eq!(zmq_msg_init_size(msg.as_mut_ptr(), body.len()), 0);
        zmq_msg_data(msg.as_mut_ptr()).cast::<u8>().copy_from(body.as_ptr(), body.len());
        assert_eq!(zmq_msg_set_group(msg.as_mut_ptr(), group.as_ptr()), 0);
        assert_eq!(zmq_msg_send(msg.as_mut_ptr(), radio, 0), body.len() as c_int, "{}", errno());
    }
}

/// The group and the body of the next message.
fn recv_group(dish: Socket) -> (String, Vec<u8>) {
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        assert!(zmq_msg_recv(msg, dish, 0) >= 0, "{}", errno());
        let group = CStr::from_ptr(zmq_msg_group(msg)).to_str().unwrap().to_string();
        let body = std::slice::from_raw_parts(zmq_msg_data(msg).cast::<u8>(), zmq_msg_size(msg)).to_vec();
        zmq_msg_close(msg);
        (group, body)
    }
}

fn got(group: &str, body: &[u8]) -> (String, Vec<u8>) {
    (group.to_string(), body.to_vec())
}

#[test]
fn groups_pass_by_datagrams() {
    let context = Context::new();
    let (dish, at, radio) = dish_and_radio(&context);
    let (stranger, _) = stranger();
    send_group(radio, "Movies", b"not joined");
    send_group(radio, "TV", &[7; 8190]);
    send_group(radio, "TV", &[7; 1_000_000]);
    send_group(radio, "TV", &[7; 8189]);
    send_group(radio, "TV", b"Friends");
    assert_eq!(recv_group(dish), got("TV", &[7; 8189]));
    assert_eq!(recv_group(dish), got("TV", b"Friends"));
    // SAFETY: C strings.
    unsafe {
        assert_eq!(zmq_join(dish, c"".as_ptr()), 0);
        assert_eq!(zmq_leave(dish, c"TV".as_ptr()), 0);
    }
    send_group(radio, "TV", b"left");
    send_group(radio, "", b"to no group");
    assert_eq!(recv_group(dish), got("", b"to no group"));
    stranger.send_to(b"\0by hand", &at).unwrap();
    assert_eq!(recv_group(dish), got("", b"by hand"));
    let no_protocol = Errno::NOCOMPATPROTO.0;
    assert_eq!(try_bind(radio, "udp://127.0.0.1:*"), Err(no_protocol));
    assert_eq!(try_connect(dish, "udp://127.0.0.1:9"), Err(no_protocol));
    zmq_close(dish);
    zmq_close(radio);
}

#[test]
fn what_strangers_send_to_a_dish_disturbs_nothing() {
    let context = Context::new();
    let (dish, at, radio) = dish_and_radio(&context);
    let (stranger, _) = stranger();
    let mut attacks: Vec<Vec<u8>> =
        vec![vec![], vec![1], vec![2, b'T'], vec![255; 255], vec![255; 9000], vec![0; 65_507]];
    // As large as can be, and one too many.
    attacks.push([&b"\x02TV"[..], &[0; 8190]].concat());
    // Not a group that anybody could join.
    attacks.push(b"\x03TV\0".to_vec());
    attacks.push(b"\x04JOIN".to_vec());
    for seed in 0..200u32 {
        let byte =
            |i: u32| (seed.wrapping_mul(2_654_435_761).wrapping_add(i.wrapping_mul(40_503)) >> 9) as u8;
        attacks.push((0..seed * 7).map(byte).collect());
    }
    for (i, attack) in attacks.iter().enumerate() {
        stranger.send_to(attack, &at).unwrap();
        if i % 20 == 0 {
            send_group(radio, "TV", &i.to_be_bytes());
            assert_eq!(recv_group(dish), got("TV", &i.to_be_bytes()));
        }
    }
    stranger.send_to(b"\x02TVFriends", &at).unwrap();
    assert_eq!(recv_group(dish), got("TV", b"Friends"));
    zmq_close(dish);
    zmq_close(radio);
}

#[test]
fn a_group_of_hosts_hears_a_radio() {
    let context = Context::new();
    let dish = context.open(ZMQ_DISH);
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_join(dish, c"TV".as_ptr()) }, 0);
    // Through the loopback interface, which needs no network.
    let endpoint = try_bind(dish, "udp://lo;239.255.77.3:*").unwrap();
    let radio = context.open(ZMQ_RADIO);
    connect(radio, &endpoint);
    send_group(radio, "TV", b"Friends");
    assert_eq!(recv_group(dish), got("TV", b"Friends"));
    zmq_close(dish);
    zmq_close(radio);
}
