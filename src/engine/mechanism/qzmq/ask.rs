//! ASK, client to server, and CERTIFICATE, which answers it: the server's certificate, for a client that knows the server by its name.

use super::fields::Fields;
use crate::crypto::certificate::Refusal;
use crate::crypto::{Certificate, KemSuite, Roles, Trust};
use crate::engine::Failure;

const ASK: &[u8] = b"\x03ASK";
const CERTIFICATE: &[u8] = b"\x0bCERTIFICATE";
const MAJOR_VERSION: u8 = 1;
const MINOR_VERSION: u8 = 0;

/// The body of an ASK for a certificate of a key of this KEM.
pub fn body(kem: KemSuite) -> Vec<u8> {
    [ASK, &[MAJOR_VERSION, MINOR_VERSION, kem.number()]].concat()
}

/// Whether this is an ASK.
pub fn is_ask(body: &[u8]) -> bool {
    body.starts_with(ASK)
}

/// The KEM that an ASK is for.
pub fn parse(body: &[u8]) -> Result<KemSuite, Failure> {
    let parse = || {
        let mut fields = Fields::new(body.strip_prefix(ASK)?);
        let [major, _minor, kem] = *fields.array()?;
        fields.end()?;
        KemSuite::from_number(kem).filter(|_| major == MAJOR_VERSION)
    };
    parse().ok_or(Failure::MALFORMED_HELLO)
}

/// The body of the answer.
pub fn answer(certificate: &Certificate) -> Vec<u8> {
    [CERTIFICATE, certificate.bytes()].concat()
}

/// The certificate in an answer, if it is that of a server of this name. `now_s` is in seconds since 1970.
pub fn accept(
    body: &[u8],
    kem: KemSuite,
    (trust, name): (&Trust, &str),
    now_s: u64,
) -> Result<Certificate, Failure> {
    let bytes = body.strip_prefix(CERTIFICATE).ok_or(Failure::UNEXPECTED_COMMAND)?;
    let certificate = Certificate::parse(bytes).map_err(|_| Failure::CRYPTOGRAPHIC)?;
    if certificate.claims.public.suite() != kem {
        return Err(Failure::CRYPTOGRAPHIC);
    }
    if certificate.claims.name != name {
        return Err(Failure::Uncertified(Refusal::OtherName));
    }
    trust.check(&certificate, Roles::Server, now_s).map_err(Failure::Uncertified)?;
    Ok(certificate)
}
