//! The versions of ZMTP.

/// The peer's version, which both sides speak, since ours is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// ZMTP 1.0, with a greeting or without.
    V1,
    /// ZMTP 2.0.
    V2,
    /// ZMTP 3.0.
    V3_0,
    /// ZMTP 3.1 and later.
    V3_1,
}

impl Version {
    /// Whether a frame with the COMMAND flag has a meaning. If not, such frames of a V2 peer are dropped, and
    /// there is no heartbeat.
    pub fn has_commands(self) -> bool {
        self >= Version::V3_0
    }

    /// Whether the peer takes SUBSCRIBE and CANCEL commands rather than messages.
    pub fn takes_subscription_commands(self) -> bool {
        self >= Version::V3_1
    }
}
