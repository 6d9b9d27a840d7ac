//! How the frames of the data phase are coded.

/// What a connection's frames need before they leave, and after they arrive.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub enum Codec {
    /// Nothing: they lie on the wire as the peer's [`Version`](super::zmtp::Version) frames them.
    Clear,
}
