//! Messages from one socket to another, without a message of the program in between, as a proxy wants them.

use super::state::Socket;
use super::{Handle, Locked};
use crate::errno::{Errno, Result};
use crate::message::{Frame, Msg};
use std::collections::VecDeque;

/// The outcome of [`Handle::forward`].
#[derive(Default)]
pub struct Forwarded {
    /// Messages and bytes that were sent.
    pub messages: u64,
    pub bytes: u64,
    /// One more message, taken but not sent: the capture has no room for its copy, or `to` none for it any more.
    pub left: VecDeque<Msg>,
    /// A message that was sent, but of which the capture did not take its copy.
    pub uncaptured: VecDeque<Msg>,
}

/// [`Handle::forward`].
pub(super) fn forward(from: Handle, to: Handle, capture: Option<Handle>, most: u64) -> Result<Forwarded> {
    let (mut from, mut to, mut capture) = lock_all(from, to, capture)?;
    from.process()?;
    to.receive_subscriptions();
    to.process()?;
    if let Some(capture) = &mut capture {
        capture.receive_subscriptions();
        capture.process()?;
    }
    let mut done = Forwarded::default();
    while done.messages < most {
        if capture.is_none() && pass_run(&mut from, &mut to, most, &mut done)? {
            continue;
        }
        if !to.has_out() || !pass(&mut from, &mut to, capture.as_deref_mut(), &mut done)? {
            break;
        }
    }
    Ok(done)
}

/// Locks them in the order of their addresses: another proxy may want the same ones the other way round.
fn lock_all(from: Handle, to: Handle, capture: Option<Handle>) -> Result<(Locked, Locked, Option<Locked>)> {
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

/// Passes messages on as they lie, where all of them come from one peer and go to one: `false` if there are none that can be.
fn pass_run(from: &mut Socket, to: &mut Socket, most: u64, done: &mut Forwarded) -> Result<bool> {
    let (Some(source), Some(sink)) = (from.pattern.only_source(), to.pattern.only_sink()) else {
        return Ok(false);
    };
    let (Some(source), Some(sink)) = (from.pipes.pipe(source), to.pipes.pipe(sink)) else {
        return Ok(false);
    };
    let most = u32::try_from(most - done.messages).unwrap_or(u32::MAX);
    let run = source.pass_run(sink, most)?;
    done.messages += u64::from(run.messages);
    done.bytes += run.bytes;
    Ok(run.messages > 0)
}

/// Passes one message on. `false` if there was none, or if a part is left to the caller: the whole message, where the capture has
/// no room for its copy.
fn pass(
    from: &mut Socket,
    to: &mut Socket,
    mut capture: Option<&mut Socket>,
    done: &mut Forwarded,
) -> Result<bool> {
    let mut first = true;
    loop {
        let mut take = Some(|frame: &mut Frame<'_>| {
            pass_frame(std::mem::take(frame), first, to, capture.as_deref_mut(), done)
        });
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
    mut capture: Option<&mut Socket>,
    done: &mut Forwarded,
) -> Result<bool> {
    let more = frame.more();
    let must_wait = first && capture.as_mut().is_some_and(|capture| !capture.has_out());
    if must_wait || !done.left.is_empty() {
        done.left.push_back(frame.into_msg()?);
        return Ok(more);
    }
    let mut frame = frame.for_sending()?;
    match to.try_send(&mut frame.out()) {
        Ok(()) => done.bytes += frame.data().len() as u64,
        Err(Errno::AGAIN) => {
            done.left.push_back(frame.into_msg()?);
            return Ok(more);
        }
        Err(errno) => return Err(errno),
    }
    done.messages += u64::from(!more);
    if let Some(capture) = capture {
        let outcome =
            if done.uncaptured.is_empty() { capture.try_send(&mut frame.out()) } else { Err(Errno::AGAIN) };
        match outcome {
            Err(Errno::AGAIN) => done.uncaptured.push_back(frame.into_msg()?),
            outcome => outcome?,
        }
    }
    Ok(more)
}
