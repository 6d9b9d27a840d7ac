//! What is left to do when the socket has closed its end (`ZMQ_LINGER`).
//!
//! | `ZMQ_LINGER` | what waits for the peer |
//! |---|---|
//! | 0 | is dropped at once |
//! | above 0 | is sent for that number of milliseconds, then dropped |
//! | below 0 | is sent, for as long as it takes |
//!
//! A session and an exchange without connections ask here. The context waits for none of them by itself: each holds a guard of it.

use super::timer;
use crate::reactor::SourceContext;

/// The source goes on for `linger_ms` milliseconds to send what is left, for ever below 0. `false`: it ends at once.
pub fn begin(cx: &mut SourceContext<'_>, linger_ms: i32) -> bool {
    match linger_ms {
        0 => cx.finish(),
        1.. => cx.set_timer(timer::LINGER, timer::millis(linger_ms)),
        _ => {}
    }
    linger_ms != 0
}
