//! The messages on their way into the pipe: what they weigh, whether the pipe takes them, and when they show.

use super::Limits;
use crate::counters::LaneRecord;
use crate::engine::Failure;
use crate::engine::zmtp::frame;
use crate::errno::Errno;
use crate::message::{Body, Msg, OutFrame};
use crate::pipe::{BlockTail, LaneWriter};
use crate::queue::blocks::Producer;

/// More messages than any connection sees.
const NO_RATE: u64 = u64::MAX;

/// The pipe's end, and where in a message it stands.
pub struct Messages {
    writer: LaneWriter,
    limits: Limits,
    /// Between the frames of a message.
    inside: bool,
    /// Weight of the message so far, in bytes.
    weight: u64,
    /// Something a reader wants was accepted since the last flush.
    content: bool,
    /// The pipe's count of messages up to which the connection's rate lets them in; without a rate no count reaches it.
    rated_until: u64,
}

impl Messages {
    pub fn new(writer: LaneWriter, limits: Limits) -> Messages {
        Messages { writer, limits, inside: false, weight: 0, content: false, rated_until: NO_RATE }
    }

    /// The record of the pipe's lane.
    pub fn record(&self) -> &LaneRecord {
        self.writer.record()
    }

    /// What the peer may send.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether a frame of this length may be sent at all.
    pub fn check_size(&self, body_bytes: u64) -> Result<(), Failure> {
        frame::check_size(body_bytes, self.limits.frame)
    }

    /// Whether it stands between the frames of a message.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// Between messages, the socket gets the subscriptions it wants.
    pub fn wants_subscriptions(&self) -> bool {
        self.limits.subscriptions && !self.inside
    }

    /// How many messages the pipe takes.
    pub fn credit(&self) -> u64 {
        let credit = self.writer.credit();
        if self.rated_until == NO_RATE { credit } else { credit.min(self.allowance()) }
    }

    /// How many messages have gone into the pipe.
    pub fn written(&self) -> u64 {
        self.writer.written()
    }

    /// The rate lets in this number of messages, from now on until the next call.
    pub fn allow(&mut self, messages: u64) {
        self.rated_until = self.written().saturating_add(messages);
    }

    /// Whether the rate lets in no further message.
    pub fn is_over_rate(&self) -> bool {
        self.rated_until != NO_RATE && self.allowance() == 0
    }

    #[cold]
    fn allowance(&self) -> u64 {
        self.rated_until.saturating_sub(self.written())
    }

    /// Whether the pipe takes one more message; if not, its reader tells when it does.
    pub fn check_credit(&mut self) -> bool {
        !self.is_over_rate() && self.writer.check()
    }

    /// Whether the pipe takes the next frame: one inside of a message needs no credit.
    pub fn takes_frame(&mut self) -> bool {
        self.inside || self.check_credit()
    }

    /// The pipe's blocks; a pipe that conflates has none.
    pub fn blocks(&mut self) -> Option<&mut Producer<BlockTail>> {
        self.writer.blocks()
    }

    /// Counts a frame as part of its message, whose first one it is between messages.
    pub fn weigh_frame(&mut self, header_bytes: usize, body_bytes: u64) -> Result<(), Failure> {
        if self.inside {
            return self.weigh(body_bytes.saturating_add(header_bytes as u64));
        }
        self.weight = 0;
        self.weigh(body_bytes)
    }

    /// Counts a command inside of a message as part of that.
    pub fn weigh_command(&mut self, frame_bytes: usize) -> Result<(), Failure> {
        if self.inside { self.weigh(frame_bytes as u64) } else { Ok(()) }
    }

    fn weigh(&mut self, bytes: u64) -> Result<(), Failure> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > self.limits.message { Err(Failure::TOO_LARGE) } else { Ok(()) }
    }

    /// The weight so far, for [`set_weight`](Messages::set_weight).
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Takes a frame back out of the weight: one that is tried again is not to be weighed twice.
    pub fn set_weight(&mut self, weight: u64) {
        self.weight = weight;
    }

    /// Puts a frame into the pipe. `header_bytes`, `body_bytes`: what it weighs. Where there is no memory nothing has changed.
    pub fn append_frame(
        &mut self,
        (header_bytes, body_bytes): (usize, u64),
        body: &[u8],
        more: bool,
    ) -> Result<(), Failure> {
        let weight = self.weight;
        self.weigh_frame(header_bytes, body_bytes)?;
        if !self.inside && more {
            self.show_content();
        }
        let appended = self.writer.append(&mut OutFrame::bytes(body, more));
        appended.inspect_err(|_| self.weight = weight).map_err(Failure::Errno)?;
        self.accept_frame(more);
        Ok(())
    }

    /// Puts a message of one frame into the pipe. Where there is no memory nothing has changed.
    pub fn append_message(&mut self, body: &[u8]) -> Result<(), Errno> {
        self.writer.append(&mut OutFrame::bytes(body, false))?;
        self.content = true;
        Ok(())
    }

    /// Puts a frame into the pipe whose body is here whole; it has been weighed. `header_is_there`: the header is in the pipe
    /// already. Errors: `ENOMEM`, with nothing changed.
    pub fn append_body(&mut self, body: Body, more: bool, header_is_there: bool) -> Result<(), Errno> {
        if header_is_there {
            self.writer.append_body(more, body)?;
        } else {
            self.writer.append(&mut OutFrame::msg(&mut Msg::from_body(body), more))?;
        }
        self.accept_frame(more);
        Ok(())
    }

    /// Puts a SUBSCRIBE, CANCEL, JOIN or LEAVE into the pipe. Errors: `ENOMEM`, with nothing changed.
    pub fn append_subscription(&mut self, command: &[u8]) -> Result<(), Errno> {
        self.writer.append_subscription_request(command, b"")?;
        self.content = true;
        Ok(())
    }

    /// A frame is in the pipe.
    fn accept_frame(&mut self, more: bool) {
        self.inside = more;
        self.content = true;
    }

    /// A frame was accepted in the pipe's blocks.
    pub fn note_frame(&mut self, body_bytes: u64, more: bool) {
        self.accept_frame(more);
        self.record().wrote_frames(body_bytes, more.into());
        if !more {
            self.writer.count_messages(1);
        }
    }

    /// Whole messages were accepted in the pipe's blocks, with bodies of this size, and frames that were not the last of theirs.
    pub fn note_messages(&mut self, messages: u32, body_bytes: u64, continuations: u32) {
        self.writer.count_messages(messages);
        self.record().wrote_frames(body_bytes, continuations.into());
        self.content = true;
    }

    /// A subscription was accepted in the pipe's blocks.
    pub fn note_subscription(&mut self) {
        self.writer.count_messages(1);
        self.writer.count_request();
        self.content = true;
    }

    /// Makes complete messages visible. Inside a message there are none: earlier messages were flushed at its beginning.
    pub fn flush(&mut self) {
        if !self.inside {
            self.show_content();
        }
    }

    /// Makes visible what a reader wants.
    pub fn show_content(&mut self) {
        if std::mem::take(&mut self.content) {
            self.writer.note_depth();
            self.writer.flush();
        }
    }

    /// Frees what is kept only to be used again.
    pub fn tidy(&mut self) {
        self.writer.free_spares();
    }

    /// Gives the pipe's lane back. Complete messages are flushed, the rest dropped.
    pub fn into_writer(mut self) -> LaneWriter {
        self.writer.rollback();
        self.writer
    }
}
