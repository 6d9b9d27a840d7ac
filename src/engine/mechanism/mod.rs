//! Security mechanisms: the commands between the greeting and the first message.
//!
//! One folder or file per mechanism, and in it one file per command on the wire. A state is a type that takes
//! itself, a command and the [`Config`], and gives the next state; [`Mechanism`] is the closed set of those that
//! wait for a command. PLAIN and CURVE have no states yet: [`Mechanism::start`] refuses their peers, and never
//! falls back to NULL. No mechanism asks ZAP yet either: where a ZAP domain is enforced, the owner must refuse
//! the peer itself.

mod null;
pub mod properties;

use super::zmtp::handshake::Peer;
use super::zmtp::{PeerGreeting, Version};
use super::{Config, Failure};
use crate::options;

/// A mechanism that waits for the peer's next command.
pub(super) enum Mechanism {
    Null(null::AwaitReady),
}

/// What a command led to.
pub(super) enum Step {
    /// Another command is due. NULL has one only; PLAIN and CURVE have two.
    #[allow(dead_code)]
    Next(Mechanism),
    Ready(Peer),
}

impl Mechanism {
    /// Begins the mechanism of `config`, if the peer speaks the same: appends what we have to say first.
    /// Fails with a mechanism mismatch otherwise.
    pub(super) fn start(
        greeting: &PeerGreeting,
        config: &Config,
        out: &mut Vec<u8>,
    ) -> Result<Mechanism, Failure> {
        if greeting.mechanism != name_field(config.mechanism) {
            return Err(Failure::MECHANISM_MISMATCH);
        }
        match config.mechanism {
            options::Mechanism::Null => Ok(Mechanism::Null(null::AwaitReady::start(config, out))),
            options::Mechanism::Plain | options::Mechanism::Curve | options::Mechanism::Gssapi => {
                Err(Failure::MECHANISM_MISMATCH)
            }
        }
    }

    /// Takes the body of the peer's next command; appends what is to be answered to `out`.
    pub(super) fn command(
        self,
        body: &[u8],
        version: Version,
        config: &Config,
        _out: &mut Vec<u8>,
    ) -> Result<Step, Failure> {
        match self {
            Mechanism::Null(state) => state.command(body, version, config).map(Step::Ready),
        }
    }
}

/// The name as a greeting carries it: 20 bytes, padded with zeros.
pub(super) fn name_field(mechanism: options::Mechanism) -> [u8; 20] {
    match mechanism {
        options::Mechanism::Null => *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        options::Mechanism::Plain => *b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        options::Mechanism::Curve => *b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        options::Mechanism::Gssapi => *b"GSSAPI\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    }
}
