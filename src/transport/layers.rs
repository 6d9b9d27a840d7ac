//! What lies between a stream and ZMTP.

use crate::crypto::tls;
use crate::engine::ws;

/// From the stream upwards. Nothing at all where the transport is bytes alone, as with TCP.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub tls: Option<tls::Settings>,
    pub ws: Option<ws::Role>,
}
