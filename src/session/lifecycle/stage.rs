//! Where a session is.
//!
//! | stage | file | goes on with |
//! |---|---|---|
//! | [`Waiting`](Stage::Waiting) | [`backoff`](super::backoff) | `Connecting`, when the timer goes off |
//! | [`Connecting`](Stage::Connecting) | [`connecting`](super::connecting) | `Handshaking`; `Waiting`, if the attempt fails |
//! | [`Handshaking`](Stage::Handshaking) | [`establishing`](super::establishing) | `Connected`; `Waiting`, if it fails |
//! | [`Connected`](Stage::Connected) | [`data_phase`](super::data_phase) | `Waiting`, when the connection ends |

use crate::session::connection::Connection;
use crate::session::lifecycle::connecter::Attempt;
use crate::session::lifecycle::data_phase::DataPhase;
use crate::session::lifecycle::handshaking::Handshaking;
use std::os::fd::RawFd;

#[derive(Default)]
pub enum Stage {
    /// Between two attempts, or before the first.
    #[default]
    Waiting,
    Connecting(Attempt),
    Handshaking(Box<Handshaking>),
    Connected(DataPhase),
}

impl Stage {
    /// The stage, which ends with that: the session waits.
    pub fn take(&mut self) -> Stage {
        std::mem::take(self)
    }

    pub fn connection(&self) -> Option<&Connection> {
        if let Stage::Connected(data_phase) = self { Some(data_phase.connection()) } else { None }
    }

    /// The stream's descriptor, once there is a stream.
    pub fn raw_fd(&self) -> Option<RawFd> {
        match self {
            Stage::Connected(data_phase) => Some(data_phase.connection().raw_fd()),
            Stage::Handshaking(handshaking) => Some(handshaking.raw_fd()),
            Stage::Waiting | Stage::Connecting(_) => None,
        }
    }
}
