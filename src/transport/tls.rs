//! `tls://host:port`: TCP with TLS 1.3 on it, and ZMTP inside. Certificates, key and trust are the options that `wss://` has too.

use super::connect::ConnectPlan;
use super::listener::Listener;
use super::{Layers, Scheme, tcp};
use crate::crypto::tls::{Clients, Identity, Servers, Settings, Versions};
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;

/// See [`super::bind`]. Errors: also `EINVAL` without a certificate and its key, `ENOCOMPATPROTO` for raw sockets.
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    refuse_raw(options)?;
    let layers = Layers { tls: Some(server(options, Versions::Newest)?), ws: None };
    Ok(tcp::listen(Scheme::Tls, address, options)?.with_layers(layers, ""))
}

/// See `transport::connect`. Errors: also `EINVAL` for certificates that are no PEM, `ENOCOMPATPROTO` for raw sockets.
pub(super) fn connect(address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    refuse_raw(options)?;
    let plan = tcp::plan(Scheme::Tls, address, format!("tls://{address}"), options)?;
    let layers = Layers { tls: Some(client(address, options, Versions::Newest)?), ws: None };
    Ok(plan.with_layers(layers, ""))
}

/// What the options say of a server. Errors: `EINVAL` without a certificate and its key, or for invalid PEM.
pub(super) fn server(options: &SocketOptions, versions: Versions) -> Result<Settings> {
    let clients = match options.tls_client_trust_pem.as_bytes() {
        [] => Clients::Anonymous,
        certificates if options.tls_client_optional => Clients::Asked { certificates },
        certificates => Clients::Known { certificates },
    };
    Settings::server(&identity(options), &clients, versions)
}

/// What the options say of a client of `address`, which is `host:port`, maybe behind a source address. Errors: `EINVAL` for
/// invalid PEM, or a certificate without its key.
pub(super) fn client(address: &str, options: &SocketOptions, versions: Versions) -> Result<Settings> {
    let name = String::from_utf8_lossy(options.wss_hostname.as_bytes());
    let servers = Servers {
        certificates: options.wss_trust_pem.as_bytes(),
        system: options.wss_trust_system,
        name: &name,
        host: host(address),
    };
    let own = identity(options);
    Settings::client(&servers, own.is_given().then_some(&own), versions)
}

fn identity(options: &SocketOptions) -> Identity<'_> {
    Identity { certificates: options.wss_cert_pem.as_bytes(), key: options.wss_key_pem.as_bytes() }
}

/// The name in a certificate for `host:port`.
fn host(address: &str) -> &str {
    let (_, peer) = address.rsplit_once(';').unwrap_or(("", address));
    let (host, _) = peer.rsplit_once(':').unwrap_or((peer, ""));
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A zone is not part of a certificate's name.
    host.split_once('%').map_or(host, |(host, _)| host)
}

/// A raw stream has no handshake in which TLS could be spoken. Its program would send in the clear.
fn refuse_raw(options: &SocketOptions) -> Result<()> {
    if options.raw_socket { Err(Errno::NOCOMPATPROTO) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_name_to_be_certified() {
        for (address, name) in [
            ("a.test:80", "a.test"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("lo:0;a.test:80", "a.test"),
        ] {
            assert_eq!(host(address), name);
        }
    }
}
