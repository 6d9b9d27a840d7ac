//! The receiving half of a connection: out of the stream, frame borders found in place, into the pipe.

mod parse_in_place;
mod body;
mod commands;
mod limits;
mod copied;
mod messages;
mod sealed;
mod ws;

use crate::counters::{ConnectionCounter, ConnectionRecord};
use crate::engine::codec::AnyOpener;
use crate::engine::ws::Incoming;
use crate::engine::zmtp::{Version, command};
use crate::engine::{Failure, Heartbeat};
use crate::errno::Errno;
use crate::pipe::{BlockTail, LaneWriter};
use crate::queue::blocks::Producer;
use crate::session::connection::rate::{Allowance, Throttle};
use crate::session::connection::scratch::Scratch;
use crate::session::connection::tls_stream::{self, MIN_READ_BYTES, Tunnel};
use body::LargeBody;
use commands::PeerCommands;
pub use limits::Limits;
use messages::Messages;
use sealed::SealedFrames;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use ws::WsFrames;

/// How bytes become frames.
pub enum RecvForm {
    Zmtp(Version),
    /// Each in a box of its own (CURVE), commands too.
    Sealed(Version, AnyOpener),
    /// In WebSocket frames, sealed or not.
    Ws(Incoming),
    /// Every run of bytes is a message (STREAM, `ZMQ_ROUTER_RAW`).
    Raw,
}

/// The outcome of an attempt to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The stream has no more for now.
    Blocked,
    /// The pipe takes no more; its reader wakes us.
    NoCredit,
    /// There may be more, but others want their turn.
    Yield,
    /// There is no memory for what the stream has. Nothing is lost: the next call goes on where this one stopped, and it is to
    /// come after a while, since nothing tells of memory.
    NoMemory,
    /// The endpoint is gone: nothing is received any more.
    Stopped,
    /// The peer's rate lets nothing in for this number of milliseconds. The next call is to come then, since nothing tells of time.
    OverRate(u64),
    /// The peer closed the stream.
    End,
    /// The peer broke the protocol.
    Broken(Failure),
    /// The stream is broken.
    Failed(Errno),
}

impl Received {
    /// Whether the calling thread alone may be what the system does not let receive.
    pub fn is_denial(self) -> bool {
        matches!(self, Received::Failed(errno) if errno.is_denial())
    }
}

/// Bytes received in one go, before others have their turn.
const RECEIVE_TURN_BYTES: usize = 512 * 1024;
/// Reads after which others have their turn. Of a tunnel each may bring next to nothing, and have cost a record of padding.
const RECEIVE_TURN_READS: u32 = 1024;
/// Bytes asked for at first, and at most where frames are small.
const FIRST_READ_BYTES: usize = 1024;
const MAX_READ_BYTES: usize = 64 * 1024;

/// Everything needed to receive. The thread that holds it may receive.
pub struct RecvHalf {
    frames: Frames,
    intake: Intake,
    /// The tunnel between the stream and this half.
    tunnel: Option<Arc<Tunnel>>,
    /// Bytes to ask the stream for.
    want: usize,
    /// Bytes to ask the stream for at most, unless a frame needs more.
    most_read: usize,
    /// The end of the stream may be there already, of which no event will tell again: so it is to be read. From the
    /// beginning, since the handshake had the first events, until the stream has no more; then once the peer has
    /// closed its side.
    hangup: bool,
    /// There is no more in the stream before the first call.
    drained: bool,
    /// The endpoint is gone: nothing is received any more.
    stopped: bool,
    /// What the stream has is received, and then that is its end, for this reason.
    ends: Option<Errno>,
    /// How the stream ended, which is the answer from then on: each later driver of the half is to learn it too.
    outcome: Option<Received>,
    /// Bytes received by the last call.
    received: usize,
    /// The last call ended for want of credit, or of memory.
    no_credit: bool,
    no_memory: bool,
    /// The last call may have brought the heartbeat's deadline nearer.
    sets_timer: bool,
    rated: Option<Box<Rated>>,
    /// Bytes to receive in one go, and of a large body in one read.
    most_turn: usize,
    most_body: usize,
    record: Option<ConnectionRecord>,
    /// The next call panics.
    #[cfg(test)]
    pub panics: bool,
}

/// The half of a connection with a rate.
struct Rated {
    throttle: Throttle,
    /// Bytes to ask the stream for at most, by the options.
    most_read: usize,
    /// The last call ended since there was nothing to be let in.
    pauses: bool,
}

/// What takes received bytes apart: a [`RecvForm`], and what it remembers of the frame at the front.
enum Frames {
    Zmtp(Version),
    Sealed(SealedFrames),
    Ws(WsFrames),
    Raw,
}

/// Where received bytes go, for all kinds of [`Frames`].
struct Intake {
    messages: Messages,
    large: LargeBody,
    /// Received bytes that are not in the pipe's blocks: forms other than the pipe's own.
    scratch: Scratch,
    commands: PeerCommands,
}

impl RecvHalf {
    pub fn new(writer: LaneWriter, form: RecvForm, limits: Limits, heartbeat: Option<Heartbeat>) -> RecvHalf {
        RecvHalf {
            frames: match form {
                RecvForm::Zmtp(version) => Frames::Zmtp(version),
                RecvForm::Sealed(version, opener) => Frames::Sealed(SealedFrames::new(version, opener)),
                RecvForm::Ws(incoming) => Frames::Ws(WsFrames::new(incoming)),
                RecvForm::Raw => Frames::Raw,
            },
            intake: Intake {
                messages: Messages::new(writer, limits),
                large: LargeBody::default(),
                scratch: Scratch::default(),
                commands: PeerCommands::new(heartbeat),
            },
            tunnel: None,
            want: FIRST_READ_BYTES,
            most_read: usize::MAX,
            hangup: true,
            drained: false,
            stopped: false,
            ends: None,
            outcome: None,
            received: 0,
            no_credit: false,
            no_memory: false,
            sets_timer: false,
            rated: None,
            most_turn: RECEIVE_TURN_BYTES,
            most_body: usize::MAX,
            record: None,
            #[cfg(test)]
            panics: false,
        }
    }

    /// Reads through a tunnel, if there is one.
    pub fn through(mut self, tunnel: Option<Arc<Tunnel>>) -> RecvHalf {
        self.tunnel = tunnel;
        self
    }

    /// Counts what it receives for this connection.
    pub fn counted_in(mut self, record: &ConnectionRecord) -> RecvHalf {
        self.intake.messages.record().carried_by(record);
        self.record = Some(record.clone());
        self
    }

    /// What it counts in.
    pub fn record(&self) -> Option<&ConnectionRecord> {
        self.record.as_ref()
    }

    /// Whether something received may lie where poll(2) does not see it.
    pub fn may_hide_bytes(&self) -> bool {
        self.tunnel.as_deref().is_some_and(Tunnel::may_hide_bytes)
    }

    /// Reads no more than this at once, as far as frames allow it.
    pub fn read_at_most(&mut self, bytes: usize) {
        self.most_read = bytes;
    }

    /// Receives no more than the rate lets in. From then on only the I/O thread is to receive, which has a timer.
    pub fn at_rate(mut self, throttle: Option<Throttle>) -> RecvHalf {
        let most_read = self.most_read;
        self.rated = throttle.map(|throttle| Box::new(Rated { throttle, most_read, pauses: false }));
        self
    }

    pub fn is_rated(&self) -> bool {
        self.rated.is_some()
    }

    /// Whether the last call ended since the rate let nothing in.
    pub fn is_over_rate(&self) -> bool {
        self.rated.as_ref().is_some_and(|rated| rated.pauses)
    }

    /// Bytes that came with the handshake's last; `drained`: there is no more for now, which need not be asked then.
    pub fn begin_with(&mut self, bytes: &[u8], drained: bool) -> Result<(), Errno> {
        self.drained = drained;
        self.hangup = !drained;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(record) = &self.record {
            record.add(ConnectionCounter::BytesReceived, bytes.len() as u64);
        }
        if let Some(rated) = &mut self.rated {
            rated.throttle.spend(0, bytes.len());
        }
        let Intake { messages, scratch, .. } = &mut self.intake;
        if let Some(producer) = in_place(messages, &self.frames) {
            producer.receive_from(bytes)?;
        } else {
            scratch.room(bytes.len())?.get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(bytes);
            scratch.filled(bytes.len());
        }
        Ok(())
    }

    pub fn heartbeat(&self) -> Option<&Heartbeat> {
        self.intake.commands.heartbeat()
    }

    pub fn heartbeat_mut(&mut self) -> Option<&mut Heartbeat> {
        self.intake.commands.heartbeat_mut()
    }

    /// Appends a ping of ours to `control`, if there is a heartbeat.
    pub fn append_ping(&mut self, context: &[u8], control: &mut Vec<u8>) {
        let Some(heartbeat) = self.intake.commands.heartbeat_mut() else { return };
        if let Frames::Ws(ws) = &mut self.frames {
            ws.append_ping(context, control);
            heartbeat.ping_appended();
        } else {
            heartbeat.append_ping(context, control);
        }
    }

    /// Appends an unasked pong of ours to `control`.
    pub fn append_pong(&mut self, control: &mut Vec<u8>) {
        if let Frames::Ws(ws) = &mut self.frames {
            ws.append_pong(control);
        } else {
            command::append_pong(control, &[]);
        }
    }

    /// As [`receive`](RecvHalf::receive), on the I/O thread. What the system did not let a thread of the program do it may let
    /// this one; those threads are not let in again.
    pub fn receive_for_session(
        &mut self,
        fd: BorrowedFd<'_>,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Received {
        let denied = self.outcome.take_if(|outcome| outcome.is_denial());
        let received = match self.rated.take() {
            None => self.receive(fd, now_ms, control),
            Some(mut rated) => {
                let received = self.receive_at_rate(&mut rated, fd, now_ms, control);
                self.rated = Some(rated);
                received
            }
        };
        self.outcome = self.outcome.or(denied);
        received
    }

    /// As [`receive`](RecvHalf::receive), as much as the rate lets in.
    fn receive_at_rate(
        &mut self,
        rated: &mut Rated,
        fd: BorrowedFd<'_>,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Received {
        if self.stopped || self.outcome.is_some() {
            return self.receive(fd, now_ms, control);
        }
        match rated.throttle.allow(now_ms) {
            Ok(Allowance { messages, bytes }) => {
                self.most_turn = RECEIVE_TURN_BYTES.min(bytes);
                (self.most_read, self.most_body) = (rated.most_read.min(bytes), bytes);
                self.intake.messages.allow(messages);
            }
            Err(pause_ms) => {
                self.received = 0;
                return self.pause(rated, pause_ms, now_ms);
            }
        }
        if std::mem::take(&mut rated.pauses)
            && let Some(heartbeat) = self.heartbeat_mut()
        {
            heartbeat.resume(now_ms);
        }
        let before = self.intake.messages.written();
        let received = self.receive(fd, now_ms, control);
        rated.throttle.spend(self.intake.messages.written().wrapping_sub(before), self.received);
        let stopped_by_rate = received == Received::NoCredit && self.intake.messages.is_over_rate();
        match rated.throttle.allow(now_ms) {
            Err(pause_ms) if stopped_by_rate || received == Received::Yield => {
                self.no_credit = false;
                self.pause(rated, pause_ms, now_ms)
            }
            _ => received,
        }
    }

    /// What the peer says is not heard meanwhile.
    fn pause(&mut self, rated: &mut Rated, pause_ms: u64, now_ms: u64) -> Received {
        rated.pauses = true;
        // What comes meanwhile is an event that leads to nothing, and the system does not tell of it again.
        self.drained = false;
        if let Some(heartbeat) = self.heartbeat_mut() {
            heartbeat.suspend(now_ms);
        }
        Received::OverRate(pause_ms)
    }

    /// Receives the bytes that the stream has. Answers to the peer's commands are appended to `control`.
    pub fn receive(&mut self, fd: BorrowedFd<'_>, now_ms: u64, control: &mut Vec<u8>) -> Received {
        #[cfg(test)]
        if self.panics {
            std::panic::resume_unwind(Box::new("injected"));
        }
        (self.received, self.sets_timer) = (0, false);
        self.intake.commands.begin_turn();
        if self.stopped {
            return Received::Stopped;
        }
        if let Some(outcome) = self.outcome {
            return outcome;
        }
        let was_deaf = self.no_memory || self.no_credit;
        if was_deaf && let Some(heartbeat) = self.heartbeat_mut() {
            heartbeat.resume(now_ms);
        }
        let mut drained = std::mem::take(&mut self.drained);
        let before = self.intake.messages.written();
        let (mut reads, mut empty) = (0, 0);
        let outcome = loop {
            let need = match self.parse(now_ms, control) {
                Ok(Parsed::Needs(bytes)) => bytes,
                Ok(Parsed::NoCredit) => break Received::NoCredit,
                Err(Failure::Errno(errno)) if errno.is_shortage() => break Received::NoMemory,
                Err(failure) => break Received::Broken(failure),
            };
            if matches!(&self.frames, Frames::Ws(ws) if ws.has_farewell()) {
                break Received::End;
            }
            if drained {
                break self.no_more();
            }
            if self.turn_is_over(reads) {
                break Received::Yield;
            }
            reads += 1;
            match self.read(fd, need) {
                Ok(Read { bytes: 0, .. }) => break Received::End,
                Ok(read) => {
                    self.received += read.bytes;
                    self.intake.commands.note_bytes(now_ms);
                    // A short read means that the stream has no more: what comes later is a new event.
                    drained = read.short && !self.hangup;
                }
                Err(errno) if errno.would_block() => {
                    empty = 1;
                    self.note_arrival(now_ms);
                    self.hangup = false;
                    break self.no_more();
                }
                Err(errno) if errno.is_shortage() => break Received::NoMemory,
                Err(errno) => break Received::Failed(errno),
            }
        };
        self.flush();
        self.count(before, reads, empty);
        (self.no_credit, self.no_memory) = (outcome == Received::NoCredit, outcome == Received::NoMemory);
        if self.no_credit || self.no_memory || was_deaf {
            self.note_hearing(now_ms);
        }
        if let Received::End | Received::Broken(_) | Received::Failed(_) = outcome {
            self.outcome = Some(outcome);
        }
        outcome
    }

    /// Counts one turn: the messages since there were `before`, and the calls.
    fn count(&self, before: u64, reads: u32, empty: u32) {
        let Some(record) = &self.record else { return };
        record.add(ConnectionCounter::MessagesReceived, self.intake.messages.written().wrapping_sub(before));
        record.add(ConnectionCounter::BytesReceived, self.received as u64);
        record.add(ConnectionCounter::ReceiveCalls, reads.into());
        record.add(ConnectionCounter::ReceivesEmpty, empty.into());
    }

    /// Whether others have their turn.
    fn turn_is_over(&self, reads: u32) -> bool {
        self.received >= self.most_turn || self.intake.commands.turn_is_over() || reads >= RECEIVE_TURN_READS
    }

    /// What the peer says is not heard while there is no credit or no memory for it. That is said of the heartbeat under the lock of
    /// this half: another thread may receive next, and hears it again.
    #[cold]
    fn note_hearing(&mut self, now_ms: u64) {
        let is_deaf = self.no_credit || self.no_memory;
        if let Some(heartbeat) = self.intake.commands.heartbeat_mut() {
            self.sets_timer = if is_deaf { heartbeat.suspend(now_ms) } else { heartbeat.waits_for_peer() };
        }
    }

    /// The tunnel may have taken bytes and given none. A record whose bytes take longer than the heartbeat's timeout is not the end.
    fn note_arrival(&mut self, now_ms: u64) {
        if self.heartbeat().is_some() && self.tunnel.as_deref().is_some_and(Tunnel::take_arrival) {
            self.intake.commands.note_bytes(now_ms);
        }
    }

    /// The stream has no more for now.
    fn no_more(&self) -> Received {
        self.ends.map_or(Received::Blocked, Received::Failed)
    }

    /// Whether the last [`receive`](RecvHalf::receive) ended because the pipe takes no more.
    pub fn waits_for_credit(&self) -> bool {
        self.no_credit
    }

    /// Whether the session is to look at the heartbeat's deadline after the last [`receive`](RecvHalf::receive).
    pub fn sets_timer(&self) -> bool {
        self.sets_timer
    }

    /// Bytes that the last [`receive`](RecvHalf::receive) received.
    pub fn received(&self) -> usize {
        self.received
    }

    /// The reactor says that the peer has closed its side.
    pub fn hang_up(&mut self) {
        self.hangup = true;
    }

    /// The connection is over for this reason, but for what the stream holds: that is received, as far as there is credit, and
    /// then the stream counts as [failed](Received::Failed).
    pub fn end_when_read(&mut self, errno: Errno) {
        self.ends.get_or_insert(errno);
        (self.hangup, self.drained) = (true, false);
    }

    /// The system says that there are bytes in the stream, against anything known before.
    pub fn expect_bytes(&mut self) {
        self.drained = false;
    }

    /// Receives nothing any more.
    pub fn stop(&mut self) {
        (self.stopped, self.no_credit) = (true, false);
        if let Some(heartbeat) = self.heartbeat_mut() {
            heartbeat.stop_hearing();
        }
    }

    /// Frees what is kept only to be used again.
    pub fn tidy(&mut self) {
        self.intake.messages.tidy();
    }

    /// Gives the pipe's lane back; the connection is gone. Complete messages are flushed, the rest dropped.
    pub fn into_writer(self) -> LaneWriter {
        self.intake.messages.into_writer()
    }

    /// Makes complete messages visible.
    fn flush(&mut self) {
        if !self.intake.large.is_under_way() {
            self.intake.messages.flush();
        }
    }

    /// Reads once; `need` bytes at least would get us further.
    fn read(&mut self, fd: BorrowedFd<'_>, need: usize) -> Result<Read, Errno> {
        let least = self.least_room();
        let Intake { messages, large, scratch, .. } = &mut self.intake;
        let tunnel = self.tunnel.as_deref();
        if let Some(builder) = large.growing() {
            let mut room = 0;
            let (at, frames, most) = (builder.filled().len(), &self.frames, self.most_body);
            let bytes = builder.fill(|spare| {
                room = spare.len().min(most);
                let filled = tls_stream::read_uninit(fd, tunnel, spare.get_mut(..room).unwrap_or_default())?;
                if let Frames::Ws(ws) = frames {
                    ws.unmask_body(at, filled);
                }
                Ok(filled)
            })?;
            return Ok(Read { bytes, short: tls_stream::is_drained(tunnel, bytes < room) });
        }
        let least = need.max(least);
        let most = self.most_read.max(need);
        let (bytes, room) = match in_place(messages, &self.frames) {
            Some(producer) => {
                let mut asked = 0;
                let (bytes, _) = producer.receive(least, |room| {
                    asked = room.len().min(most);
                    tls_stream::read_uninit(fd, tunnel, room.get_mut(..asked).unwrap_or_default())
                })?;
                (bytes, asked)
            }
            None => {
                let spare = scratch.room(least.max(self.want))?;
                let asked = spare.len().min(most);
                let bytes = tls_stream::read(fd, tunnel, spare.get_mut(..asked).unwrap_or_default())?;
                scratch.filled(bytes);
                (bytes, asked)
            }
        };
        // A tunnel fills no room to the last byte.
        if bytes == room || tunnel.is_some() && bytes >= self.want {
            self.want = (self.want * 2).min(MAX_READ_BYTES);
        }
        Ok(Read { bytes, short: tls_stream::is_drained(tunnel, bytes < room) })
    }

    /// A block's end shorter than this is not worth a read.
    fn least_room(&self) -> usize {
        if self.want < MIN_READ_BYTES { self.want } else { tls_stream::least_room(self.tunnel.as_deref()) }
    }

    /// Takes received bytes apart as far as they and the credit go.
    fn parse(&mut self, now_ms: u64, control: &mut Vec<u8>) -> Result<Parsed, Failure> {
        let (frames, intake) = (&mut self.frames, &mut self.intake);
        // Only ZMTP's own headers go ahead of the body.
        if !intake.large.finish(&mut intake.messages, matches!(frames, Frames::Zmtp(_)))? {
            return Ok(Parsed::Needs(1));
        }
        let in_place = in_place(&mut intake.messages, frames).is_some();
        match frames {
            Frames::Zmtp(version) if in_place => parse_in_place::parse(intake, *version, now_ms, control),
            Frames::Zmtp(version) => copied::parse_frames(intake, *version, now_ms, control),
            Frames::Sealed(sealed) => sealed.parse(intake, now_ms, control),
            Frames::Ws(ws) => ws.parse(intake, control),
            Frames::Raw => copied::parse_raw(intake),
        }
    }
}

/// How far received bytes could be taken apart.
enum Parsed {
    /// All of them were, and this many more bytes would help.
    Needs(usize),
    /// The pipe takes no more.
    NoCredit,
}

struct Read {
    bytes: usize,
    /// Less than there was room for.
    short: bool,
}

/// The pipe's blocks, where what the peer sends may lie in them as it comes.
fn in_place<'a>(messages: &'a mut Messages, frames: &Frames) -> Option<&'a mut Producer<BlockTail>> {
    match frames {
        Frames::Zmtp(Version::V2 | Version::V3_0 | Version::V3_1) => messages.blocks(),
        Frames::Zmtp(Version::V1) | Frames::Sealed(_) | Frames::Ws(_) | Frames::Raw => None,
    }
}
