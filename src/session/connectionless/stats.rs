//! Answers what a socket asks of `inproc://ferrozmq.stats`: the counts of its context, as JSON. An I/O thread does it, no thread of its own.
//!
//! Where there is no memory for the counts the answer is [`json::NO_MEMORY`].
//!
//! Any request has the same answer. It has the request's envelope: the frames up to the first empty one, as REP would.

use super::pipe_end::{PipeEnd, Wake};
use crate::counters::{Snapshot, json};
use crate::ctx::Guard;
use crate::errno::Result;
use crate::message::{COMMAND, OutFrame, ROUTING_ID};
use crate::pipe::{LaneReader, LaneWriter, Pipe};
use crate::reactor::{Handle, Ready, Source, SourceContext};
use crate::session::SocketLink;
use crate::session::remote::SessionRemote;
use std::sync::Arc;

/// Requests answered in one go, before others have their turn.
const TURN_REQUESTS: usize = 8;
/// Frames of an envelope. A request with more is dropped.
const MAX_ENVELOPE_FRAMES: usize = 16;

/// Answers on an I/O thread until the socket closes its end. `pipe` is the other end, for the socket of `owner`.
pub fn answer(io_thread: &Handle, owner: Arc<SocketLink>, guard: Guard, pipe: Pipe) {
    let remote = Arc::new(SessionRemote::default());
    pipe.set_owner(remote.next_end());
    io_thread.add(Box::new(move |cx| {
        remote.letterbox.set_remote(cx.remote());
        // Flags that were set before we had a place.
        cx.again();
        Box::new(Answers { pipe: PipeEnd::new(owner, remote, pipe), guard })
    }));
}

/// Lives on an I/O thread.
struct Answers {
    pipe: PipeEnd,
    /// Keeps the context from ending while we are here.
    guard: Guard,
}

impl Answers {
    fn answer(&mut self, cx: &mut SourceContext<'_>) {
        for _ in 0..TURN_REQUESTS {
            if !self.pipe.writer.check() {
                // The pipe's reader wakes us.
                return;
            }
            let Some(envelope) = take_request(&mut self.pipe.reader) else {
                return self.pipe.finish_if_over(cx);
            };
            let counts = Snapshot::take(Some(self.guard.context().number()));
            let text = counts.and_then(|counts| json::of_snapshot(&counts));
            let written = text.and_then(|text| write(&mut self.pipe.writer, &envelope, &text));
            if written.is_err() {
                self.pipe.writer.rollback();
                // Else a REQ socket would wait for good.
                if write(&mut self.pipe.writer, &envelope, json::NO_MEMORY.as_bytes()).is_err() {
                    self.pipe.writer.rollback();
                }
            }
        }
        cx.again();
    }
}

impl Source for Answers {
    fn ready(&mut self, _: &mut SourceContext<'_>, _: Ready) {}

    fn timer(&mut self, cx: &mut SourceContext<'_>, _: u8) {
        cx.finish();
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        match self.pipe.wake(cx) {
            Wake::GoOn => self.answer(cx),
            // The socket receives no more.
            Wake::SendRest | Wake::Rest => cx.finish(),
        }
    }
}

/// The envelope of the next request. `None`: there is none. Messages with another form are dropped.
fn take_request(reader: &mut LaneReader) -> Option<Vec<Vec<u8>>> {
    loop {
        let mut envelope = Vec::new();
        let mut has_end = false;
        loop {
            let frame = reader.read()?;
            if frame.flags & (COMMAND | ROUTING_ID) != 0 {
                continue;
            }
            let more = frame.more();
            if !has_end && envelope.len() <= MAX_ENVELOPE_FRAMES {
                has_end = frame.data().is_empty();
                envelope.push(frame.data().to_vec());
            }
            if !more {
                break;
            }
        }
        match envelope.len() {
            // Without a border there is no envelope.
            _ if !has_end => return Some(Vec::new()),
            frames if frames <= MAX_ENVELOPE_FRAMES => return Some(envelope),
            _ => {}
        }
    }
}

/// Errors: `ENOMEM`.
fn write(writer: &mut LaneWriter, envelope: &[Vec<u8>], text: &[u8]) -> Result<()> {
    for frame in envelope {
        writer.append(&mut OutFrame::bytes(frame, true))?;
    }
    writer.append(&mut OutFrame::bytes(text, false))?;
    writer.flush();
    Ok(())
}
