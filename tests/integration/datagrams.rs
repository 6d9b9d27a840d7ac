//! Sockets over `udp://`, among themselves and with programs that know nothing of ØMQ.

use crate::support::bench::*;
use crate::support::process::no_child_begins;
use std::ffi::{CStr, CString, c_int};
use std::net::{SocketAddr, UdpSocket};
use zmq::errno::Errno;
use zmq::ffi::draft_constants::*;

/// A context that ends when it is dropped.
struct Ending(Context);

impl Ending {
    fn new() -> Ending {
        Ending(Context::new())
    }

    fn open(&self, kind: c_int) -> Socket {
        self.0.patient(kind)
    }

    /// A DGRAM socket on a port of its own, and its address.
    fn dgram(&self) -> (Socket, SocketAddr) {
        let socket = self.open(ZMQ_DGRAM);
        let endpoint = socket.try_bind("udp://127.0.0.1:*").unwrap();
        (socket, endpoint.strip_prefix("udp://").unwrap().parse().unwrap())
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.term();
        }
    }
}

fn unbind(socket: Socket, endpoint: &str) -> c_int {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string.
    unsafe { zmq_unbind(socket.0, endpoint.as_ptr()) }
}

fn send_to(socket: Socket, to: &str, body: &[u8]) {
    socket.try_send(to.as_bytes(), ZMQ_SNDMORE).unwrap();
    socket.try_send(body, 0).unwrap();
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
    let context = Ending::new();
    let ((one, at_one), (two, at_two)) = (context.dgram(), context.dgram());
    send_to(one, &at_two.to_string(), b"question");
    let question = two.try_frames(0).unwrap();
    assert_eq!(question, [named(&at_one.to_string()), b"question".to_vec()]);
    // As it came: with its NUL.
    two.try_send(&question[0], ZMQ_SNDMORE).unwrap();
    two.try_send(b"answer", 0).unwrap();
    assert_eq!(one.try_frames(0).unwrap(), [named(&at_two.to_string()), b"answer".to_vec()]);
    one.close();
    two.close();
}

#[test]
fn dgrams_of_every_size_pass_whole() {
    let context = Ending::new();
    let (socket, at) = context.dgram();
    let (stranger, name) = stranger();
    for size in [0, 1, 8192, 8193, 65_507] {
        let body: Vec<u8> = (0..size).map(|i| i as u8).collect();
        stranger.send_to(&body, at).unwrap();
        assert_eq!(socket.try_frames(0).unwrap(), [named(&name), body.clone()]);
        send_to(socket, &name, &body);
        let mut room = vec![0; 70_000];
        let (length, from) = stranger.recv_from(&mut room).unwrap();
        assert_eq!((&room[..length], from), (&body[..], at));
    }
    socket.close();
}

#[test]
fn what_cannot_be_sent_is_dropped_and_nothing_else() {
    let context = Ending::new();
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
    assert_eq!(socket.try_send(b"alone", 0), Err(libc::EINVAL));
    socket.try_send(name.as_bytes(), ZMQ_SNDMORE).unwrap();
    assert_eq!(socket.try_send(b"third to come", ZMQ_SNDMORE), Err(libc::EINVAL));
    socket.try_send(b"whole", 0).unwrap();
    assert_eq!(stranger.recv_from(&mut room).unwrap().0, 5);
    socket.close();
}

#[test]
fn what_nobody_reads_stays_within_the_mark() {
    let context = Ending::new();
    let socket = context.open(ZMQ_DGRAM);
    socket.set(ZMQ_RCVHWM, 10);
    let endpoint = socket.try_bind("udp://127.0.0.1:*").unwrap();
    let at: SocketAddr = endpoint.strip_prefix("udp://").unwrap().parse().unwrap();
    let (stranger, _) = stranger();
    // More than pipe and kernel hold; the kernel drops what is too much.
    for i in 0..20_000u32 {
        stranger.send_to(&[&i.to_be_bytes()[..], &[0; 1000]].concat(), at).unwrap();
    }
    socket.set(ZMQ_RCVTIMEO, 300);
    let mut got = Vec::new();
    while let Ok(frames) = socket.try_frames(0) {
        got.push(u32::from_be_bytes(frames[1][..4].try_into().unwrap()));
    }
    assert!(got.len() >= 10 && got.len() < 20_000, "{}", got.len());
    assert!(got.is_sorted(), "in order");
    socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
    stranger.send_to(b"after the flood", at).unwrap();
    assert_eq!(socket.try_frames(0).unwrap()[1], b"after the flood");
    socket.close();
}

#[test]
fn what_was_sent_before_closing_leaves() {
    let context = Ending::new();
    let (stranger, name) = stranger();
    let (socket, _) = context.dgram();
    socket.set(ZMQ_LINGER, -1);
    for i in 0..100u8 {
        send_to(socket, &name, &[i]);
    }
    socket.close();
    for i in 0..100 {
        let mut room = [0; 4];
        assert_eq!((stranger.recv_from(&mut room).unwrap().0, room[0]), (1, i));
    }
}

#[test]
fn endpoints_come_and_go() {
    let _addresses_are_free_at_once = no_child_begins();
    let context = Ending::new();
    let socket = context.open(ZMQ_DGRAM);
    assert_eq!(socket.try_send(b"127.0.0.1:9", ZMQ_SNDMORE | ZMQ_DONTWAIT), Err(libc::EAGAIN));
    let endpoint = socket.try_bind("udp://127.0.0.1:*").unwrap();
    let at: SocketAddr = endpoint.strip_prefix("udp://").unwrap().parse().unwrap();
    let (stranger, _) = stranger();
    stranger.send_to(b"1", at).unwrap();
    assert_eq!(socket.try_frames(0).unwrap()[1], b"1");
    assert_eq!(unbind(socket, "udp://127.0.0.1:1"), -1);
    assert_eq!(zmq_errno(), libc::ENOENT);
    assert_eq!(unbind(socket, &endpoint), 0);
    stranger.send_to(b"to nobody", at).unwrap();
    assert_eq!(socket.try_frame(ZMQ_DONTWAIT), Err(libc::EAGAIN));
    // The same once more, by the name it was given.
    let name = format!("udp://127.0.0.1:{}", at.port());
    assert_eq!(socket.try_bind(&name).unwrap(), name);
    stranger.send_to(b"2", at).unwrap();
    assert_eq!(socket.try_frames(0).unwrap()[1], b"2");
    assert_eq!(unbind(socket, &name), 0);
    socket.close();
}

#[test]
fn what_does_not_fit_is_refused() {
    let context = Ending::new();
    let no_protocol = Errno::NOCOMPATPROTO.0;
    for kind in [ZMQ_PAIR, ZMQ_PUB, ZMQ_REQ, ZMQ_STREAM] {
        let socket = context.open(kind);
        assert_eq!(socket.try_bind("udp://127.0.0.1:*"), Err(no_protocol));
        assert_eq!(socket.try_connect("udp://127.0.0.1:9"), Err(no_protocol));
        socket.close();
    }
    let socket = context.open(ZMQ_DGRAM);
    assert_eq!(socket.try_connect("udp://127.0.0.1:9"), Err(no_protocol));
    for (endpoint, error) in [
        ("udp://127.0.0.1", libc::EINVAL),
        ("udp://127.0.0.1:http", libc::EINVAL),
        ("udp://lo;127.0.0.1:9", libc::EINVAL),
        ("udp://239.0.0.1;239.0.0.1:9", libc::EINVAL),
        ("udp://nosuchif:9", libc::ENODEV),
        ("udp://nosuchif;239.0.0.1:9", libc::ENODEV),
        ("udp://192.0.2.1:9", libc::EADDRNOTAVAIL),
    ] {
        assert_eq!(socket.try_bind(endpoint), Err(error), "{endpoint}");
    }
    socket.set(ZMQ_MULTICAST_HOPS, 256);
    assert_eq!(socket.try_bind("udp://127.0.0.1:*"), Err(libc::EINVAL));
    socket.set(ZMQ_MULTICAST_HOPS, 1);
    socket.set_bytes(ZMQ_BINDTODEVICE, b"nosuchif");
    assert!(matches!(socket.try_bind("udp://127.0.0.1:*"), Err(libc::ENODEV | libc::EPERM)));
    socket.close();
}

#[test]
fn by_ipv6_the_same() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let context = Ending::new();
    let socket = context.open(ZMQ_DGRAM);
    socket.set(ZMQ_IPV6, 1);
    let endpoint = socket.try_bind("udp://*:*").unwrap();
    let port = endpoint.strip_prefix("udp://*:").unwrap();
    for host in ["[::1]", "127.0.0.1"] {
        let stranger = UdpSocket::bind(format!("{host}:0")).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.send_to(b"hello", format!("{host}:{port}")).unwrap();
        let frames = socket.try_frames(0).unwrap();
        assert_eq!(frames, [named(&stranger.local_addr().unwrap().to_string()), b"hello".to_vec()]);
        socket.try_send(&frames[0], ZMQ_SNDMORE).unwrap();
        socket.try_send(b"back", 0).unwrap();
        assert_eq!(stranger.recv_from(&mut [0; 16]).unwrap().0, 4);
    }
    socket.close();
}

#[test]
fn groups_of_hosts_are_joined_and_left() {
    let context = Ending::new();
    let receive = |endpoint: &str| {
        let socket = context.open(ZMQ_DGRAM);
        socket.try_bind(endpoint).map(|bound| (socket, bound))
    };
    // Through the loopback interface, which needs no network.
    let Ok((one, bound)) = receive("udp://127.0.0.1;239.255.77.1:*") else { return };
    let port = bound.rsplit_once(':').unwrap().1;
    assert_eq!(bound, format!("udp://127.0.0.1;239.255.77.1:{port}"));
    let (two, _) = receive(&bound).expect("several on one port");
    let sender = context.open(ZMQ_DGRAM);
    sender.try_bind("udp://127.0.0.1;239.255.77.2:*").unwrap();
    let group = format!("239.255.77.1:{port}");
    send_to(sender, &group, b"to all");
    for socket in [one, two] {
        assert_eq!(socket.try_frames(0).unwrap()[1], b"to all");
    }
    for socket in [one, two, sender] {
        socket.close();
    }
}

/// A DISH in group `TV` on a port of its own, that port, and a RADIO connected to it.
fn dish_and_radio(context: &Ending) -> (Socket, String, Socket) {
    let (dish, radio) = (context.open(ZMQ_DISH), context.open(ZMQ_RADIO));
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_join(dish.0, c"TV".as_ptr()) }, 0);
    let endpoint = dish.try_bind("udp://127.0.0.1:*").unwrap();
    radio.connect(&endpoint);
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
        assert_eq!(zmq_msg_send(msg.as_mut_ptr(), radio.0, 0), body.len() as c_int, "{}", zmq_errno());
    }
}

/// The group and the body of the next message.
fn recv_group(dish: Socket) -> (String, Vec<u8>) {
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        assert!(zmq_msg_recv(msg, dish.0, 0) >= 0, "{}", zmq_errno());
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
    let context = Ending::new();
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
        assert_eq!(zmq_join(dish.0, c"".as_ptr()), 0);
        assert_eq!(zmq_leave(dish.0, c"TV".as_ptr()), 0);
    }
    send_group(radio, "TV", b"left");
    send_group(radio, "", b"to no group");
    assert_eq!(recv_group(dish), got("", b"to no group"));
    stranger.send_to(b"\0by hand", &at).unwrap();
    assert_eq!(recv_group(dish), got("", b"by hand"));
    let no_protocol = Errno::NOCOMPATPROTO.0;
    assert_eq!(radio.try_bind("udp://127.0.0.1:*"), Err(no_protocol));
    assert_eq!(dish.try_connect("udp://127.0.0.1:9"), Err(no_protocol));
    dish.close();
    radio.close();
}

#[test]
fn what_strangers_send_to_a_dish_disturbs_nothing() {
    let context = Ending::new();
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
    dish.close();
    radio.close();
}

#[test]
fn a_group_of_hosts_hears_a_radio() {
    let context = Ending::new();
    let dish = context.open(ZMQ_DISH);
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_join(dish.0, c"TV".as_ptr()) }, 0);
    // Through the loopback interface, which needs no network.
    let endpoint = dish.try_bind("udp://lo;239.255.77.3:*").unwrap();
    let radio = context.open(ZMQ_RADIO);
    radio.connect(&endpoint);
    send_group(radio, "TV", b"Friends");
    assert_eq!(recv_group(dish), got("TV", b"Friends"));
    dish.close();
    radio.close();
}
