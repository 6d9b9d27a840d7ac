//! Two sides, connected byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/wss/cert.pem");
const KEY: &[u8] = include_bytes!("../../../tests/wss/key.pem");
/// The name in the certificate.
const NAME: &str = "ferrozmq.test";

fn ends(trusted: &[u8], name: &str, host: &str) -> (Tls, Tls) {
    let client = Settings::client(trusted, false, name, host).unwrap();
    let server = Settings::server(CERTIFICATE, KEY).unwrap();
    (Tls::new(&client).unwrap(), Tls::new(&server).unwrap())
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
    assert!(bad(Settings::server(b"", b"")));
    assert!(bad(Settings::server(CERTIFICATE, CERTIFICATE)));
    assert!(bad(Settings::server(KEY, KEY)));
    assert!(bad(Settings::client(b"nonsense", false, "", "a.test")));
    assert!(bad(Settings::client(CERTIFICATE, false, "not a name", "a.test")));
}

#[test]
fn noise_ends_a_handshake() {
    let (_, mut server) = ends(CERTIFICATE, NAME, NAME);
    assert_eq!(server.receive(&mut &[7; 300][..]), Err(Errno::PROTO));
}
