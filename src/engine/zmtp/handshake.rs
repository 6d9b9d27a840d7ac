//! Handshakes: from the first byte to the first message.
use super::assembler::{Assembler, Form};
use super::greeting::{self, Greeted, Greeting};
use super::{PeerGreeting, Version, frame, v1};
use crate::engine::mechanism::{self, Mechanism};
use crate::engine::{Config, Failure};
use crate::options::SocketType;

/// One side of a connection that is being set up.
///
/// The owner writes what [`output`](Handshake::output) gives after making this and after every
/// [`input`](Handshake::input), and closes the stream if that has not led to a [`Peer`] in time
/// (`ZMQ_HANDSHAKE_IVL`). What is held of the peer is bounded: a greeting, then one frame of at most 32 KiB.
pub struct Handshake {
    config: Config,
    state: State,
    out: Vec<u8>,
}

/// What bytes of the peer led to.
#[derive(Debug)]
pub enum Progress {
    /// All were taken; more are due.
    More,
    /// The handshake is over. What was not taken is the beginning of the data phase.
    Done(Peer),
}

/// Whom we talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// libzmq raises `ZMQ_EVENT_HANDSHAKE_SUCCEEDED` for V3 peers only.
    pub version: Version,
    /// Empty if it told none, or if [`Config::recv_routing_id`] is not set.
    pub routing_id: Vec<u8>,
    /// As it calls itself; only V3 peers do.
    pub socket_type: Option<String>,
    /// All that it told of itself, with the two above among it; names are unlike each other.
    pub properties: Vec<(String, Vec<u8>)>,
    /// It will never send a subscription, being ZMTP 1.0 without a greeting, yet we are PUB or XPUB: it
    /// counts as subscribed to everything. The pipe gets a subscription to the empty topic right after the
    /// routing id.
    pub phantom_subscription: bool,
}

impl Handshake {
    pub fn new(config: Config) -> Handshake {
        let mut out = Vec::new();
        let state = State::Greeting(Greeting::start(&config, &mut out));
        Handshake { config, state, out }
    }

    /// Appends what must be sent now.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.out);
    }

    /// Takes bytes of the peer and says how many. That is all of them unless the handshake is done: then the rest
    /// is not part of it. There may be output even then, and the peer waits for it. Once done or failed, every
    /// further call fails.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), Failure> {
        let mut rest = bytes;
        loop {
            let state = std::mem::replace(&mut self.state, State::Over);
            match state.input(&mut rest, &self.config, &mut self.out)? {
                Step::Wait(state) => {
                    self.state = state;
                    return Ok((bytes.len(), Progress::More));
                }
                Step::Next(state) => self.state = state,
                Step::Done(peer) => return Ok((bytes.len() - rest.len(), Progress::Done(peer))),
            }
        }
    }
}

enum State {
    Greeting(Greeting),
    RoutingId(AwaitRoutingId),
    Command(AwaitCommand),
    Over,
}

enum Step {
    /// All bytes were taken.
    Wait(State),
    /// There may be bytes left.
    Next(State),
    Done(Peer),
}

impl State {
    fn input(self, bytes: &mut &[u8], config: &Config, out: &mut Vec<u8>) -> Result<Step, Failure> {
        match self {
            State::Greeting(state) => match state.input(bytes, config, out) {
                greeting::Step::More(state) => Ok(Step::Wait(State::Greeting(state))),
                greeting::Step::Done(greeted) => after_greeting(greeted, config, out).map(Step::Next),
            },
            State::RoutingId(state) => state.input(bytes, config),
            State::Command(state) => state.input(bytes, config, out),
            State::Over => Err(Failure::SILENT),
        }
    }
}

/// The routing id of a ZMTP 1.0 or 2.0 peer is due: its first frame, whatever the flags. Ours is sent.
struct AwaitRoutingId {
    version: Version,
    /// Of an unversioned peer: begun before the frame was known to be one.
    begun: Vec<u8>,
    unversioned: bool,
    frame: Assembler,
}

impl AwaitRoutingId {
    fn input(mut self, bytes: &mut &[u8], config: &Config) -> Result<Step, Failure> {
        let begun = std::mem::take(&mut self.begun);
        let body = match self.frame.input(&mut begun.as_slice())? {
            // An empty routing id in the long form ends with its header.
            Some(body) => Some(body),
            None => self.frame.input(bytes)?,
        };
        let Some(body) = body else { return Ok(Step::Wait(State::RoutingId(self))) };
        let publishes = matches!(config.socket_type, SocketType::Pub | SocketType::Xpub);
        Ok(Step::Done(Peer {
            version: self.version,
            routing_id: if config.recv_routing_id { body } else { Vec::new() },
            socket_type: None,
            properties: Vec::new(),
            phantom_subscription: self.unversioned && publishes,
        }))
    }
}

/// A command of a ZMTP 3 peer's mechanism is due.
struct AwaitCommand {
    version: Version,
    mechanism: Mechanism,
    frame: Assembler,
}

impl AwaitCommand {
    fn start(peer: &PeerGreeting, config: &Config, out: &mut Vec<u8>) -> Result<AwaitCommand, Failure> {
        let mechanism = Mechanism::start(peer, config, out)?;
        Ok(AwaitCommand { version: peer.version, mechanism, frame: Assembler::new(Form::V2) })
    }

    fn input(self, bytes: &mut &[u8], config: &Config, out: &mut Vec<u8>) -> Result<Step, Failure> {
        let AwaitCommand { version, mechanism, mut frame } = self;
        let Some(body) = frame.input(bytes)? else {
            return Ok(Step::Wait(State::Command(AwaitCommand { version, mechanism, frame })));
        };
        match mechanism.command(&body, version, config, out)? {
            mechanism::Step::Next(mechanism) => {
                Ok(Step::Next(State::Command(AwaitCommand { version, mechanism, frame })))
            }
            mechanism::Step::Ready(peer) => Ok(Step::Done(peer)),
        }
    }
}

/// What follows the peer's greeting; appends our routing id or the first command.
fn after_greeting(greeted: Greeted, config: &Config, out: &mut Vec<u8>) -> Result<State, Failure> {
    let elder = |version, form, begun: Vec<u8>, unversioned| {
        State::RoutingId(AwaitRoutingId { version, begun, unversioned, frame: Assembler::new(form) })
    };
    match greeted {
        Greeted::V3(peer) => AwaitCommand::start(&peer, config, out).map(State::Command),
        // Such peers have no mechanism: whoever must authenticate cannot be one of them.
        _ if config.authenticates() => Err(Failure::SILENT),
        Greeted::V2 => {
            frame::append_frame(out, 0, &config.routing_id);
            Ok(elder(Version::V2, Form::V2, Vec::new(), false))
        }
        Greeted::V1 => {
            v1::append_frame(out, 0, &config.routing_id);
            Ok(elder(Version::V1, Form::V1, Vec::new(), false))
        }
        Greeted::Unversioned { first } => {
            // The signature was this frame's header.
            out.extend_from_slice(&config.routing_id);
            Ok(elder(Version::V1, Form::V1, first, true))
        }
    }
}
