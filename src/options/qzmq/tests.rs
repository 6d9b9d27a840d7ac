//! What sockets take as keys, authorities and certificates of QZMQ.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::{DsaSecret, DsaSuite};
use crate::options::number::{
    ZMQ_CURVE, ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVER, ZMQ_CURVE_SERVERKEY,
    ZMQ_FERRO_CURVE_BESIDE_QZMQ, ZMQ_FERRO_CURVE_FALLBACK, ZMQ_FERRO_QZMQ_AUTHORITY,
    ZMQ_FERRO_QZMQ_CERTIFICATE, ZMQ_FERRO_QZMQ_PADDING, ZMQ_FERRO_QZMQ_REVOKED, ZMQ_FERRO_QZMQ_SERVER_NAME,
    ZMQ_FERRO_QZMQ_SUITES, ZMQ_FERRO_QZMQ_TICKET_LIFE, ZMQ_FERRO_QZMQ_UPDATE_IVL,
    ZMQ_FERRO_QZMQ_UPDATE_RECORDS, ZMQ_FERRO_QZMQ_UPDATE_SIZE, ZMQ_MECHANISM, ZMQ_PLAIN_SERVER,
};
use crate::options::{Mechanism, SocketOptions, SocketType};

fn options() -> SocketOptions {
    SocketOptions::new(SocketType::Dealer)
}

fn pair(suite: KemSuite) -> (Vec<u8>, Vec<u8>) {
    let secret = KemSecret::generate(suite).unwrap();
    (secret.public().tagged(), secret.tagged().to_vec())
}

fn text(key: &[u8]) -> Vec<u8> {
    z85::encode(key).unwrap().as_bytes().to_vec()
}

fn with(values: &[(i32, &[u8])]) -> SocketOptions {
    let mut options = options();
    values.iter().for_each(|(option, value)| options.set(*option, value).unwrap());
    options
}

const YES: &[u8] = &1_i32.to_ne_bytes();

#[test]
fn keys_come_in_three_forms_and_leave_in_two() {
    for suite in KemSuite::ALL {
        let (public, secret) = pair(suite);
        for (option, key) in
            [(ZMQ_CURVE_PUBLICKEY, &public), (ZMQ_CURVE_SERVERKEY, &public), (ZMQ_CURVE_SECRETKEY, &secret)]
        {
            let text = text(key);
            let with_nul = [&text[..], &[0]].concat();
            for form in [key, &text, &with_nul] {
                let mut options = options();
                options.set(option, form).unwrap();
                let mut raw = vec![0; key.len()];
                assert_eq!(options.get(option, &mut raw), Ok(key.len()));
                assert_eq!(&raw, key);
                let mut room = vec![0; with_nul.len()];
                assert_eq!(options.get(option, &mut room), Ok(with_nul.len()));
                assert_eq!(room, with_nul);
                for size in [0, 32, 41, key.len() - 1, key.len() + 1, text.len(), text.len() + 2] {
                    assert_eq!(options.get(option, &mut vec![0; size]), Err(Errno::INVAL), "{size}");
                }
                let mut mechanism = [0; 4];
                options.get(ZMQ_MECHANISM, &mut mechanism).unwrap();
                assert_eq!(i32::from_ne_bytes(mechanism), ZMQ_CURVE);
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused_and_leaves_the_old_one() {
    for suite in KemSuite::ALL {
        let (public, secret) = pair(suite);
        let altered = |key: &[u8], at: usize, byte: u8| {
            let mut key = key.to_vec();
            key[at] = byte;
            key
        };
        for option in [ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY, ZMQ_CURVE_SERVERKEY] {
            let is_secret = option == ZMQ_CURVE_SECRETKEY;
            let (right, wrong) = if is_secret { (&secret, &public) } else { (&public, &secret) };
            let mut options = with(&[(option, right)]);
            for refused in [
                wrong.clone(),
                text(wrong),
                altered(right, 0, b'q'),
                altered(right, 1, if is_secret { b'P' } else { b'S' }),
                altered(right, 2, 3 - suite.number()),
                altered(right, 3, 2),
                altered(&text(right), 7, b' '),
                [&right[..], &[0]].concat(),
                [&text(right)[..], b"\0\0"].concat(),
                [&text(right)[..], b"x"].concat(),
                right[..right.len() - 1].to_vec(),
            ] {
                assert_eq!(options.set(option, &refused), Err(Errno::INVAL), "{} bytes", refused.len());
            }
            let mut raw = vec![0; right.len()];
            options.get(option, &mut raw).unwrap();
            assert_eq!(&raw, right, "the old one is left");
        }
    }
}

/// A public key with a coefficient that is too large.
#[test]
fn public_keys_are_checked() {
    let (mut public, _) = pair(KemSuite::XWing);
    public[4..7].fill(0xff);
    assert_eq!(options().set(ZMQ_CURVE_SERVERKEY, &public), Err(Errno::INVAL));
}

#[test]
fn how_qzmq_is_spoken_has_bounds() {
    let mut options = options();
    let mut out = [9; 4];
    assert_eq!((options.get(ZMQ_FERRO_QZMQ_SUITES, &mut out), out), (Ok(0), [0; 4]));
    options.set(ZMQ_FERRO_QZMQ_SUITES, &[4, 1]).unwrap();
    for refused in [&[0][..], &[5], &[1, 1], &[1, 2, 3, 4, 1], &[255]] {
        assert_eq!(options.set(ZMQ_FERRO_QZMQ_SUITES, refused), Err(Errno::INVAL), "{refused:?}");
    }
    assert_eq!((options.get(ZMQ_FERRO_QZMQ_SUITES, &mut out), out), (Ok(2), [4, 1, 0, 0]));
    assert_eq!(options.get(ZMQ_FERRO_QZMQ_SUITES, &mut [0]), Err(Errno::INVAL));
    options.set_null(ZMQ_FERRO_QZMQ_SUITES).unwrap();
    assert!(options.qzmq.suites().is_empty());
    for (option, least, most, default) in [
        (ZMQ_FERRO_QZMQ_UPDATE_RECORDS, 1, 16_777_216, 8_388_608),
        (ZMQ_FERRO_QZMQ_UPDATE_IVL, 1, i32::MAX, 600_000),
        (ZMQ_FERRO_QZMQ_PADDING, 0, 16_384, 0),
        (ZMQ_FERRO_QZMQ_TICKET_LIFE, 0, 86_400, 7_200),
    ] {
        let mut number = [0; 4];
        options.get(option, &mut number).unwrap();
        assert_eq!(i32::from_ne_bytes(number), default);
        for refused in [least - 1, most.wrapping_add(1), i32::MIN, -1] {
            assert_eq!(options.set(option, &refused.to_ne_bytes()), Err(Errno::INVAL), "{refused}");
        }
        for size in [0, 1, 3, 8] {
            assert_eq!(options.set(option, &[1; 8][..size]), Err(Errno::INVAL), "{size} bytes");
        }
        for taken in [least, most] {
            options.set(option, &taken.to_ne_bytes()).unwrap();
            options.get(option, &mut number).unwrap();
            assert_eq!(i32::from_ne_bytes(number), taken);
        }
    }
    for (size, is_taken) in [(0, false), (1, true), (1 << 50, true), ((1 << 50) + 1, false), (-1_i64, false)]
    {
        assert_eq!(options.set(ZMQ_FERRO_QZMQ_UPDATE_SIZE, &size.to_ne_bytes()).is_ok(), is_taken, "{size}");
    }
    assert_eq!(options.set(ZMQ_FERRO_QZMQ_UPDATE_SIZE, &1_i32.to_ne_bytes()), Err(Errno::INVAL));
}

#[test]
fn each_role_has_its_keys() {
    for suite in KemSuite::ALL {
        let ((server, server_secret), (public, secret)) = (pair(suite), pair(suite));
        let roles = [
            with(&[(ZMQ_CURVE_SERVER, YES), (ZMQ_CURVE_SECRETKEY, &server_secret)]),
            with(&[
                (ZMQ_CURVE_SERVER, YES),
                (ZMQ_CURVE_SECRETKEY, &server_secret),
                (ZMQ_CURVE_PUBLICKEY, &server),
            ]),
        ];
        for options in roles {
            let Ok(Some(QzmqKeys::Server { own, certificate: None })) = options.qzmq_keys() else {
                unreachable!()
            };
            assert_eq!(own.public().tagged(), server);
        }
        let anonymous = with(&[(ZMQ_CURVE_SERVERKEY, &server)]);
        let Ok(Some(QzmqKeys::Client { own: None, .. })) = anonymous.qzmq_keys() else { unreachable!() };
        let client = with(&[
            (ZMQ_CURVE_SERVERKEY, &text(&server)),
            (ZMQ_CURVE_PUBLICKEY, &public),
            (ZMQ_CURVE_SECRETKEY, &text(&secret)),
        ]);
        let Ok(Some(QzmqKeys::Client { server: key, own: Some(own), .. })) = client.qzmq_keys() else {
            unreachable!()
        };
        let KnownServer::Key(key) = key else { unreachable!() };
        assert_eq!((key.tagged(), own.public().tagged()), (server, public));
    }
}

#[test]
fn keys_that_do_not_fit_together_are_refused() {
    let (public, secret) = pair(KemSuite::XWing);
    let (other, other_secret) = pair(KemSuite::XWing);
    let (large, large_secret) = pair(KemSuite::MlKem1024);
    let curve = [7; 32];
    let wrong: [&[(i32, &[u8])]; 10] = [
        // Mixed kinds, in either order.
        &[(ZMQ_CURVE_SERVERKEY, &other), (ZMQ_CURVE_SECRETKEY, &curve)],
        &[(ZMQ_CURVE_SERVERKEY, &curve), (ZMQ_CURVE_SECRETKEY, &secret)],
        &[(ZMQ_CURVE_SERVERKEY, &other), (ZMQ_CURVE_SECRETKEY, &secret), (ZMQ_CURVE_PUBLICKEY, &curve)],
        &[(ZMQ_CURVE_SERVER, YES), (ZMQ_CURVE_SECRETKEY, &secret), (ZMQ_CURVE_PUBLICKEY, &curve)],
        // A role without its key.
        &[(ZMQ_CURVE_SECRETKEY, &secret)],
        &[(ZMQ_CURVE_SERVERKEY, &other), (ZMQ_CURVE_SERVER, YES)],
        // A public key without its secret one, and with another one.
        &[(ZMQ_CURVE_SERVERKEY, &other), (ZMQ_CURVE_PUBLICKEY, &public)],
        &[
            (ZMQ_CURVE_SERVERKEY, &other),
            (ZMQ_CURVE_PUBLICKEY, &public),
            (ZMQ_CURVE_SECRETKEY, &other_secret),
        ],
        // Two KEMs.
        &[(ZMQ_CURVE_SERVERKEY, &large), (ZMQ_CURVE_SECRETKEY, &secret)],
        &[(ZMQ_CURVE_SERVERKEY, &other), (ZMQ_CURVE_SECRETKEY, &large_secret)],
    ];
    for (number, values) in wrong.iter().enumerate() {
        assert_eq!(with(values).qzmq_keys().err(), Some(Errno::INVAL), "{number}");
    }
}

#[test]
fn the_last_key_of_a_place_counts() {
    let (public, secret) = pair(KemSuite::XWing);
    let mut options = with(&[(ZMQ_CURVE_SERVERKEY, &public), (ZMQ_CURVE_SECRETKEY, &secret)]);
    options.set(ZMQ_CURVE_SERVERKEY, &[7; 32]).unwrap();
    options.set(ZMQ_CURVE_SECRETKEY, &[8; 32]).unwrap();
    assert!(options.qzmq_keys().unwrap().is_none(), "CURVE again");
    options.set(ZMQ_CURVE_SERVERKEY, &public).unwrap();
    options.set(ZMQ_CURVE_SECRETKEY, &secret).unwrap();
    assert!(options.qzmq_keys().unwrap().is_some());
    options.set(ZMQ_PLAIN_SERVER, YES).unwrap();
    assert!(options.qzmq_keys().unwrap().is_none(), "the mechanism is another one");
}

fn certified(authority: &DsaSecret, public: &KemPublic) -> Certificate {
    let claims = Claims {
        name: "alice".to_owned(),
        public: public.clone(),
        roles: Roles::Client,
        not_before_s: 1,
        not_after_s: 5,
    };
    Certificate::sign(authority, claims).unwrap()
}

/// An authority's public key and a certificate, as the options take them.
pub(in crate::options) fn samples() -> [Vec<u8>; 2] {
    let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    let own = KemSecret::generate(KemSuite::XWing).unwrap();
    let certificate = certified(&authority, own.public());
    [authority.public().tagged().to_vec(), certificate.bytes().to_vec()]
}

#[test]
fn authorities_certificates_and_revocations_are_taken_and_forgotten() {
    let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    let own = KemSecret::generate(KemSuite::XWing).unwrap();
    let certificate = certified(&authority, own.public());
    let trusts = |options: &SocketOptions| options.qzmq.trust().check(&certificate, Roles::Client, 1).is_ok();
    let key = authority.public().tagged();
    for form in [key.clone(), text(&key), [&text(&key)[..], &[0]].concat()] {
        let mut options = with(&[(ZMQ_FERRO_QZMQ_AUTHORITY, &form)]);
        assert!(trusts(&options));
        for revoked in [own.public().fingerprint(), authority.public().fingerprint()] {
            options.set(ZMQ_FERRO_QZMQ_REVOKED, &text(&revoked)).unwrap();
            assert!(!trusts(&options));
            options.set_null(ZMQ_FERRO_QZMQ_REVOKED).unwrap();
            assert!(trusts(&options));
        }
        options.set_null(ZMQ_FERRO_QZMQ_AUTHORITY).unwrap();
        assert!(!trusts(&options));
    }
    let mut options = options();
    for wrong in [&b""[..], b"x", &key[1..], &own.public().tagged(), &[0; 32], &[b'0'; 20_000]] {
        assert_eq!(options.set(ZMQ_FERRO_QZMQ_AUTHORITY, wrong), Err(Errno::INVAL));
        assert_eq!(options.set(ZMQ_FERRO_QZMQ_CERTIFICATE, wrong), Err(Errno::INVAL));
    }
    assert_eq!(options.set(ZMQ_FERRO_QZMQ_REVOKED, &[7; 31]), Err(Errno::INVAL));
}

#[test]
fn a_socket_has_keys_of_both_kinds_where_it_may() {
    let suite = KemSuite::XWing;
    let (own, curve) = (KemSecret::generate(suite).unwrap(), [7; 32]);
    for option in [ZMQ_FERRO_CURVE_BESIDE_QZMQ, ZMQ_FERRO_CURVE_FALLBACK] {
        for turned in [false, true] {
            let mut options = with(&[(option, YES), (ZMQ_CURVE_SERVER, YES)]);
            let tagged = own.tagged();
            let mut values = [&tagged[..], &curve];
            if turned {
                values.reverse();
            }
            values.iter().for_each(|value| options.set(ZMQ_CURVE_SECRETKEY, value).unwrap());
            assert!(options.has_curve_keys() && *options.curve_secret_key == curve);
            let mut room = [0; 32];
            assert_eq!(options.get(ZMQ_CURVE_SECRETKEY, &mut room), Ok(32));
            assert_eq!(room, curve);
            let mut room = vec![0; tagged.len()];
            assert_eq!(options.get(ZMQ_CURVE_SECRETKEY, &mut room), Ok(tagged.len()));
            assert_eq!(room[..], tagged[..]);
            let is_servers = option == ZMQ_FERRO_CURVE_BESIDE_QZMQ;
            assert_eq!(options.qzmq_keys().is_ok(), is_servers, "each option is for one role");
            options.set(option, &0i32.to_ne_bytes()).unwrap();
            assert_eq!(options.qzmq_keys().err(), Some(Errno::INVAL), "not without the option");
            options.set(ZMQ_CURVE_SECRETKEY, &curve).unwrap();
            assert!(options.qzmq_keys().unwrap().is_none(), "and then the last one counts");
        }
    }
}

#[test]
fn a_certificate_has_to_be_of_the_clients_own_key() {
    let authority = DsaSecret::generate(DsaSuite::MlDsa65).unwrap();
    let server = KemSecret::generate(KemSuite::XWing).unwrap();
    let own = KemSecret::generate(KemSuite::XWing).unwrap();
    let certificate = certified(&authority, own.public()).bytes().to_vec();
    for form in [certificate.clone(), text(&certificate)] {
        let mut client = with(&[
            (ZMQ_CURVE_SERVERKEY, &server.public().tagged()),
            (ZMQ_CURVE_SECRETKEY, &own.tagged()),
            (ZMQ_FERRO_QZMQ_CERTIFICATE, &form),
        ]);
        let Ok(Some(QzmqKeys::Client { certificate: Some(shown), .. })) = client.qzmq_keys() else {
            unreachable!()
        };
        assert_eq!(shown.bytes(), certificate);
        client.set(ZMQ_CURVE_SECRETKEY, &server.tagged()).unwrap();
        assert_eq!(client.qzmq_keys().err(), Some(Errno::INVAL));
        client.set_null(ZMQ_FERRO_QZMQ_CERTIFICATE).unwrap();
        assert!(client.qzmq_keys().is_ok());
    }
}

#[test]
fn a_certificate_is_of_its_role() {
    let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
    let own = KemSecret::generate(KemSuite::XWing).unwrap();
    let of_client = certified(&authority, own.public()).bytes().to_vec();
    let mut server = with(&[
        (ZMQ_CURVE_SERVER, YES),
        (ZMQ_CURVE_SECRETKEY, &own.tagged()),
        (ZMQ_FERRO_QZMQ_CERTIFICATE, &of_client),
    ]);
    assert_eq!(server.qzmq_keys().err(), Some(Errno::INVAL));
    let claims = Claims { roles: Roles::Both, ..Certificate::parse(&of_client).unwrap().claims };
    let both = Certificate::sign(&authority, claims).unwrap();
    server.set(ZMQ_FERRO_QZMQ_CERTIFICATE, both.bytes()).unwrap();
    let Ok(Some(QzmqKeys::Server { certificate: Some(shown), .. })) = server.qzmq_keys() else {
        unreachable!()
    };
    assert_eq!(shown.bytes(), both.bytes());
}

#[test]
fn a_client_may_know_its_server_by_name() {
    let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap().public().tagged();
    let mut client = with(&[(ZMQ_FERRO_QZMQ_SERVER_NAME, b"orders")]);
    assert_eq!(client.qzmq_keys().err(), Some(Errno::INVAL), "without an authority");
    client.set(ZMQ_FERRO_QZMQ_AUTHORITY, &authority).unwrap();
    let Ok(Some(QzmqKeys::Client { server, own: None, .. })) = client.qzmq_keys() else { unreachable!() };
    assert_eq!(server, KnownServer::Name("orders".to_owned()));
    let (pinned, _) = pair(KemSuite::MlKem1024);
    client.set(ZMQ_CURVE_SERVERKEY, &pinned).unwrap();
    let Ok(Some(QzmqKeys::Client { server, .. })) = client.qzmq_keys() else { unreachable!() };
    assert!(matches!(server, KnownServer::Key(_)), "a key wins");
    for wrong in [&b"a\nb"[..], b"\xff", &[b'n'; 256]] {
        assert_eq!(client.set(ZMQ_FERRO_QZMQ_SERVER_NAME, wrong), Err(Errno::INVAL));
    }
    let mut server = with(&[(ZMQ_CURVE_SERVER, YES)]);
    server.set(ZMQ_FERRO_QZMQ_SERVER_NAME, b"").unwrap();
    server.set_null(ZMQ_FERRO_QZMQ_SERVER_NAME).unwrap();
    assert!(server.as_server, "a name that is not there makes no client");
    server.set(ZMQ_FERRO_QZMQ_SERVER_NAME, b"orders").unwrap();
    assert!(!server.as_server);
    let mut plain = with(&[(ZMQ_PLAIN_SERVER, YES)]);
    plain.set(ZMQ_FERRO_QZMQ_SERVER_NAME, b"").unwrap();
    assert!(plain.as_server && plain.mechanism == Mechanism::Plain);
    let mut none = with(&[(ZMQ_FERRO_QZMQ_SERVER_NAME, b"orders")]);
    none.set(ZMQ_FERRO_QZMQ_SERVER_NAME, b"").unwrap();
    assert!(none.qzmq_keys().unwrap().is_none());
}
