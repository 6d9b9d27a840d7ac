//! Sockets that a security file secures, in programs that set no mechanism.

use crate::support::bench::*;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use zmq::security::certificate::Certificate;

/// A folder with keys and a security file.
struct Setup {
    folder: PathBuf,
}

impl Setup {
    /// `text` is what the file's `[default]` begins with.
    fn new(text: &str) -> Setup {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ferrozmq-secured-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("allowed")).unwrap();
        for name in ["server", "alice", "bob"] {
            pair(&folder.join(name));
        }
        let setup = Setup { folder };
        setup.let_in("alice");
        setup.write("security.toml", text);
        setup
    }

    /// A server and a client with a key, each from its file.
    fn curve() -> Setup {
        Setup::new(
            "[default]\nserver_key = \"server.key_secret\"\nclient_key = \"alice.key_secret\"\n\
             server_public = \"server.key\"\nallow = { folder = \"allowed\" }\n",
        )
    }

    fn let_in(&self, name: &str) {
        let file = format!("{name}.key");
        fs::copy(self.folder.join(&file), self.folder.join("allowed").join(file)).unwrap();
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    /// A context whose sockets the file secures.
    fn context(&self) -> Context {
        let context = Context::new();
        assert_eq!(set_path(context, &self.folder.join("security.toml")), Ok(()));
        context
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn pair(stem: &Path) {
    Certificate::generate(None).unwrap().write_pair(stem).unwrap();
}

fn set_path(context: Context, path: &Path) -> Result<(), i32> {
    let text = path.to_str().unwrap().as_bytes();
    // SAFETY: a slice's pointer and length.
    let outcome = unsafe { zmq_ctx_set_ext(context.0, ZMQ_FERRO_SECURITY, text.as_ptr().cast(), text.len()) };
    if outcome == 0 { Ok(()) } else { Err(zmq_errno()) }
}

/// The text of a property of a message that this receives.
fn property(socket: Socket, name: &str) -> String {
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let (msg, name) = (msg.as_mut_ptr(), CString::new(name).unwrap());
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        assert!(zmq_msg_recv(msg, socket.0, 0) >= 0, "{}", zmq_errno());
        let value = zmq_msg_gets(msg, name.as_ptr());
        assert!(!value.is_null());
        let value = std::ffi::CStr::from_ptr(value).to_str().unwrap().to_owned();
        zmq_msg_close(msg);
        value
    }
}

#[test]
fn both_sides_speak_curve_by_the_file_alone() {
    let setup = Setup::curve();
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_REP), context.patient(ZMQ_REQ));
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    client.try_send(b"question", 0).unwrap();
    assert_eq!(property(server, "User-Id"), "alice");
    server.try_send(b"answer", 0).unwrap();
    assert_eq!(client.try_frame(0).unwrap().0, b"answer");
    context.end(&[client, server]);
}

#[test]
fn clients_without_the_right_key_are_refused() {
    let setup = Setup::curve();
    let (context, plain) = (setup.context(), Context::new());
    let server = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    // No mechanism at all.
    let null = plain.patient(ZMQ_PUSH);
    null.set(ZMQ_RECONNECT_IVL, -1);
    null.connect(&endpoint);
    events.until(ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL);
    // A key that is not in the folder.
    let stranger = plain.patient(ZMQ_PUSH);
    let own = curve_keypair();
    let server_key = Certificate::read_public(&setup.folder.join("server.key")).unwrap().public_z85();
    stranger.set_bytes(ZMQ_CURVE_SERVERKEY, server_key.as_bytes());
    stranger.set_bytes(ZMQ_CURVE_PUBLICKEY, &own.0);
    stranger.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    stranger.set(ZMQ_RECONNECT_IVL, -1);
    stranger.connect(&endpoint);
    assert_eq!(events.until(ZMQ_EVENT_HANDSHAKE_FAILED_AUTH), 400);
    plain.end(&[null, stranger]);
    context.end(&[server, events.0]);
}

#[test]
fn a_program_that_chose_a_mechanism_is_left_alone() {
    let setup = Setup::curve();
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let own = curve_keypair();
    server.set(ZMQ_CURVE_SERVER, 1);
    server.set_bytes(ZMQ_CURVE_SECRETKEY, &own.1);
    let endpoint = server.bind_anywhere();
    let clients = curve_keypair();
    client.set_bytes(ZMQ_CURVE_SERVERKEY, &own.0);
    client.set_bytes(ZMQ_CURVE_PUBLICKEY, &clients.0);
    client.set_bytes(ZMQ_CURVE_SECRETKEY, &clients.1);
    client.connect(&endpoint);
    client.try_send(b"hello", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"hello");
    context.end(&[client, server]);
}

#[test]
fn faults_of_files_make_bind_and_connect_fail() {
    for (text, bound, connected) in [
        ("[default]\nalow = \"any\"\n", libc::EINVAL, libc::EINVAL),
        ("[default]\nallow = \"any\"\n", libc::EINVAL, libc::EINVAL),
        (
            "[default]\nallow = \"any\"\nserver_key = \"gone\"\nserver_public = \"gone\"\n",
            libc::EINVAL,
            libc::EINVAL,
        ),
        (
            "[default]\nallow = \"any\"\nserver_key = \"open\"\nserver_public = \"server.key\"\nclient_key = \"open\"\n",
            libc::EACCES,
            libc::EACCES,
        ),
        (
            "[default]\nallow = { folder = \"gone\" }\nserver_key = \"server.key_secret\"\n",
            libc::EINVAL,
            libc::EINVAL,
        ),
        ("[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\n", libc::EACCES, libc::EACCES),
    ] {
        let setup = Setup::new(text);
        fs::write(setup.folder.join("open"), fs::read(setup.folder.join("server.key_secret")).unwrap())
            .unwrap();
        let context = setup.context();
        let socket = context.patient(ZMQ_REP);
        let events = Monitor::of(context, socket);
        assert_eq!(socket.try_bind("tcp://*:*"), Err(bound), "{text}");
        assert_eq!(events.until(ZMQ_EVENT_BIND_FAILED), bound.unsigned_abs());
        assert_eq!(socket.try_connect("tcp://192.0.2.1:9"), Err(connected), "{text}");
        // Inside of the process nothing is at risk.
        socket.try_bind("inproc://fine").unwrap();
        context.end(&[socket, events.0]);
    }
}

#[test]
fn a_wildcard_is_bound_to_loopback_and_unbound_by_its_name() {
    let setup = Setup::new(
        "[default]\nmechanism = \"null\"\nnull_off_loopback = \"refuse\"\nwildcard_bind = \"loopback\"\n",
    );
    let context = setup.context();
    let socket = context.patient(ZMQ_REP);
    let endpoint = socket.try_bind("tcp://*:*").unwrap();
    assert!(endpoint.starts_with("tcp://127.0.0.1:"), "{endpoint}");
    let written = CString::new(endpoint.replace("127.0.0.1", "*")).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_unbind(socket.0, written.as_ptr()) }, 0, "{}", zmq_errno());
    context.end(&[socket]);
}

#[test]
fn the_option_of_a_socket_comes_before_the_contexts() {
    let (setup, other) = (Setup::curve(), Setup::new("[default]\nmechanism = \"null\"\n"));
    let context = setup.context();
    let (server, client) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    for socket in [server, client] {
        let path = other.folder.join("security.toml");
        socket.set_bytes(ZMQ_FERRO_SECURITY, path.to_str().unwrap().as_bytes());
    }
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    client.try_send(b"in the clear", 0).unwrap();
    assert_eq!(server.try_frame(0).unwrap().0, b"in the clear");
    assert_eq!(set_path(context, Path::new("/late")), Ok(()), "not in use yet");
    context.end(&[client, server]);
    let context = setup.context();
    let server = context.patient(ZMQ_PULL);
    server.bind_anywhere();
    assert_eq!(set_path(context, Path::new("/late")), Err(libc::EINVAL));
    context.end(&[server]);
}
