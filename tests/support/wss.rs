//! The certificate of `ferrozmq.test` and its key.

pub const CERTIFICATE: &[u8] = include_bytes!("../wss/cert.pem");
pub const KEY: &[u8] = include_bytes!("../wss/key.pem");
pub const HOSTNAME: &[u8] = b"ferrozmq.test";
