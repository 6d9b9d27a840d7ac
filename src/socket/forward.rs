//! Messages from one socket straight to another, as a proxy wants them.

use super::Handle;
use super::state::Socket;
use crate::ctx::SlotGuard;
use crate::errno::{Errno, Result};
use crate::message::{Frame, Msg};
use std::collections::VecDeque;

/// What came of [`Handle::forward`].
#[derive(Default)]
pub struct Forwarded {
    /// Messages and bytes that were sent.
    pub messages: u64,
    pub bytes: u64,
    /// One more message, taken but not sent: the room that there was for it was gone again.
    pub left: VecDeque<Msg>,
    /// Frames that were sent, but of which the capture did not take its copy.
    pub uncaptured: VecDeque<Msg>,
}

impl Handle {
    /// Takes up to `most` messages that lie ready and sends them to `to`, which is another socket, and a copy of each to
    /// `capture`, a third one. A message is taken only where there is room for it and for the copy. Never waits.
    ///
    /// The sockets are locked once, together, and a frame goes from pipe to pipe without a message of its own in between.
    ///
    /// Errors: `ETERM`, `ENOTSOCK`, and those of receiving and sending but `EAGAIN`.
    pub fn forward(self, to: Handle, capture: Option<Handle>, most: usize) -> Result<Forwarded> {
        let (mut from, mut to, mut capture) = lock_all(self, to, capture)?;
        from.process()?;
        to.process()?;
        if let Some(capture) = &mut capture {
            capture.process()?;
        }
        let mut done = Forwarded::default();
        for _ in 0..most {
            let room = to.has_out() && capture.as_mut().is_none_or(|capture| capture.has_out());
            if !room || !pass(&mut from, &mut to, capture.as_deref_mut(), &mut done)? {
                break;
            }
        }
        Ok(done)
    }
}

type Guard = SlotGuard<'static, Socket>;

/// Locks them in the order of their addresses: another proxy may want the same ones the other way round.
fn lock_all(from: Handle, to: Handle, capture: Option<Handle>) -> Result<(Guard, Guard, Option<Guard>)> {
    let handles = [Some(from), Some(to), capture];
    let mut order = [0, 1, 2];
    order.sort_unstable_by_key(|&place: &usize| handles.get(place).copied().flatten().map(Handle::address));
    let mut guards = [None, None, None];
    for place in order {
        if let Some(Some(handle)) = handles.get(place)
            && let Some(guard) = guards.get_mut(place)
        {
            *guard = Some(handle.lock()?);
        }
    }
    let [from, to, capture] = guards;
    Ok((from.ok_or(Errno::NOTSOCK)?, to.ok_or(Errno::NOTSOCK)?, capture))
}

/// Passes one message on: `false` if there was none, or if something of it is left to the caller.
fn pass(
    from: &mut Socket,
    to: &mut Socket,
    mut capture: Option<&mut Socket>,
    done: &mut Forwarded,
) -> Result<bool> {
    let mut first = true;
    loop {
        let mut take = Some(|frame: Frame<'_>| pass_frame(frame, first, to, capture.as_deref_mut(), done));
        match from.try_recv(&mut take) {
            // Messages come whole, so this is between two.
            Err(Errno::AGAIN) if take.is_some() => return Ok(false),
            Err(errno) => return Err(errno),
            Ok(true) => first = false,
            Ok(false) => return Ok(done.left.is_empty() && done.uncaptured.is_empty()),
        }
    }
}

/// Passes one frame on. Whether more of its message are to come.
fn pass_frame(
    frame: Frame<'_>,
    first: bool,
    to: &mut Socket,
    capture: Option<&mut Socket>,
    done: &mut Forwarded,
) -> Result<bool> {
    let more = frame.more();
    if !done.left.is_empty() {
        done.left.push_back(frame.into_msg()?);
        return Ok(more);
    }
    let mut frame = frame.for_sending()?;
    match to.try_send(&mut frame.out(), 0) {
        Ok(()) => done.bytes += frame.data().len() as u64,
        Err(Errno::AGAIN) if first => {
            done.left.push_back(frame.into_msg()?);
            return Ok(more);
        }
        // The peer went away in the middle: the rest of the message is lost too.
        Err(Errno::AGAIN) => {}
        Err(errno) => return Err(errno),
    }
    done.messages += u64::from(!more);
    if let Some(capture) = capture {
        let outcome = if done.uncaptured.is_empty() {
            capture.try_send(&mut frame.out(), 0)
        } else {
            Err(Errno::AGAIN)
        };
        match outcome {
            Err(Errno::AGAIN) => done.uncaptured.push_back(frame.into_msg()?),
            outcome => outcome?,
        }
    }
    Ok(more)
}
