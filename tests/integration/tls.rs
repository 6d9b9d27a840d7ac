//! Sockets over `tls://`: who is let in, and how the rest of the library sees a peer that is.

use crate::support::bench::*;
use crate::support::process::{copy_of_this_program, no_child_begins, role, spawn, test_name};
use crate::support::tls::{self, SUBJECT};
use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use zmq::errno::Errno;
use zmq::options::draft_number::{
    ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM, ZMQ_WSS_TRUST_SYSTEM,
};

/// A frame, and its property `X-TLS-Subject`.
type Seen = (Vec<u8>, Option<String>);

fn serve(socket: Socket) {
    socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
    socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
}

/// Clients need a certificate of the authority.
fn ask(socket: Socket) {
    serve(socket);
    socket.set_bytes(ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, tls::AUTHORITY);
}

fn trust(socket: Socket) {
    socket.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    socket.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
}

fn show(socket: Socket) {
    trust(socket);
    socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::CLIENT);
    socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::CLIENT_KEY);
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
            assert!(zmq_msg_recv(msg, socket.0, 0) >= 0, "{}", zmq_errno());
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
        zap.try_send(frame, if i + 1 < answer.len() { ZMQ_SNDMORE } else { 0 }).unwrap();
    }
    question
}

/// What the authenticator and the receiver see of a client over a transport; `prepare` sets up server and client.
fn introduced(scheme: &str, prepare: impl FnOnce(Socket, Socket)) -> (Vec<Seen>, Vec<Seen>) {
    let context = Context::new();
    let [zap, server, client] = [ZMQ_REP, ZMQ_PULL, ZMQ_PUSH].map(|kind| context.patient(kind));
    zap.bind("inproc://zeromq.zap.01");
    let asked = thread::spawn(move || authenticate(zap));
    server.set_bytes(ZMQ_ZAP_DOMAIN, b"domain");
    // Whoever says of himself what only we can know.
    client.set_bytes(zmq::options::draft_number::ZMQ_METADATA, b"X-TLS-Subject:CN=root");
    prepare(server, client);
    let endpoint = server.try_bind(&format!("{scheme}://127.0.0.1:*")).unwrap();
    client.connect(&endpoint);
    client.try_send(b"hello", 0).unwrap();
    let seen = see(server);
    let asked = asked.join().unwrap();
    context.end(&[zap, server, client]);
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
        server.set(ZMQ_PLAIN_SERVER, 1);
        client.set_bytes(ZMQ_PLAIN_USERNAME, b"ann");
        client.set_bytes(ZMQ_PLAIN_PASSWORD, b"secret");
    });
    assert_eq!(seen[0].1.as_deref(), Some(SUBJECT));
    let frames: Vec<&[u8]> = asked[5..].iter().map(|(frame, _)| frame.as_slice()).collect();
    assert_eq!(frames, [&b"PLAIN"[..], b"ann", b"secret"]);
    let (asked, seen) = introduced("tls", |server, client| {
        ask(server);
        show(client);
        let ((public, secret), (client_public, client_secret)) = (curve_keypair(), curve_keypair());
        server.set(ZMQ_CURVE_SERVER, 1);
        server.set_bytes(ZMQ_CURVE_SECRETKEY, &secret);
        client.set_bytes(ZMQ_CURVE_SERVERKEY, &public);
        client.set_bytes(ZMQ_CURVE_PUBLICKEY, &client_public);
        client.set_bytes(ZMQ_CURVE_SECRETKEY, &client_secret);
    });
    assert_eq!(seen, [(b"hello".to_vec(), Some(SUBJECT.to_owned()))]);
    assert_eq!((asked[5].0.as_slice(), asked[6].0.len(), asked.len()), (&b"CURVE"[..], 32, 7));
}

#[test]
fn no_peer_can_say_itself_what_its_certificate_says() {
    let prepare = |server, client| {
        ask(server);
        server.set(ZMQ_FERRO_TLS_CLIENT_OPTIONAL, 1);
        trust(client);
    };
    for (scheme, outcome) in [("tls", introduced("tls", prepare)), ("tcp", introduced("tcp", |_, _| ()))] {
        let (asked, seen) = outcome;
        assert!(asked.iter().chain(&seen).all(|(_, subject)| subject.is_none()), "{scheme}");
    }
}

/// A client that gives up on a server; `server` and `client` set them up.
fn refused(server: impl FnOnce(Socket), client: impl FnOnce(Socket)) {
    let context = Context::new();
    let [bound, connecting] = [ZMQ_PULL, ZMQ_PUSH].map(|kind| context.patient(kind));
    server(bound);
    client(connecting);
    let events = Monitor::of(context, bound);
    let endpoint = bound.try_bind("tls://127.0.0.1:*").unwrap();
    connecting.connect(&endpoint);
    let mut explained = false;
    // It comes back, and is no more welcome.
    for _ in 0..2 {
        loop {
            let (kind, value, _) = events.try_event(0).unwrap();
            assert_ne!(kind, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
            if kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL {
                assert_eq!(value, libc::EPROTO);
                explained = true;
            }
            if kind == ZMQ_EVENT_DISCONNECTED {
                break;
            }
        }
    }
    assert!(explained);
    assert_eq!(
        connecting.try_send(b"hello", ZMQ_DONTWAIT).and_then(|()| bound.try_frame(ZMQ_DONTWAIT)),
        Err(libc::EAGAIN)
    );
    context.end(&[bound, connecting, events.0]);
}

#[test]
fn servers_that_are_not_trusted_get_no_messages() {
    refused(serve, |client| client.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME));
    refused(serve, |client| {
        trust(client);
        client.set_bytes(ZMQ_WSS_HOSTNAME, b"other.ferrozmq.test");
    });
    refused(serve, |client| client.set_bytes(ZMQ_WSS_TRUST_PEM, tls::CLIENT));
    refused(
        |server| {
            server.set_bytes(ZMQ_WSS_CERT_PEM, tls::EXPIRED_SERVER);
            server.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
        },
        trust,
    );
}

#[test]
fn clients_that_are_not_trusted_are_refused() {
    refused(ask, trust);
    refused(ask, |client| {
        show(client);
        client.set_bytes(ZMQ_WSS_CERT_PEM, tls::EXPIRED_CLIENT);
    });
    refused(
        |server| {
            serve(server);
            server.set_bytes(ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, tls::SERVER);
            server.set(ZMQ_FERRO_TLS_CLIENT_OPTIONAL, 1);
        },
        show,
    );
}

/// The endpoint's own host is the name to be certified where no other is given.
#[test]
fn a_client_comes_back_to_a_server_that_does() {
    let _addresses_are_free_at_once = no_child_begins();
    let context = Context::new();
    let client = context.patient(ZMQ_PUSH);
    client.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
    let mut endpoint = "tls://127.0.0.1:*".to_owned();
    for turn in 0..3 {
        let server = context.patient(ZMQ_PULL);
        serve(server);
        endpoint = server.try_bind(&endpoint).unwrap();
        if turn == 0 {
            client.connect(&endpoint);
        }
        server.set(ZMQ_RCVTIMEO, 50);
        // What the last server had in its buffers is lost.
        loop {
            client.try_send(&[turn], 0).unwrap();
            if server.try_frame(0).is_ok_and(|(body, _)| body == [turn]) {
                break;
            }
        }
        server.close();
    }
    client.close();
    context.term();
}

#[test]
fn raw_sockets_have_no_tls() {
    let context = Context::new();
    let [stream, router] = [ZMQ_STREAM, ZMQ_ROUTER].map(|kind| context.patient(kind));
    router.set(ZMQ_ROUTER_RAW, 1);
    for socket in [stream, router] {
        serve(socket);
        assert_eq!(socket.try_bind("tls://127.0.0.1:*"), Err(Errno::NOCOMPATPROTO.0));
        assert_eq!(socket.try_connect("tls://127.0.0.1:9"), Err(Errno::NOCOMPATPROTO.0));
        socket.close();
    }
    context.term();
}

/// The caller of such a program would else choose which servers it trusts. This needs the superuser, as the owner of such a program, and a
/// folder on which programs may have more rights.
#[test]
fn setuid_programs_trust_what_the_system_trusts() {
    const NOBODY: &str = "65534";
    if role().is_some() {
        // SAFETY: no pointers.
        let is_secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
        let context = Context::new();
        let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
        serve(server);
        client.set(ZMQ_WSS_TRUST_SYSTEM, 1);
        client.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
        let events = Monitor::of(context, client);
        client.connect(&server.try_bind("tls://127.0.0.1:*").unwrap());
        let outcome = loop {
            match events.event() {
                ZMQ_EVENT_HANDSHAKE_SUCCEEDED => break "trusts it",
                ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL => {
                    break "does not";
                }
                _ => {}
            }
        };
        println!("\nsecure {is_secure}, {outcome}");
        return context.end(&[client, server, events.0]);
    }
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("not the superuser: this test does nothing");
    }
    let folder = std::env::temp_dir().join(format!("ferrozmq-trusting-{}", std::process::id()));
    fs::create_dir_all(folder.join("authorities")).unwrap();
    let (program, file) = (folder.join("program"), folder.join("authorities/authority.pem"));
    copy_of_this_program(&program);
    fs::write(&file, tls::AUTHORITY).unwrap();
    let outcome = |mode, variable: &str| {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let shell = format!(
            "{variable} exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups {} \"$@\"",
            program.display()
        );
        let test = test_name!(setuid_programs_trust_what_the_system_trusts);
        let output = spawn(test, "connect", &["sh", "-c", &shell]).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines().find_map(|line| line.strip_prefix("secure ")).unwrap_or(&said).to_owned()
    };
    for variable in [
        format!("SSL_CERT_FILE={}", file.display()),
        format!("SSL_CERT_DIR={}", folder.join("authorities").display()),
    ] {
        assert_eq!(outcome(0o755, &variable), "false, trusts it");
        let secure = outcome(0o4755, &variable);
        if secure.starts_with("false") {
            return eprintln!(
                "{}: no program has more rights there: this test does nothing",
                folder.display()
            );
        }
        assert_eq!(secure, "true, does not");
    }
    fs::remove_dir_all(folder).unwrap();
}
