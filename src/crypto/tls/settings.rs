//! The settings of a side of a TLS connection: its certificate, and the certificates it trusts.

#[cfg(feature = "qzmq")]
use super::hybrid::X25519MlKem768;
use super::trust::{ClientTrust, Trust};
use crate::errno::{Errno, Result};
use crate::sys::keylog::{KeyLog, key_log};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoClientAuth;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NoKeyLog, ServerConfig, SupportedProtocolVersion};
use std::fmt;
use std::sync::Arc;

/// Settings made once for an endpoint and shared by all its connections.
#[derive(Clone)]
pub enum Settings {
    Client { config: Arc<ClientConfig>, name: ServerName<'static> },
    Server(Arc<ServerConfig>),
}

/// The versions of TLS that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// 1.3.
    Newest,
}

/// A certificate, those of its issuers behind it, and its key, in PEM.
pub struct Identity<'a> {
    pub certificates: &'a [u8],
    pub key: &'a [u8],
}

/// What a server asks of its clients. The certificates, in PEM, are those of authorities or of clients themselves.
pub enum Clients<'a> {
    /// Nothing.
    Anonymous,
    /// They may show a certificate, which has to be trusted then.
    Asked { certificates: &'a [u8] },
    /// They have to show a trusted certificate.
    Known { certificates: &'a [u8] },
}

/// The servers that a client trusts.
pub struct Servers<'a> {
    /// Certificates in PEM, of authorities or of servers themselves.
    pub certificates: &'a [u8],
    /// All that the system trusts, too.
    pub system: bool,
    /// The name that the certificate must be for. If it is empty, that is `host`; but one of `certificates` is then valid for any
    /// name.
    pub name: &'a str,
    /// The name or address that is connected to.
    pub host: &'a str,
}

impl Settings {
    /// Settings of a server. Errors: `EINVAL` for invalid PEM, or a key that does not belong to the certificate.
    pub fn server(own: &Identity<'_>, clients: &Clients<'_>, versions: Versions) -> Result<Settings> {
        let (chain, key) = own.parse()?;
        let provider = provider();
        let verifier = clients.verifier(&provider)?;
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions.list());
        let builder = builder.map_err(|_| Errno::INVAL)?.with_client_cert_verifier(verifier);
        let mut config = builder.with_single_cert(chain, key).map_err(|_| Errno::INVAL)?;
        config.key_log = logged_keys();
        Ok(Settings::Server(Arc::new(config)))
    }

    /// Settings of a client, with what it shows to a server that asks. Errors: `EINVAL` for invalid PEM, a key that does not
    /// belong to the certificate, or an invalid name.
    pub fn client(servers: &Servers<'_>, own: Option<&Identity<'_>>, versions: Versions) -> Result<Settings> {
        let listed = match servers.certificates {
            [] => Vec::new(),
            pem => certificates_of(pem)?,
        };
        let provider = provider();
        let trust = Trust::new(listed, servers.system, !servers.name.is_empty(), &provider);
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions.list());
        let builder = builder.map_err(|_| Errno::INVAL)?.dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(trust));
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = own.parse()?;
                builder.with_client_auth_cert(chain, key).map_err(|_| Errno::INVAL)?
            }
        };
        config.key_log = logged_keys();
        let name = if servers.name.is_empty() { servers.host } else { servers.name };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Errno::INVAL)?;
        Ok(Settings::Client { config: Arc::new(config), name })
    }
}

/// Writes secrets for dissectors.
#[derive(Debug)]
struct LoggedKeys(KeyLog);

impl rustls::KeyLog for LoggedKeys {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        (self.0)(label, client_random, secret);
    }
}

/// Where secrets go for dissectors: nowhere, unless they are asked for.
fn logged_keys() -> Arc<dyn rustls::KeyLog> {
    match key_log() {
        Some(log) => Arc::new(LoggedKeys(log)),
        None => Arc::new(NoKeyLog),
    }
}

/// As rustls takes them.
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];

impl Versions {
    fn list(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Versions::Both => BOTH,
            Versions::Newest => NEWEST,
        }
    }
}

impl Identity<'_> {
    /// Whether any of it is there.
    pub fn is_given(&self) -> bool {
        !self.certificates.is_empty() || !self.key.is_empty()
    }

    fn parse(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = certificates_of(self.certificates)?;
        Ok((chain, PrivateKeyDer::from_pem_slice(self.key).map_err(|_| Errno::INVAL)?))
    }
}

impl Clients<'_> {
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>> {
        let (pem, demanded) = match self {
            Clients::Anonymous => return Ok(Arc::new(NoClientAuth)),
            Clients::Asked { certificates } => (certificates, false),
            Clients::Known { certificates } => (certificates, true),
        };
        Ok(Arc::new(ClientTrust::new(certificates_of(pem)?, demanded, provider)))
    }
}

impl fmt::Debug for Settings {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Settings::Client { name, .. } => write!(f, "Client({name:?})"),
            Settings::Server(_) => f.write_str("Server"),
        }
    }
}

/// At least one certificate.
fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|list| !list.is_empty()).ok_or(Errno::INVAL)
}

/// ring's, and the hybrid key exchange before its own.
fn provider() -> Arc<CryptoProvider> {
    #[cfg_attr(not(feature = "qzmq"), expect(unused_mut))]
    let mut provider = ring::default_provider();
    #[cfg(feature = "qzmq")]
    provider.kx_groups.insert(0, &X25519MlKem768);
    Arc::new(provider)
}
