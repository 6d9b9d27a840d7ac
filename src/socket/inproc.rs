//! Connections between the sockets of one context: a pipe and two mailboxes.
//! Where the connect comes first, the table of names keeps the binder's end (`ctx::inproc_names`).

use super::inproc_peers::{Bound, Marks, Pending};
use super::state::Socket;
use crate::errno::{Errno, Result};
use crate::options::SocketType;
use crate::pattern::Origin;
use crate::pipe::{self, LaneOptions, PipeId};
use crate::session::{self, Command};
use std::sync::Arc;

/// Takes the name, and accepts the connections that waited for it. Errors: `EADDRINUSE`.
pub(super) fn bind(socket: &mut Socket, endpoint: &str) -> Result<()> {
    let marks = Marks::of(&socket.options);
    let bound = Bound { link: Arc::clone(&socket.link), marks: marks.clone() };
    let waiting = socket.names.bind(endpoint, socket.ticket.id(), bound)?;
    let met = !waiting.is_empty();
    for Pending { mut pipe, marks: theirs, connecter } in waiting {
        pipe.set_hwms(socket.options.sndhwm, socket.options.rcvhwm);
        marks.begin(&mut pipe, theirs.wants_routing_id)?;
        marks.ask_for_farewell(&pipe);
        socket.take_in(pipe, Origin::Awaited);
        connecter.touch();
    }
    socket.drop_closed();
    if met {
        wake_watchers(socket);
    }
    Ok(())
}

/// Makes `ZMQ_FD` readable after a pipe has come without a command. A lane announces new messages only once its reader has found
/// it empty. A program that waits for the descriptor first does not try that.
fn wake_watchers(socket: &Socket) {
    socket.link.mailbox.touch();
}

/// Where sockets of types that ask get the counts of their context, unless another socket has bound the name.
const STATS_ENDPOINT: &str = "inproc://ferrozmq.stats";

/// Connects to the socket that has bound the name, or waits for one. Errors: `ENOMEM`; `EMTHREAD` for the counts of a context
/// without I/O threads.
pub(super) fn connect(socket: &mut Socket, endpoint: &str) -> Result<PipeId> {
    let asks = matches!(socket.options.socket_type, SocketType::Req | SocketType::Dealer);
    let asks = asks && endpoint == STATS_ENDPOINT;
    let mut asked = None;
    socket.pipes.make_room()?;
    let marks = Marks::of(&socket.options);
    let out = LaneOptions { hwm: marks.sndhwm, conflate: socket.options.conflates_out() };
    let back = LaneOptions { hwm: marks.rcvhwm, conflate: socket.options.conflates_in() };
    let (mut ours, mut theirs) = pipe::pair_of_sockets(out, back)?;
    ours.remote = endpoint.to_string();
    theirs.local = endpoint.to_string();
    ours.set_hwms(marks.sndhwm, marks.rcvhwm);
    let socket_ours = &mut ours;
    let connecter = Arc::clone(&socket.link.mailbox);
    let to_ask = &mut asked;
    socket.names.connect(endpoint, socket.ticket.id(), move |bound| {
        if asks && bound.is_none() {
            *to_ask = Some(theirs);
            return Ok(None);
        }
        // Before there is a binder, it is unknown whether it wants a routing id. A reader that does not passes it.
        marks.begin(socket_ours, bound.is_none_or(|bound| bound.marks.wants_routing_id))?;
        let Some(bound) = bound else {
            return Ok(Some(Pending { pipe: theirs, marks, connecter }));
        };
        theirs.set_hwms(bound.marks.sndhwm, bound.marks.rcvhwm);
        bound.marks.begin(&mut theirs, marks.wants_routing_id)?;
        bound.marks.ask_for_farewell(&theirs);
        // Its program may call nothing for long, and what waits for it is to be seen all the same.
        theirs.count_for(&bound.link.record);
        bound.link.mailbox.send(Command::Bind(Box::new(theirs)));
        Ok(None)
    })?;
    if let Some(theirs) = asked {
        let context = socket.context();
        let io_thread = context.choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
        session::answer_with_stats(&io_thread, Arc::clone(&socket.link), context.guard(), theirs);
    }
    let id = socket.attach(ours, Origin::Connected);
    socket.endpoints.add_pipe(endpoint, id);
    socket.drop_closed();
    wake_watchers(socket);
    Ok(id)
}

/// Gives a name up, if it is this socket's, or stops waiting for one. `false`: neither.
pub(super) fn unbind(socket: &mut Socket, endpoint: &str) -> bool {
    if socket.names.unbind(endpoint, socket.ticket.id()).is_ok() {
        return true;
    }
    drop(socket.names.cancel(endpoint, socket.ticket.id()));
    false
}
