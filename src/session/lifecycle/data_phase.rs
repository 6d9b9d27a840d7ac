//! A session while it has a connection: what its I/O thread sends and receives, and its heartbeat.
//!
//! Each function returns `Err` where the connection has ended, and why. What happens then is the session's.

use crate::engine::Heartbeat;
use crate::engine::zmtp::heartbeat::Action;
use crate::errno::Errno;
use crate::reactor::{Ready, SourceContext};
use crate::session::connection::recv::{Received, RecvHalf};
use crate::session::connection::send::Sent;
use crate::session::connection::{Connection, Flush, MIN_LOOK_INTERVAL};
use crate::session::letterbox::{Deferred, Flags};
use crate::session::lifecycle::delivery_wait::DeliveryWait;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::timer;
use crate::sys::log::{Level, Notice, Subsystem};
use std::sync::Arc;
use std::time::Duration;

/// Before a stream is asked again that says that it takes nothing, though it has room, or has nothing, though it has; or for
/// which there was no memory.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);

static OVER_RATE: Notice = Notice::new(Subsystem::Limits, Level::Info);
static SHORT: Notice = Notice::new(Subsystem::Memory, Level::Warn);

/// The connection, and what the I/O thread remembers of it.
pub struct DataPhase {
    connection: Arc<Connection>,
    /// Frames of our own, waiting to be sent.
    control: Vec<u8>,
    /// The socket has closed its end: only the rest is sent.
    closing: bool,
    delivery: DeliveryWait,
    /// All was written, and the peer had said something that no program reads any more.
    has_spoken: bool,
}

impl DataPhase {
    pub fn new(connection: Arc<Connection>, closing: bool) -> DataPhase {
        let delivery = DeliveryWait::default();
        DataPhase { connection, control: Vec::new(), closing, delivery, has_spoken: false }
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Begins, once threads of the program may use the connection too. `sends_alone`: the socket never receives.
    pub fn begin(&mut self, cx: &mut SourceContext<'_>, sends_alone: bool) -> Result<(), Reason> {
        if self.closing {
            // No program receives what the peer says: that it is silent is no reason to wait for it.
            let stop = |recv: &mut RecvHalf| recv.heartbeat_mut().map(Heartbeat::stop_hearing);
            self.connection.with_recv(stop);
        }
        self.watch_heartbeat(cx);
        // Receiving comes first: where the peer has gone already, a send would fail, and the bytes that the peer sent before
        // would be lost.
        self.receive(cx, false)?;
        self.ping_first(sends_alone);
        self.send(cx)?;
        // Bytes to send kept a stream without credit with the reactor.
        self.connection.settle(Received::NoCredit);
        Ok(())
    }

    /// A PING before the first message. Later ones lie behind messages, where a slow peer does not see that it is watched.
    ///
    /// The system of a peer that has said all and gone answers by taking back what it has not passed on yet. So there is none where
    /// such a peer would otherwise be sent nothing.
    fn ping_first(&mut self, sends_alone: bool) {
        if !self.connection.heartbeats || !sends_alone && !self.connection.has_messages() {
            return;
        }
        let control = &mut self.control;
        self.connection.with_recv(|recv| {
            let pings = recv.heartbeat().filter(|heartbeat| heartbeat.sends_pings());
            if let Some(context) = pings.map(Heartbeat::first_context) {
                recv.append_ping(&context, control);
            }
        });
    }

    /// The socket has closed its end: the program receives no more, but that the peer goes is to be noticed.
    pub fn close(&mut self, cx: &mut SourceContext<'_>) {
        self.closing = true;
        self.connection.with_recv(RecvHalf::stop);
        self.connection.recall();
        // A thread that held the half may have kept the last look at it from being followed by another.
        self.watch_heartbeat(cx);
    }

    /// The reactor tells of the stream.
    pub fn ready(&mut self, cx: &mut SourceContext<'_>, ready: Ready) -> Result<(), Reason> {
        self.connection.count_wakeup();
        let is_over = ready.hangup || ready.error;
        if ready.writable {
            if !ready.readable {
                self.connection.told_of_room(cx.now_ms());
            }
            self.send_into_room(cx)?;
        }
        if ready.readable || is_over {
            self.receive(cx, is_over)?;
        }
        // The program of a socket that closes reads no more, so nothing else would notice.
        if self.closing && is_over { Err(Reason::Stream(Errno::PIPE)) } else { Ok(()) }
    }

    /// The socket or a thread of the program has woken the session.
    pub fn wake(&mut self, cx: &mut SourceContext<'_>, flags: Flags) -> Result<(), Reason> {
        self.connection.count_wakeup();
        let receives = self.receives(flags);
        if flags.has(Flags::MARKS_CHANGED) {
            self.connection.heed_mark();
        }
        self.flush(cx, flags == Flags::READABLE)?;
        if receives {
            self.receive(cx, false)?;
        } else {
            self.watch_heartbeat(cx);
        }
        Ok(())
    }

    /// Whether the session is to receive when it is woken.
    fn receives(&self, flags: Flags) -> bool {
        // Bytes that lie here already for want of credit are the session's, also where the stream is lent.
        flags.has(Flags::WRITABLE) || self.connection.receives_when_woken(flags.has(Flags::READABLE))
    }

    /// One of the connection's timers has gone off.
    pub fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) -> Result<(), Reason> {
        match id {
            timer::HEARTBEAT => self.beat(cx)?,
            timer::LOOK => self.look_at_stream(cx),
            timer::COALESCING => self.flush(cx, true)?,
            timer::REFUSED => self.try_again(cx)?,
            timer::RATE => self.receive(cx, false)?,
            timer::DELIVERY => self.finish_when_delivered(cx),
            _ => {}
        }
        Ok(())
    }

    /// Sends published messages.
    pub fn send(&mut self, cx: &mut SourceContext<'_>) -> Result<(), Reason> {
        self.flush(cx, false)
    }

    /// Does the work that threads of the program have deferred on the connection.
    pub fn run_deferred(&mut self, cx: &mut SourceContext<'_>, deferred: Deferred) -> Result<(), Reason> {
        if deferred.refused {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
        if deferred.arm_timer {
            cx.set_timer(timer::LOOK, MIN_LOOK_INTERVAL);
        }
        self.control.extend_from_slice(&deferred.answers);
        deferred.failed.map_or(Ok(()), |errno| self.end_when_read(cx, errno))
    }

    /// `published`: the socket has published something, and nothing else has happened.
    fn flush(&mut self, cx: &mut SourceContext<'_>, published: bool) -> Result<(), Reason> {
        let flush = self.connection.send(&self.control, self.closing, published);
        self.control.clear();
        let sent = match flush {
            Flush::Sent(sent) => sent,
            Flush::Later(look) => {
                cx.set_timer(timer::COALESCING, look);
                return Ok(());
            }
            Flush::Busy | Flush::LeftToCaller => return Ok(()),
        };
        match sent {
            // The session has not been told yet that the pipe's end is closed. It asks when it is woken.
            Sent::Ended if !self.closing => cx.again(),
            Sent::Ended => self.finish_when_delivered(cx),
            Sent::All if self.closing => {
                if !self.delivery.is_waited_for() {
                    self.connection.part();
                }
                self.finish_when_delivered(cx);
            }
            Sent::Over if self.closing => return Err(Reason::Stream(Errno::PIPE)),
            Sent::All | Sent::Over => {}
            Sent::Blocked => {
                if self.connection.refuses_at_once() {
                    cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
                }
                self.note_full(cx);
            }
            Sent::Yield => cx.again(),
            Sent::NoMemory => cx.set_timer(timer::REFUSED, REFUSED_PAUSE),
            Sent::Failed(errno) => return self.end_when_read(cx, errno),
        }
        Ok(())
    }

    /// All is written: the session ends once the peer's system has it.
    fn finish_when_delivered(&mut self, cx: &mut SourceContext<'_>) {
        // What comes behind bytes that are discarded here would be taken for the rest of a message.
        self.connection.with_recv(RecvHalf::stop);
        self.has_spoken |= self.connection.discard_unread();
        let undelivered_bytes = self.connection.undelivered_bytes(self.has_spoken);
        match self.delivery.look(undelivered_bytes, cx.now_ms()) {
            Some(pause) => cx.set_timer(timer::DELIVERY, pause),
            None => cx.finish(),
        }
    }

    /// Nothing more can be sent, or no event would tell of the stream any more. What it holds has been received by the system and
    /// is the program's: the connection ends when that is in the pipe, which may have to wait for credit.
    fn end_when_read(&mut self, cx: &mut SourceContext<'_>, errno: Errno) -> Result<(), Reason> {
        self.connection.end_when_read(errno);
        if self.closing {
            return Err(Reason::Stream(errno));
        }
        self.receive(cx, true)
    }

    /// Sends published messages, now that the stream has room. Where it still takes nothing, no event would tell of the room
    /// again.
    fn send_into_room(&mut self, cx: &mut SourceContext<'_>) -> Result<(), Reason> {
        let before = self.connection.sent_bytes();
        self.send(cx)?;
        if self.connection.refuses_in_spite_of_room(before) {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
        Ok(())
    }

    /// A while after the stream has taken or given nothing in spite of what the system says of it, or after there was no memory.
    fn try_again(&mut self, cx: &mut SourceContext<'_>) -> Result<(), Reason> {
        self.send_into_room(cx)?;
        self.receive(cx, false)?;
        if self.connection.withholds_bytes() {
            cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
        }
        Ok(())
    }

    fn receive(&mut self, cx: &mut SourceContext<'_>, hangup: bool) -> Result<(), Reason> {
        let received = self.connection.receive(hangup, cx.now_ms(), &mut self.control);
        match received {
            // None: the thread that holds the half wakes the session.
            None | Some(Received::Blocked | Received::Stopped | Received::NoCredit) => {}
            Some(Received::Yield) => cx.again(),
            Some(Received::OverRate(pause_ms)) => {
                if OVER_RATE.is_on() {
                    let peer = self.connection.peer_address();
                    OVER_RATE.write(format_args!(
                        "a peer ({peer}) is over its rate: the rest waits in its stream"
                    ));
                }
                cx.set_timer(timer::RATE, Duration::from_millis(pause_ms));
            }
            Some(Received::NoMemory) => {
                SHORT.write(format_args!("a peer's messages wait: memory is short"));
                cx.set_timer(timer::REFUSED, REFUSED_PAUSE);
            }
            Some(Received::End) => {
                if !self.control.is_empty() {
                    // Such as the answer to a closing frame. It is dropped if the stream does not take it.
                    self.connection.send(&self.control, true, false);
                }
                return Err(Reason::Stream(Errno::PIPE));
            }
            Some(Received::Broken(failure)) => return Err(Reason::Protocol(failure)),
            Some(Received::Failed(errno)) => return Err(Reason::Stream(errno)),
        }
        self.watch_heartbeat(cx);
        if self.control.is_empty() { Ok(()) } else { self.send(cx) }
    }

    fn look_at_stream(&mut self, cx: &mut SourceContext<'_>) {
        if let Some(after) = self.connection.on_look_timer() {
            cx.set_timer(timer::LOOK, after);
        }
    }

    fn watch_heartbeat(&mut self, cx: &mut SourceContext<'_>) {
        if !self.connection.heartbeats {
            return;
        }
        let deadline = |recv: &mut RecvHalf| recv.heartbeat().and_then(Heartbeat::deadline);
        match self.connection.with_recv_unless_in_use(deadline) {
            Some(Some(at_ms)) => {
                let after = Duration::from_millis(at_ms.saturating_sub(cx.now_ms()));
                cx.set_timer(timer::HEARTBEAT, after);
            }
            Some(None) => cx.cancel_timer(timer::HEARTBEAT),
            // It is asked for again when the thread that holds the half wakes the session.
            None => {}
        }
    }

    fn beat(&mut self, cx: &mut SourceContext<'_>) -> Result<(), Reason> {
        // Bytes that the stream has taken by now are a sign of life, and so are bytes that lie in it.
        self.send(cx)?;
        self.receive(cx, true)?;
        if self.poll_heartbeat(cx) == Action::Expired {
            return Err(Reason::Timeout);
        }
        self.watch_heartbeat(cx);
        self.send(cx)
    }

    /// The stream takes no more: what it does is a sign of life from now on.
    fn note_full(&mut self, cx: &mut SourceContext<'_>) {
        let note = |recv: &mut RecvHalf| recv.heartbeat_mut().is_some_and(|beat| beat.on_full(cx.now_ms()));
        if self.connection.heartbeats && self.connection.with_recv(note) == Some(true) {
            self.watch_heartbeat(cx);
        }
    }

    /// The heartbeat's action for now. A PING or PONG that is due is appended to `control`.
    fn poll_heartbeat(&mut self, cx: &mut SourceContext<'_>) -> Action {
        let state = self.connection.send_state();
        let control = &mut self.control;
        let action = self.connection.with_recv(|recv| {
            let action = recv.heartbeat_mut()?.poll(cx.now_ms(), &state);
            match action {
                Action::SendPing => recv.append_ping(b"", control),
                Action::SendPong => recv.append_pong(control),
                Action::None | Action::Expired => {}
            }
            Some(action)
        });
        action.flatten().unwrap_or(Action::None)
    }
}
