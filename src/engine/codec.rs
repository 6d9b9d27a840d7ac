//! How the frames of the data phase are coded.

pub use super::mechanism::curve::message::{CurveCodec, OVERHEAD, Opener, Sealer};

/// What a connection's frames need before they leave, and after they arrive.
#[derive(Debug)]
pub enum Codec {
    /// Nothing: they lie on the wire as the peer's [`Version`](super::zmtp::Version) frames them.
    Clear,
    /// Each is sealed into a frame of its own.
    Curve(Box<CurveCodec>),
}

impl Codec {
    pub fn is_sealed(&self) -> bool {
        matches!(self, Codec::Curve(_))
    }

    pub(super) fn curve(codec: CurveCodec) -> Codec {
        Codec::Curve(Box::new(codec))
    }
}

#[cfg(test)]
impl PartialEq for Codec {
    /// Two codecs that seal are never alike.
    fn eq(&self, other: &Codec) -> bool {
        matches!((self, other), (Codec::Clear, Codec::Clear))
    }
}

#[cfg(test)]
pub mod testing {
    #![allow(clippy::unwrap_used)]
    use super::CurveCodec;
    use crate::crypto::SharedKey;
    use crate::crypto::keys::keypair;
    use crate::engine::mechanism::curve::message::Counters;
    use crate::engine::zmtp::Version;

    /// A client and a server that have shaken hands.
    pub fn codecs(version: Version) -> (CurveCodec, CurveCodec) {
        let (client, client_secret) = keypair().unwrap();
        let (server, server_secret) = keypair().unwrap();
        let of_client = SharedKey::new(&server, &client_secret).unwrap();
        let of_server = SharedKey::new(&client, &server_secret).unwrap();
        let client = CurveCodec::of_client(&of_client, Counters { ours: 2, theirs: 1 }, version);
        let server = CurveCodec::of_server(&of_server, Counters { ours: 1, theirs: 2 }, version);
        (client, server)
    }
}
