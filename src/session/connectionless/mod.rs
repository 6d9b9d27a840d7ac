//! Transports without connections: datagrams, the multicast of OpenPGM and NORM, and the counters' own.

pub mod datagrams;
#[cfg(feature = "pgm")]
mod multicast;
#[cfg(feature = "norm")]
mod norm;
mod pipe_end;
pub mod stats;
