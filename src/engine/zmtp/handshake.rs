//! Handshakes: from the first byte to the first message.
use super::greeting::{self, Greeted, Greeting};
use super::handshake_frame::{FRAME_BUFFER_BYTES, Form, HandshakeFrame};
use super::peer::Peer;
use super::{PeerGreeting, Version, frame, v1};
use crate::engine::mechanism::{self, Mechanism, Turn};
use crate::engine::zap::{ZapReply, ZapRequest, ZapStatus};
use crate::engine::{Codec, Config, Failure, Security};
use crate::options::{self, SocketType};
use zeroize::{Zeroize, Zeroizing};

/// One side of a connection that is being set up.
///
/// The session writes the bytes of [`output`](Handshake::output) after making this and after every other
/// call. It closes the stream if no [`Peer`] results in time (`ZMQ_HANDSHAKE_IVL`). Memory held for the peer
/// is bounded: a greeting, then one frame of at most 32 KiB.
pub struct Handshake {
    config: Config,
    state: State,
    /// The mechanism that the peer has named, if it is one that sockets speak.
    named: Option<options::Mechanism>,
    /// Wiped after it was given away, and large enough from the start for a command with a password in it.
    out: Zeroizing<Vec<u8>>,
}

/// The result of a call.
#[derive(Debug)]
pub enum Progress {
    /// All bytes were taken; more are due.
    More,
    /// All bytes were taken. The session asks the authenticator in the same context. It goes on with
    /// [`Handshake::zap_reply`] after the reply, or with [`Handshake::zap_unavailable`] if there is none. It
    /// goes on passing bytes meanwhile: an honest peer sends none that it may not send, and others end the
    /// handshake.
    Zap(ZapRequest),
    /// The authenticator refused the peer; raises `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH` with its status. The
    /// stream stays open until the peer closes it, sends an invalid command, or the time for the handshake is
    /// over. With 300 the peer does not learn of the refusal. The end raises no further event about the
    /// handshake, except a [`Failure`]'s.
    Denied(ZapStatus),
    /// The handshake is over. Bytes not taken begin the data phase.
    Done(Peer),
}

impl Handshake {
    pub fn new(config: Config) -> Handshake {
        let mut out = Zeroizing::new(Vec::with_capacity(FRAME_BUFFER_BYTES));
        let state = State::Greeting(Greeting::start(&config, &mut out));
        Handshake { config, state, named: None, out }
    }

    /// For frames that need no greeting, because an HTTP upgrade has chosen the mechanism. The authenticator
    /// may have to be asked at once.
    pub fn with_mechanism(
        config: Config,
        chosen: options::Mechanism,
    ) -> Result<(Handshake, Progress), Failure> {
        let mechanism = greeting::name_field(chosen);
        let peer = PeerGreeting { version: Version::V3_0, mechanism, as_server: false, bytes: None };
        let mut out = Zeroizing::new(Vec::with_capacity(FRAME_BUFFER_BYTES));
        let (state, progress) = match AwaitCommand::start(&peer, &config, &mut out)? {
            Step::Wait(state) | Step::Next(state) => (state, Progress::More),
            Step::Ask(state, request) => (state, Progress::Zap(request)),
            // No peer is known before it has sent a byte.
            Step::Done(_) => return Err(Failure::SILENT),
        };
        Ok((Handshake { config, state, named: Some(chosen), out }, progress))
    }

    /// For frames without greeting and mechanism: each side's first frame is its routing id.
    pub fn with_routing_ids(config: Config) -> Handshake {
        let mut out = Zeroizing::new(Vec::with_capacity(FRAME_BUFFER_BYTES));
        frame::append_frame(&mut out, 0, &config.routing_id);
        let frame = HandshakeFrame::new(Form::V2);
        let state = AwaitRoutingId { version: Version::V2, begun: Vec::new(), unversioned: false, frame };
        Handshake { config, state: State::RoutingId(state), named: None, out }
    }

    /// The mechanism that is spoken, as far as it is known: this side's first before the peer has named its own.
    pub fn mechanism(&self) -> options::Mechanism {
        let security = &self.config.security;
        self.named.map_or(security.mechanism(), |named| security.mechanism_for(named))
    }

    /// Whether the peer has done nothing but ask a server of CURVE for QZMQ, as a client does that goes on with CURVE.
    pub fn only_asks_for_qzmq(&self) -> bool {
        let is_of_curve = matches!(self.config.security, Security::CurveServer(_));
        is_of_curve && self.named == Some(options::Mechanism::Qzmq)
    }

    /// Appends the bytes that must be sent now.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.out);
        // Only the used part is wiped: this is done byte by byte.
        self.out.as_mut_slice().zeroize();
        self.out.clear();
    }

    /// Memory that is held for the peer beyond its own bytes, and beyond what each handshake has.
    pub fn held_beside(&self) -> usize {
        let kept = if let State::Command(state) = &self.state { state.mechanism.held_beside() } else { 0 };
        self.out.capacity().saturating_sub(FRAME_BUFFER_BYTES).saturating_add(kept)
    }

    /// Takes bytes of the peer and returns how many. That is all of them unless the handshake is done: the
    /// rest is then not part of it. There may be output even then, for which the peer waits. Once done or
    /// failed, every further call fails. A failure may leave output too: our last command to the peer.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), Failure> {
        let mut rest = bytes;
        // The authenticator is asked once all bytes are seen: they may make that needless.
        let mut asked = None;
        loop {
            let state = self.take_state();
            match state.input(&mut rest, (&self.config, &mut self.named, &mut *self.out))? {
                Step::Wait(state) => {
                    self.state = state;
                    let progress = asked.map_or(Progress::More, Progress::Zap);
                    return Ok((bytes.len(), progress));
                }
                Step::Next(state) => self.state = state,
                Step::Ask(state, request) => {
                    self.state = state;
                    asked = Some(request);
                }
                Step::Done(peer) => return Ok((bytes.len() - rest.len(), Progress::Done(peer))),
            }
        }
    }

    /// Takes the authenticator's reply to [`Progress::Zap`]; one without a request, or a second one, changes
    /// nothing. Fails once the handshake is over, and where the peer has sent too many bytes meanwhile.
    pub fn zap_reply(&mut self, reply: ZapReply) -> Result<Progress, Failure> {
        self.after_zap(|mechanism, turn| mechanism.zap_reply(reply, turn))
    }

    /// There is no authenticator: `inproc://zeromq.zap.01` is not bound. NULL and CURVE go on, unless the
    /// domain is enforced; PLAIN never does.
    pub fn zap_unavailable(&mut self) -> Result<Progress, Failure> {
        self.after_zap(Mechanism::zap_unavailable)
    }

    fn after_zap(
        &mut self,
        go_on: impl FnOnce(Mechanism, &mut Turn<'_>) -> Result<mechanism::Step, Failure>,
    ) -> Result<Progress, Failure> {
        let state = match self.take_state() {
            State::Command(state) => state,
            State::Over => return Err(Failure::SILENT),
            other @ (State::Greeting(_) | State::RoutingId(_)) => {
                self.state = other;
                return Ok(Progress::More);
            }
        };
        let AwaitCommand { version, mechanism, frame } = state;
        let mut turn = Turn { config: &self.config, version, out: &mut self.out };
        let (mechanism, progress) = match go_on(mechanism, &mut turn)? {
            mechanism::Step::Next(mechanism) => (mechanism, Progress::More),
            mechanism::Step::Denied(mechanism, status) => (mechanism, Progress::Denied(status)),
            mechanism::Step::Zap(mechanism, request) => (mechanism, Progress::Zap(request)),
            // A peer may not begin the data phase before our last command.
            mechanism::Step::Ready(_) if !frame.is_empty() => return Err(Failure::UNEXPECTED_COMMAND),
            mechanism::Step::Ready(peer) => return Ok(Progress::Done(peer)),
        };
        self.state = State::Command(AwaitCommand { version, mechanism, frame });
        Ok(progress)
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Over)
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
    /// The same, and the authenticator is to be asked.
    Ask(State, ZapRequest),
    Done(Peer),
}

/// The settings, where the mechanism that the peer names goes, and where bytes to send go.
type Surroundings<'a> = (&'a Config, &'a mut Option<options::Mechanism>, &'a mut Vec<u8>);

impl State {
    fn input(self, bytes: &mut &[u8], (config, named, out): Surroundings<'_>) -> Result<Step, Failure> {
        match self {
            State::Greeting(state) => match state.input(bytes, config, out) {
                greeting::Step::More(state) => Ok(Step::Wait(State::Greeting(state))),
                greeting::Step::Done(greeted) => {
                    if let Greeted::V3(peer) = &greeted {
                        *named = greeting::mechanism_of(&peer.mechanism);
                    }
                    after_greeting(greeted, config, out)
                }
            },
            State::RoutingId(state) => state.input(bytes, config),
            State::Command(state) => state.input(bytes, config, out),
            State::Over => Err(Failure::SILENT),
        }
    }
}

/// The routing id of a ZMTP 1.0 or 2.0 peer is due: its first frame, with any flags. Ours is sent.
struct AwaitRoutingId {
    version: Version,
    /// Of an unversioned peer: the part received before it was known to be a frame.
    begun: Vec<u8>,
    unversioned: bool,
    frame: HandshakeFrame,
}

impl AwaitRoutingId {
    fn input(mut self, bytes: &mut &[u8], config: &Config) -> Result<Step, Failure> {
        let begun = std::mem::take(&mut self.begun);
        let body = match self.frame.input(&mut begun.as_slice())? {
            // An empty routing id in the long form ends with its header.
            Some(body) => Some(body),
            None => self.frame.input(bytes)?,
        };
        let Some(mut body) = body else { return Ok(Step::Wait(State::RoutingId(self))) };
        let publishes = matches!(config.socket_type, SocketType::Pub | SocketType::Xpub);
        Ok(Step::Done(Peer {
            version: self.version,
            routing_id: if config.recv_routing_id { std::mem::take(&mut *body) } else { Vec::new() },
            socket_type: None,
            properties: Vec::new(),
            public_key: None,
            phantom_subscription: self.unversioned && publishes,
            codec: Codec::Clear,
        }))
    }
}

/// A command of a ZMTP 3 peer's mechanism is due, or a reply about it.
struct AwaitCommand {
    version: Version,
    mechanism: Mechanism,
    frame: HandshakeFrame,
}

impl AwaitCommand {
    fn start(peer: &PeerGreeting, config: &Config, out: &mut Vec<u8>) -> Result<Step, Failure> {
        let mut turn = Turn { config, version: peer.version, out };
        let step = Mechanism::start(peer, &mut turn)?;
        Ok(AwaitCommand::after(step, peer.version, HandshakeFrame::new(Form::V2)))
    }

    fn input(self, bytes: &mut &[u8], config: &Config, out: &mut Vec<u8>) -> Result<Step, Failure> {
        let AwaitCommand { version, mechanism, mut frame } = self;
        let Some(body) = frame.input(bytes)? else {
            return Ok(Step::Wait(State::Command(AwaitCommand { version, mechanism, frame })));
        };
        if mechanism.is_strict() && !frame.was_canonical() {
            return Err(Failure::MALFORMED_COMMAND);
        }
        let step = mechanism.command(&body, &mut Turn { config, version, out })?;
        Ok(AwaitCommand::after(step, version, frame))
    }

    fn after(step: mechanism::Step, version: Version, frame: HandshakeFrame) -> Step {
        let state = |mechanism| State::Command(AwaitCommand { version, mechanism, frame });
        match step {
            // A denial follows only a reply, never a command.
            mechanism::Step::Next(mechanism) | mechanism::Step::Denied(mechanism, _) => {
                Step::Next(state(mechanism))
            }
            mechanism::Step::Zap(mechanism, request) => Step::Ask(state(mechanism), request),
            mechanism::Step::Ready(peer) => Step::Done(peer),
        }
    }
}

/// The step after the peer's greeting; appends our routing id or the first command.
fn after_greeting(greeted: Greeted, config: &Config, out: &mut Vec<u8>) -> Result<Step, Failure> {
    let await_routing_id = |version, form, begun: Vec<u8>, unversioned| {
        Step::Next(State::RoutingId(AwaitRoutingId {
            version,
            begun,
            unversioned,
            frame: HandshakeFrame::new(form),
        }))
    };
    match greeted {
        Greeted::V3(peer) => AwaitCommand::start(&peer, config, out),
        // Such peers have no mechanism, so a socket that has to authenticate refuses them.
        _ if config.authenticates() => Err(Failure::SILENT),
        Greeted::V2 => {
            frame::append_frame(out, 0, &config.routing_id);
            Ok(await_routing_id(Version::V2, Form::V2, Vec::new(), false))
        }
        Greeted::V1 => {
            v1::append_frame(out, 0, &config.routing_id);
            Ok(await_routing_id(Version::V1, Form::V1, Vec::new(), false))
        }
        Greeted::Unversioned { first } => {
            // The signature was this frame's header.
            out.extend_from_slice(&config.routing_id);
            Ok(await_routing_id(Version::V1, Form::V1, first, true))
        }
    }
}
