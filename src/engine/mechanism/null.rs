//! NULL: each side sends READY with its properties (RFC 37), or ERROR. Where a ZAP domain is set, our READY
//! waits for the authenticator's reply, on the binding and the connecting side. The peer's READY may come
//! before that.
use super::properties::{self, Authenticated, PeerProperties};
use super::{Mechanism, Step, Turn, error};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::engine::zmtp::command::{self, Command};

pub enum State {
    AwaitReady(AwaitReady),
    AwaitZap(AwaitZap),
    Denied(Denied),
}

/// Our READY is sent; the peer's READY or ERROR is due.
pub struct AwaitReady {
    known: Authenticated,
}

/// The authenticator is asked. A peer may send READY meanwhile, once.
#[derive(Default)]
pub struct AwaitZap {
    peer: Option<PeerProperties>,
}

/// The authenticator refused the peer.
pub struct Denied {
    ready_came: bool,
}

/// Appends our READY, unless the authenticator is to be asked first.
pub fn start(turn: &mut Turn<'_>) -> Step {
    if turn.config.zap.has_domain() {
        let request = ZapRequest::new(&turn.config.zap, &turn.config.routing_id, "NULL", Vec::new());
        return Step::Zap(Mechanism::Null(State::AwaitZap(AwaitZap::default())), request);
    }
    Step::from(State::AwaitReady(AwaitReady::start(Authenticated::default(), turn)))
}

impl State {
    /// What a peer has said of itself before the authenticator has answered.
    pub fn kept(&self) -> Option<&PeerProperties> {
        if let State::AwaitZap(state) = self { state.peer.as_ref() } else { None }
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            State::AwaitReady(state) => state.command(body, turn),
            State::AwaitZap(state) => state.command(body, turn).map(Step::from),
            State::Denied(state) => state.command(body, turn).map(Step::from),
        }
    }

    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            State::AwaitZap(state) => Ok(state.zap_reply(reply, turn)),
            State::AwaitReady(_) | State::Denied(_) => Ok(Step::from(self)),
        }
    }

    /// Goes on without an authenticator, unless a domain is enforced.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            State::AwaitZap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            State::AwaitZap(state) => Ok(state.go_on(Authenticated::default(), turn)),
            State::AwaitReady(_) | State::Denied(_) => Ok(Step::from(self)),
        }
    }
}

impl AwaitReady {
    /// Appends our READY.
    fn start(known: Authenticated, turn: &mut Turn<'_>) -> AwaitReady {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        command::append_ready(turn.out, &metadata);
        AwaitReady { known }
    }

    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let peer = ready(body, turn)?;
        Ok(Step::Ready(peer.into_peer(turn, self.known, Codec::Clear)))
    }
}

impl AwaitZap {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<State, Failure> {
        error::check(body)?;
        if self.peer.is_some() {
            return Err(Failure::UNEXPECTED_COMMAND);
        }
        Ok(State::AwaitZap(AwaitZap { peer: Some(ready(body, turn)?) }))
    }

    fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Step {
        match super::admit(reply, turn.out, error::append) {
            Ok(known) => self.go_on(known, turn),
            Err(status) => {
                let denied = Denied { ready_came: self.peer.is_some() };
                Step::Denied(Mechanism::Null(State::Denied(denied)), status)
            }
        }
    }

    fn go_on(self, known: Authenticated, turn: &mut Turn<'_>) -> Step {
        let await_ready = AwaitReady::start(known, turn);
        match self.peer {
            Some(peer) => Step::Ready(peer.into_peer(turn, await_ready.known, Codec::Clear)),
            None => Step::from(State::AwaitReady(await_ready)),
        }
    }
}

impl Denied {
    /// The peer's READY may have been under way; no other command is valid.
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<State, Failure> {
        error::check(body)?;
        if self.ready_came {
            return Err(Failure::UNEXPECTED_COMMAND);
        }
        ready(body, turn)?;
        Ok(State::Denied(Denied { ready_came: true }))
    }
}

impl From<State> for Step {
    fn from(state: State) -> Step {
        Step::Next(Mechanism::Null(state))
    }
}

/// Reads the peer's READY. Malformed properties, or a socket type that does not match ours, end the
/// connection without an event.
fn ready(body: &[u8], turn: &Turn<'_>) -> Result<PeerProperties, Failure> {
    error::check(body)?;
    match Command::parse(body) {
        Command::Ready(metadata) => PeerProperties::parse(metadata, turn.config).map_err(Failure::Errno),
        _ => Err(Failure::UNEXPECTED_COMMAND),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::Config;
    use crate::engine::mechanism::tests::{reply, turn};
    use crate::engine::zap::ZapStatus;
    use crate::engine::zmtp::peer::Peer;
    use crate::engine::zmtp::tests::config;
    use crate::errno::Errno;
    use crate::options::SocketType;

    fn outcome(body: &[u8]) -> Result<Peer, Failure> {
        let config = config(SocketType::Dealer);
        let mut out = Vec::new();
        let Step::Next(state) = start(&mut turn(&config, &mut out)) else { panic!("nobody asks") };
        match state.command(body, &mut turn(&config, &mut out))? {
            Step::Ready(peer) => Ok(peer),
            _ => panic!("one command is all"),
        }
    }

    /// A server with a domain that waits for its authenticator, and the bytes it has sent.
    fn asking(config: &Config) -> (Mechanism, Vec<u8>) {
        let mut out = Vec::new();
        match start(&mut turn(config, &mut out)) {
            Step::Zap(state, request) => {
                assert_eq!((request.mechanism, request.credentials.len()), ("NULL", 0));
                (state, out)
            }
            _ => panic!("it asks"),
        }
    }

    fn with_domain() -> Config {
        let mut config = config(SocketType::Dealer);
        config.zap.domain = b"dom".to_vec();
        config
    }

    #[test]
    fn ready_is_worded_as_libzmq_words_it() {
        let mut ours = config(SocketType::Dealer);
        ours.app_metadata.insert("X-a".into(), "b".into());
        let mut out = Vec::new();
        start(&mut turn(&ours, &mut out));
        let seen: &[u8] =
            b"\x042\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0\x03X-a\0\0\0\x01b";
        assert_eq!(out, seen);
    }

    #[test]
    fn ready_may_leave_out_the_socket_type_but_not_give_a_wrong_one() {
        assert_eq!(outcome(b"\x05READY").unwrap().socket_type, None);
        let peer = outcome(b"\x05READY\x0bSocket-Type\0\0\0\x06ROUTER").unwrap();
        assert_eq!(peer.socket_type.as_deref(), Some("ROUTER"));
        let mismatch = outcome(b"\x05READY\x0bSocket-Type\0\0\0\x03PUB").unwrap_err();
        assert_eq!(mismatch, Failure::Errno(Errno::INVAL));
    }

    #[test]
    fn malformed_properties_raise_no_event() {
        for body in [&b"\x05READY\x01"[..], b"\x05READY\x01a\0\0\0\x03a", b"\x05READY\x01a\0\0\0\0\0"] {
            assert_eq!(outcome(body).unwrap_err(), Failure::SILENT);
        }
    }

    #[test]
    fn other_commands_are_unexpected() {
        for body in [&b""[..], b"\x05HELLO", b"hello", b"\x05READ", b"\x04READY", b"\x04PING\0\0"] {
            assert_eq!(outcome(body).unwrap_err(), Failure::UNEXPECTED_COMMAND);
        }
        assert_eq!(outcome(b"\x05ERROR\x03400").unwrap_err(), Failure::Auth(400));
    }

    #[test]
    fn with_a_domain_nothing_is_sent_before_the_authenticator_replies() {
        let config = with_domain();
        let (state, mut out) = asking(&config);
        assert_eq!(out, b"");
        let step = state.command(b"\x05READY", &mut turn(&config, &mut out)).unwrap();
        let Step::Next(state) = step else { panic!("the authenticator is still to speak") };
        assert_eq!(out, b"");
        let step = state.zap_reply(reply(ZapStatus::Success), &mut turn(&config, &mut out)).unwrap();
        let Step::Ready(peer) = step else { panic!("both are there") };
        assert!(out[2..].starts_with(b"\x05READY"));
        assert_eq!(peer.properties[0], ("User-Id".to_owned(), b"ann".to_vec()));
    }

    #[test]
    fn the_peers_ready_may_come_after_the_reply() {
        let config = with_domain();
        let (state, mut out) = asking(&config);
        let step = state.zap_reply(reply(ZapStatus::Success), &mut turn(&config, &mut out)).unwrap();
        let Step::Next(state) = step else { panic!("READY is due") };
        let step = state.command(b"\x05READY", &mut turn(&config, &mut out)).unwrap();
        let Step::Ready(peer) = step else { panic!("both are there") };
        assert_eq!(peer.properties[0], ("User-Id".to_owned(), b"ann".to_vec()));
    }

    #[test]
    fn a_peer_that_goes_on_before_our_ready_is_refused() {
        let config = with_domain();
        let (state, mut out) = asking(&config);
        let step = state.command(b"\x05READY", &mut turn(&config, &mut out)).unwrap();
        let Step::Next(state) = step else { panic!("the authenticator is still to speak") };
        let again = state.command(b"\x05READY", &mut turn(&config, &mut out));
        assert_eq!(again.err(), Some(Failure::UNEXPECTED_COMMAND));
    }

    #[test]
    fn without_an_authenticator_null_goes_on_unless_enforced() {
        let mut config = with_domain();
        let (state, mut out) = asking(&config);
        let step = state.zap_unavailable(&mut turn(&config, &mut out)).unwrap();
        assert!(matches!(step, Step::Next(_)) && !out.is_empty());
        config.zap.enforce = true;
        let (state, mut out) = asking(&config);
        let refused = state.zap_unavailable(&mut turn(&config, &mut out));
        assert_eq!(refused.err(), Some(Failure::NO_AUTHENTICATOR));
        assert_eq!(out, b"");
    }

    #[test]
    fn a_denied_peer_is_told_except_with_300_and_may_still_send_ready() {
        let said: [(_, &[u8]); 3] = [
            (ZapStatus::TemporaryError, b""),
            (ZapStatus::AuthenticationFailure, b"\x04\x0a\x05ERROR\x03400"),
            (ZapStatus::InternalError, b"\x04\x0a\x05ERROR\x03500"),
        ];
        for (status, told) in said {
            let config = with_domain();
            let (state, mut out) = asking(&config);
            let step = state.zap_reply(reply(status), &mut turn(&config, &mut out)).unwrap();
            let Step::Denied(state, seen) = step else { panic!("denied") };
            assert_eq!((seen, &out[..]), (status, told));
            let step = state.command(b"\x05READY", &mut turn(&config, &mut out)).unwrap();
            let Step::Next(state) = step else { panic!("nothing more") };
            let again = state.command(b"\x05READY", &mut turn(&config, &mut out));
            assert_eq!(again.err(), Some(Failure::UNEXPECTED_COMMAND));
            assert_eq!(out, told);
        }
    }
}
