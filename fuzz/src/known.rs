//! Inputs by hand: a good conversation for each target to begin with, and one for each vulnerability that libzmq has had.
//! None may do harm here; what the targets check is in their own files.

use zmq::crypto::{Certificate, Claims, DsaSecret, DsaSuite, KemSecret, KemSuite, Roles};
use zmq::engine::zmtp::frame;
use zmq::message::{COMMAND, MORE};

/// An input: its target, its name, its bytes.
pub type Known = (&'static str, &'static str, Vec<u8>);

const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";
const READY_DEALER: &[u8] = b"\x04,\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03abc";
const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// All of them.
pub fn all() -> Vec<Known> {
    [handshakes(), dialogues(), data_phase(), others(), certificates(), qzmq()].concat()
}

fn qzmq() -> Vec<Known> {
    super::qzmq::known().into_iter().map(|(name, bytes)| ("qzmq", name, bytes)).collect()
}

/// One of an authority that the target trusts, one of another, and keys.
fn certificates() -> Vec<Known> {
    let secret = KemSecret::from_seed(KemSuite::XWing, &[1; 32]).unwrap();
    let claims = |name: &str| Claims {
        name: name.to_owned(),
        public: secret.public().clone(),
        roles: Roles::Both,
        not_before_s: 1,
        not_after_s: 2,
    };
    let signed = |authority, name| Certificate::sign(authority, claims(name)).unwrap().bytes().to_vec();
    let other = DsaSecret::from_seed(DsaSuite::MlDsa65, &[8; 32]).unwrap();
    vec![
        ("certificates", "trusted", signed(super::certificates::authority(), "alice")),
        ("certificates", "of-another", signed(&other, "a")),
        ("certificates", "public-key", secret.public().tagged()),
        ("certificates", "secret-key", secret.tagged().to_vec()),
        ("certificates", "authority", other.public().tagged()),
    ]
}

/// A greeting of ZMTP 3.
fn greeting(minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = [SIGNATURE, &[3, minor], mechanism].concat();
    bytes.resize(64, 0);
    bytes
}

/// What the targets of one side take before its peer's bytes: mechanism, side, socket type (6 is ROUTER, 9 XPUB), what else,
/// and how the authenticator answers (0 is 200). `extra` is 1 for a domain, 16 for routing ids.
fn side(mechanism: u8, server: bool, socket_type: u8, extra: u8) -> Vec<u8> {
    let mut bytes = vec![mechanism, u8::from(server), socket_type, extra, 0];
    bytes.extend_from_slice(&[0, 40]);
    bytes
}

fn curve_server() -> Vec<u8> {
    side(0, true, 6, 16)[1..].to_vec()
}

fn handshakes() -> Vec<Known> {
    let null = |peer: &[u8]| [&side(0, true, 6, 16), peer].concat();
    let curve = |peer: &[u8]| [&curve_server(), peer].concat();
    let gssapi = |peer: &[u8]| [&side(2, true, 6, 16), peer].concat();
    vec![
        ("handshake", "null-3.1", null(&[&greeting(1, b"NULL"), READY_DEALER, b"\0\x02hi"].concat())),
        ("handshake", "null-3.0", null(&[&greeting(0, b"NULL"), READY_DEALER].concat())),
        ("handshake", "zmtp-2", null(&[SIGNATURE, b"\x01\x05\0\x03abc\0\x02hi"].concat())),
        ("handshake", "zmtp-1-with-a-greeting", null(&[SIGNATURE, b"\0\x05\x04\0abc"].concat())),
        ("handshake", "zmtp-1", null(b"\x04\0abc\x03\0hi")),
        (
            "handshake",
            "plain",
            [&side(1, true, 6, 16), &greeting(1, b"PLAIN")[..], b"\x04\x11\x05HELLO\x03ann\x06secret"]
                .concat(),
        ),
        (
            "handshake",
            "plain-client",
            [&side(1, false, 5, 0), &greeting(1, b"PLAIN")[..], b"\x04\x08\x07WELCOME"].concat(),
        ),
        (
            "websocket",
            "null",
            [&[0, 1, 6, 16, 0][..], UPGRADE, b"\x82\xad\0\0\0\0\0", &READY_DEALER[2..]].concat(),
        ),
        ("websocket", "client", [&[0, 0, 1, 5, 0, 0][..], b"\x82\x2d\0", &READY_DEALER[2..]].concat()),
        // CVE-2014-7202: a server that asks for CURVE or PLAIN let a peer in that said NULL in its greeting.
        ("curve", "cve-2014-7202-downgrade-to-null", curve(&[&greeting(1, b"NULL"), READY_DEALER].concat())),
        // CVE-2014-9721: or one that spoke an older version, which knows no mechanism.
        (
            "curve",
            "cve-2014-9721-downgrade-to-zmtp-2",
            curve(&[SIGNATURE, b"\x01\x05\0\x03abc\0\x02hi"].concat()),
        ),
        ("curve", "cve-2014-9721-downgrade-to-zmtp-1", curve(b"\x04\0abc\x03\0hi")),
        (
            "handshake",
            "cve-2014-9721-downgrade-past-a-domain",
            [&side(0, true, 6, 17), SIGNATURE, b"\x01\x05\0\x03abc\0\x02hi"].concat(),
        ),
        // CVE-2020-15166: peers that never finish a handshake held memory, and messages were queued for them.
        ("curve", "cve-2020-15166-half-a-greeting", curve(&greeting(1, b"CURVE")[..40])),
        (
            "curve",
            "cve-2020-15166-half-a-hello",
            curve(&[&greeting(1, b"CURVE"), &b"\x04\xc8\x05HELLO\x01\0"[..]].concat()),
        ),
        // libzmq pull request 2696: a token that the system's library does not understand ended the process.
        (
            "handshake",
            "gssapi-token",
            gssapi(&[&greeting(1, b"GSSAPI"), &b"\x04\x0e\x08INITIATE\0\0\0\x01x"[..]].concat()),
        ),
        (
            "handshake",
            "gssapi-token-of-4-gib",
            gssapi(&[&greeting(1, b"GSSAPI"), &b"\x04\x0e\x08INITIATE\xff\xff\xff\xffx"[..]].concat()),
        ),
        // CVE-2019-6250 in a command: a length that turns over when the header is added.
        (
            "handshake",
            "cve-2019-6250-length-of-a-command",
            null(&[&greeting(1, b"NULL"), &b"\x06\xff\xff\xff\xff\xff\xff\xff\xff"[..], &[7; 64]].concat()),
        ),
    ]
}

fn dialogues() -> Vec<Known> {
    // CVE-2019-13132: a server copied the properties in INITIATE onto its stack. Here the client has some 30 KiB of them.
    let long = |len: u8| [&[0, 0, 0, 5, 2, len, 6, 16][..], &[0; 60]].concat();
    // Turn 4 is the client's INITIATE: said again behind itself (way 4).
    let repeated = [&[0, 0, 0, 5, 0, 6, 16][..], &[0, 0, 0].repeat(4), &[4, 0, 0]].concat();
    vec![
        ("dialogue", "curve", [&[0, 0, 0, 5, 0, 6, 16][..], &[0; 60]].concat()),
        ("dialogue", "curve-over-websocket", [&[0, 1, 0, 5, 0, 6, 16][..], &[0; 60]].concat()),
        ("dialogue", "null", [&[1, 0, 0, 5, 0, 6, 16][..], &[0; 60]].concat()),
        ("dialogue", "plain", [&[2, 0, 0, 5, 0, 6, 16][..], &[0; 60]].concat()),
        ("dialogue", "cve-2019-13132-metadata-on-the-stack", long(250)),
        ("dialogue", "cve-2019-13132-metadata-beyond-a-handshake", long(255)),
        ("dialogue", "a-recorded-initiate", repeated),
    ]
}

/// A frame with a length that nobody can send.
fn endless(version: u8, len: u64) -> Vec<u8> {
    let header: &[u8] = if version == 3 { b"\xff" } else { b"\x02" };
    [&[version, 0, 0, 0, 9][..], header, &len.to_be_bytes(), &[7; 100]].concat()
}

fn data_phase() -> Vec<Known> {
    let mut messages = vec![0, 4, 0, 0, 30];
    frame::append_frame(&mut messages, MORE, b"first");
    frame::append_frame(&mut messages, COMMAND, b"\x04PING\0\x0actx");
    frame::append_frame(&mut messages, 0, &[b'x'; 300]);
    frame::append_frame(&mut messages, COMMAND, b"\x09SUBSCRIBEtopic");
    frame::append_frame(&mut messages, COMMAND, b"\x06CANCELtopic");
    let mut subscription = vec![2, 4, 0, 0, 30];
    frame::append_frame(&mut subscription, 0, &[&[1][..], &[b'a'; 3000]].concat());
    vec![
        ("frames", "messages-and-commands", messages),
        ("frames", "zmtp-1", b"\x03\0\0\0\x05\x03\0hi\x04\x01abc\xff\0\0\0\0\0\0\0\x02\0x".to_vec()),
        ("frames", "raw", b"\x04\0\0\0\x05any bytes at all".to_vec()),
        ("frames", "websocket", b"\x05\0\0\0\x05\x82\x03\0hi\x89\0\x82\x04\x01abc\x88\x02\x03\xe8".to_vec()),
        (
            "frames",
            "websocket-masked",
            b"\x06\0\0\0\x05\x82\x83\x01\x02\x03\x04\x01jj\x89\x80\0\0\0\0".to_vec(),
        ),
        // CVE-2019-6250: a length of 8 bytes that turns over when something is added to it.
        ("frames", "cve-2019-6250-length-of-a-frame", endless(0, u64::MAX)),
        ("frames", "cve-2019-6250-length-above-isize", endless(0, 1 << 63)),
        ("frames", "cve-2019-6250-length-of-a-gib", endless(0, 1 << 30)),
        ("frames", "cve-2019-6250-length-in-zmtp-2", endless(2, u64::MAX)),
        // CVE-2021-20235: lengths of ZMTP 1 that do not go with the buffer: 0, which is one less than nothing, and endless.
        ("frames", "cve-2021-20235-zmtp-1-of-no-length", b"\x03\0\0\0\x01\0\xff\0\0\0\0\0\0\0\0".to_vec()),
        ("frames", "cve-2021-20235-zmtp-1-endless", endless(3, u64::MAX)),
        // CVE-2021-20236: a topic of a peer's, as long as its message, made the publisher recurse for each byte.
        ("frames", "cve-2021-20236-long-topic", subscription),
        (
            "topics",
            "cve-2021-20236-recursion-by-topic",
            [0xf8, 0xff].iter().chain(&[b'a'; 15]).copied().cycle().take(2000).collect(),
        ),
        // CVE-2021-20237: what is cancelled, or was never subscribed to, must leave nothing.
        ("topics", "cve-2021-20237-cancelled-topics", b"\x30abc\x30abd\x32abc\x32abc\x32abd\x33abc".to_vec()),
        ("sealed", "frames", b"\0\0\0\0\0\x20\0\0\x05hello\0\0\0\x01\x03abc\0\0\x08\0\x40x\0\0".to_vec()),
        // CVE-2014-7203: nonces of MESSAGE were not checked, so recorded frames counted again.
        (
            "sealed",
            "cve-2014-7203-a-frame-again",
            b"\0\0\0\0\0\x20\x03\0\x05hello\0\0\0\0\x02hi\0\0".to_vec(),
        ),
        (
            "sealed",
            "cve-2014-7203-another-order",
            b"\0\0\0\0\0\x20\x05\0\x05hello\0\x10\0\0\x02hi\0\0".to_vec(),
        ),
        ("sealed", "over-websocket", b"\0\x01\0\0\0\x20\0\0\x05hello\0\0\0\x01\x03abc\0\0".to_vec()),
    ]
}

fn others() -> Vec<Known> {
    let group = |datagram: &[u8]| [&[0, 0, 0, 3][..], datagram].concat();
    vec![
        (
            "metadata",
            "ready",
            [&[5, 16][..], b"\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\x03abc"].concat(),
        ),
        ("metadata", "lengths-beyond-the-end", [&[5, 16][..], b"\xffab\x01X\xff\xff\xff\xff"].concat()),
        ("metadata", "many-properties", [&[5, 16][..], &b"\x01X\0\0\0\0".repeat(300)].concat()),
        ("zap", "sound", vec![0; 9]),
        ("zap", "no-metadata-and-no-status", b"\0\0\0\x01\x03999\0\0\x01\x04\x05Hell\0".to_vec()),
        // libzmq commit "udp: check the length of a group": a datagram that ends before its group does.
        ("datagrams", "group", group(b"\x02TVFriends")),
        ("datagrams", "udp-length-beyond-the-datagram", group(b"\xffTV")),
        ("datagrams", "udp-empty", group(b"")),
        ("datagrams", "address", b"\x01\0\0\x0b127.0.0.1:5body".to_vec()),
        ("socks", "connected", b"\0\0\x03\x05\0\x05\0\0\x01\x7f\0\0\x01\x1f\x90".to_vec()),
        ("socks", "login", b"\x02\x01\x03\x05\x02\x01\0\x05\0\0\x03\x01a\x1f\x90".to_vec()),
        ("socks", "name-beyond-the-end", b"\0\0\x03\x05\0\x05\0\0\x03\xffa".to_vec()),
        ("endpoints", "tcp", b"\x05\0\x01eth0:5;[::1%lo]:5555".to_vec()),
        ("endpoints", "ipc", b"\x05\0\x02@name".to_vec()),
        ("endpoints", "ws", b"\x05\x01\x03[::1]:80/path".to_vec()),
        ("endpoints", "tipc", b"\x05\0\x04{5560,0}@1.2.3".to_vec()),
        ("endpoints", "vsock", b"\x05\0\x053:5555".to_vec()),
        ("endpoints", "udp", b"\x05\0\x07239.0.0.1:5".to_vec()),
        ("options", "hwm", b"\x05\x10\x04\xe8\x03\0\0\x02\x10\0\x02\0".to_vec()),
        ("options", "strings", b"\x05\x02\x05hello\x08\x03\x0dX-name:a long\x08".to_vec()),
        (
            "security",
            "a-security-file",
            b"\0[default]\nserver_key = [\"a\", \"b\"]\nserver_public = \"c\"\nallow = { folder = \"d\" }\n\
              addresses = { deny = [\"10.0.0.0/8\"] }\nlimits = { connections = 9 }\n[[rule]]\nendpoint = \"tcp://*:1\"\n\
              socket = [\"REP\"]\nrole = \"bind\"\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\n"
                .to_vec(),
        ),
        ("security", "a-name-with-a-newline", b"\0[default]\n\"a\\n\\u001b[31m\" = 1\nmechanism = \"\\u0007\"\n".to_vec()),
        (
            "security",
            "a-certificate",
            b"\x01# text\nmetadata\n    name = \"ann\"\ncurve\n    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n\
              \x20   secret-key = \"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\"\n"
                .to_vec(),
        ),
        (
            "security",
            "a-hash",
            b"\x02$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_vec(),
        ),
        ("z85", "the-example-of-the-rfc", b"HelloWorld".to_vec()),
        ("z85", "padding", b"#0000".to_vec()),
    ]
}
