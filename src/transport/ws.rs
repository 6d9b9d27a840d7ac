//! `ws://host:port/path`: TCP with an HTTP request in front. Without a path it is `/`. The path is part of
//! the endpoint and of the request; servers ignore it.

use super::connect::ConnectPlan;
use super::listener::Listener;
use super::{Layers, Scheme, tcp};
use crate::crypto::tls;
use crate::engine::ws::Role;
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;

/// See [`super::bind`].
pub(super) fn bind(address: &str, options: &SocketOptions) -> Result<Listener> {
    listen(Scheme::Ws, address, None, options)
}

/// See `transport::connect`.
pub(super) fn connect(address: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    plan(Scheme::Ws, address, None, options)
}

/// For `ws://`, and with TLS for `wss://`.
pub(super) fn listen(
    scheme: Scheme,
    address: &str,
    tls: Option<tls::Settings>,
    options: &SocketOptions,
) -> Result<Listener> {
    let (name, path) = split(address)?;
    let layers = Layers { tls, ws: Some(Role::Server) };
    Ok(tcp::listen(scheme, name, options)?.with_layers(layers, path))
}

/// For `ws://`, and with TLS for `wss://`.
pub(super) fn plan(
    scheme: Scheme,
    address: &str,
    tls: Option<tls::Settings>,
    options: &SocketOptions,
) -> Result<ConnectPlan> {
    let (name, path) = split(address)?;
    let (_, host) = name.rsplit_once(';').unwrap_or(("", name));
    let role = Role::Client { host: host.to_owned(), path: path.to_owned() };
    let endpoint = format!("{}://{address}", scheme.name());
    let plan = tcp::plan(scheme, name, endpoint, options)?;
    Ok(plan.with_layers(Layers { tls, ws: Some(role) }, path))
}

/// The address for TCP, and the path. Errors: `EINVAL` for a path with bytes that no request can carry.
pub(super) fn split(address: &str) -> Result<(&str, &str)> {
    let (name, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Errno::INVAL);
    }
    Ok((name, if path.is_empty() { "/" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_first_slash() {
        assert_eq!(split("127.0.0.1:80"), Ok(("127.0.0.1:80", "/")));
        assert_eq!(split("[::1]:80/a/b:c?d"), Ok(("[::1]:80", "/a/b:c?d")));
        for address in ["a:1/b c", "a:1/\r\nHost: x", "a:1/\u{e4}", "a:1/\0"] {
            assert_eq!(split(address), Err(Errno::INVAL));
        }
    }
}
