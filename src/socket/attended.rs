//! A publisher with last values serves late subscribers while its program makes no calls.

use super::Handle;
use super::state::Socket;
use crate::errno::{Errno, Result};
use crate::pipe::budget::LOOK_UNITS;
use crate::session::{self, Look, SocketLink};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The time until the next look at a socket that a call of the program has, or where work is left. A call is shorter, or waits without the
/// lock. The budget of a look comes back in that time, so a flood takes a part of the I/O thread's time.
const PAUSE: Duration = Duration::from_millis(1);
/// Commands that one look obeys at most: half of its budget, for what they cause needs the rest.
const MAX_COMMANDS: usize = LOOK_UNITS as usize / 2;

/// Has an I/O thread look at the socket from now on, if it keeps last values. Errors: `EMTHREAD` without I/O threads; the program's
/// calls alone serve then.
pub fn attend(handle: Handle, socket: &Socket) -> Result<()> {
    if socket.options.last_value == 0 {
        return Ok(());
    }
    let io_thread = socket.context().choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
    let link = Arc::downgrade(&socket.link);
    session::attend(&io_thread, &socket.link, Box::new(move || look(handle, &link)));
    Ok(())
}

/// Does what the mailbox holds, as any call does.
fn look(handle: Handle, link: &Weak<SocketLink>) -> Look {
    let Some(link) = link.upgrade() else { return Look::Gone };
    let state = link.mailbox.state();
    if state.is_closed() {
        return Look::Gone;
    }
    // The calls of a busy program leave nothing. The lock is theirs then.
    if state.is_quiet() || state.has_fd() {
        return Look::Done;
    }
    let Some(mut locked) = handle.0.try_lock() else { return Look::Later(PAUSE) };
    // The handle may stand for another socket by now.
    let Some(socket) = locked.get_mut().filter(|socket| Arc::ptr_eq(&socket.link, &link)) else {
        return Look::Gone;
    };
    serve(handle, socket)
}

/// As [`look`], with the socket's lock.
///
/// A program that has `ZMQ_FD` comes by itself, and the descriptor stays readable until it does: what it is told of is its own to take. It may
/// have asked for the descriptor just before this thread had the lock. A thread that sleeps in a call is woken as well, and finds what is left.
fn serve(handle: Handle, socket: &mut Socket) -> Look {
    if socket.link.mailbox.state().has_fd() {
        return Look::Done;
    }
    handle.0.events_cache().forget();
    socket.pipes.budget.begin(LOOK_UNITS, Instant::now);
    let processed = socket.process_some(MAX_COMMANDS);
    // What the program's next call need not make up for.
    let rest = socket.take_shortage_rest();
    match processed {
        // The context ends, and with it the I/O thread.
        Err(_) => Look::Gone,
        Ok(()) if rest.is_zero() && socket.link.mailbox.state().is_quiet() => Look::Done,
        Ok(()) => Look::Later(PAUSE.max(rest)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ctx::Context;
    use crate::options::{ContextOptions, SocketType};
    use crate::pipe::{PipeEvent, PipeId};
    use crate::session::Command;

    /// A publisher that the test alone looks at.
    fn publisher() -> (Handle, Arc<SocketLink>, Weak<SocketLink>) {
        let handle = Handle::open(&Context::new(ContextOptions::new()), SocketType::Xpub).unwrap();
        let link = handle.link().unwrap();
        let weak = Arc::downgrade(&link);
        (handle, link, weak)
    }

    /// A command for a pipe that is gone.
    fn command() -> Command {
        Command::Pipe(PipeId::default(), PipeEvent::Readable)
    }

    #[test]
    fn lock_is_asked_for_only_where_a_command_waits() {
        let (handle, link, weak) = publisher();
        let locked = handle.lock().unwrap();
        assert_eq!(look(handle, &weak), Look::Done);
        link.mailbox.send(command());
        assert_eq!(look(handle, &weak), Look::Later(PAUSE));
        drop(locked);
        assert_eq!(look(handle, &weak), Look::Done);
        assert!(link.mailbox.state().is_quiet());
        handle.close().unwrap();
        assert_eq!(look(handle, &weak), Look::Gone);
        drop(link);
        assert_eq!(look(handle, &weak), Look::Gone);
    }

    /// The I/O thread has found no descriptor and then waited for the lock, under which the program asks for one.
    #[test]
    fn what_the_descriptor_tells_of_is_left_to_the_program() {
        let (handle, link, weak) = publisher();
        let mut locked = handle.lock().unwrap();
        link.mailbox.fd().unwrap();
        link.mailbox.send(command());
        assert_eq!(serve(handle, locked.get_mut().unwrap()), Look::Done);
        drop(locked);
        assert_eq!(look(handle, &weak), Look::Done);
        assert!(link.mailbox.pending());
        handle.close().unwrap();
    }

    #[test]
    fn commands_of_a_look_are_bounded_and_count_in_its_budget() {
        let (handle, link, weak) = publisher();
        (0..3 * MAX_COMMANDS).for_each(|_| link.mailbox.send(command()));
        assert_eq!(look(handle, &weak), Look::Later(PAUSE));
        let mut locked = handle.lock().unwrap();
        assert_eq!(serve(handle, locked.get_mut().unwrap()), Look::Later(PAUSE));
        let budget = &mut locked.get_mut().unwrap().pipes.budget;
        let mut left = 0;
        while budget.allows() {
            budget.spend(1);
            left += 1;
        }
        assert_eq!(left, LOOK_UNITS as usize - MAX_COMMANDS);
        budget.take_undone();
        drop(locked);
        assert_eq!(look(handle, &weak), Look::Done);
        handle.close().unwrap();
    }

    #[test]
    fn while_memory_is_short_the_pause_grows_and_the_next_call_makes_none() {
        let (handle, link, weak) = publisher();
        let ms = |ms| Look::Later(Duration::from_millis(ms));
        for expected in [Look::Done, Look::Done, ms(1), ms(2), ms(2)] {
            handle.lock().unwrap().pipes.budget.leave_for_want_of_memory();
            link.mailbox.send(command());
            assert_eq!(look(handle, &weak), expected);
        }
        assert_eq!(handle.lock().unwrap().take_shortage_rest(), Duration::ZERO);
        handle.close().unwrap();
    }
}
