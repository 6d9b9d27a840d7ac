//! Behaviour of socket options that programs can observe, measured on libzmq 4.3.5 with drafts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::SocketType::*;
use super::draft_number::*;
use super::number::*;
use super::*;
use crate::errno::{Errno, Result};

const MIN: i32 = i32::MIN;
const MAX: i32 = i32::MAX;
const Z85_KEY: &[u8; 40] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

fn set_int(options: &mut SocketOptions, option: i32, number: i32) -> Result<()> {
    options.set(option, &number.to_ne_bytes())
}

fn int(options: &SocketOptions, option: i32) -> Result<i32> {
    let mut out = [0xaa; 4];
    assert_eq!(options.get(option, &mut out)?, 4);
    Ok(i32::from_ne_bytes(out))
}

fn bytes(options: &SocketOptions, option: i32) -> Vec<u8> {
    let mut out = [0xaa; 400];
    let size = options.get(option, &mut out).unwrap();
    assert!(out[size..].iter().all(|&byte| byte == 0), "the rest is cleared");
    out[..size].to_vec()
}

/// Option, default, lowest and highest number accepted, and the value read after setting the highest.
const INTS: &[(i32, i32, i32, i32, i32)] = &[
    (ZMQ_RATE, 100, 1, MAX, MAX),
    (ZMQ_RECOVERY_IVL, 10_000, 0, MAX, MAX),
    (ZMQ_SNDBUF, -1, -1, MAX, MAX),
    (ZMQ_RCVBUF, -1, -1, MAX, MAX),
    (ZMQ_LINGER, -1, -1, MAX, MAX),
    (ZMQ_RECONNECT_IVL, 100, -1, MAX, MAX),
    (ZMQ_BACKLOG, 100, 0, MAX, MAX),
    (ZMQ_RECONNECT_IVL_MAX, 0, 0, MAX, MAX),
    (ZMQ_SNDHWM, 1000, 0, MAX, MAX),
    (ZMQ_RCVHWM, 1000, 0, MAX, MAX),
    (ZMQ_MULTICAST_HOPS, 1, 1, MAX, MAX),
    (ZMQ_RCVTIMEO, -1, -1, MAX, MAX),
    (ZMQ_SNDTIMEO, -1, -1, MAX, MAX),
    (ZMQ_IPV4ONLY, 1, 0, 1, 1),
    (ZMQ_TCP_KEEPALIVE, -1, -1, 1, 1),
    (ZMQ_TCP_KEEPALIVE_CNT, -1, -1, MAX, MAX),
    (ZMQ_TCP_KEEPALIVE_IDLE, -1, -1, MAX, MAX),
    (ZMQ_TCP_KEEPALIVE_INTVL, -1, -1, MAX, MAX),
    (ZMQ_IMMEDIATE, 0, 0, 1, 1),
    (ZMQ_IPV6, 0, 0, 1, 1),
    (ZMQ_PLAIN_SERVER, 0, 0, 1, 1),
    (ZMQ_CURVE_SERVER, 0, 0, 1, 1),
    (ZMQ_CONFLATE, 0, 0, 1, 1),
    (ZMQ_TOS, 0, 0, MAX, MAX),
    (ZMQ_HANDSHAKE_IVL, 30_000, 0, MAX, MAX),
    (ZMQ_INVERT_MATCHING, 0, MIN, MAX, 1),
    (ZMQ_HEARTBEAT_IVL, 0, 0, MAX, MAX),
    (ZMQ_HEARTBEAT_TTL, 0, -99, 6_553_599, 6_553_500),
    (ZMQ_HEARTBEAT_TIMEOUT, -1, 0, MAX, MAX),
    (ZMQ_CONNECT_TIMEOUT, 0, 0, MAX, MAX),
    (ZMQ_TCP_MAXRT, 0, 0, MAX, MAX),
    (ZMQ_MULTICAST_MAXTPDU, 1500, 1, MAX, MAX),
    (ZMQ_USE_FD, -1, -1, MAX, MAX),
    (ZMQ_ZAP_ENFORCE_DOMAIN, 0, MIN, MAX, 1),
    (ZMQ_LOOPBACK_FASTPATH, 0, MIN, MAX, 1),
    (ZMQ_MULTICAST_LOOP, 1, MIN, MAX, 1),
    (ZMQ_IN_BATCH_SIZE, 8192, 1, MAX, MAX),
    (ZMQ_OUT_BATCH_SIZE, 8192, 1, MAX, MAX),
    (ZMQ_RECONNECT_STOP, 0, MIN, MAX, MAX),
    (ZMQ_PRIORITY, 0, 0, MAX, MAX),
    (ZMQ_FERRO_MAX_MULTIPART_FACTOR, 16, 1, MAX, MAX),
    (ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 0, 0, MAX, MAX),
    (ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, 60_000, 1, MAX, MAX),
    (ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, 128 << 20, 0, MAX, MAX),
    (ZMQ_FERRO_STATS_IVL, 0, 0, MAX, MAX),
];

#[test]
fn every_int_has_its_default_range_and_size() {
    for &(option, default, lowest, highest, read_back) in INTS {
        let name = row(option).unwrap().name;
        let mut options = SocketOptions::new(Dealer);
        assert_eq!(int(&options, option), Ok(default), "{name}");
        if lowest > MIN {
            assert_eq!(set_int(&mut options, option, lowest - 1), Err(Errno::INVAL), "{name} below");
        }
        if highest < MAX {
            assert_eq!(set_int(&mut options, option, highest + 1), Err(Errno::INVAL), "{name} above");
        }
        for size in [0, 1, 3, 5, 8] {
            assert_eq!(options.set(option, &vec![0; size]), Err(Errno::INVAL), "{name} of {size} bytes");
            assert_eq!(options.get(option, &mut vec![0; size]), Err(Errno::INVAL), "{name} of {size} bytes");
        }
        assert_eq!(options.set_null(option), Err(Errno::INVAL), "{name} of NULL");
        assert_eq!(int(&options, option), Ok(default), "{name} unchanged by what was refused");
        assert_eq!(set_int(&mut options, option, lowest), Ok(()), "{name}");
        assert_eq!(set_int(&mut options, option, highest), Ok(()), "{name}");
        assert_eq!(int(&options, option), Ok(read_back), "{name}");
    }
}

#[test]
fn eight_byte_options_want_eight_bytes() {
    let mut options = SocketOptions::new(Dealer);
    let mut out = [0; 8];
    assert_eq!(options.get(ZMQ_AFFINITY, &mut out), Ok(8));
    assert_eq!(u64::from_ne_bytes(out), 0);
    assert_eq!(options.get(ZMQ_MAXMSGSIZE, &mut out), Ok(8));
    assert_eq!(i64::from_ne_bytes(out), -1);
    options.set(ZMQ_AFFINITY, &u64::MAX.to_ne_bytes()).unwrap();
    options.set(ZMQ_MAXMSGSIZE, &i64::MIN.to_ne_bytes()).unwrap();
    assert_eq!((options.affinity, options.maxmsgsize), (u64::MAX, i64::MIN));
    for option in [ZMQ_AFFINITY, ZMQ_MAXMSGSIZE] {
        assert_eq!(set_int(&mut options, option, 1), Err(Errno::INVAL));
        assert_eq!(options.get(option, &mut out[..4]), Err(Errno::INVAL));
        assert_eq!(options.get(option, &mut [0; 16]), Err(Errno::INVAL));
    }
}

#[test]
fn strings_are_bounded_and_read_with_their_nul() {
    for (option, longest, empty_by_null, empty_by_size) in [
        (ZMQ_PLAIN_USERNAME, 255, true, false),
        (ZMQ_PLAIN_PASSWORD, 255, true, false),
        (ZMQ_ZAP_DOMAIN, 255, false, false),
        (ZMQ_SOCKS_PROXY, 1000, true, false),
        (ZMQ_SOCKS_USERNAME, 255, true, true),
        (ZMQ_SOCKS_PASSWORD, 255, true, true),
        (ZMQ_BINDTODEVICE, 16, true, false),
    ] {
        let mut options = SocketOptions::new(Dealer);
        assert_eq!(bytes(&options, option), b"\0", "option {option} is empty at first");
        options.set(option, &vec![b'x'; longest]).unwrap();
        if longest < 1000 {
            assert_eq!(options.set(option, &vec![b'x'; longest + 1]), Err(Errno::INVAL), "option {option}");
            assert_eq!(options.get(option, &mut vec![0; longest]), Err(Errno::INVAL), "no room for the NUL");
            assert_eq!(options.get(option, &mut vec![0; longest + 1]), Ok(longest + 1));
        }
        options.set(option, b"a\0\xff").unwrap();
        assert_eq!(bytes(&options, option), b"a\0\xff\0", "option {option} keeps any bytes");
        assert_eq!(options.set(option, b"").is_ok(), empty_by_size, "option {option}");
        assert_eq!(options.set_null(option).is_ok(), empty_by_null, "option {option}");
    }
}

#[test]
fn the_routing_id_is_binary() {
    let mut options = SocketOptions::new(Router);
    assert_eq!(options.get(ZMQ_ROUTING_ID, &mut []), Ok(0));
    assert_eq!(options.set(ZMQ_ROUTING_ID, b""), Err(Errno::INVAL));
    assert_eq!(options.set(ZMQ_ROUTING_ID, &[0; 256]), Err(Errno::INVAL));
    options.set(ZMQ_ROUTING_ID, &[0; 255]).unwrap();
    options.set(ZMQ_ROUTING_ID, b"id").unwrap();
    assert_eq!(bytes(&options, ZMQ_ROUTING_ID), b"id");
    assert_eq!(options.get(ZMQ_ROUTING_ID, &mut [0; 1]), Err(Errno::INVAL));
}

#[test]
fn draft_messages_take_any_bytes_and_cannot_be_read() {
    let mut options = SocketOptions::new(Dealer);
    for option in [ZMQ_HELLO_MSG, ZMQ_DISCONNECT_MSG, ZMQ_HICCUP_MSG] {
        options.set(option, &[7; 1000]).unwrap();
        assert_eq!(options.get(option, &mut [0; 1000]), Err(Errno::INVAL));
    }
    assert_eq!((options.hello_msg.len(), options.hiccup_msg.len()), (1000, 1000));
    options.set(ZMQ_HELLO_MSG, b"").unwrap();
    options.set_null(ZMQ_HICCUP_MSG).unwrap();
    assert!(options.hello_msg.is_empty() && options.hiccup_msg.is_empty());
    for option in [ZMQ_WSS_KEY_PEM, ZMQ_WSS_CERT_PEM, ZMQ_WSS_TRUST_PEM, ZMQ_WSS_HOSTNAME] {
        options.set(option, b"pem").unwrap();
        options.set(option, b"").unwrap();
    }
    set_int(&mut options, ZMQ_WSS_TRUST_SYSTEM, 1).unwrap();
    set_int(&mut options, ZMQ_BUSY_POLL, -5).unwrap();
    assert_eq!(int(&options, ZMQ_BUSY_POLL), Err(Errno::INVAL));
}

#[test]
fn metadata_is_a_named_property_whose_first_value_stays() {
    let mut options = SocketOptions::new(Dealer);
    let longest = [b"X-", &[b'n'; 253][..], b":v"].concat();
    let too_long = [b"X-", &[b'n'; 254][..], b":v"].concat();
    for refused in [&b""[..], b"X-a", b"X-a:", b"X-:a", b":abcd", b"x-a:bc", b"Y-a:bc", &too_long] {
        assert_eq!(options.set(ZMQ_METADATA, refused), Err(Errno::INVAL), "{refused:?}");
    }
    assert_eq!(options.set_null(ZMQ_METADATA), Err(Errno::INVAL));
    for taken in [&b"X-a:b"[..], b"X-a:second", b"X-b:c:d", b"X-:bb", &longest] {
        options.set(ZMQ_METADATA, taken).unwrap();
    }
    assert_eq!(options.app_metadata.get(&Text::from("X-a")), Some(&Text::from("b")));
    assert_eq!(options.app_metadata.get(&Text::from("X-b")), Some(&Text::from("c:d")));
    assert_eq!(options.app_metadata.len(), 4);
    assert_eq!(options.get(ZMQ_METADATA, &mut [0; 400]), Err(Errno::INVAL));
}

#[test]
fn the_last_security_option_decides_the_mechanism() {
    let mut options = SocketOptions::new(Dealer);
    let state = |options: &SocketOptions| (options.mechanism, options.as_server);
    set_int(&mut options, ZMQ_PLAIN_SERVER, 1).unwrap();
    assert_eq!(state(&options), (Mechanism::Plain, true));
    assert_eq!(int(&options, ZMQ_CURVE_SERVER), Ok(0), "a server, but not of CURVE");
    options.set(ZMQ_CURVE_SECRETKEY, Z85_KEY).unwrap();
    assert_eq!(state(&options), (Mechanism::Curve, true), "a secret key leaves the role");
    assert_eq!((int(&options, ZMQ_PLAIN_SERVER), int(&options, ZMQ_CURVE_SERVER)), (Ok(0), Ok(1)));
    assert_eq!(int(&options, ZMQ_MECHANISM), Ok(ZMQ_CURVE));
    options.set(ZMQ_CURVE_SERVERKEY, &[7; 32]).unwrap();
    assert_eq!(state(&options), (Mechanism::Curve, false), "a server's key makes a client");
    options.set(ZMQ_PLAIN_USERNAME, b"me").unwrap();
    assert_eq!(state(&options), (Mechanism::Plain, false));
    options.set_null(ZMQ_PLAIN_PASSWORD).unwrap();
    assert_eq!(state(&options), (Mechanism::Null, false));
    assert_eq!(options.plain_username, "me", "NULL forgets the mechanism, not the credentials");
    set_int(&mut options, ZMQ_CURVE_SERVER, 1).unwrap();
    set_int(&mut options, ZMQ_PLAIN_SERVER, 0).unwrap();
    assert_eq!(state(&options), (Mechanism::Null, false), "either server option turns all off");
    assert_eq!(set_int(&mut options, ZMQ_MECHANISM, ZMQ_PLAIN), Err(Errno::INVAL));
}

#[test]
fn keys_come_in_three_forms_and_leave_in_two() {
    let mut options = SocketOptions::new(Dealer);
    let with_nul = [&Z85_KEY[..], b"\0"].concat();
    for option in [ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY] {
        options.set(option, Z85_KEY).unwrap();
        let mut raw = [0; 32];
        assert_eq!(options.get(option, &mut raw), Ok(32));
        options.set(option, &[0; 32]).unwrap();
        options.set(option, &with_nul).unwrap();
        let mut text = [0; 41];
        assert_eq!(options.get(option, &mut text), Ok(41));
        assert_eq!(&text[..], &with_nul[..]);
        options.set(option, &raw).unwrap();
        assert_eq!(options.get(option, &mut text), Ok(41));
        assert_eq!(&text[..], &with_nul[..]);
        for size in [0, 4, 31, 33, 40, 42, 255] {
            assert_eq!(options.get(option, &mut vec![0; size]), Err(Errno::INVAL), "{size} bytes");
        }
    }
}

#[test]
fn a_refused_key_leaves_the_old_one_and_the_mechanism() {
    let mut options = SocketOptions::new(Dealer);
    let altered = |at: usize, byte: u8| {
        let mut key = *Z85_KEY;
        key[at] = byte;
        key.to_vec()
    };
    for refused in [
        altered(39, b'"'),
        altered(0, b' '),
        altered(20, 0x80),
        altered(0, b'#'),
        // The padding that some Z85 libraries add: not a key of 32 bytes.
        altered(35, b'#'),
        altered(39, 0),
        [&Z85_KEY[..], b"x"].concat(),
        [&Z85_KEY[..35], &[0; 6]].concat(),
        Z85_KEY[..35].to_vec(),
        vec![0; 31],
        vec![],
    ] {
        for option in [ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY] {
            assert_eq!(options.set(option, &refused), Err(Errno::INVAL), "{refused:?}");
            assert_eq!(options.set_null(option), Err(Errno::INVAL));
        }
    }
    assert_eq!(options.mechanism, Mechanism::Null);
    assert_eq!(options.curve_public_key, [0; 32]);
}

#[test]
fn ipv4only_is_the_inverse_of_ipv6() {
    let mut options = SocketOptions::new(Dealer);
    set_int(&mut options, ZMQ_IPV4ONLY, 0).unwrap();
    assert_eq!((int(&options, ZMQ_IPV6), int(&options, ZMQ_IPV4ONLY)), (Ok(1), Ok(0)));
    set_int(&mut options, ZMQ_IPV6, 0).unwrap();
    assert_eq!(int(&options, ZMQ_IPV4ONLY), Ok(1));
}

#[test]
fn socket_types_differ_in_their_defaults() {
    for number in 0..=20 {
        let socket_type = SOCKET_TYPES[number as usize];
        let options = SocketOptions::new(socket_type);
        assert_eq!(int(&options, ZMQ_TYPE), Ok(number), "{socket_type:?}");
        let lingers = !matches!(socket_type, Sub | Xsub | Dish);
        assert_eq!(int(&options, ZMQ_LINGER), Ok(if lingers { -1 } else { 0 }), "{socket_type:?}");
        assert_eq!(options.recv_routing_id, matches!(socket_type, Router | Rep), "{socket_type:?}");
        assert_eq!(options.raw_socket, matches!(socket_type, Stream | Dgram), "{socket_type:?}");
        assert_eq!(options.filter, socket_type == Sub, "{socket_type:?}");
        assert!(options.raw_notify && options.zero_copy && options.monitor_event_version == 1);
    }
}

const SOCKET_TYPES: [SocketType; 21] = [
    Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, Xpub, Xsub, Stream, Server, Client, Radio, Dish,
    Gather, Scatter, Dgram, Peer, Channel,
];

#[test]
fn conflate_applies_only_to_socket_types_that_support_it() {
    for socket_type in SOCKET_TYPES {
        let mut options = SocketOptions::new(socket_type);
        set_int(&mut options, ZMQ_CONFLATE, 1).unwrap();
        let supported = matches!(socket_type, Dealer | Pull | Push | Pub | Sub);
        assert_eq!(options.conflates_in() || options.conflates_out(), supported, "{socket_type:?}");
    }
}

#[test]
fn options_of_other_owners_are_refused_here() {
    let mut options = SocketOptions::new(Router);
    for row in rows().iter().filter(|row| row.owner != Owner::Common || !row.built()) {
        assert_eq!(set_int(&mut options, row.number, 1), Err(Errno::INVAL), "{}", row.name);
        let readable = [ZMQ_ROUTER_NOTIFY, ZMQ_FERRO_LAST_VALUE, ZMQ_FERRO_LAST_VALUE_SIZE];
        if !readable.contains(&row.number) {
            assert_eq!(int(&options, row.number), Err(Errno::INVAL), "{}", row.name);
        }
    }
    // Only a ROUTER can set it, every socket can read it.
    assert_eq!(int(&options, ZMQ_ROUTER_NOTIFY), Ok(0));
    let notify = row(ZMQ_ROUTER_NOTIFY).unwrap();
    assert_eq!(notify.write(&mut options, Some(&4i32.to_ne_bytes())), Err(Errno::INVAL));
    notify.write(&mut options, Some(&3i32.to_ne_bytes())).unwrap();
    assert_eq!(int(&options, ZMQ_ROUTER_NOTIFY), Ok(3));
    // And these a PUB or XPUB.
    for (option, default) in [(ZMQ_FERRO_LAST_VALUE, 0), (ZMQ_FERRO_LAST_VALUE_SIZE, 64 << 20)] {
        assert_eq!(int(&options, option), Ok(default));
        let row = row(option).unwrap();
        assert_eq!(row.write(&mut options, Some(&(-1i32).to_ne_bytes())), Err(Errno::INVAL));
        row.write(&mut options, Some(&i32::MAX.to_ne_bytes())).unwrap();
        assert_eq!(int(&options, option), Ok(i32::MAX));
    }
    for unknown in [-1, 0, 1, 10, 20, 29, 70, 125, 0x4600_0000, 0x4600_0007, MAX] {
        assert!(row(unknown).is_none());
        assert_eq!(set_int(&mut options, unknown, 1), Err(Errno::INVAL));
        assert_eq!(int(&options, unknown), Err(Errno::INVAL));
    }
}

/// Guards against a row whose kind does not fit its field, which would refuse every value.
#[test]
fn every_common_row_works_and_the_table_is_sorted() {
    assert!(rows().is_sorted_by(|one, other| one.number < other.number), "lookup is a binary search");
    #[cfg(feature = "qzmq")]
    let certified = super::qzmq::tests::samples();
    #[cfg(not(feature = "qzmq"))]
    let certified: [Vec<u8>; 0] = [];
    for row in rows().iter().filter(|row| row.owner == Owner::Common && row.built()) {
        let mut options = SocketOptions::new(Dealer);
        let candidates =
            [&1i32.to_ne_bytes()[..], &[0; 8], &[0; 32], b"X-name:value", b"127.0.0.1", b"text", &[1]];
        let one = 1_i64.to_ne_bytes();
        let candidates = candidates.into_iter().chain([&one[..]]);
        let candidates = candidates.into_iter().chain(certified.iter().map(Vec::as_slice));
        let set = candidates.into_iter().any(|value| options.set(row.number, value).is_ok());
        assert_eq!(set, row.settable(), "{}", row.name);
        let get = [4, 8, 32, 400].iter().any(|&size| options.get(row.number, &mut vec![0; size]).is_ok());
        assert_eq!(get, row.gettable(), "{}", row.name);
        assert_eq!(row.is_draft(), (93..=124).contains(&row.number), "{}", row.name);
    }
}

#[test]
fn debug_output_of_options_holds_no_secret() {
    let mut options = SocketOptions::new(Dealer);
    options.set(ZMQ_PLAIN_PASSWORD, b"hunter2").unwrap();
    assert!(!format!("{options:?}").contains("hunter2"));
}
