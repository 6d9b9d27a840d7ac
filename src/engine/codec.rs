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
