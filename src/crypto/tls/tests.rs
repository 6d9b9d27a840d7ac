//! Two sides, connected byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/wss/cert.pem");
const KEY: &[u8] = include_bytes!("../../../tests/wss/key.pem");
/// Of no certificate here.
const OTHER_KEY: &[u8] = include_bytes!("../../../tests/tls/other.key.pem");
/// An authority, a client's certificate by it, its key, and one that has expired for the same key.
const CLIENT_AUTHORITY: &[u8] = include_bytes!("../../../tests/tls/authority.pem");
const CLIENT: &[u8] = include_bytes!("../../../tests/tls/client.pem");
const CLIENT_KEY: &[u8] = include_bytes!("../../../tests/tls/client.key.pem");
const EXPIRED: &[u8] = include_bytes!("../../../tests/tls/expired.pem");
/// The name in the certificate.
const NAME: &str = "ferrozmq.test";

fn ends(trusted: &[u8], name: &str, host: &str) -> (Tls, Tls) {
    let client = client(trusted, name, host, None, Versions::Both).unwrap();
    let server = server(CERTIFICATE, KEY, &Clients::Anonymous, Versions::Both).unwrap();
    (Tls::new(&client).unwrap(), Tls::new(&server).unwrap())
}

fn client(
    certificates: &[u8],
    name: &str,
    host: &str,
    own: Option<&Identity<'_>>,
    versions: Versions,
) -> Result<Settings> {
    Settings::client(&Servers { certificates, system: false, name, host }, own, versions)
}

fn server(certificates: &[u8], key: &[u8], clients: &Clients<'_>, versions: Versions) -> Result<Settings> {
    Settings::server(&Identity { certificates, key }, clients, versions)
}

/// Carries bytes one way.
fn carry(from: &mut Tls, to: &mut Tls) -> Result<()> {
    let mut wire = Vec::new();
    from.transmit(&mut wire).unwrap();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        to.receive(&mut rest)?;
    }
    Ok(())
}

fn complete_handshake(client: &mut Tls, server: &mut Tls) -> Result<()> {
    for _ in 0..5 {
        carry(client, server)?;
        carry(server, client)?;
    }
    Ok(())
}

#[test]
fn bytes_pass_both_ways_until_one_side_closes() {
    let (mut client, mut server) = ends(CERTIFICATE, NAME, "127.0.0.1");
    assert!(client.is_handshaking());
    complete_handshake(&mut client, &mut server).unwrap();
    assert!(!client.is_handshaking() && !server.is_handshaking());
    for (body, back) in [(&b"to the server"[..], false), (b"and back", true)] {
        let (from, to) = if back { (&mut server, &mut client) } else { (&mut client, &mut server) };
        assert_eq!(from.write(body), Ok(body.len()));
        carry(from, to).unwrap();
        let mut room = [0; 100];
        let n = to.read(&mut room).unwrap();
        assert_eq!(&room[..n], body);
        assert_eq!(to.read(&mut room), None);
    }
    client.close();
    carry(&mut client, &mut server).unwrap();
    assert_eq!(server.read(&mut [0; 9]), Some(0));
}

#[test]
fn only_trusted_certificates_are_accepted_and_by_their_name() {
    let outcome = |trusted: &[u8], name: &str, host: &str| {
        let (mut client, mut server) = ends(trusted, name, host);
        complete_handshake(&mut client, &mut server).is_ok() && !client.is_handshaking()
    };
    assert!(outcome(CERTIFICATE, NAME, "127.0.0.1"));
    assert!(outcome(CERTIFICATE, &NAME.to_uppercase(), "127.0.0.1"));
    assert!(outcome(CERTIFICATE, "", "127.0.0.1"), "this very certificate, and no name was asked for");
    assert!(!outcome(CERTIFICATE, "other.test", NAME));
    assert!(!outcome(b"", NAME, NAME), "nobody is trusted");
}

#[test]
fn settings_require_pem_and_names() {
    let bad = |outcome: Result<Settings>| outcome.err() == Some(Errno::INVAL);
    let of_server = |certificates, key| server(certificates, key, &Clients::Anonymous, Versions::Both);
    assert!(bad(of_server(b"", b"")));
    assert!(bad(of_server(CERTIFICATE, CERTIFICATE)));
    assert!(bad(of_server(KEY, KEY)));
    assert!(bad(of_server(CERTIFICATE, OTHER_KEY)), "not its key");
    for certificates in [&b"nonsense"[..], KEY] {
        assert!(bad(server(CERTIFICATE, KEY, &Clients::Asked { certificates }, Versions::Newest)));
        assert!(bad(server(CERTIFICATE, KEY, &Clients::Known { certificates }, Versions::Newest)));
    }
    let of_client = |trusted, name, own| client(trusted, name, "a.test", own, Versions::Both);
    assert!(bad(of_client(b"nonsense", "", None)));
    assert!(bad(of_client(CERTIFICATE, "not a name", None)));
    for (certificates, key) in [(CERTIFICATE, &b""[..]), (b"", KEY), (CERTIFICATE, OTHER_KEY)] {
        let own = Identity { certificates, key };
        assert!(bad(client(CERTIFICATE, "", "a.test", Some(&own), Versions::Both)));
    }
}

#[test]
fn noise_ends_a_handshake() {
    let (_, mut server) = ends(CERTIFICATE, NAME, NAME);
    assert_eq!(server.receive(&mut &[7; 300][..]), Err(Errno::PROTO));
}

/// What a server makes of a client that shows a certificate, or none. `Err`: either of them has broken off.
fn let_in(clients: &Clients<'_>, own: Option<&Identity<'_>>) -> Result<Option<String>> {
    let client = client(CERTIFICATE, NAME, "", own, Versions::Newest).unwrap();
    let server = server(CERTIFICATE, KEY, clients, Versions::Newest).unwrap();
    let (mut client, mut server) = (Tls::new(&client).unwrap(), Tls::new(&server).unwrap());
    assert_eq!(server.peer_subject(), None);
    complete_handshake(&mut client, &mut server)?;
    assert_eq!(client.peer_subject().unwrap(), "CN=ferrozmq.test");
    Ok(server.peer_subject())
}

#[test]
fn clients_are_known_by_their_certificates() {
    let (authority, stranger) = (CLIENT_AUTHORITY, CERTIFICATE);
    let own = &Identity { certificates: CLIENT, key: CLIENT_KEY };
    let subject = Ok(Some("CN=Ann\\, the first,O=Ferrozmq".to_owned()));
    assert_eq!(let_in(&Clients::Known { certificates: authority }, Some(own)), subject);
    assert_eq!(let_in(&Clients::Asked { certificates: authority }, Some(own)), subject);
    assert_eq!(let_in(&Clients::Known { certificates: CLIENT }, Some(own)), subject, "itself");
    assert_eq!(let_in(&Clients::Asked { certificates: authority }, None), Ok(None));
    assert_eq!(let_in(&Clients::Anonymous, Some(own)), Ok(None), "not asked for");
    assert_eq!(let_in(&Clients::Known { certificates: authority }, None), Err(Errno::PROTO));
    for clients in [Clients::Known { certificates: stranger }, Clients::Asked { certificates: stranger }] {
        assert_eq!(let_in(&clients, Some(own)), Err(Errno::PROTO));
    }
    let expired = &Identity { certificates: EXPIRED, key: CLIENT_KEY };
    for certificates in [authority, EXPIRED] {
        assert_eq!(let_in(&Clients::Known { certificates }, Some(expired)), Err(Errno::PROTO));
    }
}

#[test]
fn old_versions_are_spoken_only_where_both_sides_do() {
    let completes = |one, other| {
        let client = client(CERTIFICATE, NAME, "", None, one).unwrap();
        let server = server(CERTIFICATE, KEY, &Clients::Anonymous, other).unwrap();
        let (mut client, mut server) = (Tls::new(&client).unwrap(), Tls::new(&server).unwrap());
        complete_handshake(&mut client, &mut server).unwrap();
        client.connection.protocol_version()
    };
    for (one, other) in [(Versions::Both, Versions::Newest), (Versions::Newest, Versions::Both)] {
        assert_eq!(completes(one, other), Some(rustls::ProtocolVersion::TLSv1_3));
    }
}
