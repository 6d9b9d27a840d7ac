//! What the peer says beside messages: its commands and its signs of life.

use crate::engine::Heartbeat;
use crate::engine::zmtp::Version;
use crate::engine::zmtp::command::Command;
use crate::session::connection::control::MAX_CONTROL_BYTES;

/// Commands and control frames after which others have their turn: they are short, and each is answered.
const RECEIVE_TURN_COMMANDS: u32 = 2048;

pub struct PeerCommands {
    heartbeat: Option<Heartbeat>,
    /// Commands and control frames that the last call has met with.
    met: u32,
    /// Bytes have arrived since the last call began.
    heard: bool,
}

impl PeerCommands {
    pub fn new(heartbeat: Option<Heartbeat>) -> PeerCommands {
        PeerCommands { heartbeat, met: 0, heard: false }
    }

    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.heartbeat.as_ref()
    }

    pub fn heartbeat_mut(&mut self) -> Option<&mut Heartbeat> {
        self.heartbeat.as_mut()
    }

    /// A call begins.
    pub fn begin_turn(&mut self) {
        (self.met, self.heard) = (0, false);
    }

    /// Whether others have their turn.
    pub fn turn_is_over(&self) -> bool {
        self.met >= RECEIVE_TURN_COMMANDS
    }

    /// Bytes have arrived: a part of a frame is a sign of life as well.
    pub fn note_bytes(&mut self, now_ms: u64) {
        self.heard = true;
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.on_bytes(now_ms);
        }
    }

    /// There is a frame, or its beginning. One that lay here before this call says nothing of the peer, unless it follows a PING: the
    /// peer has said that, and more.
    pub fn note_frame(&mut self) {
        if let Some(heartbeat) = self.heartbeat.as_mut().filter(|_| self.heard || self.met > 0) {
            heartbeat.on_received();
        }
    }

    /// A command or control frame is here whole.
    pub fn count(&mut self) {
        self.met += 1;
    }

    /// Does what a command asks for, and appends the answer to `control`. Whether the socket wants to know of it.
    pub fn obey(&mut self, body: &[u8], version: Version, now_ms: u64, control: &mut Vec<u8>) -> bool {
        self.count();
        if !version.has_commands() {
            return false;
        }
        match Command::parse(body) {
            Command::Ping { ttl_ds, context } => {
                let before = control.len();
                if let Some(heartbeat) = &mut self.heartbeat {
                    heartbeat.on_ping(now_ms, ttl_ds, context, control);
                }
                if control.len() > MAX_CONTROL_BYTES {
                    control.truncate(before);
                }
                false
            }
            command => command.is_subscription_request(),
        }
    }
}
