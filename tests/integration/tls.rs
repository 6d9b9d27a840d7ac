//! Sockets over `tls://`: who is let in, and how the rest of the library sees a peer that is.

use crate::support::bench::*;
use crate::support::process::no_child_begins;
use crate::support::tls::{self, SUBJECT};
use std::ffi::CStr;
use std::thread;
use zmq::errno::Errno;
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};

/// A frame, and its property `X-TLS-Subject`.
type Seen = (Vec<u8>, Option<String>);

fn serve(socket: Socket) {
    set_bytes(socket, ZMQ_WSS_CERT_PEM, tls::SERVER);
    set_bytes(socket, ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
}

/// Clients need a certificate of the authority.
fn ask(socket: Socket) {
    serve(socket);
    set_bytes(socket, ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, tls::AUTHORITY);
}

fn trust(socket: Socket) {
    set_bytes(socket, ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    set_bytes(socket, ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
}

fn show(socket: Socket) {
    trust(socket);
    set_bytes(socket, ZMQ_WSS_CERT_PEM, tls::CLIENT);
    set_bytes(socket, ZMQ_WSS_KEY_PEM, tls::CLIENT_KEY);
}

/// A whole message.
fn see(socket: Socket) -> Vec<Seen> {
    let mut frames = Vec::new();
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    loop {
        // SAFETY: the message is initialised first and closed last, and what it holds is copied in between.
        let more = unsafe {
            zmq_msg_init(msg);
            assert!(zmq_msg_recv(msg, socket, 0) >= 0, "{}", errno());
            let data = std::slice::from_raw_parts(zmq_msg_data(msg).cast::<u8>(), zmq_msg_size(msg)).to_vec();
            let subject = zmq_msg_gets(msg, c"X-TLS-Subject".as_ptr());
            let subject = (!subject.is_null()).then(|| CStr::from_ptr(subject).to_str().unwrap().to_owned());
            frames.push((data, subject));
            let more = zmq_msg_more(msg) != 0;
            zmq_msg_close(msg);
            more
        };
        if !more {
            return frames;
        }
    }
}

/// Answers one question with yes. What was asked.
fn authenticate(zap: Socket) -> Vec<Seen> {
    let question = see(zap);
    let answer = [&b"1.0"[..], &question[1].0, b"200", b"OK", b"user", b""];
    for (i, frame) in answer.iter().enumerate() {
        send(zap, frame, if i + 1 < answer.len() { ZMQ_SNDMORE } else { 0 }).unwrap();
    }
    question
}

/// What the authenticator and the receiver see of a client over a transport; `prepare` sets up server and client.
fn introduced(scheme: &str, prepare: impl FnOnce(Socket, Socket)) -> (Vec<Seen>, Vec<Seen>) {
    let context = zmq_ctx_new();
    let [zap, server, client] = [ZMQ_REP, ZMQ_PULL, ZMQ_PUSH].map(|kind| open(context, kind));
    try_bind(zap, "inproc://zeromq.zap.01").unwrap();
    let zap = zap.addr();
    let asked = thread::spawn(move || authenticate(std::ptr::with_exposed_provenance_mut(zap)));
    set_bytes(server, ZMQ_ZAP_DOMAIN, b"domain");
    // Whoever says of himself what only we can know.
    set_bytes(client, zmq::options::draft_number::ZMQ_METADATA, b"X-TLS-Subject:CN=root");
    prepare(server, client);
    let endpoint = try_bind(server, &format!("{scheme}://127.0.0.1:*")).unwrap();
    connect(client, &endpoint);
    send(client, b"hello", 0).unwrap();
    let seen = see(server);
    let asked = asked.join().unwrap();
    for socket in [std::ptr::with_exposed_provenance_mut(zap), server, client] {
        zmq_close(socket);
    }
    assert_eq!(zmq_ctx_term(context), 0);
    (asked, seen)
}

#[test]
fn authenticators_and_receivers_see_the_certificate() {
    let subject = Some(SUBJECT.to_owned());
    for scheme in ["tls", "wss"] {
        let (asked, seen) = introduced(scheme, |server, client| {
            ask(server);
            show(client);
        });
        assert_eq!(seen, [(b"hello".to_vec(), subject.clone())]);
        let frames: Vec<&[u8]> = asked.iter().map(|(frame, _)| frame.as_slice()).collect();
        assert_eq!(frames, [&b"1.0"[..], b"1", b"domain", b"127.0.0.1", b"", b"NULL"], "as without TLS");
        assert!(asked.iter().all(|(_, seen)| *seen == subject));
    }
}

#[test]
fn mechanisms_go_on_inside_the_tunnel() {
    let (asked, seen) = introduced("tls", |server, client| {
        ask(server);
        show(client);
        set(server, ZMQ_PLAIN_SERVER, 1);
        set_bytes(client, ZMQ_PLAIN_USERNAME, b"ann");
        set_bytes(client, ZMQ_PLAIN_PASSWORD, b"secret");
    });
    assert_eq!(seen[0].1.as_deref(), Some(SUBJECT));
    let frames: Vec<&[u8]> = asked[5..].iter().map(|(frame, _)| frame.as_slice()).collect();
    assert_eq!(frames, [&b"PLAIN"[..], b"ann", b"secret"]);
    let (asked, seen) = introduced("tls", |server, client| {
        ask(server);
        show(client);
        let ((public, secret), (client_public, client_secret)) = (curve_keypair(), curve_keypair());
        set(server, ZMQ_CURVE_SERVER, 1);
        set_bytes(server, ZMQ_CURVE_SECRETKEY, &secret);
        set_bytes(client, ZMQ_CURVE_SERVERKEY, &public);
        set_bytes(client, ZMQ_CURVE_PUBLICKEY, &client_public);
        set_bytes(client, ZMQ_CURVE_SECRETKEY, &client_secret);
    });
    assert_eq!(seen, [(b"hello".to_vec(), Some(SUBJECT.to_owned()))]);
    assert_eq!((asked[5].0.as_slice(), asked[6].0.len(), asked.len()), (&b"CURVE"[..], 32, 7));
}

#[test]
fn no_peer_can_say_itself_what_its_certificate_says() {
    let prepare = |server, client| {
        ask(server);
        set(server, ZMQ_FERRO_TLS_CLIENT_OPTIONAL, 1);
        trust(client);
    };
    for (scheme, outcome) in [("tls", introduced("tls", prepare)), ("tcp", introduced("tcp", |_, _| ()))] {
        let (asked, seen) = outcome;
        assert!(asked.iter().chain(&seen).all(|(_, subject)| subject.is_none()), "{scheme}");
    }
}

/// A client that gives up on a server; `server` and `client` set them up.
fn refused(server: impl FnOnce(Socket), client: impl FnOnce(Socket)) {
    let context = zmq_ctx_new();
    let [bound, connecting] = [ZMQ_PULL, ZMQ_PUSH].map(|kind| open(context, kind));
    server(bound);
    client(connecting);
    let events = monitor(context, bound);
    let endpoint = try_bind(bound, "tls://127.0.0.1:*").unwrap();
    connect(connecting, &endpoint);
    let mut explained = false;
    // It comes back, and is no more welcome.
    for _ in 0..2 {
        loop {
            let (kind, value) = event(events).unwrap();
            assert_ne!(kind, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            if kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL {
                assert_eq!(value, libc::EPROTO.cast_unsigned());
                explained = true;
            }
            if kind == ZMQ_EVENT_DISCONNECTED {
                break;
            }
        }
    }
    assert!(explained);
    assert_eq!(
        send(connecting, b"hello", ZMQ_DONTWAIT).and_then(|()| recv(bound, ZMQ_DONTWAIT)),
        Err(libc::EAGAIN)
    );
    for socket in [bound, connecting, events] {
        zmq_close(socket);
    }
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn servers_that_are_not_trusted_get_no_messages() {
    refused(serve, |client| set_bytes(client, ZMQ_WSS_HOSTNAME, tls::HOSTNAME));
    refused(serve, |client| {
        trust(client);
        set_bytes(client, ZMQ_WSS_HOSTNAME, b"other.ferrozmq.test");
    });
    refused(serve, |client| set_bytes(client, ZMQ_WSS_TRUST_PEM, tls::CLIENT));
    refused(
        |server| {
            set_bytes(server, ZMQ_WSS_CERT_PEM, tls::EXPIRED_SERVER);
            set_bytes(server, ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
        },
        trust,
    );
}

#[test]
fn clients_that_are_not_trusted_are_refused() {
    refused(ask, trust);
    refused(ask, |client| {
        show(client);
        set_bytes(client, ZMQ_WSS_CERT_PEM, tls::EXPIRED_CLIENT);
    });
    refused(
        |server| {
            serve(server);
            set_bytes(server, ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, tls::SERVER);
            set(server, ZMQ_FERRO_TLS_CLIENT_OPTIONAL, 1);
        },
        show,
    );
}

/// The endpoint's own host is the name to be certified where no other is given.
#[test]
fn a_client_comes_back_to_a_server_that_does() {
    let _addresses_are_free_at_once = no_child_begins();
    let context = zmq_ctx_new();
    let client = open(context, ZMQ_PUSH);
    set_bytes(client, ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    let mut endpoint = "tls://127.0.0.1:*".to_owned();
    for turn in 0..3 {
        let server = open(context, ZMQ_PULL);
        serve(server);
        endpoint = try_bind(server, &endpoint).unwrap();
        if turn == 0 {
            connect(client, &endpoint);
        }
        set(server, ZMQ_RCVTIMEO, 50);
        // What the last server had in its buffers is lost.
        loop {
            send(client, &[turn], 0).unwrap();
            if recv(server, 0).is_ok_and(|(body, _)| body == [turn]) {
                break;
            }
        }
        zmq_close(server);
    }
    zmq_close(client);
    assert_eq!(zmq_ctx_term(context), 0);
}

#[test]
fn raw_sockets_have_no_tls() {
    let context = zmq_ctx_new();
    let [stream, router] = [ZMQ_STREAM, ZMQ_ROUTER].map(|kind| open(context, kind));
    set(router, ZMQ_ROUTER_RAW, 1);
    for socket in [stream, router] {
        serve(socket);
        assert_eq!(try_bind(socket, "tls://127.0.0.1:*"), Err(Errno::NOCOMPATPROTO.0));
        assert_eq!(try_connect(socket, "tls://127.0.0.1:9"), Err(Errno::NOCOMPATPROTO.0));
        zmq_close(socket);
    }
    assert_eq!(zmq_ctx_term(context), 0);
}
