//! The protocol engine, sans I/O. Its input is bytes and the time; its output is bytes, events and a
//! deadline.
//!
//! This layer reads no clock, descriptor or `errno`, and names no socket or pipe. A connection begins as a
//! [`Handshake`]. Once it yields a [`Peer`], the bytes are frames in the form of the peer's
//! [`Version`](zmtp::Version). [`zmtp::frame`] and [`zmtp::v1`] find their borders in place,
//! [`zmtp::outgoing`] makes the bytes before a body, and [`Heartbeat`] detects a silent peer.
//!
//! Over WebSocket, [`ws`] has the upgrade, the handshake and the frames instead. A [`datagram`] has neither
//! handshake nor frames.
//!
//! Where a peer must be authenticated, the handshake asks for it with a [`ZapRequest`] and waits.
//!
//! All input from a peer is bounded before it is used, and no input makes this layer panic.
#![forbid(unsafe_code)]

pub mod codec;
pub mod config;
pub mod datagram;
pub mod failure;
pub mod mechanism;
#[cfg(any(feature = "norm", feature = "pgm"))]
pub mod multicast;
#[cfg(feature = "norm")]
pub mod norm;
pub mod opening;
#[cfg(feature = "pgm")]
pub mod pgm;
pub mod socks;
pub mod ws;
pub mod zap;
pub mod zmtp;

pub use codec::{Codec, CurveCodec};
pub use config::{Config, Security};
pub use failure::Failure;
pub use mechanism::curve::keys::{ClientKeys, KeyRing, ServerKeys};
pub use opening::Opening;
pub use zap::{ZapReply, ZapRequest, ZapStatus};
pub use zmtp::handshake::{Handshake, Progress};
pub use zmtp::heartbeat::Heartbeat;
pub use zmtp::peer::Peer;
