//! The timers of a session, and of the sources that linger as a session does.

use crate::reactor::SourceContext;
use std::time::Duration;

pub const CONNECT: u8 = 1;
pub const RECONNECT: u8 = 2;
pub const HANDSHAKE: u8 = 3;
pub const HEARTBEAT: u8 = 4;
pub const LINGER: u8 = 5;
pub const LOOK: u8 = 6;
pub const COALESCING: u8 = 7;
pub const REFUSED: u8 = 8;
pub const DELIVERY: u8 = 9;
pub const RATE: u8 = 10;

/// Those that end with a connection.
const OF_A_CONNECTION: [u8; 8] = [HANDSHAKE, HEARTBEAT, CONNECT, LOOK, COALESCING, REFUSED, DELIVERY, RATE];

/// A connection has ended.
pub fn cancel_those_of_a_connection(cx: &mut SourceContext<'_>) {
    for id in OF_A_CONNECTION {
        cx.cancel_timer(id);
    }
}

/// An option in milliseconds; below 0 it counts as 0.
pub fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::from(ms.max(0).unsigned_abs()))
}
