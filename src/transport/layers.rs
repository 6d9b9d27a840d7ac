//! The protocols between a stream and ZMTP.

use crate::crypto::tls;
use crate::engine::ws;

/// The layers, from the stream upwards. Both are absent where the transport is a plain byte stream, such as
/// TCP.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub tls: Option<tls::Settings>,
    pub ws: Option<ws::Role>,
}
