//! Pipes: two lanes between two owners.
//!
//! A [`Pipe`] is one end. Its outgoing lane is the peer's incoming lane. Frames lie in a lane in ZMTP 3 wire
//! form, so that a connection can write them out without touching each; a message is visible to the reader
//! whole or not at all.

#![forbid(unsafe_code)]

mod ahead;
pub mod budget;
mod body_ring;
mod hwm;
mod lane;
mod latest;
mod link;
mod notify;
mod set;
pub mod wire;

pub use budget::Budget;
pub use hwm::sum as sum_of_hwms;
pub use lane::{InlineFrame, LaneOptions, LaneReader, LaneWriter, Run, Tail, Wake};
pub use link::{Link, Side};
pub use notify::{Notify, PipeEvent};
pub use set::{PipeId, Pipes};

use crate::errno::{Errno, Result};
use crate::message::{Address, Body, Frame, FrameBody, MORE, Msg, OutFrame};
use std::sync::{Arc, OnceLock};

/// Makes a pipe: its left end and its right end. The first lane is the one the left end writes to.
/// Errors: `ENOMEM`.
pub fn pair(left_to_right: LaneOptions, right_to_left: LaneOptions) -> Result<(Pipe, Pipe)> {
    let link = Arc::new(Link::default());
    let (left_writer, right_reader) = lane::lane(&link, Side::Left, left_to_right)?;
    let (right_writer, left_reader) = lane::lane(&link, Side::Right, right_to_left)?;
    let left = Pipe::new(Arc::clone(&link), Side::Left, left_writer, left_reader);
    let right = Pipe::new(link, Side::Right, right_writer, right_reader);
    Ok((left, right))
}

/// As [`pair`], where both owners are sockets of this process: large bodies go from hand to hand. Errors: `ENOMEM`.
pub fn pair_of_sockets(left_to_right: LaneOptions, right_to_left: LaneOptions) -> Result<(Pipe, Pipe)> {
    let (mut left, mut right) = pair(left_to_right, right_to_left)?;
    left.writer.go_by_reference();
    right.writer.go_by_reference();
    Ok((left, right))
}

/// One end of a pipe. Dropping it closes it.
pub struct Pipe {
    /// The pattern's own key for the peer (ROUTER, STREAM, REP); empty where the pattern has none.
    pub routing_id: Vec<u8>,
    /// The endpoints of the connection, as the monitor tells them; empty where unknown.
    pub local: String,
    pub remote: String,
    /// What the other end adds to this socket's own high-water marks (inproc): for what is sent, for what is
    /// received. Empty: nothing is added, or the other socket is still to come, which then fills this in.
    pub hwm_boost: Arc<OnceLock<(i32, i32)>>,
    end: End,
    writer: LaneWriter,
    reader: LaneReader,
    /// Its set has noted that it is closed.
    noted_closed: bool,
}

/// The right to close an end; closes it when dropped.
pub struct End {
    link: Arc<Link>,
    side: Side,
}

impl Pipe {
    fn new(link: Arc<Link>, side: Side, writer: LaneWriter, reader: LaneReader) -> Pipe {
        Pipe {
            routing_id: Vec::new(),
            local: String::new(),
            remote: String::new(),
            hwm_boost: Arc::default(),
            end: End { link, side },
            writer,
            reader,
            noted_closed: false,
        }
    }

    /// Names who is told of what happens on the other end. To be called once, before the pipe is used; whether the
    /// other end has been closed meanwhile is to be asked after that.
    pub fn set_owner(&self, owner: Arc<dyn Notify>) {
        self.end.link.set_owner(self.end.side, owner);
    }

    /// Whether a frame of a complete message can be read now. `false` puts the reader to sleep: the peer's
    /// next publish sends `PipeEvent::Readable`.
    #[inline]
    pub fn check_read(&mut self) -> bool {
        !self.end.is_closed() && self.reader.check()
    }

    /// As [`check_read`](Pipe::check_read), with the flags of the next frame.
    #[inline(always)]
    pub fn next_flags(&mut self) -> Option<u8> {
        if self.end.is_closed() { None } else { self.reader.next_flags() }
    }

    /// The peer's routing id as a frame of its own before the message ahead, with the properties of the connection
    /// that the message came from. Ask after [`check_read`](Pipe::check_read) said `true`.
    pub fn routing_id_frame(&self) -> Frame<'_> {
        Frame {
            flags: MORE,
            body: FrameBody::Slice(&self.routing_id),
            metadata: self.reader.metadata(),
            address: Address::None,
        }
    }

    /// Whether both ends are open.
    pub fn is_open(&self) -> bool {
        self.end.link.is_open()
    }

    /// Takes the next frame.
    #[inline(always)]
    pub fn read(&mut self) -> Option<Frame<'_>> {
        if self.end.is_closed() {
            return None;
        }
        self.reader.read()
    }

    /// See [`LaneReader::read_inline`].
    #[inline(always)]
    pub fn read_inline(
        &mut self,
        alone: bool,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Option<InlineFrame<'_>> {
        if self.end.is_closed() { None } else { self.reader.read_inline(alone, wanted) }
    }

    /// See [`LaneWriter::write_inline`].
    #[inline(always)]
    pub fn write_inline(&mut self, body: &[u8], more: bool) -> Option<Wake> {
        self.writer.write_inline(body, more)
    }

    /// See [`LaneReader::read_by_reference`].
    #[inline]
    pub fn read_by_reference(&mut self) -> Option<(Body, bool)> {
        if self.end.is_closed() { None } else { self.reader.read_by_reference() }
    }

    /// See [`LaneWriter::write_by_reference`]; where it cannot be handed over, a copy is written, if that can be.
    #[inline]
    pub fn write_message(&mut self, message: &mut Msg, more: bool) -> Option<Wake> {
        if self.writer.goes_by_reference() {
            self.writer.write_by_reference(message, more)
        } else {
            self.writer.write_inline(message.data(), more)
        }
    }

    /// Tells the reader of what was published while it slept.
    pub fn wake_reader(&self) {
        self.writer.wake_reader();
    }

    /// Looks at the next frame without taking it.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        if self.end.is_closed() {
            return None;
        }
        self.reader.peek()
    }

    /// Whether more lies ahead than the peer's routing id.
    pub fn holds_message(&mut self) -> bool {
        !self.end.is_closed() && self.reader.holds_message()
    }

    /// Whether nothing will ever be read again: this end is closed, or the other is and all it wrote was read.
    pub fn ended(&mut self) -> bool {
        self.end.is_closed() || self.reader.ended()
    }

    /// Whether a message may be written now: both ends open and credit left. `false` for want of credit puts the
    /// writer to sleep: the peer's next grant sends `PipeEvent::Writable`.
    #[inline]
    pub fn check_write(&mut self) -> bool {
        self.writer.check()
    }

    /// How many messages may be written now; 0 where an end is closed.
    pub fn credit(&self) -> u64 {
        self.writer.credit()
    }

    /// Says that something will be written soon: a hint for the processor.
    #[inline(always)]
    pub fn prepare_write(&self) {
        self.writer.prepare();
    }

    /// Appends a frame; `Ok(false)` (nothing taken) without credit or after the peer is gone. Not visible to
    /// the reader before [`flush`](Pipe::flush) after the last frame of the message. Errors: `ENOMEM`.
    #[inline(always)]
    pub fn write(&mut self, frame: &mut OutFrame<'_>) -> Result<bool> {
        if !self.writer.check() {
            return Ok(false);
        }
        self.writer.append(frame)?;
        Ok(true)
    }

    /// Bytes of the large bodies of the last message that was written.
    pub fn last_weight(&self) -> usize {
        self.writer.last_weight()
    }

    /// Moves messages that lie ahead here to another pipe as they are, up to `most` of them and no more than there is
    /// credit for. None does not mean that there are none: see [`LaneReader::pass_run`]. Errors: `ENOMEM`, with nothing moved.
    pub fn pass_run(&mut self, to: &mut Pipe, most: u32) -> Result<Run> {
        let credit = u32::try_from(to.writer.credit()).unwrap_or(u32::MAX).min(most);
        if credit == 0 || self.end.is_closed() || !to.writer.takes_runs() {
            return Ok(Run::default());
        }
        let run = self.reader.pass_run(credit, |frames, messages| to.writer.append_run(frames, messages))?;
        to.writer.flush();
        Ok(run)
    }

    /// Appends this end's routing id for the peer; costs no credit. Errors: `ENOMEM`.
    pub fn write_routing_id(&mut self, routing_id: &[u8]) -> Result<()> {
        self.writer.append_routing_id(routing_id)
    }

    /// Appends a SUBSCRIBE or CANCEL command; asks for no credit, so that no subscription is ever lost to HWM, but
    /// counts as a message. Not visible before [`flush`](Pipe::flush). Errors: `ENOMEM`.
    pub fn write_subscription(&mut self, subscribe: bool, topic: &[u8]) -> Result<()> {
        self.writer.append_subscription(subscribe, topic)
    }

    /// Appends a JOIN or LEAVE command, as [`write_subscription`](Pipe::write_subscription) does. Errors: `ENOMEM`.
    pub fn write_membership(&mut self, join: bool, group: &[u8]) -> Result<()> {
        self.writer.append_membership(join, group)
    }

    /// Makes complete messages visible and wakes the reader if it sleeps.
    #[inline(always)]
    pub fn flush(&mut self) {
        self.writer.flush();
    }

    /// Takes back the frames of an incomplete message.
    pub fn rollback(&mut self) {
        self.writer.rollback();
    }

    /// Whether credit is left, with no other effect.
    pub fn check_hwm(&self) -> bool {
        self.writer.has_credit()
    }

    /// Sets this socket's own high-water marks in messages, for what is sent and what is received; what the peer
    /// adds is added.
    pub fn set_hwms(&mut self, sndhwm: i32, rcvhwm: i32) {
        let (send, receive) = match self.hwm_boost.get() {
            Some(&(send, receive)) => (hwm::sum(sndhwm, send), hwm::sum(rcvhwm, receive)),
            None => (sndhwm, rcvhwm),
        };
        self.writer.set_hwm(send);
        self.reader.set_hwm(receive);
    }

    /// The mark in messages of what is received; 0 or less: none.
    pub fn receive_hwm(&self) -> i32 {
        self.reader.hwm()
    }

    /// Messages written and not known to be read, and messages of the peer that are to be read.
    pub fn queued(&mut self) -> (u64, u64) {
        (self.writer.queued(), self.reader.queued())
    }

    /// Has the other end say this when its owner lets go of it on purpose, once.
    pub fn ask_for_farewell(&self, message: &[u8]) {
        self.end.link.ask_for_farewell(self.end.side.other(), message);
    }

    /// Says what the peer wants to hear before this end closes, if it does. An incomplete message is taken back.
    pub fn bid_farewell(&mut self) {
        let Some(message) = self.end.link.farewell(self.end.side) else { return };
        self.writer.rollback();
        // Without memory the peer has to do without.
        if self.is_open() && self.writer.append(&mut OutFrame::bytes(message, false)).is_ok() {
            self.writer.flush();
        }
    }

    /// Writes to another lane from now on; see [`PipeEvent::Hiccup`].
    pub fn replace_writer(&mut self, writer: LaneWriter) {
        self.writer = writer;
    }

    pub fn is_peer_closed(&self) -> bool {
        self.end.is_peer_closed()
    }

    /// Closes the end, with what was flushed still to be read by the peer.
    pub fn close(&mut self) {
        if !self.end.is_closed() {
            self.writer.rollback();
            self.end.close();
        }
    }

    /// Says why the end is about to be closed: the peer wants more than there is for it.
    pub fn refuse(&self, errno: Errno) {
        self.end.link.refuse(errno);
    }

    /// The parts, for a connection whose halves are driven apart.
    pub fn into_parts(self) -> (LaneReader, LaneWriter, End) {
        (self.reader, self.writer, self.end)
    }
}

impl End {
    /// Closes the end and tells the peer's owner. What was published stays readable there.
    pub fn close(&self) {
        self.link.close(self.side);
    }

    pub fn is_closed(&self) -> bool {
        self.link.is_closed(self.side)
    }

    /// Why the other end was closed, where that is this one's fault.
    pub fn refusal(&self) -> Option<Errno> {
        self.link.refusal()
    }

    pub fn is_peer_closed(&self) -> bool {
        self.link.is_closed(self.side.other())
    }

    /// Replaces the lane this end reads from: what the peer wrote and was not read is dropped, and the peer's owner
    /// is handed the new writer. Errors: `ENOMEM`, with nothing changed.
    pub fn hiccup(&self, options: LaneOptions) -> Result<LaneReader> {
        let (writer, reader) = lane::lane(&self.link, self.side.other(), options)?;
        self.link.notify(self.side.other(), PipeEvent::Hiccup(writer));
        Ok(reader)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
