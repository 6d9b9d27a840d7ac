//! Waiting for many things at once: `zmq_poll`, `zmq_poller`, `zmq_proxy`, which waits and forwards,
//! and timers.
#![forbid(unsafe_code)]

#[expect(clippy::module_inception, reason = "the page of the manual is called that")]
mod poll;
mod poller;
mod proxy;
mod signal;
mod timers;

pub use poll::{PollItem, poll};
pub use poller::{PollerEvent, PollerHandle, Subject};
pub use proxy::proxy;
pub use timers::{Pass, Timers};

use crate::errno::Result;
use crate::socket::Waiter;
use std::ffi::c_short;

/// `ZMQ_POLLIN`: a message can be received, or a descriptor can be read.
pub const POLLIN: c_short = 1;
/// `ZMQ_POLLOUT`: a message can be sent, or a descriptor can be written.
pub const POLLOUT: c_short = 2;
/// `ZMQ_POLLERR`: a descriptor has an error, hung up, or is none. Never of a socket.
pub const POLLERR: c_short = 4;
/// `ZMQ_POLLPRI`: a descriptor has urgent data. Never of a socket.
pub const POLLPRI: c_short = 8;

/// Hands out the thread's waiter for one call.
fn with_waiter<R>(run: impl FnOnce(&mut Waiter) -> Result<R>) -> Result<R> {
    let mut waiter = Waiter::take();
    let outcome = run(&mut waiter);
    waiter.keep();
    outcome
}

/// What `poll(2)` is to be asked for a raw descriptor. Errors it reports unasked.
fn asked_of_system(events: c_short) -> c_short {
    let bits = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    bits.iter().filter(|(ours, _)| events & ours != 0).fold(0, |asked, (_, theirs)| asked | theirs)
}

/// The events of a raw descriptor, of those that `poll(2)` told; each event without a name of its own is `POLLERR`.
fn told_by_system(revents: c_short) -> c_short {
    let bits = [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)];
    let known = bits.iter().fold(0, |known, (_, theirs)| known | theirs);
    let named =
        bits.iter().filter(|(_, theirs)| revents & theirs != 0).fold(0, |told, (ours, _)| told | ours);
    if revents & !known != 0 { named | POLLERR } else { named }
}
