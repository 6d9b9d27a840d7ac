//! `wss://host:port/path`: `ws://` over TLS. Certificates, key and trust are `ZMQ_WSS_*` options.

use super::connect::ConnectPlan;
use super::listener::Listener;
use super::{Scheme, tls, ws};
use crate::crypto::tls::Versions;
use crate::errno::Result;
use crate::options::SocketOptions;

/// See [`super::bind`]. Errors: also `EINVAL` without a certificate and its key.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    ws::listen(Scheme::Wss, address, Some(tls::server(options, Versions::Both)?), options)
}

/// See `transport::connect`. Errors: also `EINVAL` for certificates that are no PEM.
pub(super) fn connect(address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    let (name, _) = ws::split(address)?;
    ws::plan(Scheme::Wss, address, Some(tls::client(name, options, Versions::Both)?), options)
}
