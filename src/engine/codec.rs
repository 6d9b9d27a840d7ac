//! The encoding of frames in the data phase.

use super::Failure;
pub use super::mechanism::curve::message::{Counters, CurveCodec, OVERHEAD_BYTES, Opener, Run, Sealer};
#[cfg(feature = "gssapi")]
use super::mechanism::gssapi::message as gssapi;
#[cfg(feature = "qzmq")]
pub use super::mechanism::qzmq::traffic::Traffic;

/// Records, for the session, which transports them.
#[cfg(feature = "qzmq")]
pub mod records {
    pub use crate::engine::mechanism::qzmq::recent::RecentTags;
    pub use crate::engine::mechanism::qzmq::record::{
        HEAD_BYTES, Kind, MAX_BOX_BYTES, MAX_CONTENT_BYTES, RecordKey, box_len,
    };
    #[cfg(test)]
    pub use crate::engine::mechanism::qzmq::{record::MAX_RECORDS, traffic::testing};
}

/// The transformation of a connection's frames before they are sent, and after they arrive.
#[derive(Debug)]
pub enum Codec {
    /// None: they lie on the wire as the peer's [`Version`](super::zmtp::Version) frames them.
    Clear,
    /// Each is sealed into a frame of its own.
    Curve(Box<CurveCodec>),
    /// In records, which have borders of their own.
    #[cfg(feature = "qzmq")]
    Qzmq(Box<Traffic>),
    /// The same as CURVE's, by the system's library.
    #[cfg(feature = "gssapi")]
    Gssapi(Box<gssapi::GssapiCodec>),
}

impl Codec {
    pub fn is_sealed(&self) -> bool {
        !matches!(self, Codec::Clear)
    }

    /// The two directions, where frames are sealed.
    pub fn halves(self) -> Option<(AnySealer, AnyOpener)> {
        match self {
            Codec::Clear => None,
            // The stream is in records, not the frames.
            #[cfg(feature = "qzmq")]
            Codec::Qzmq(_) => None,
            Codec::Curve(codec) => Some((AnySealer::Curve(codec.sealer), AnyOpener::Curve(codec.opener))),
            #[cfg(feature = "gssapi")]
            Codec::Gssapi(codec) => Some((AnySealer::Gssapi(codec.sealer), AnyOpener::Gssapi(codec.opener))),
        }
    }

    #[cfg(feature = "qzmq")]
    pub(super) fn qzmq(traffic: Traffic) -> Codec {
        Codec::Qzmq(Box::new(traffic))
    }

    pub(super) fn curve(codec: CurveCodec) -> Codec {
        Codec::Curve(Box::new(codec))
    }
}

/// Seals outgoing frames, for any mechanism.
pub enum AnySealer {
    Curve(Sealer),
    #[cfg(feature = "gssapi")]
    Gssapi(gssapi::Sealer),
}

/// Opens incoming frames, for any mechanism.
pub enum AnyOpener {
    Curve(Opener),
    #[cfg(feature = "gssapi")]
    Gssapi(gssapi::Opener),
}

impl AnySealer {
    /// See [`Sealer::append_frame`].
    #[inline]
    pub fn append_frame(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        match self {
            AnySealer::Curve(sealer) => sealer.append_frame(out, flags, body),
            #[cfg(feature = "gssapi")]
            AnySealer::Gssapi(sealer) => sealer.append_frame(out, flags, body),
        }
    }
}

impl AnySealer {
    /// See [`Sealer::append_unfinished`].
    #[inline]
    pub fn append_unfinished(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        match self {
            AnySealer::Curve(sealer) => sealer.append_unfinished(out, flags, body),
            #[cfg(feature = "gssapi")]
            AnySealer::Gssapi(sealer) => sealer.append_frame(out, flags, body),
        }
    }

    /// See [`Sealer::finish`].
    pub fn finish(&mut self, out: &mut [u8]) {
        match self {
            AnySealer::Curve(sealer) => sealer.finish(out),
            #[cfg(feature = "gssapi")]
            AnySealer::Gssapi(_) => {}
        }
    }
}

impl AnyOpener {
    /// CURVE's, which opens several frames in one go.
    pub fn curve(&mut self) -> Option<&mut Opener> {
        match self {
            AnyOpener::Curve(opener) => Some(opener),
            #[cfg(feature = "gssapi")]
            AnyOpener::Gssapi(_) => None,
        }
    }

    /// See [`Opener::open`].
    #[inline]
    pub fn open<'a>(&mut self, body: &'a mut [u8]) -> Result<(u8, &'a mut [u8]), Failure> {
        match self {
            AnyOpener::Curve(opener) => opener.open(body),
            #[cfg(feature = "gssapi")]
            AnyOpener::Gssapi(opener) => opener.open(body),
        }
    }
}

#[cfg(test)]
impl PartialEq for Codec {
    /// Two codecs that seal are never equal.
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

    /// A client and a server that have completed a handshake.
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
