//! What a side of a TLS connection knows before it begins: who it is, or whom it trusts.

use super::trust::Trust;
use crate::errno::{Errno, Result};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// Made once for an endpoint and shared by all its connections.
#[derive(Clone)]
pub enum Settings {
    Client { config: Arc<ClientConfig>, name: ServerName<'static> },
    Server(Arc<ServerConfig>),
}

impl Settings {
    /// A server's: its certificate, those that vouch for it behind it, and its key, in PEM. Errors: `EINVAL` for what is
    /// no such thing, or a key that is not the certificate's.
    pub fn server(certificates: &[u8], key: &[u8]) -> Result<Settings> {
        let chain = certificates_of(certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Errno::INVAL)?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| Errno::INVAL)?.with_no_client_auth();
        let config = builder.with_single_cert(chain, key).map_err(|_| Errno::INVAL)?;
        Ok(Settings::Server(Arc::new(config)))
    }

    /// A client's. `trusted`: certificates in PEM, of authorities or of servers themselves; with `system` all that the
    /// system trusts too. `host`: the name or address that is connected to. `name`: the one that the server's
    /// certificate must be for; empty: `host`, but a certificate that is itself among those trusted then is good for any
    /// name. Errors: `EINVAL` for what is no PEM or no name.
    pub fn client(trusted: &[u8], system: bool, name: &str, host: &str) -> Result<Settings> {
        let listed = if trusted.is_empty() { Vec::new() } else { certificates_of(trusted)? };
        let provider = provider();
        let trust = Trust::new(listed, system, !name.is_empty(), &provider);
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| Errno::INVAL)?.dangerous();
        let config = builder.with_custom_certificate_verifier(Arc::new(trust)).with_no_client_auth();
        let name = if name.is_empty() { host } else { name };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Errno::INVAL)?;
        Ok(Settings::Client { config: Arc::new(config), name })
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

/// At least one.
fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|list| !list.is_empty()).ok_or(Errno::INVAL)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
