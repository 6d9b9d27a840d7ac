//! Certificates by an authority, and peers made by hand that speak TLS without the library.

use super::PATIENCE;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::net::TcpStream;
use std::sync::Arc;

pub const AUTHORITY: &[u8] = include_bytes!("../tls/authority.pem");
pub const SERVER: &[u8] = include_bytes!("../tls/server.pem");
pub const SERVER_KEY: &[u8] = include_bytes!("../tls/server.key.pem");
/// Not valid any more; for the same key.
pub const EXPIRED_SERVER: &[u8] = include_bytes!("../tls/expired_server.pem");
/// The name in both; the first is for 127.0.0.1, too.
pub const HOSTNAME: &[u8] = b"server.ferrozmq.test";
pub const CLIENT: &[u8] = include_bytes!("../tls/client.pem");
pub const CLIENT_KEY: &[u8] = include_bytes!("../tls/client.key.pem");
pub const EXPIRED_CLIENT: &[u8] = include_bytes!("../tls/expired.pem");
/// The subject of the client, as RFC 4514 writes it.
pub const SUBJECT: &str = "CN=Ann\\, the first,O=Ferrozmq";

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts the authority, and shows the client's certificate if `known`. Shakes hands with the first byte.
pub fn client(stream: TcpStream, versions: &[&'static SupportedProtocolVersion], known: bool) -> Stream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
    let config = if known {
        let chain = vec![CertificateDer::from_pem_slice(CLIENT).unwrap()];
        builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(CLIENT_KEY).unwrap()).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let name = ServerName::try_from(std::str::from_utf8(HOSTNAME).unwrap()).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}
