//! Peers of CURVE and PLAIN servers that replay, forge, tamper, or would rather speak something weaker: they are
//! dropped, the monitor says why, and nobody else notices.

use crate::counted::{of_type, until};
use crate::support::bench::*;
use crate::support::curve::{self, Claims, Client, SERVER, message, public};

const UNEXPECTED_COMMAND: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND as u32;
const INVALID_SEQUENCE: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE as u32;
const KEY_EXCHANGE: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE as u32;
const MALFORMED_MESSAGE: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE as u32;
const CRYPTOGRAPHIC: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC as u32;
const MISMATCH: u32 = ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH as u32;

fn pull() -> Bench {
    curve::bench(ZMQ_PULL, ZMQ_PUSH, |_| {})
}

/// The peer has been dropped for this reason, and nobody else has noticed.
fn dropped(bench: &mut Bench, mut client: Client, reason: u32) {
    until_closed(&mut client.stream);
    assert_eq!(bench.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), reason);
    bench.wait_for(ZMQ_EVENT_DISCONNECTED);
    bench.good();
    assert_eq!(bench.strays.len(), 0);
}

#[test]
fn an_honest_client_made_by_hand_gets_in() {
    let mut bench = pull();
    let (mut client, key) = Client::connected(&bench);
    for (flags, text) in [(1, &b"one"[..]), (0, b"two"), (0, &[9; 100_000])] {
        let sealed = client.message(&key, flags, text);
        pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
    }
    assert_eq!(bench.socket.try_frames(0).unwrap(), [b"one", b"two"]);
    assert_eq!(bench.socket.try_frames(0).unwrap(), [vec![9; 100_000]]);
    // Counters may leave numbers out.
    let sealed = message(&key, client.counter() + 1000, 0, b"far ahead");
    pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
    assert_eq!(bench.socket.try_frames(0).unwrap(), [b"far ahead"]);
    bench.good();
}

#[test]
fn a_second_hello() {
    let mut bench = pull();
    let mut client = Client::greeted(&bench);
    for _ in 0..2 {
        let hello = client.hello();
        client.say(&hello);
    }
    dropped(&mut bench, client, UNEXPECTED_COMMAND);
}

#[test]
fn a_recorded_handshake() {
    let mut bench = pull();
    let mut client = Client::greeted(&bench);
    let hello = client.hello();
    client.say(&hello);
    let welcome = client.welcome();
    let initiate = client.initiate(&welcome);
    client.say(&initiate);
    assert_eq!(&client.read_command()[..6], b"\x05READY");
    bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    // Somebody who has listened. The server answers the HELLO, with another key and another cookie.
    let mut mallory = Client::greeted(&bench);
    mallory.say(&hello);
    assert_eq!(&mallory.read_command()[..8], b"\x07WELCOME");
    mallory.say(&initiate);
    dropped(&mut bench, mallory, CRYPTOGRAPHIC);
    // Whoever was listened to is in as before.
    let key = client.key(&welcome);
    let sealed = client.message(&key, 0, b"still in");
    pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
    assert_eq!(bench.socket.try_frames(0).unwrap(), [b"still in"]);
    // The same INITIATE on the same connection is no MESSAGE.
    client.say(&initiate);
    dropped(&mut bench, client, UNEXPECTED_COMMAND);
}

#[test]
fn an_initiate_before_any_hello() {
    let mut bench = pull();
    let (mut first, welcome) = Client::welcomed(&bench);
    let initiate = first.initiate(&welcome);
    let mut client = Client::greeted(&bench);
    client.say(&initiate);
    dropped(&mut bench, client, UNEXPECTED_COMMAND);
}

#[test]
fn the_cookie_of_another_connection() {
    let mut bench = pull();
    let (one, mut of_one) = Client::welcomed(&bench);
    let (other, mut of_other) = Client::welcomed(&bench);
    std::mem::swap(&mut of_one.cookie, &mut of_other.cookie);
    for (mut client, welcome) in [(one, of_one), (other, of_other)] {
        let initiate = client.initiate(&welcome);
        client.say(&initiate);
        dropped(&mut bench, client, CRYPTOGRAPHIC);
    }
}

#[test]
fn a_cookie_that_was_changed() {
    let mut bench = pull();
    for at in [0, 15, 16, 50, 95] {
        let (mut client, mut welcome) = Client::welcomed(&bench);
        welcome.cookie[at] ^= 0x10;
        let initiate = client.initiate(&welcome);
        client.say(&initiate);
        dropped(&mut bench, client, CRYPTOGRAPHIC);
    }
}

#[test]
fn a_key_that_is_somebody_elses() {
    let mut bench = pull();
    let mine = [66; 32];
    // Another's public key, whose secret one the client has not; and keys that agree with every other.
    for claimed in [public(&[99; 32]), public(&SERVER), [0; 32]] {
        let (mut client, welcome) = Client::welcomed(&bench);
        let claims = Claims { secret: mine, public: claimed, ..Claims::default() };
        let initiate = client.initiate_with(&welcome, &claims);
        client.say(&initiate);
        dropped(&mut bench, client, CRYPTOGRAPHIC);
    }
}

#[test]
fn a_vouch_for_another_connection() {
    let mut bench = pull();
    let (mut client, welcome) = Client::welcomed(&bench);
    let initiate = client.initiate_with(&welcome, &Claims { short_term: Some([5; 32]), ..Claims::default() });
    client.say(&initiate);
    dropped(&mut bench, client, KEY_EXCHANGE);
}

#[test]
fn counters_of_the_handshake_that_do_not_rise() {
    let mut bench = pull();
    for counter in [0, 1] {
        let (mut client, welcome) = Client::welcomed(&bench);
        let mut initiate = client.initiate(&welcome);
        // HELLO had 1.
        initiate[105..113].copy_from_slice(&u64::to_be_bytes(counter));
        client.say(&initiate);
        dropped(&mut bench, client, INVALID_SEQUENCE);
    }
}

#[test]
fn messages_that_were_tampered_with() {
    let mut bench = pull();
    for at in [16, 31, 32, 33, 42] {
        let (mut client, key) = Client::connected(&bench);
        let mut sealed = client.message(&key, 0, b"a message ");
        assert_eq!(sealed.len(), 43);
        sealed[at] ^= 1;
        pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
        dropped(&mut bench, client, CRYPTOGRAPHIC);
    }
    // A counter of somebody's own choosing: the box is of another.
    let (mut client, key) = Client::connected(&bench);
    let mut sealed = client.message(&key, 0, b"a message");
    sealed[15] ^= 0x40;
    pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
    dropped(&mut bench, client, CRYPTOGRAPHIC);
}

#[test]
fn messages_cut_short() {
    let mut bench = pull();
    for (len, reason) in
        [(20, MALFORMED_MESSAGE), (32, MALFORMED_MESSAGE), (33, CRYPTOGRAPHIC), (42, CRYPTOGRAPHIC)]
    {
        let (mut client, key) = Client::connected(&bench);
        let sealed = client.message(&key, 0, b"a message ");
        pour(&mut client.stream, &frame(Version::V3, 0, &sealed[..len]));
        dropped(&mut bench, client, reason);
    }
}

#[test]
fn messages_that_come_again() {
    let mut bench = pull();
    for others in [0, 1, 50] {
        let (mut client, key) = Client::connected(&bench);
        let first = client.message(&key, 0, b"once");
        pour(&mut client.stream, &frame(Version::V3, 0, &first));
        for _ in 0..others {
            let sealed = client.message(&key, 0, b"once");
            pour(&mut client.stream, &frame(Version::V3, 0, &sealed));
        }
        for _ in 0..=others {
            assert_eq!(bench.socket.try_frames(0).unwrap(), [b"once"]);
        }
        pour(&mut client.stream, &frame(Version::V3, 0, &first));
        dropped(&mut bench, client, INVALID_SEQUENCE);
    }
}

#[test]
fn counters_that_go_down() {
    let mut bench = pull();
    for (high, low) in [(1000, 999), (u64::MAX, 5), (7, 0), (1 << 32, 1 << 31)] {
        let (mut client, key) = Client::connected(&bench);
        pour(&mut client.stream, &frame(Version::V3, 0, &message(&key, high, 0, b"high")));
        assert_eq!(bench.socket.try_frames(0).unwrap(), [b"high"]);
        pour(&mut client.stream, &frame(Version::V3, 0, &message(&key, low, 0, b"low")));
        dropped(&mut bench, client, INVALID_SEQUENCE);
    }
    // INITIATE has a counter, too.
    let (mut client, key) = Client::connected(&bench);
    let late = message(&key, client.counter(), 0, b"late");
    pour(&mut client.stream, &frame(Version::V3, 0, &late));
    dropped(&mut bench, client, INVALID_SEQUENCE);
    until(bench.context, |stats| of_type(stats, "PULL")["counters"]["curve_replays"] == 5);
}

#[test]
fn what_the_server_has_said_thrown_back_at_it() {
    let mut bench = curve::bench(ZMQ_DEALER, ZMQ_DEALER, |_| {});
    let (mut client, _) = Client::connected_as(&bench, b"DEALER");
    // To one of the two each.
    for _ in 0..2 {
        bench.socket.try_send(b"to whoever", 0).unwrap();
    }
    let said = client.read_command();
    assert_eq!(&said[..8], b"\x07MESSAGE");
    // Its counter is 2, as that of our INITIATE: one above would be next.
    let mut reflected = said;
    reflected[8..16].copy_from_slice(&9u64.to_be_bytes());
    pour(&mut client.stream, &frame(Version::V3, 0, &reflected));
    dropped(&mut bench, client, CRYPTOGRAPHIC);
}

#[test]
fn plaintext_once_inside() {
    let mut bench = pull();
    let ping = frame(Version::V3, COMMAND, b"\x04PING\0\0");
    let subscribe = frame(Version::V3, COMMAND, b"\x09SUBSCRIBEgood");
    let text = frame(Version::V3, 0, b"in clear, and long enough to be taken for more than it is");
    let large = frame(Version::V3, 0, &[b'x'; 100_000]);
    for plain in [ping, subscribe, text, large] {
        let (mut client, _) = Client::connected(&bench);
        pour(&mut client.stream, &plain);
        until_closed(&mut client.stream);
        let reason = bench.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
        assert!(reason != 0, "{reason:#x}");
        bench.wait_for(ZMQ_EVENT_DISCONNECTED);
        bench.good();
        assert_eq!(bench.strays.len(), 0);
    }
}

/// Greetings and what follows of peers that would rather not be secured.
fn downgrades() -> Vec<(&'static str, Vec<u8>)> {
    let message = |version| frame(version, 0, b"let me in");
    let mut plain = greeting(3, "PLAIN");
    plain.extend_from_slice(&frame(Version::V3, COMMAND, b"\x05HELLO\x05admin\x05admin"));
    let mut none = greeting(3, "");
    none.extend_from_slice(&hello(Version::V3, "PUSH", b"")[64..]);
    let mut gssapi = greeting(3, "GSSAPI");
    gssapi.extend_from_slice(&message(Version::V3));
    vec![
        ("NULL", [hello(Version::V3, "PUSH", b""), message(Version::V3)].concat()),
        ("no mechanism", none),
        ("GSSAPI", gssapi),
        ("PLAIN", plain),
        ("ZMTP 2", [hello(Version::V2, "PUSH", b""), message(Version::V2)].concat()),
        ("ZMTP 1", [hello(Version::V1, "PUSH", b""), message(Version::V1)].concat()),
    ]
}

/// None gets in, whatever it speaks; what the monitor says of each.
fn downgrade(bench: &mut Bench, own: &str) {
    for (name, bytes) in downgrades() {
        if name == own {
            continue;
        }
        let mut stream = bench.attack();
        pour(&mut stream, &bytes);
        until_closed(&mut stream);
        assert_eq!(bench.event(30_000).unwrap().0, ZMQ_EVENT_ACCEPTED, "{name}");
        if !name.starts_with("ZMTP") {
            // Older versions have no mechanisms; libzmq drops them without a word, too.
            let told = bench.event(30_000).unwrap();
            assert_eq!(told, (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, MISMATCH), "{name}");
        }
        assert_eq!(bench.event(30_000).unwrap().0, ZMQ_EVENT_DISCONNECTED, "{name}");
        bench.good();
        assert_eq!(bench.strays.len(), 0, "{name}");
    }
}

/// An authenticator that knows no better, until the context ends.
fn let_everybody_in(context: Context) {
    let handler = context.patient(ZMQ_REP);
    handler.bind("inproc://zeromq.zap.01");
    std::thread::spawn(move || {
        loop {
            match handler.try_frames(0) {
                Ok(request) => {
                    let reply: [&[u8]; 6] = [b"1.0", &request[1], b"200", b"OK", b"", b""];
                    for (i, frame) in reply.into_iter().enumerate() {
                        let _ = handler.try_send(frame, if i < 5 { ZMQ_SNDMORE } else { 0 });
                    }
                }
                Err(libc::EAGAIN) => {}
                Err(_) => break,
            }
        }
        handler.close();
    });
}

#[test]
fn downgrades_from_curve() {
    downgrade(&mut pull(), "CURVE");
}

#[test]
fn downgrades_from_plain() {
    let mut bench = Bench::with(
        ZMQ_PULL,
        ZMQ_PUSH,
        |context, socket| {
            let_everybody_in(context);
            socket.set(ZMQ_PLAIN_SERVER, 1);
            socket.set_bytes(ZMQ_ZAP_DOMAIN, b"global");
        },
        |socket| {
            socket.set_bytes(ZMQ_PLAIN_USERNAME, b"alice");
            socket.set_bytes(ZMQ_PLAIN_PASSWORD, b"rabbit");
        },
    );
    downgrade(&mut bench, "PLAIN");
    // CURVE is another mechanism as well, if no weaker one.
    let mut stream = bench.attack();
    pour(&mut stream, &greeting(3, "CURVE"));
    until_closed(&mut stream);
    assert_eq!(bench.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL), MISMATCH);
    bench.good();
}

const SECRET: &[u8] = b"for the server's eyes only";

/// A client of ours that has something to say, at whatever listens there: what it has said before it hung up, and what
/// its monitor told of the handshake.
fn impostor(says: &[u8], honest_key: bool) -> (Vec<u8>, Vec<(i32, u32)>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let context = Context::new();
    let client = context.patient(ZMQ_PUSH);
    let server_key = if honest_key { public(&SERVER) } else { [0; 32] };
    client.set_bytes(ZMQ_CURVE_SECRETKEY, &curve::HONEST);
    client.set_bytes(ZMQ_CURVE_PUBLICKEY, &public(&curve::HONEST));
    client.set_bytes(ZMQ_CURVE_SERVERKEY, &server_key);
    client.set(ZMQ_HANDSHAKE_IVL, 1000);
    client.set(ZMQ_RECONNECT_IVL, -1);
    let monitor = Monitor::of(context, client);
    client.connect(&format!("tcp://{}", listener.local_addr().unwrap()));
    // It may be gone already.
    let _ = client.try_send(SECRET, ZMQ_DONTWAIT);
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    pour(&mut stream, says);
    let heard = until_closed(&mut stream);
    let mut told = Vec::new();
    loop {
        match monitor.try_event(0).unwrap() {
            (ZMQ_EVENT_DISCONNECTED, ..) => break,
            (ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED, ..) => {}
            (kind, value, _) => told.push((kind, value.cast_unsigned())),
        }
    }
    context.end(&[client, monitor.0]);
    (heard, told)
}

#[test]
fn servers_that_are_not_who_they_should_be() {
    let protocol = |reason| (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, reason);
    let says = |body: &[u8]| [greeting(3, "CURVE"), frame(Version::V3, COMMAND, body)].concat();
    let welcome = says(&[&b"\x07WELCOME"[..], &[1; 160]].concat());
    let ready = says(&[&b"\x05READY"[..], &[1; 100]].concat());
    let cases = [
        ("NULL", hello(Version::V3, "PULL", b""), protocol(MISMATCH)),
        ("PLAIN", greeting(3, "PLAIN"), protocol(MISMATCH)),
        ("a WELCOME of somebody else", welcome, protocol(CRYPTOGRAPHIC)),
        ("READY at once", ready, protocol(UNEXPECTED_COMMAND)),
        ("a refusal", says(b"\x05ERROR\x03400"), (ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400)),
        ("silence", greeting(3, "CURVE"), (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, libc::ETIMEDOUT as u32)),
    ];
    for (name, bytes, event) in cases {
        let (heard, told) = impostor(&bytes, true);
        assert_eq!(told, [event], "{name}");
        assert!(!heard.windows(SECRET.len()).any(|bytes| bytes == SECRET), "{name}");
    }
    for version in [Version::V1, Version::V2] {
        let (heard, told) = impostor(&hello(version, "PULL", b""), true);
        assert_eq!(told, [], "{version:?}");
        assert!(!heard.windows(SECRET.len()).any(|bytes| bytes == SECRET), "{version:?}");
    }
    // Nobody has this key, or everybody has: not even a HELLO is said.
    let (heard, told) = impostor(&greeting(3, "CURVE"), false);
    assert_eq!((heard.len(), told), (64, vec![protocol(CRYPTOGRAPHIC)]));
}
