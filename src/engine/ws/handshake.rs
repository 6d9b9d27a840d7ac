//! A handshake over WebSocket: the upgrade, then the commands of the mechanism, or the routing ids, in
//! frames.

use super::upgrade::{self, Head, Refusal, Subprotocol};
use super::{Masks, Opcode, Role, frame, mask};
use crate::engine::zap::ZapReply;
use crate::engine::zmtp::{self, MAX_HANDSHAKE_BODY, Version};
use crate::engine::{Config, Failure, Peer, Progress, Security};
use crate::message;
use crate::options::Mechanism;
use zeroize::{Zeroize, Zeroizing};

/// Most pings that are answered before the handshake is over. An honest peer hardly sends one, and an
/// attacker gets few replies.
const MAX_PINGS: u8 = 16;

/// Bytes allocated for output: enough for most of it, so that no copy is left behind where it grows.
const OUTPUT_BYTES: usize = 2048;

/// One side of a connection that is being set up. To its owner it behaves like
/// [`zmtp::handshake::Handshake`].
pub struct Handshake {
    state: State,
    masks: Option<Masks>,
    peer_masks: bool,
    mechanism: Mechanism,
    only_asks_for_qzmq: bool,
    /// Wiped after it was given away, like all buffers here: there may be a password in it.
    out: Zeroizing<Vec<u8>>,
}

enum State {
    /// The client's request or the server's answer is due.
    Upgrading(Box<Upgrading>),
    Framed(Box<Framed>),
    Over,
}

struct Upgrading {
    config: Config,
    head: Head,
    /// The key that this side, as a client, has put into its request.
    key: Option<String>,
}

/// Frames are exchanged: each carries one of those that the handshake within knows.
struct Framed {
    within: zmtp::handshake::Handshake,
    /// Settings of a client, for a server that may not speak the mechanism it has agreed to.
    other: Option<Config>,
    /// The received part of an incomplete frame.
    begun: Zeroizing<Vec<u8>>,
    pings: u8,
    /// No other bits than that of a command may be set: with QZMQ the first byte is in no transcript.
    exact: bool,
}

impl Handshake {
    pub fn new(role: &Role, config: Config) -> Handshake {
        let mut out = Zeroizing::new(Vec::with_capacity(OUTPUT_BYTES));
        let (head, key) = match role {
            Role::Client { host, path } => {
                let key = upgrade::new_key();
                upgrade::append_request(&mut out, host, path, &key, &config);
                (Head::of_answer(), Some(key))
            }
            Role::Server => (Head::of_request(), None),
        };
        let mechanism = config.security.mechanism();
        let state = State::Upgrading(Box::new(Upgrading { config, head, key }));
        let (masks, peer_masks) = (role.masks(), role.peer_masks());
        Handshake { state, masks, peer_masks, mechanism, only_asks_for_qzmq: false, out }
    }

    /// See [`zmtp::handshake::Handshake::mechanism`].
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// See [`zmtp::handshake::Handshake::only_asks_for_qzmq`]. Here such a client offers both, and leaves when CURVE is chosen.
    pub fn only_asks_for_qzmq(&self) -> bool {
        self.only_asks_for_qzmq
    }

    /// Appends the bytes that must be sent now.
    pub fn output(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.out);
        // Only the used part is wiped: this is done byte by byte.
        self.out.as_mut_slice().zeroize();
        self.out.clear();
    }

    /// See [`zmtp::handshake::Handshake::held_beside`].
    pub fn held_beside(&self) -> usize {
        let within = if let State::Framed(state) = &self.state { state.within.held_beside() } else { 0 };
        self.out.capacity().saturating_sub(OUTPUT_BYTES).saturating_add(within)
    }

    /// Takes bytes of the peer and returns how many: all of them unless the handshake is done.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(usize, Progress), Failure> {
        let mut rest = bytes;
        let mut asked = None;
        // What comes behind the upgrade is more than that.
        self.only_asks_for_qzmq = false;
        loop {
            let progress = match std::mem::replace(&mut self.state, State::Over) {
                State::Upgrading(state) => self.upgrade(state, &mut rest)?,
                State::Framed(state) => self.take_frame(state, &mut rest)?,
                State::Over => return Err(Failure::SILENT),
            };
            match progress {
                // More bytes are due: all bytes were taken.
                None => return Ok((bytes.len(), asked.map_or(Progress::More, Progress::Zap))),
                Some(Progress::More) => {}
                Some(Progress::Zap(request)) => asked = Some(request),
                Some(last) => return Ok((bytes.len() - rest.len(), last)),
            }
        }
    }

    /// Takes the authenticator's reply.
    pub fn zap_reply(&mut self, reply: ZapReply) -> Result<Progress, Failure> {
        self.after_zap(|within| within.zap_reply(reply))
    }

    /// There is no authenticator.
    pub fn zap_unavailable(&mut self) -> Result<Progress, Failure> {
        self.after_zap(zmtp::handshake::Handshake::zap_unavailable)
    }

    fn after_zap(
        &mut self,
        go_on: impl FnOnce(&mut zmtp::handshake::Handshake) -> Result<Progress, Failure>,
    ) -> Result<Progress, Failure> {
        let State::Framed(mut state) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(Failure::SILENT);
        };
        let progress = go_on(&mut state.within);
        self.pass_on(&mut state);
        match progress? {
            // A peer may not begin the data phase before our last command.
            Progress::Done(_) if !state.begun.is_empty() => Err(Failure::UNEXPECTED_COMMAND),
            Progress::Done(peer) => Ok(Progress::Done(told(peer))),
            other => {
                self.state = State::Framed(state);
                Ok(other)
            }
        }
    }

    /// `None` while the head is not complete.
    fn upgrade(&mut self, mut state: Box<Upgrading>, bytes: &mut &[u8]) -> Result<Option<Progress>, Failure> {
        match state.head.input(bytes) {
            Ok(true) => {}
            Ok(false) => {
                self.state = State::Upgrading(state);
                return Ok(None);
            }
            Err(_) => return Err(self.refuse(&state, Refusal::BadRequest)),
        }
        let chosen = match &state.key {
            Some(key) => state.head.read_answer(key, &state.config).ok_or(Failure::WS_UNSPECIFIED)?,
            None => match state.head.read_request(&state.config) {
                Ok((accept_key, chosen)) => {
                    upgrade::append_answer(&mut self.out, &accept_key, chosen);
                    chosen
                }
                Err(refusal) => return Err(self.refuse(&state, refusal)),
            },
        };
        let config = state.config;
        self.mechanism = config.security.mechanism_for(chosen.mechanism());
        self.only_asks_for_qzmq = matches!(config.security, Security::CurveServer(_))
            && state.head.offers_qzmq()
            && bytes.is_empty();
        let lenient = chosen == Subprotocol::Null && state.key.is_some() && !config.authenticates();
        let other = lenient.then(|| config.clone());
        let (within, progress) = match chosen {
            Subprotocol::Bare => (zmtp::handshake::Handshake::with_routing_ids(config), Progress::More),
            _ => {
                let mechanism = chosen.mechanism();
                zmtp::handshake::Handshake::with_mechanism(config, mechanism)?
            }
        };
        let exact = chosen == Subprotocol::Qzmq;
        let mut framed = Box::new(Framed { within, other, begun: Zeroizing::default(), pings: 0, exact });
        self.pass_on(&mut framed);
        self.state = State::Framed(framed);
        Ok(Some(progress))
    }

    /// Refuses a request. Clients have none to refuse.
    fn refuse(&mut self, state: &Upgrading, refusal: Refusal) -> Failure {
        if state.key.is_none() {
            upgrade::append_refusal(&mut self.out, refusal);
        }
        Failure::WS_UNSPECIFIED
    }

    /// Takes one frame; `None` while it is not complete.
    fn take_frame(&mut self, mut state: Box<Framed>, bytes: &mut &[u8]) -> Result<Option<Progress>, Failure> {
        let progress = match state.gather(bytes, self.peer_masks)? {
            None => None,
            Some((Opcode::Binary, payload)) => Some(state.feed(&payload)),
            Some((Opcode::Ping, payload)) if state.pings < MAX_PINGS => {
                state.pings += 1;
                frame::append_control(&mut self.out, Opcode::Pong, self.masks.as_mut(), &payload);
                Some(Ok(Progress::More))
            }
            Some((Opcode::Pong, _)) => Some(Ok(Progress::More)),
            Some((Opcode::Ping | Opcode::Close, _)) => return Err(Failure::SILENT),
        };
        self.pass_on(&mut state);
        let progress = match progress.transpose()? {
            Some(Progress::Done(peer)) => return Ok(Some(Progress::Done(told(peer)))),
            other => other,
        };
        self.state = State::Framed(state);
        Ok(progress)
    }

    /// Wraps the output of the handshake within.
    fn pass_on(&mut self, state: &mut Framed) {
        let mut said = Zeroizing::new(Vec::with_capacity(OUTPUT_BYTES));
        state.within.output(&mut said);
        let mut rest = &said[..];
        while let Ok(Some(header)) = zmtp::frame::parse_header(rest) {
            let Some((whole, after)) = rest.split_at_checked(header.frame_len()) else { return };
            let flags = if header.is_command() { frame::COMMAND } else { 0 };
            let body = whole.get(header.header_len..).unwrap_or_default();
            frame::append_binary(&mut self.out, self.masks.as_mut(), flags, &[], body);
            rest = after;
        }
    }
}

/// The opcode of a frame and its payload, unmasked.
type Gathered = (Opcode, Zeroizing<Vec<u8>>);

impl Framed {
    /// Takes bytes off the front of `bytes`, at most up to the end of the frame. Returns its payload,
    /// unmasked.
    fn gather(&mut self, bytes: &mut &[u8], masked: bool) -> Result<Option<Gathered>, Failure> {
        let header = loop {
            if let Some(header) = frame::parse_header(&self.begun, masked)? {
                break header;
            }
            // Headers are short, so one byte at a time costs nothing and never takes one too many.
            let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
            self.begun.push(*first);
            *bytes = rest;
        };
        if header.payload_len > MAX_HANDSHAKE_BODY + 1 {
            return Err(Failure::TOO_LARGE);
        }
        let missing = header.frame_len().saturating_sub(self.begun.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        zmtp::make_room(&mut self.begun, taken.len(), header.frame_len());
        self.begun.extend_from_slice(taken);
        *bytes = rest;
        if self.begun.len() < header.frame_len() {
            return Ok(None);
        }
        let mut payload = std::mem::take(&mut self.begun);
        payload.drain(..header.header_len);
        mask::apply(header.mask, 0, &mut payload);
        Ok(Some((header.opcode, payload)))
    }

    /// Passes the frame in a payload to the handshake within.
    fn feed(&mut self, payload: &[u8]) -> Result<Progress, Failure> {
        let (flags, body) = payload.split_first().ok_or(Failure::SILENT)?;
        if let Some(config) = self.other.take().filter(|_| flags & frame::COMMAND == 0) {
            // Servers built on a library that only knows WebSocket (jszmq's) agree to the first name offered,
            // and then speak no mechanism. This payload is their routing id. They took our READY, which was
            // sent already, for ours; so the routing id due now must not be sent.
            self.within = zmtp::handshake::Handshake::with_routing_ids(config);
            self.within.output(&mut Vec::new());
        }
        let is_command = if self.exact { *flags == frame::COMMAND } else { flags & frame::COMMAND != 0 };
        let command = if is_command { message::COMMAND } else { 0 };
        let mut whole =
            Zeroizing::new(Vec::with_capacity(payload.len().saturating_add(zmtp::frame::MAX_HEADER_BYTES)));
        zmtp::frame::append_frame(&mut whole, command, body);
        let (_, progress) = self.within.input(&whole)?;
        Ok(progress)
    }
}

/// The peer's version is that of ZWS: subscriptions go to it as messages, and its frames may be commands.
fn told(peer: Peer) -> Peer {
    Peer { version: Version::V3_0, ..peer }
}
