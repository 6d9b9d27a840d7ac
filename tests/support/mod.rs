//! What the integration tests share.
//!
//! `program` is the way to the C interface. `bench` is a socket under attack, with a good connection and a monitor.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod bench;
pub mod curve;
pub mod process;
pub mod program;
pub mod random;
pub mod signals;
pub mod tls;
pub mod wire;
pub mod wss;
pub mod zmtp;
pub mod zws;

use std::time::Duration;

/// Long enough for any machine: nothing waits so long unless it fails.
pub const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS as u64);
pub const PATIENCE_MS: i32 = 30_000;
