//! Pipes: two lanes between two owners.
//!
//! A [`Pipe`] is one end. Its outgoing lane is the peer's incoming lane. Frames lie in a lane in ZMTP 3 wire
//! form, so that a connection can write them without touching each. A reader sees a message whole or not at
//! all.

#![forbid(unsafe_code)]

mod next_frame;
pub mod budget;
mod block_tail;
mod body_ring;
mod hwm;
mod lane;
mod latest;
mod link;
mod reader_turns;
mod set;
pub mod wire;

pub use block_tail::BlockTail;
pub use budget::Budget;
pub use lane::{InlineFrame, LaneOptions, LaneReader, LaneWriter, Run, Wake};
pub use link::{Link, Side};
pub use reader_turns::ReaderTurns;
pub use set::{PipeId, Pipes};

use crate::counters::{Reason, SocketRecord};
use crate::errno::{Errno, Result};
use crate::message::{Address, Body, Frame, FrameBody, MORE, Metadata, Msg, OutFrame};
use hwm::Marks;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An event of the other end.
pub enum PipeEvent {
    /// Messages were published while the reader slept.
    Readable,
    /// Credit was granted while the writer slept.
    Writable,
    /// The peer closed its end: nothing more can be written. What it wrote may still be read. The owner says so to the
    /// pipe ([`Pipe::heed_peer`]).
    PeerClosed,
    /// The peer set other high-water marks. The owner says so to the pipe ([`Pipe::heed_peer`]), or to its reading lane
    /// ([`LaneReader::heed_mark`]).
    MarksChanged,
    /// The peer's connection was replaced. Messages not sent are dropped, and this is the lane to write to
    /// from now on ([`Pipe::replace_writer`](Pipe::replace_writer)).
    /// Boxed, as it is rare: every event is passed on by value several times.
    Hiccup(Box<LaneWriter>),
}

/// The owner of a pipe's end, as the other end sees it. Called on the other end's thread, and only while this
/// side sleeps, and when the other end closes or hiccups. Must not block and must not call back into the
/// pipe.
pub trait Notify: Send + Sync {
    fn notify(&self, event: PipeEvent);

    /// The writer has no credit, and asks the owner to read now, on the writer's thread. Whether the owner has read something. An
    /// owner that reads on its own thread alone does not.
    fn read_now(&self) -> bool {
        false
    }
}

/// The errno of an end that was closed since the program has disconnected the peer, which is not at fault.
pub const DISCONNECTED: Errno = Errno::NOTCONN;
/// As [`DISCONNECTED`], since the socket has not read all of the peer before, and takes one at a time.
pub const OCCUPIED: Errno = Errno::BUSY;

/// Makes a pipe and returns its left end and its right end. The left end writes to the first lane. Errors:
/// `ENOMEM`.
pub fn pair(left_to_right: LaneOptions, right_to_left: LaneOptions) -> Result<(Pipe, Pipe)> {
    let link = Arc::new(Link::default());
    let (left_writer, right_reader) = lane::lane(&link, Side::Left, left_to_right)?;
    let (right_writer, left_reader) = lane::lane(&link, Side::Right, right_to_left)?;
    let left = Pipe::new(Arc::clone(&link), Side::Left, left_writer, left_reader);
    let right = Pipe::new(link, Side::Right, right_writer, right_reader);
    Ok((left, right))
}

/// As [`pair`], where both owners are sockets of this process: large bodies are passed by reference. Errors:
/// `ENOMEM`.
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
    /// The endpoints of the connection, as monitor events report them; empty where unknown.
    pub local: String,
    pub remote: String,
    /// A session of an endpoint that the program has connected to brings it.
    pub is_of_connect: bool,
    /// What the peer has written is of no use once it has closed its end: a question whose asker has gone.
    pub is_void_once_left: bool,
    end: End,
    writer: LaneWriter,
    reader: LaneReader,
    /// What the peer has written is read: this end is open, or was [closed to drain](Pipe::close_and_drain). A flag of its own, as each
    /// receive asks for it.
    reads: bool,
    /// The set has noted that this pipe is closed.
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
            is_of_connect: false,
            is_void_once_left: false,
            local: String::new(),
            remote: String::new(),
            end: End { link, side },
            writer,
            reader,
            reads: true,
            noted_closed: false,
        }
    }

    /// Sets the owner that is notified of events of the other end. Call it once, before the pipe is used.
    /// Then check whether the other end has been closed meanwhile.
    pub fn set_owner(&self, owner: Arc<dyn Notify>) {
        self.end.link.set_owner(self.end.side, owner);
    }

    /// Has the lanes counted for the socket that owns this end.
    pub fn count_for(&self, socket: &SocketRecord) {
        self.writer.record().written_by(socket);
        self.reader.record().read_by(socket);
    }

    /// Whether a frame of a complete message can be read now. `false` puts the reader to sleep: the peer's
    /// next publish sends `PipeEvent::Readable`.
    #[inline]
    pub fn check_read(&mut self) -> bool {
        self.reads && self.reader.check()
    }

    /// As [`check_read`](Pipe::check_read), with the flags of the next frame.
    #[inline(always)]
    pub fn next_flags(&mut self) -> Option<u8> {
        if self.reads { self.reader.next_flags() } else { None }
    }

    /// The peer's routing id as a frame of its own before the next message, with the properties of the
    /// message's connection. Call it after [`check_read`](Pipe::check_read) returned `true`.
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
        if !self.reads {
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
        if self.reads { self.reader.read_inline(alone, wanted) } else { None }
    }

    /// See [`LaneWriter::write_inline`].
    #[inline(always)]
    pub fn write_inline(&mut self, body: &[u8], more: bool) -> Option<Wake> {
        self.writer.write_inline(body, more)
    }

    /// See [`LaneReader::read_by_reference`].
    #[inline]
    pub fn read_by_reference(&mut self) -> Option<(Body, bool)> {
        if self.reads { self.reader.read_by_reference() } else { None }
    }

    /// See [`LaneWriter::write_by_reference`]. A lane that passes nothing by reference takes a copy, where it
    /// can.
    #[inline]
    pub fn write_message(&mut self, message: &mut Msg, more: bool) -> Option<Wake> {
        if self.writer.goes_by_reference() {
            self.writer.write_by_reference(message, more)
        } else {
            self.writer.write_inline(message.data(), more)
        }
    }

    /// Wakes the reader, for which messages were published while it slept.
    pub fn wake_reader(&self) {
        self.writer.wake_reader();
    }

    /// Returns the next frame without taking it.
    pub fn peek(&mut self) -> Option<Frame<'_>> {
        if !self.reads {
            return None;
        }
        self.reader.peek()
    }

    /// Whether more can be read than the peer's routing id.
    pub fn holds_message(&mut self) -> bool {
        self.reads && self.reader.holds_message()
    }

    /// Whether no frame can ever be read again. Then this end is closed, or the other is closed and
    /// everything it wrote was read.
    pub fn ended(&mut self) -> bool {
        !self.reads || self.reader.ended()
    }

    /// Whether a message may be written now: both ends open and credit left. `false` for want of credit puts
    /// the writer to sleep: the peer's next grant sends `PipeEvent::Writable`.
    #[inline]
    pub fn check_write(&mut self) -> bool {
        self.writer.check()
    }

    /// As [`check_write`](Pipe::check_write), after that has answered `false`: the reader is asked to read on this thread, if it is one
    /// that may ([`Notify::read_now`]), and the call has `turns` left for that.
    pub fn check_write_again(&mut self, turns: &mut ReaderTurns) -> bool {
        self.writer.check_again(turns)
    }

    /// Number of messages that may be written now; 0 where an end is closed.
    pub fn credit(&self) -> u64 {
        self.writer.credit()
    }

    /// Prefetches for a write that comes soon.
    #[inline(always)]
    pub fn prepare_write(&self) {
        self.writer.prepare();
    }

    /// Appends a frame. `Ok(false)`, with nothing taken, without credit or after the peer is gone. The reader
    /// sees the frame after [`flush`](Pipe::flush), which follows the last frame of the message. Errors:
    /// `ENOMEM`.
    #[inline(always)]
    pub fn write(&mut self, frame: &mut OutFrame<'_>) -> Result<bool> {
        if !self.writer.check_limit() {
            return Ok(false);
        }
        self.writer.append(frame)?;
        Ok(true)
    }

    /// As [`write`](Pipe::write), and flushes at the end of a message.
    #[inline(always)]
    pub fn write_and_flush(&mut self, frame: &mut OutFrame<'_>) -> Result<bool> {
        let written = self.write(frame)?;
        if written && !frame.more() {
            self.flush();
        }
        Ok(written)
    }

    /// Appends a frame behind others of its message. It needs no credit: the mark may be lower by now than at the first frame. `Ok(false)`,
    /// with nothing taken: an end is closed. Errors: `ENOMEM`.
    #[inline]
    pub fn write_rest(&mut self, frame: &mut OutFrame<'_>) -> Result<bool> {
        if !self.writer.is_open() {
            return Ok(false);
        }
        self.writer.append(frame)?;
        Ok(true)
    }

    /// Bytes of the large bodies of the last message written.
    pub fn last_weight(&self) -> usize {
        self.writer.last_weight()
    }

    /// Moves messages from here to another pipe as they are, up to `most` and the credit. An empty run does
    /// not mean that none can be read: see [`LaneReader::pass_run`]. Errors: `ENOMEM`, with nothing moved.
    pub fn pass_run(&mut self, to: &mut Pipe, most: u32) -> Result<Run> {
        let credit = u32::try_from(to.writer.credit()).unwrap_or(u32::MAX).min(most);
        if credit == 0 || self.end.is_closed() || !to.writer.takes_runs() {
            return Ok(Run::default());
        }
        let run = self.reader.pass_run(credit, |frames, run| to.writer.append_run(frames, run))?;
        to.writer.flush();
        Ok(run)
    }

    /// Appends this end's routing id for the peer; costs no credit. Errors: `ENOMEM`.
    pub fn write_routing_id(&mut self, routing_id: &[u8]) -> Result<()> {
        self.writer.append_routing_id(routing_id)
    }

    /// Notes that frames from here on have these properties. Errors: `ENOMEM`.
    pub fn write_properties(&mut self, metadata: Arc<Metadata>) -> Result<()> {
        self.writer.append_properties(metadata)
    }

    /// Appends a SUBSCRIBE or CANCEL command. It needs no credit, so that no subscription is lost to the
    /// high-water mark, but it counts as a message. Not visible before [`flush`](Pipe::flush). Errors:
    /// `ENOMEM`.
    pub fn write_subscription(&mut self, subscribe: bool, topic: &[u8]) -> Result<()> {
        self.writer.append_subscription(subscribe, topic)
    }

    /// Appends a JOIN or LEAVE command, as [`write_subscription`](Pipe::write_subscription) does. Errors: `ENOMEM`.
    pub fn write_membership(&mut self, join: bool, group: &[u8]) -> Result<()> {
        self.writer.append_membership(join, group)
    }

    /// Publishes complete messages and wakes the reader if it sleeps.
    #[inline(always)]
    pub fn flush(&mut self) {
        self.writer.flush();
    }

    /// Removes the frames of an incomplete message.
    pub fn rollback(&mut self) {
        self.writer.rollback();
    }

    /// Whether credit is left. Unlike `check_write`, it does not put the writer to sleep.
    pub fn check_hwm(&self) -> bool {
        self.writer.has_credit()
    }

    /// Has the fast paths look again at what the peer has changed: they take it for granted that both ends are open, and that the marks are
    /// as they were. What they do before the owner hears of a change was done just before it, to the peer. What they have read then is
    /// granted now, as a peer with a lower mark may wait for that.
    pub fn heed_peer(&mut self) {
        self.writer.forget_limit();
        self.reader.heed_mark();
    }

    /// Sets this socket's own high-water marks in messages, for sending and receiving. Those that the peer's socket has set for its end
    /// are added to them. `true`: the mark before had put the writer to sleep, and there is credit now, of which no event tells.
    pub fn set_hwms(&mut self, sndhwm: i32, rcvhwm: i32) -> bool {
        let Pipe { end, writer, reader, .. } = self;
        end.link.set_marks(end.side, Marks { send: sndhwm, receive: rcvhwm }, |marks| {
            writer.set_hwm(marks.send);
            reader.set_hwm(marks.receive);
        });
        reader.heed_mark();
        end.link.notify(end.side.other(), PipeEvent::MarksChanged);
        writer.resumes()
    }

    /// The high-water mark for receiving, in messages; 0 or less: none.
    pub fn receive_hwm(&self) -> i32 {
        self.reader.hwm()
    }

    /// Messages written and not known to be read, and messages of the peer not read yet.
    pub fn queued(&mut self) -> (u64, u64) {
        (self.writer.queued(), self.reader.queued())
    }

    /// Messages that the writer of this end knows to be read.
    #[cfg(test)]
    pub fn granted(&self) -> u64 {
        self.writer.record().granted.load(Ordering::Relaxed)
    }

    /// Bytes that the peer has written and that are not read, and the blocks that they lie in.
    #[cfg(test)]
    pub fn waiting(&mut self) -> (usize, usize) {
        let (mut bytes, mut blocks) = (0, 0);
        if let Some(consumer) = self.reader.blocks() {
            consumer.spans(|span, _| {
                (bytes, blocks) = (bytes + span.len(), blocks + 1);
                true
            });
        }
        (bytes, blocks)
    }

    /// Has the other end send `message`, once, when its owner closes it on purpose.
    pub fn ask_for_farewell(&self, message: &[u8]) {
        self.end.link.ask_for_farewell(self.end.side.other(), message);
    }

    /// Sends the message that the peer asked for before this end closes, if it did. An incomplete message is
    /// removed.
    pub fn bid_farewell(&mut self) {
        let Some(message) = self.end.link.farewell(self.end.side) else { return };
        self.writer.rollback();
        // Without memory for it, the message is left out.
        if self.is_open() && self.writer.append(&mut OutFrame::bytes(message, false)).is_ok() {
            self.writer.flush();
        }
    }

    /// Why messages are lost that were written and that the session will leave. A socket at the other end may read them still.
    pub fn lose_by(&self, reason: Reason) {
        let record = self.writer.record();
        if record.reader_socket.load(Ordering::Relaxed) == 0 {
            record.lose_by(reason);
        }
    }

    /// Writes to another lane from now on; see [`PipeEvent::Hiccup`]. It has the mark of the lane before it: the peer's session knows
    /// the options as they were when the program connected.
    pub fn replace_writer(&mut self, writer: LaneWriter) {
        let before = std::mem::replace(&mut self.writer, writer).hwm();
        if self.writer.hwm() != before {
            self.writer.set_hwm(before);
            self.end.link.notify(self.end.side.other(), PipeEvent::MarksChanged);
        }
    }

    pub fn is_peer_closed(&self) -> bool {
        self.end.is_peer_closed()
    }

    /// Whether what is still unread here is of no use any more, see `is_void_once_left`.
    pub fn is_void(&self) -> bool {
        self.is_void_once_left && self.is_peer_closed()
    }

    /// See [`End::is_peer_owned`].
    pub fn is_peer_owned(&self) -> bool {
        self.end.is_peer_owned()
    }

    /// Closes the end. The peer can still read what was flushed.
    pub fn close(&mut self) {
        self.reads = false;
        self.writer.forget_limit();
        if !self.end.is_closed() {
            self.writer.rollback();
            self.end.close();
        }
    }

    /// As [`close`](Pipe::close), with what the peer has written still to be read here. It ends once the peer has closed its end
    /// too, and all is read.
    pub fn close_and_drain(&mut self) {
        let reads = self.reads;
        self.close();
        self.reads = reads;
    }

    /// Notes why the end is about to be closed: the peer asks for more than a limit allows, or is [`DISCONNECTED`].
    pub fn refuse(&self, errno: Errno) {
        self.end.link.refuse(errno);
    }

    /// The parts, for a connection whose halves are driven separately.
    pub fn into_parts(self) -> (LaneReader, LaneWriter, End) {
        (self.reader, self.writer, self.end)
    }
}

impl End {
    /// Closes the end and notifies the peer's owner, which can still read what was published.
    pub fn close(&self) {
        self.link.close(self.side);
    }

    pub fn is_closed(&self) -> bool {
        self.link.is_closed(self.side)
    }

    /// The errno for which the other end was closed, where this end's peer is at fault or [`DISCONNECTED`].
    pub fn refusal(&self) -> Option<Errno> {
        self.link.refusal()
    }

    pub fn is_peer_closed(&self) -> bool {
        self.link.is_closed(self.side.other())
    }

    /// Whether the peer has taken its end in, and is told of this one.
    pub fn is_peer_owned(&self) -> bool {
        self.link.is_owned(self.side.other())
    }

    /// Replaces the lane this end reads from. Messages not read are dropped, and the peer's owner is given
    /// the new writer. Errors: `ENOMEM`, with nothing changed.
    pub fn hiccup(&self, options: LaneOptions) -> Result<LaneReader> {
        let (writer, reader) = lane::lane(&self.link, self.side.other(), options)?;
        self.link.notify(self.side.other(), PipeEvent::Hiccup(Box::new(writer)));
        Ok(reader)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod count_tests;
#[cfg(test)]
mod mark_tests;
#[cfg(test)]
mod tests;
