//! `wss://host:port/path`: `ws://` over TLS. Certificates, key and trust are `ZMQ_WSS_*` options.

use super::connect::ConnectPlan;
use super::listener::Listener;
use super::{Scheme, ws};
use crate::crypto::tls;
use crate::errno::Result;
use crate::options::SocketOptions;

/// See [`super::bind`]. Errors: also `EINVAL` without a certificate and its key.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    let (certificates, key) = (options.wss_cert_pem.as_bytes(), options.wss_key_pem.as_bytes());
    ws::listen(Scheme::Wss, address, Some(tls::Settings::server(certificates, key)?), options)
}

/// See `transport::connect`. Errors: also `EINVAL` for trusted certificates that are no PEM.
pub(super) fn connect(address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    let (name, _) = ws::split(address)?;
    let (_, name) = name.rsplit_once(';').unwrap_or(("", name));
    let (host, _) = name.rsplit_once(':').unwrap_or((name, ""));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A zone is not part of a certificate's name.
    let (host, _) = host.split_once('%').unwrap_or((host, ""));
    let trusted = options.wss_trust_pem.as_bytes();
    let name = String::from_utf8_lossy(options.wss_hostname.as_bytes());
    let settings = tls::Settings::client(trusted, options.wss_trust_system, &name, host)?;
    ws::plan(Scheme::Wss, address, Some(settings), options)
}
