//! The settings of a side of a TLS connection: its certificate, or the certificates it trusts.

use super::trust::Trust;
use crate::errno::{Errno, Result};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// Settings made once for an endpoint and shared by all its connections.
#[derive(Clone)]
pub enum Settings {
    Client { config: Arc<ClientConfig>, name: ServerName<'static> },
    Server(Arc<ServerConfig>),
}

impl Settings {
    /// Settings of a server: its certificate, those of its issuers behind it, and its key, in PEM. Errors:
    /// `EINVAL` for invalid PEM, or a key that does not belong to the certificate.
    pub fn server(certificates: &[u8], key: &[u8]) -> Result<Settings> {
        let chain = certificates_of(certificates)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Errno::INVAL)?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| Errno::INVAL)?.with_no_client_auth();
        let config = builder.with_single_cert(chain, key).map_err(|_| Errno::INVAL)?;
        Ok(Settings::Server(Arc::new(config)))
    }

    /// Settings of a client. `trusted`: certificates in PEM, of authorities or of servers themselves; with
    /// `system` also all that the system trusts. `host`: the name or address that is connected to.
    ///
    /// `name`: the name that the server's certificate must be for. If it is empty, that is `host`; but a
    /// certificate listed in `trusted` is then valid for any name. Errors: `EINVAL` for invalid PEM or an
    /// invalid name.
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

/// At least one certificate.
fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|list| !list.is_empty()).ok_or(Errno::INVAL)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
