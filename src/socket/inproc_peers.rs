//! The inproc names of a context (`ctx::Names`), and the data that the two sides of a connection need of each other.

use crate::ctx::{Mailbox, SocketId};
use crate::errno::Result;
use crate::message::OutFrame;
use crate::options::SocketOptions;
use crate::pipe::{self, LaneOptions, Pipe};
use crate::session::{Authenticators, Command, SocketLink};
use std::ops::Deref;
use std::sync::Arc;

/// The inproc names of a context.
#[derive(Default)]
pub struct Names(crate::ctx::Names<SocketId, Bound, Pending>);

impl Names {
    /// Gives up all names of a socket. A message sent to a name that no socket has bound yet waits on for a binder, as with
    /// libzmq.
    pub fn leave(&self, id: SocketId) {
        drop(self.remove_owner(id, |pending| pending.pipe.holds_message()));
    }

    /// Whether an authenticator is bound.
    pub fn has_authenticator(&self) -> bool {
        self.find(AUTHENTICATOR_ENDPOINT).is_some()
    }
}

impl Deref for Names {
    type Target = crate::ctx::Names<SocketId, Bound, Pending>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Where the authenticator is bound (RFC 27).
const AUTHENTICATOR_ENDPOINT: &str = "inproc://zeromq.zap.01";

impl Authenticators for Names {
    fn authenticator(&self) -> Result<Option<(Pipe, Arc<SocketLink>)>> {
        let Some(bound) = self.find(AUTHENTICATOR_ENDPOINT) else { return Ok(None) };
        let lane = LaneOptions { hwm: 0, conflate: false };
        let (mut ours, mut theirs) = pipe::pair(lane, lane)?;
        theirs.local = AUTHENTICATOR_ENDPOINT.to_string();
        // Else sessions that ask and end, without a limit, would leave the authenticator more than it can answer.
        theirs.is_void_once_left = true;
        if bound.marks.wants_routing_id {
            ours.write_routing_id(b"")?;
            ours.flush();
        }
        // It may have closed since.
        let sent = bound.link.mailbox.try_send(Command::Bind(Box::new(theirs)));
        Ok(sent.is_ok().then_some((ours, bound.link)))
    }
}

/// The data that a connecting socket needs of a bound one.
#[derive(Clone)]
pub struct Bound {
    pub link: Arc<SocketLink>,
    pub marks: Marks,
}

/// The data that a binding socket needs of one that connected too early.
pub struct Pending {
    /// The binder's end.
    pub pipe: Pipe,
    pub marks: Marks,
    /// Of the socket that connected, which is woken at the bind: its program may wait for that alone.
    pub connecter: Arc<Mailbox<Command>>,
}

/// The options of one side that the other must know.
#[derive(Clone)]
pub struct Marks {
    pub sndhwm: i32,
    pub rcvhwm: i32,
    routing_id: Vec<u8>,
    pub wants_routing_id: bool,
    /// `ZMQ_HELLO_MSG`.
    hello: Option<Vec<u8>>,
    /// `ZMQ_DISCONNECT_MSG`.
    farewell: Option<Vec<u8>>,
}

impl Marks {
    pub fn of(options: &SocketOptions) -> Marks {
        Marks {
            sndhwm: options.sndhwm,
            rcvhwm: options.rcvhwm,
            routing_id: options.routing_id.clone(),
            wants_routing_id: options.recv_routing_id,
            hello: options.hello().map(<[u8]>::to_vec),
            farewell: options.disconnect().map(<[u8]>::to_vec),
        }
    }

    /// Sends what goes first from an end whose owner has these marks. Errors: `ENOMEM`.
    pub fn begin(&self, pipe: &mut Pipe, with_routing_id: bool) -> Result<()> {
        if with_routing_id {
            pipe.write_routing_id(&self.routing_id)?;
        }
        if let Some(hello) = &self.hello {
            pipe.write(&mut OutFrame::bytes(hello, false))?;
        }
        pipe.flush();
        Ok(())
    }

    /// Sets the message that the owner of this end, which has bound, gets when the other end goes.
    pub fn ask_for_farewell(&self, pipe: &Pipe) {
        if let Some(farewell) = &self.farewell {
            pipe.ask_for_farewell(farewell);
        }
    }
}
