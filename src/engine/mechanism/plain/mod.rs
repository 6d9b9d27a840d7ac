//! PLAIN (RFC 24): user name and password, in clear text. The client sends HELLO; the server asks the
//! authenticator and sends WELCOME. The client then sends INITIATE, the server READY. Without an
//! authenticator no client is accepted.

mod error;
mod hello;
mod initiate;
mod ready;
mod welcome;

use super::properties::{self, Authenticated, PeerProperties};
use super::{Mechanism, Step, Turn};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::zap::{ZapReply, ZapRequest};

/// The states of a client, by the command it waits for.
pub enum Client {
    Welcome(AwaitWelcome),
    Ready(AwaitReady),
}

/// HELLO is sent.
pub struct AwaitWelcome(());

/// INITIATE is sent.
pub struct AwaitReady(());

/// The states of a server, by the command it waits for.
pub enum Server {
    Hello(AwaitHello),
    Zap(AwaitZap),
    Initiate(AwaitInitiate),
    Denied(Denied),
}

/// Initial state: no command was received.
pub struct AwaitHello(());

/// The authenticator is asked.
pub struct AwaitZap(());

/// WELCOME is sent.
pub struct AwaitInitiate {
    known: Authenticated,
}

/// The authenticator refused the client.
pub struct Denied(());

impl Client {
    /// Appends our HELLO.
    pub fn start(username: &[u8], password: &[u8], turn: &mut Turn<'_>) -> Client {
        hello::append(turn.out, username, password);
        Client::Welcome(AwaitWelcome(()))
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        error::check(body)?;
        match self {
            Client::Welcome(state) => state.command(body, turn).map(|next| Step::from(Client::Ready(next))),
            Client::Ready(state) => state.command(body, turn),
        }
    }
}

impl AwaitWelcome {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<AwaitReady, Failure> {
        welcome::parse(body)?;
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        initiate::append(turn.out, &metadata);
        Ok(AwaitReady(()))
    }
}

impl AwaitReady {
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let metadata = ready::parse(body)?;
        let peer = PeerProperties::parse(metadata, turn.config).map_err(|_| Failure::INVALID_METADATA)?;
        Ok(Step::Ready(peer.into_peer(turn, Authenticated::default(), Codec::Clear)))
    }
}

impl Server {
    pub fn start() -> Server {
        Server::Hello(AwaitHello(()))
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Hello(state) => state.command(body, turn),
            Server::Initiate(state) => state.command(body, turn),
            Server::Zap(_) | Server::Denied(_) => Err(Failure::UNSPECIFIED),
        }
    }

    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(state) => Ok(state.zap_reply(reply, turn)),
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }

    pub fn zap_unavailable(self) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) => Err(Failure::NO_AUTHENTICATOR),
            Server::Hello(_) | Server::Initiate(_) | Server::Denied(_) => Ok(Step::from(self)),
        }
    }
}

impl AwaitHello {
    /// Where a domain is enforced and none is set, no client can be authenticated; libzmq aborts there.
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let hello = hello::parse(body)?;
        let zap = &turn.config.zap;
        if zap.enforce && !zap.has_domain() {
            return Err(Failure::NO_AUTHENTICATOR);
        }
        let credentials = vec![hello.username, hello.password];
        let request = ZapRequest::new(zap, &turn.config.routing_id, "PLAIN", credentials);
        Ok(Step::Zap(Mechanism::PlainServer(Server::Zap(AwaitZap(()))), request))
    }
}

impl AwaitZap {
    fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Step {
        match super::admit(reply, turn.out, error::append) {
            Ok(known) => {
                welcome::append(turn.out);
                Step::from(Server::Initiate(AwaitInitiate { known }))
            }
            Err(status) => Step::Denied(Mechanism::PlainServer(Server::Denied(Denied(()))), status),
        }
    }
}

impl AwaitInitiate {
    /// Invalid properties end the connection without an event.
    fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        let metadata = initiate::parse(body)?;
        let peer = PeerProperties::parse(metadata, turn.config).map_err(Failure::Errno)?;
        let mut ours = Vec::new();
        properties::append_ours(&mut ours, turn.config);
        ready::append(turn.out, &ours);
        Ok(Step::Ready(peer.into_peer(turn, self.known, Codec::Clear)))
    }
}

impl From<Client> for Step {
    fn from(state: Client) -> Step {
        Step::Next(Mechanism::PlainClient(state))
    }
}

impl From<Server> for Step {
    fn from(state: Server) -> Step {
        Step::Next(Mechanism::PlainServer(state))
    }
}
