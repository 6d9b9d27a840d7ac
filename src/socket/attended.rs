//! A publisher with last values serves late subscribers while its program makes no calls.

use super::Handle;
use super::state::Socket;
use crate::errno::{Errno, Result};
use crate::pipe::budget::LOOK_UNITS;
use crate::session::{self, Look, SocketLink};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// Has an I/O thread look at the socket from now on, if it keeps last values. Errors: `EMTHREAD` without I/O threads; the program's
/// calls alone serve then.
pub fn attend(handle: Handle, socket: &Socket) -> Result<()> {
    if socket.options.last_value == 0 {
        return Ok(());
    }
    let io_thread = socket.context().choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
    let owner = Arc::downgrade(&socket.owner);
    session::attend(&io_thread, &socket.owner, Box::new(move || look(handle, &owner)));
    Ok(())
}

/// Does what the mailbox holds, as any call does. A program that has `ZMQ_FD` is told by that, and a thread that waits is woken: these
/// call by themselves, and are to find what they are woken for.
fn look(handle: Handle, owner: &Weak<SocketLink>) -> Look {
    let Some(owner) = owner.upgrade() else { return Look::Gone };
    let state = owner.mailbox.state();
    if state.is_closed() {
        return Look::Gone;
    }
    if state.has_fd() {
        return Look::Done;
    }
    let Some(mut locked) = handle.0.try_lock() else { return Look::Busy };
    // The handle may stand for another socket by now.
    let Some(socket) = locked.get_mut().filter(|socket| Arc::ptr_eq(&socket.owner, &owner)) else {
        return Look::Gone;
    };
    handle.0.events_cache().forget();
    socket.pipes.budget.begin(LOOK_UNITS, Instant::now);
    match socket.process() {
        Ok(()) => Look::Done,
        // The context ends, and with it the I/O thread.
        Err(_) => Look::Gone,
    }
}
