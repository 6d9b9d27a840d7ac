//! The certificates of a vector: made for it, and checked as either side does.

use super::{Special, bytes, hex};
use crate::crypto::certificate::Roles;
use crate::crypto::{Certificate, Claims, DsaPublic, DsaSecret, DsaSuite, KemSecret, KemSuite, Trust};
use crate::engine::mechanism::qzmq::ask;
use crate::engine::mechanism::qzmq::hello::Identity;
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, Settings, Trusted};
use crate::engine::zmtp::tests::WALL_CLOCK_S;
use crate::options::KnownServer;
use serde_json::{Value, json};
use std::sync::Arc;

/// By which a client knows the server that it asks.
const SERVER_NAME: &str = "orders";

/// What the two sides of a vector have to do with certificates.
#[derive(Default)]
pub struct Certified {
    trust: Trust,
    authorities: Vec<String>,
    pub of_client: Option<Arc<Certificate>>,
    of_server: Option<Arc<Certificate>>,
}

impl Certified {
    /// Certificates that are valid for one second, so that a verifier's clock counts.
    pub fn new(special: Special, server: &KemSecret, client: Option<&KemSecret>) -> Certified {
        let dsa = match server.public().suite() {
            KemSuite::XWing => DsaSuite::MlDsa65,
            KemSuite::MlKem1024 => DsaSuite::MlDsa44,
        };
        let authority = DsaSecret::generate(dsa).unwrap();
        let sign = |name: &str, key: &KemSecret, roles| {
            let (name, public) = (name.to_owned(), key.public().clone());
            let (not_before_s, not_after_s) = (WALL_CLOCK_S, WALL_CLOCK_S + 1);
            let claims = Claims { name, public, roles, not_before_s, not_after_s };
            Arc::new(Certificate::sign(&authority, claims).unwrap())
        };
        let mut trust = Trust::default();
        trust.add(authority.public().clone()).unwrap();
        let authorities = vec![hex(&authority.public().tagged())];
        match special {
            Special::Certified => {
                let of_client = client.map(|client| sign("alice", client, Roles::Client));
                Certified { trust, authorities, of_client, of_server: None }
            }
            Special::Asked => {
                let of_server = Some(sign(SERVER_NAME, server, Roles::Server));
                Certified { trust, authorities, of_client: None, of_server }
            }
            _ => Certified::default(),
        }
    }

    /// A client that knows the server's key, or its name where that has a certificate.
    pub fn client_keys(
        &self,
        server: &KemSecret,
        own: Option<Arc<KemSecret>>,
        settings: Settings,
    ) -> ClientKeys {
        let known = match self.of_server {
            Some(_) => KnownServer::Name(SERVER_NAME.to_owned()),
            None => KnownServer::Key(Arc::new(server.public().clone())),
        };
        let keys = ClientKeys::of(known, own, settings).unwrap();
        keys.with_certificate(self.of_client.clone()).with_trusted(self.trusted())
    }

    pub fn server_keys(&self, own: &Arc<KemSecret>, settings: Settings) -> ServerKeys {
        let keys = ServerKeys::new(Arc::clone(own), settings);
        keys.set_certificate(self.of_server.clone());
        // A server that trusts an authority lets in certified clients alone.
        if self.of_client.is_some() { keys.with_trusted(self.trusted()) } else { keys }
    }

    fn trusted(&self) -> Arc<Trusted> {
        Arc::new(Trusted::new(self.trust.clone()))
    }

    /// The members of the vector.
    pub fn members(&self) -> Value {
        let second = if self.authorities.is_empty() { 0 } else { WALL_CLOCK_S };
        let bytes = |certificate: &Arc<Certificate>| hex(certificate.bytes());
        json!({
            "authorities": self.authorities,
            "client_certificate": self.of_client.as_ref().map(bytes).unwrap_or_default(),
            "server_name": if self.of_server.is_some() { SERVER_NAME } else { "" },
            "second": second,
        })
    }
}

/// Checks what the vector's server shows, if it was asked.
pub fn check_server(given: &Value, server: &KemSecret) {
    let asked = bytes(&given["asked"]);
    let (name, second) = (given["server_name"].as_str().unwrap(), given["second"].as_u64().unwrap());
    if asked.is_empty() {
        assert_eq!(name, "");
        return;
    }
    let kem = server.public().suite();
    let (question, answer) = asked.split_at(ask::body(kem).len());
    assert_eq!(ask::parse(question), Ok(kem));
    let certificate = ask::accept(answer, kem, (&trust(given), name), second).unwrap();
    assert_eq!(certificate.claims.public, *server.public());
}

/// What the vector's client says of itself: `own` is its key.
pub fn identity(given: &Value, own: Option<&KemSecret>) -> Identity {
    let certificate = bytes(&given["client_certificate"]);
    let Some(own) = own else { return Identity::Anonymous };
    if certificate.is_empty() {
        return Identity::PublicKey(Box::new(own.public().clone()));
    }
    let certificate = Certificate::parse(&certificate).unwrap();
    assert_eq!(certificate.claims.public, *own.public());
    let second = given["second"].as_u64().unwrap();
    assert_eq!(trust(given).check(&certificate, Roles::Client, second), Ok(()));
    Identity::Certificate(Box::new(certificate))
}

fn trust(given: &Value) -> Trust {
    let mut trust = Trust::default();
    for authority in given["authorities"].as_array().unwrap() {
        trust.add(DsaPublic::from_tagged(&bytes(authority)).unwrap()).unwrap();
    }
    trust
}
