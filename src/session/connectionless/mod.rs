//! Transports without connections: datagrams, and the multicast of OpenPGM and NORM.

pub mod datagrams;
#[cfg(feature = "pgm")]
mod multicast;
#[cfg(feature = "norm")]
mod norm;
mod pipe_end;
