//! ERROR, server to client: in clear instead of WELCOME, or in a box instead of READY.

use super::schedule::{Purpose, Schedule};
use crate::crypto::AeadSuite;
use crate::engine::Failure;
use crate::engine::zap::ZapStatus;
use crate::engine::zmtp::frame;
use crate::message::COMMAND;

const NAME: &[u8] = b"\x05ERROR";
/// The reason in clear where no suite is in common.
pub const NO_SUITE: &[u8] = b"suite";

/// Appends an ERROR that takes READY's place.
pub fn append(
    out: &mut Vec<u8>,
    schedule: &mut Schedule,
    aead: AeadSuite,
    reason: &[u8],
) -> Result<(), Failure> {
    let mut body = NAME.to_vec();
    schedule.absorb(NAME);
    schedule.seal(Purpose::Error, aead, reason, &mut body)?;
    frame::append_frame(out, COMMAND, &body);
    Ok(())
}

/// Whether this is an ERROR.
pub fn is_error(body: &[u8]) -> bool {
    body.starts_with(NAME)
}

/// The failure that an ERROR in READY's place tells of.
pub fn told(body: &[u8], mut schedule: Schedule, aead: AeadSuite) -> Failure {
    let sealed = body.get(NAME.len()..).unwrap_or_default();
    schedule.absorb(NAME);
    match schedule.open(Purpose::Error, aead, sealed).map(|reason| ZapStatus::parse(&reason)) {
        Err(failure) => failure,
        Ok(None | Some(ZapStatus::Success)) => Failure::MALFORMED_ERROR,
        Ok(Some(refusal)) => Failure::Auth(refusal.code()),
    }
}
