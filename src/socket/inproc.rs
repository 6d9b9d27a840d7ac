//! Connections between the sockets of one context: a pipe and two mailboxes.

use super::state::{Origin, Socket};
use crate::ctx::{Mailbox, SocketId};
use crate::errno::Result;
use crate::message::OutFrame;
use crate::options::SocketOptions;
use crate::pipe::{self, LaneOptions, Pipe, PipeId};
use crate::session::{Authenticators, Command, SocketLink};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// The inproc names of a context.
#[derive(Default)]
pub struct Names(crate::ctx::Names<SocketId, Bound, Pending>);

impl Deref for Names {
    type Target = crate::ctx::Names<SocketId, Bound, Pending>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Where the authenticator is bound (RFC 27).
const AUTHENTICATOR: &str = "inproc://zeromq.zap.01";

impl Authenticators for Names {
    fn authenticator(&self) -> Result<Option<Pipe>> {
        let Some(bound) = self.find(AUTHENTICATOR) else { return Ok(None) };
        let lane = LaneOptions { hwm: 0, conflate: false };
        let (mut ours, mut theirs) = pipe::pair(lane, lane)?;
        theirs.local = AUTHENTICATOR.to_string();
        if bound.marks.wants_routing_id {
            ours.write_routing_id(b"")?;
            ours.flush();
        }
        // It may have closed since.
        Ok(bound.owner.mailbox.try_send(Command::Bind(Box::new(theirs))).is_ok().then_some(ours))
    }
}

/// What a connecting socket needs of a bound one.
#[derive(Clone)]
pub struct Bound {
    owner: Arc<SocketLink>,
    marks: Marks,
}

/// What a binding socket needs of one that connected too early.
pub struct Pending {
    /// The binder's end.
    pipe: Pipe,
    marks: Marks,
    /// Of the socket that connected, which is woken at the bind: its program may wait for that alone.
    connecter: Arc<Mailbox<Command>>,
    /// Where the binder puts its marks for the connecter's end.
    boost: Arc<OnceLock<(i32, i32)>>,
}

/// The options of one side that the other must know.
#[derive(Clone)]
struct Marks {
    sndhwm: i32,
    rcvhwm: i32,
    routing_id: Vec<u8>,
    wants_routing_id: bool,
    /// `ZMQ_HELLO_MSG`.
    hello: Option<Vec<u8>>,
    /// `ZMQ_DISCONNECT_MSG`.
    farewell: Option<Vec<u8>>,
}

impl Marks {
    fn of(options: &SocketOptions) -> Marks {
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
    fn begin(&self, pipe: &mut Pipe, with_routing_id: bool) -> Result<()> {
        if with_routing_id {
            pipe.write_routing_id(&self.routing_id)?;
        }
        if let Some(hello) = &self.hello {
            pipe.write(&mut OutFrame::bytes(hello, false))?;
        }
        pipe.flush();
        Ok(())
    }

    /// Says what the owner of this end, who has bound, wants to hear when the other goes.
    fn ask_for_farewell(&self, pipe: &Pipe) {
        if let Some(farewell) = &self.farewell {
            pipe.ask_for_farewell(farewell);
        }
    }
}

impl Socket {
    /// Gives up all names. What was sent to a name that nobody has bound yet waits on for a binder, as with libzmq.
    pub(super) fn leave_names(&mut self) {
        drop(self.names.remove_owner(self.ticket.id(), |pending| pending.pipe.holds_message()));
    }

    /// Takes the name, and whoever waited for it. Errors: `EADDRINUSE`.
    pub(super) fn bind_inproc(&mut self, endpoint: &str) -> Result<()> {
        let marks = Marks::of(&self.options);
        let bound = Bound { owner: Arc::clone(&self.owner), marks: marks.clone() };
        let waiting = self.names.bind(endpoint, self.ticket.id(), bound)?;
        let met = !waiting.is_empty();
        for Pending { mut pipe, marks: theirs, connecter, boost } in waiting {
            let _ = pipe.hwm_boost.set((theirs.rcvhwm, theirs.sndhwm));
            let _ = boost.set((self.options.rcvhwm, self.options.sndhwm));
            pipe.set_hwms(self.options.sndhwm, self.options.rcvhwm);
            marks.begin(&mut pipe, theirs.wants_routing_id)?;
            marks.ask_for_farewell(&pipe);
            self.attach(pipe, Origin::Peer);
            connecter.touch();
        }
        self.drop_closed();
        if met {
            self.wake_watchers();
        }
        Ok(())
    }

    /// Makes `ZMQ_FD` readable after a pipe has come without a command. A lane tells of what is written only once its reader has
    /// found it empty, which a program that waits for the descriptor first does not try.
    fn wake_watchers(&self) {
        self.owner.mailbox.touch();
    }

    /// Connects to whoever has the name, or waits for it. Errors: `ENOMEM`.
    pub(super) fn connect_inproc(&mut self, endpoint: &str) -> Result<PipeId> {
        let marks = Marks::of(&self.options);
        let out = LaneOptions { hwm: marks.sndhwm, conflate: self.options.conflates_out() };
        let back = LaneOptions { hwm: marks.rcvhwm, conflate: self.options.conflates_in() };
        let (mut ours, mut theirs) = pipe::pair_of_sockets(out, back)?;
        ours.remote = endpoint.to_string();
        theirs.local = endpoint.to_string();
        let socket_ours = &mut ours;
        let connecter = Arc::clone(&self.owner.mailbox);
        self.names.connect(endpoint, self.ticket.id(), move |bound| {
            // Before there is a binder nobody knows whether it wants a routing id. A reader that does not passes it.
            marks.begin(socket_ours, bound.is_none_or(|bound| bound.marks.wants_routing_id))?;
            let Some(bound) = bound else {
                let boost = Arc::clone(&socket_ours.hwm_boost);
                return Ok(Some(Pending { pipe: theirs, marks, connecter, boost }));
            };
            bound.marks.begin(&mut theirs, marks.wants_routing_id)?;
            bound.marks.ask_for_farewell(&theirs);
            let _ = socket_ours.hwm_boost.set((bound.marks.rcvhwm, bound.marks.sndhwm));
            let _ = theirs.hwm_boost.set((marks.rcvhwm, marks.sndhwm));
            socket_ours.set_hwms(marks.sndhwm, marks.rcvhwm);
            bound.owner.mailbox.send(Command::Bind(Box::new(theirs)));
            Ok(None)
        })?;
        let id = self.attach(ours, Origin::Local);
        self.endpoints.add_pipe(endpoint, id);
        self.drop_closed();
        self.wake_watchers();
        Ok(id)
    }

    /// Gives a name up, if it is this socket's, or stops waiting for one. `false`: neither.
    pub(super) fn unbind_inproc(&mut self, endpoint: &str) -> bool {
        if self.names.unbind(endpoint, self.ticket.id()).is_ok() {
            return true;
        }
        drop(self.names.cancel(endpoint, self.ticket.id()));
        false
    }
}
