//! GSSAPI (RFC 38): tokens of the system's library, back and forth until both sides are established. Then
//! READY both ways, and all frames sealed, unless both sides choose clear text.
//!
//! The library may ask servers while it makes a token, so the I/O thread may block; libzmq's does, too.

mod initiate;
pub mod message;
mod settings;

pub use settings::Settings;

use super::properties::{self, Authenticated, PeerProperties};
use super::{Mechanism, Step, Turn, check_name};
use crate::engine::Failure;
use crate::engine::codec::Codec;
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::engine::zmtp::{command, frame};
use crate::errno::Errno;
use crate::message::COMMAND;
use crate::sys::gssapi::{Context, Credentials, Name, NameType};
use message::GssapiCodec;
use std::sync::Arc;
use zeroize::Zeroizing;

const READY: &[u8] = b"\x05READY";

/// The states of a client.
pub(in crate::engine) enum Client {
    Token { settings: Arc<Settings>, credentials: Option<Credentials>, service: Name, context: Context },
    Ready(Known),
}

/// The states of a server.
pub(in crate::engine) enum Server {
    Token {
        settings: Arc<Settings>,
        credentials: Option<Credentials>,
        context: Context,
    },
    /// The client's confirmation that its context is established is due.
    Word {
        known: Known,
        principal: Vec<u8>,
    },
    Zap(Known),
    Ready(Known, Authenticated),
}

/// Both sides are authenticated.
pub(in crate::engine) struct Known {
    codec: Option<GssapiCodec>,
}

impl Client {
    /// Appends our first token.
    pub fn start(settings: &Arc<Settings>, turn: &mut Turn<'_>) -> Result<Client, Failure> {
        let credentials = settings.credentials()?;
        let service = import(&settings.service, settings.service_type)?;
        let (settings, context) = (Arc::clone(settings), Context::begin());
        Client::token(settings, credentials, service, context, b"", turn)
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Client::Token { settings, credentials, service, context } => {
                let token = initiate::parse(body)?;
                Client::token(settings, credentials, service, context, token, turn).map(Step::from)
            }
            Client::Ready(known) => known.ready(body, turn, |known, turn| {
                known.append_ready(turn)?;
                Ok(Authenticated::default())
            }),
        }
    }

    fn token(
        settings: Arc<Settings>,
        credentials: Option<Credentials>,
        service: Name,
        mut context: Context,
        token: &[u8],
        turn: &mut Turn<'_>,
    ) -> Result<Client, Failure> {
        let step = context.initiate(credentials.as_ref(), &service, token).map_err(Failure::NoDetail)?;
        if step.token.is_empty() {
            // The server waits for a command; libzmq sends an empty one.
            frame::append_frame(turn.out, COMMAND, b"");
        } else {
            initiate::append(turn.out, &step.token);
        }
        Ok(match step.done {
            true => Client::Ready(Known::new(&settings, context)),
            false => Client::Token { settings, credentials, service, context },
        })
    }
}

impl Server {
    pub fn start(settings: &Arc<Settings>) -> Result<Server, Failure> {
        let credentials = settings.credentials()?;
        Ok(Server::Token { settings: Arc::clone(settings), credentials, context: Context::begin() })
    }

    pub fn command(self, body: &[u8], turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Token { settings, credentials, mut context } => {
                let token = initiate::parse(body)?;
                let (step, principal) =
                    context.accept(credentials.as_ref(), token).map_err(Failure::NoDetail)?;
                initiate::append(turn.out, &step.token);
                Ok(Step::from(match step.done {
                    true => Server::Word { known: Known::new(&settings, context), principal },
                    false => Server::Token { settings, credentials, context },
                }))
            }
            // Any command is accepted: its content has no meaning.
            Server::Word { known, principal } => {
                let zap = &turn.config.zap;
                if zap.enforce && !zap.has_domain() {
                    return Err(Failure::NO_AUTHENTICATOR);
                }
                let credentials = vec![Zeroizing::new(principal)];
                let request = ZapRequest::new(zap, &turn.config.routing_id, "GSSAPI", credentials);
                Ok(Step::Zap(Server::Zap(known).into(), request))
            }
            Server::Zap(_) => Err(Failure::UNSPECIFIED),
            Server::Ready(known, told) => known.ready(body, turn, |_, _| Ok(told)),
        }
    }

    /// This mechanism has no ERROR: a refused client gets no reply.
    pub fn zap_reply(self, reply: ZapReply, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(known) => match reply.admit() {
                Ok(told) => known.finish(told, turn),
                Err(status) => Err(Failure::Auth(status.code())),
            },
            other => Ok(Step::from(other)),
        }
    }

    /// Goes on without an authenticator, unless a domain is enforced: the library has authenticated the
    /// client.
    pub fn zap_unavailable(self, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        match self {
            Server::Zap(_) if turn.config.zap.enforce => Err(Failure::NO_AUTHENTICATOR),
            Server::Zap(known) => known.finish(Authenticated::default(), turn),
            other => Ok(Step::from(other)),
        }
    }
}

impl Known {
    fn new(settings: &Settings, context: Context) -> Known {
        Known { codec: (!settings.plaintext).then(|| GssapiCodec::new(context)) }
    }

    fn finish(mut self, told: Authenticated, turn: &mut Turn<'_>) -> Result<Step, Failure> {
        self.append_ready(turn)?;
        Ok(Step::from(Server::Ready(self, told)))
    }

    fn append_ready(&mut self, turn: &mut Turn<'_>) -> Result<(), Failure> {
        let mut metadata = Vec::new();
        properties::append_ours(&mut metadata, turn.config);
        match &mut self.codec {
            Some(codec) => codec.sealer.append_handshake(turn.out, &[READY, &metadata].concat()),
            None => {
                command::append_ready(turn.out, &metadata);
                Ok(())
            }
        }
    }

    /// Takes the other side's READY, calls `last`, and is done.
    fn ready<F>(mut self, body: &[u8], turn: &mut Turn<'_>, last: F) -> Result<Step, Failure>
    where
        F: FnOnce(&mut Known, &mut Turn<'_>) -> Result<Authenticated, Failure>,
    {
        let opened;
        let body = match &mut self.codec {
            Some(codec) => {
                opened = codec.opener.open_handshake(body)?;
                opened.as_slice()
            }
            None => body,
        };
        check_name(body)?;
        let metadata = body.strip_prefix(READY).ok_or(Failure::UNEXPECTED_COMMAND)?;
        let peer = PeerProperties::parse(metadata, turn.config).map_err(|_| Failure::INVALID_METADATA)?;
        let told = last(&mut self, turn)?;
        let codec = match self.codec {
            Some(mut codec) => {
                codec.sealer.speaks_to(turn.version);
                Codec::Gssapi(Box::new(codec))
            }
            None => Codec::Clear,
        };
        Ok(Step::Ready(peer.into_peer(turn, told, codec)))
    }
}

fn import(name: &[u8], name_type: NameType) -> Result<Name, Failure> {
    // Programs count the NUL behind a name or do not.
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Name::import(name, name_type).map_err(|_| Failure::NoDetail(Errno::INVAL))
}

impl From<Server> for Mechanism {
    fn from(state: Server) -> Mechanism {
        Mechanism::GssapiServer(Box::new(state))
    }
}

impl From<Server> for Step {
    fn from(state: Server) -> Step {
        Step::Next(state.into())
    }
}

impl From<Client> for Step {
    fn from(state: Client) -> Step {
        Step::Next(Mechanism::GssapiClient(Box::new(state)))
    }
}
