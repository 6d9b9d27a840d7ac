//! Helpers of the mechanisms' tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::Turn;
mod hostile;
mod pairs;

use crate::crypto::keys::keypair;
use crate::engine::zap::{ZapReply, ZapStatus};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::frame::parse_header;
use crate::engine::{ClientKeys, Config, Security, ServerKeys};
use std::sync::Arc;
use zeroize::Zeroizing;

pub fn turn<'a>(config: &'a Config, out: &'a mut Vec<u8>) -> Turn<'a> {
    Turn { config, version: Version::V3_1, out }
}

/// The body of the one command that `append` makes.
pub fn body(append: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out);
    let header = parse_header(&out).unwrap().unwrap();
    assert!(header.is_command());
    assert_eq!(header.frame_len(), out.len());
    out.split_off(header.header_len)
}

/// The replies of an authenticator.
pub fn reply(status: ZapStatus) -> ZapReply {
    let metadata = vec![("Hello".to_owned(), b"World".to_vec())];
    ZapReply { status, text: Vec::new(), user_id: b"ann".to_vec(), metadata }
}

/// Every side of every mechanism, and the mechanism's name; NULL first.
pub fn securities() -> Vec<(Security, &'static str)> {
    let plain = Security::PlainClient {
        username: Zeroizing::new(b"ann".to_vec()),
        password: Zeroizing::new(b"secret".to_vec()),
    };
    let (client, client_secret) = keypair().unwrap();
    let (server, server_secret) = keypair().unwrap();
    let curve = ClientKeys { public: client, secret: client_secret, server };
    #[cfg(feature = "qzmq")]
    let (qzmq_client, qzmq_server) = super::qzmq::keys::testing::pair(crate::crypto::KemSuite::XWing);
    vec![
        (Security::Null, "NULL"),
        (plain, "PLAIN"),
        (Security::PlainServer, "PLAIN"),
        (Security::CurveClient(Arc::new(curve)), "CURVE"),
        (Security::CurveServer(Arc::new(ServerKeys::new(server_secret))), "CURVE"),
        #[cfg(feature = "qzmq")]
        (Security::QzmqClient(qzmq_client), "QZMQ"),
        #[cfg(feature = "qzmq")]
        (Security::QzmqServer(qzmq_server), "QZMQ"),
        #[cfg(not(feature = "gssapi"))]
        (Security::Gssapi, "GSSAPI"),
    ]
}
