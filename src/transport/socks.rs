//! The address side of SOCKS5: the request to the proxy. The protocol is `engine::socks`.

use super::ip;
use crate::engine::socks::Login;
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;

/// Most bytes of a host name in a SOCKS5 request (RFC 1928: the length is one byte).
const MAX_HOST_BYTES: usize = 255;

/// A request to a SOCKS5 proxy, and the login for it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyRequest {
    /// The host to connect to, without brackets: a literal address, or a name for the proxy to resolve.
    pub host: String,
    pub port: u16,
    /// User name and password, if the proxy asks for them.
    pub credentials: Option<Login>,
}

impl ProxyRequest {
    /// The request for connecting to `address`; `None` if no proxy is set. Errors: `EINVAL` for port 0 and
    /// for hosts longer than 255 bytes.
    pub(super) fn of(address: &str, options: &SocketOptions) -> Result<Option<ProxyRequest>> {
        if options.socks_proxy_address.is_empty() {
            return Ok(None);
        }
        let address = address.rsplit_once(';').map_or(address, |(_, address)| address);
        let (host, port) = address.rsplit_once(':').ok_or(Errno::INVAL)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = ip::parse_port(port, false)?;
        if port == 0 || host.len() > MAX_HOST_BYTES {
            return Err(Errno::INVAL);
        }
        let (user, password) = (&options.socks_proxy_username, &options.socks_proxy_password);
        let credentials: Login = (user.as_bytes().to_vec().into(), password.as_bytes().to_vec().into());
        let credentials = Some(credentials).filter(|(user, _)| !user.is_empty());
        Ok(Some(ProxyRequest { host: host.to_owned(), port, credentials }))
    }
}

impl std::fmt::Debug for ProxyRequest {
    /// Without the password, which must not get into logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| String::from_utf8_lossy(user));
        write!(f, "ProxyRequest({}:{} as {user:?})", self.host, self.port)
    }
}
