//! Options about certificates where no handshake would heed them: each call that would leave an endpoint open to peers without a
//! certificate fails.

use crate::logged::Folder;
use crate::secured::Setup;
use crate::support::bench::*;
use crate::support::process::{role, test_name};
use std::fs;
use zmq::crypto::{Certificate, Claims, DsaSecret, DsaSuite, KemSecret, KemSuite, Roles, SecretKey};
use zmq::ffi::draft_constants::{ZMQ_DISH, ZMQ_RADIO};

const ANYWHERE: &str = "tcp://127.0.0.1:*";

/// An option, and a value that it takes.
type Setting = (i32, Vec<u8>);

/// The options about certificates.
struct Options {
    authority: Setting,
    revoked: Setting,
    certificate: Setting,
    name: Setting,
    own: KemSecret,
}

impl Options {
    fn new() -> Options {
        let signer = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let own = KemSecret::generate(KemSuite::XWing).unwrap();
        let (public, roles, name) = (own.public().clone(), Roles::Both, "orders".to_owned());
        let claims = Claims { name, public, roles, not_before_s: 0, not_after_s: u64::MAX };
        let certificate = Certificate::sign(&signer, claims).unwrap().bytes().to_vec();
        Options {
            authority: (ZMQ_FERRO_QZMQ_AUTHORITY, signer.public().tagged().to_vec()),
            revoked: (ZMQ_FERRO_QZMQ_REVOKED, vec![7; 32]),
            certificate: (ZMQ_FERRO_QZMQ_CERTIFICATE, certificate),
            name: (ZMQ_FERRO_QZMQ_SERVER_NAME, b"orders".to_vec()),
            own,
        }
    }

    /// Those that turn peers away, or are to make peers let this side in.
    fn all(&self) -> [&Setting; 4] {
        [&self.authority, &self.revoked, &self.certificate, &self.name]
    }
}

/// What a socket speaks, by what it is given besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Null,
    PlainServer,
    PlainClient,
    CurveServer,
    CurveClient,
    QzmqServer,
    QzmqClient,
}

impl Speaks {
    const ALL: [Speaks; 7] = [
        Speaks::Null,
        Speaks::PlainServer,
        Speaks::PlainClient,
        Speaks::CurveServer,
        Speaks::CurveClient,
        Speaks::QzmqServer,
        Speaks::QzmqClient,
    ];

    fn give_to(self, socket: Socket, own: &KemSecret) {
        let curve = SecretKey::generate().unwrap();
        match self {
            Speaks::Null => socket.set(ZMQ_CURVE_SERVER, 0),
            Speaks::PlainServer => socket.set(ZMQ_PLAIN_SERVER, 1),
            Speaks::PlainClient => socket.set_bytes(ZMQ_PLAIN_USERNAME, b"ann"),
            Speaks::CurveServer => {
                socket.set(ZMQ_CURVE_SERVER, 1);
                socket.set_bytes(ZMQ_CURVE_SECRETKEY, curve.as_bytes());
            }
            Speaks::CurveClient => {
                socket.set_bytes(ZMQ_CURVE_SERVERKEY, curve.public().as_bytes());
                socket.set_bytes(ZMQ_CURVE_PUBLICKEY, curve.public().as_bytes());
                socket.set_bytes(ZMQ_CURVE_SECRETKEY, curve.as_bytes());
            }
            Speaks::QzmqServer => {
                socket.set(ZMQ_CURVE_SERVER, 1);
                socket.set_bytes(ZMQ_CURVE_SECRETKEY, &own.tagged());
            }
            Speaks::QzmqClient => {
                socket.set_bytes(ZMQ_CURVE_SERVERKEY, &own.public().tagged());
                socket.set_bytes(ZMQ_CURVE_SECRETKEY, &own.tagged());
            }
        }
    }
}

/// Sets an option to NULL.
fn forget(socket: Socket, option: i32) {
    // SAFETY: a socket of this process, and no value.
    assert_eq!(unsafe { zmq_setsockopt(socket.0, option, std::ptr::null(), 0) }, 0);
}

#[test]
fn an_endpoint_that_would_heed_no_certificate_is_not_opened() {
    let (context, options) = (Context::new(), Options::new());
    for speaks in Speaks::ALL {
        for (option, value) in options.all() {
            let socket = context.socket(ZMQ_DEALER);
            socket.set_bytes(*option, value);
            speaks.give_to(socket, &options.own);
            let is_server = speaks == Speaks::QzmqServer;
            let heeds = is_server || speaks == Speaks::QzmqClient;
            let expected = if heeds { Ok(()) } else { Err(libc::EINVAL) };
            let case = format!("{speaks:?} {option:#x}");
            assert_eq!(socket.try_bind(ANYWHERE).map(drop), expected, "{case}");
            assert_eq!(socket.try_connect("tcp://127.0.0.1:1"), expected, "{case}");
            assert!(socket.try_bind(&format!("inproc://{case}")).is_ok(), "{case}");
            socket.close();
        }
    }
    context.term();
}

#[test]
fn transports_without_handshakes_are_not_opened() {
    let (context, options) = (Context::new(), Options::new());
    for (kind, endpoint) in
        [(ZMQ_STREAM, ANYWHERE), (ZMQ_DISH, "udp://127.0.0.1:*"), (ZMQ_RADIO, "udp://127.0.0.1:1")]
    {
        let socket = context.socket(kind);
        Speaks::QzmqServer.give_to(socket, &options.own);
        let open = |socket: Socket| {
            if kind == ZMQ_RADIO { socket.try_connect(endpoint) } else { socket.try_bind(endpoint).map(drop) }
        };
        assert_eq!(open(socket), Ok(()), "as with libzmq: {endpoint}");
        let (authority, value) = &options.authority;
        assert_eq!(socket.try_set(*authority, value), Err(libc::EINVAL));
        socket.close();
        let socket = context.socket(kind);
        Speaks::QzmqServer.give_to(socket, &options.own);
        socket.set_bytes(*authority, value);
        assert_eq!(open(socket), Err(libc::EINVAL), "{endpoint}");
        socket.close();
    }
    context.term();
}

/// An authority is wanted from then on, as by clients of QZMQ.
#[test]
fn an_authority_that_was_removed_is_missed() {
    let (context, options) = (Context::new(), Options::new());
    let socket = context.socket(ZMQ_DEALER);
    let (authority, value) = &options.authority;
    socket.set_bytes(*authority, value);
    forget(socket, *authority);
    Speaks::CurveServer.give_to(socket, &options.own);
    assert_eq!(socket.try_bind(ANYWHERE).err(), Some(libc::EINVAL));
    socket.close();
    // A list of revoked keys may be emptied.
    let socket = context.socket(ZMQ_DEALER);
    let (revoked, value) = &options.revoked;
    socket.set_bytes(*revoked, value);
    forget(socket, *revoked);
    Speaks::CurveServer.give_to(socket, &options.own);
    assert!(socket.try_bind(ANYWHERE).is_ok());
    context.end(&[socket]);
}

#[test]
fn an_option_that_comes_too_late_for_an_open_endpoint_is_refused() {
    let (context, options) = (Context::new(), Options::new());
    for speaks in [Speaks::Null, Speaks::PlainServer, Speaks::CurveServer, Speaks::QzmqServer] {
        let socket = context.socket(ZMQ_DEALER);
        speaks.give_to(socket, &options.own);
        let endpoint = socket.bind_anywhere();
        socket.try_bind(&format!("inproc://late {speaks:?}")).unwrap();
        let heeds = speaks == Speaks::QzmqServer;
        for (option, value) in [&options.authority, &options.revoked] {
            let expected = if heeds { Ok(()) } else { Err(libc::EINVAL) };
            assert_eq!(socket.try_set(*option, value), expected, "{speaks:?} {option:#x}");
            socket.unbind(&endpoint);
            socket.set_bytes(*option, value);
            forget(socket, *option);
            if heeds {
                socket.try_bind(&endpoint).unwrap();
            } else {
                break;
            }
        }
        socket.close();
    }
    context.term();
}

#[test]
fn the_log_names_the_option() {
    let name = test_name!(the_log_names_the_option);
    let Some(_) = role() else {
        let folder = Folder::new("uncertified");
        let said = folder.run(name, &[("FERROZMQ_LOG", "security=error")]);
        let line = "ferrozmq: tcp://127.0.0.1:* is refused: ZMQ_FERRO_QZMQ_AUTHORITY is set, and the endpoint would speak no QZMQ";
        assert!(said.starts_with(line) && said.lines().count() == 1, "{said}");
        return;
    };
    let (context, options) = (Context::new(), Options::new());
    let socket = context.socket(ZMQ_DEALER);
    socket.set_bytes(options.authority.0, &options.authority.1);
    assert_eq!(socket.try_bind(ANYWHERE).err(), Some(libc::EINVAL));
    context.end(&[socket]);
}

#[test]
fn a_security_file_is_at_fault_where_keys_of_curve_would_heed_no_certificate() {
    let z85 = |bytes: &[u8]| zmq::z85::encode(bytes).unwrap().to_string();
    let signer = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    let keys = "server_key = \"server.key_secret\"\nclient_key = \"alice.key_secret\"\nserver_public = \"server.key\"\n";
    let allow = "allow = { folder = \"allowed\" }\n";
    let authorities = "authorities = \"home.authority\"\n";
    let revoked = "revoked = \"revoked\"\n";
    for (more, binds, connects) in [
        (vec![allow], true, true),
        (vec![allow, authorities], true, true),
        (vec![authorities], false, true),
        (vec![allow, revoked], false, false),
        (vec![allow, authorities, revoked], false, false),
    ] {
        let setup = Setup::new(&format!("[default]\n{keys}{}", more.concat()));
        let key = format!("qzmq\n    authority-key = \"{}\"\n", z85(&signer.public().tagged()));
        fs::write(setup.folder.join("home.authority"), key).unwrap();
        fs::write(setup.folder.join("revoked"), z85(&[7; 32]) + "\n").unwrap();
        let context = setup.context();
        let (server, client) = (context.socket(ZMQ_DEALER), context.socket(ZMQ_DEALER));
        let outcome = |works: bool| if works { None } else { Some(libc::EINVAL) };
        assert_eq!(server.try_bind(ANYWHERE).err(), outcome(binds), "{more:?}");
        assert_eq!(client.try_connect("tcp://127.0.0.1:1").err(), outcome(connects), "{more:?}");
        context.end(&[server, client]);
    }
}
