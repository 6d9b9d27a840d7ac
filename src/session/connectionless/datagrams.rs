//! Between a socket's pipe and a datagram socket: no connection, no handshake, no reconnects. A message is two frames; a datagram
//! that is no message is dropped.

use super::pipe_end::{PipeEnd, Wake};
use crate::counters::{Reason, SocketCounter};
use crate::ctx::Guard;
use crate::engine::datagram::{Form, Outgoing};
use crate::errno::{Errno, Result};
use crate::message::{COMMAND, OutFrame};
use crate::pipe::{LaneWriter, Pipe};
use crate::reactor::{Handle, Interest, Ready, Source, SourceContext};
use crate::session::lifecycle::timer;
use crate::session::remote::SessionRemote;
use crate::session::{SessionContext, SessionHandle};
use crate::sys::datagram;
use crate::transport::{Datagrams, Unconnected};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams received or sent in one go, before others have their turn.
const TURN_DATAGRAMS: usize = 64;
/// How long to wait after an error in receiving: asking again at once could spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
const RETRY_TIMER: u8 = 1;

/// Sends and receives on an I/O thread. `pipe` is the session's end of the pipe. Errors: `EINVAL` for a socket type
/// that has no datagrams; `ENOMEM`.
pub fn exchange(
    io_thread: &Handle,
    session_context: SessionContext,
    socket: Unconnected,
    pipe: Pipe,
) -> Result<SessionHandle> {
    let remote = Arc::new(SessionRemote::default());
    pipe.set_owner(remote.next_end());
    let theirs = Arc::clone(&remote);
    let owner = Arc::clone(&session_context.owner);
    let begin: Begin = match socket {
        Unconnected::Datagrams(socket) => {
            let means = Means::of(&session_context, socket)?;
            Box::new(move |cx, pipe| Exchange::begin(cx, session_context.guard, means, pipe))
        }
        #[cfg(feature = "pgm")]
        Unconnected::Multicast(socket) => {
            Box::new(move |cx, pipe| super::multicast::Exchange::begin(cx, session_context, socket, pipe))
        }
        #[cfg(feature = "norm")]
        Unconnected::Norm(socket) => {
            Box::new(move |cx, pipe| super::norm::Exchange::begin(cx, session_context, socket, pipe))
        }
    };
    io_thread.add(Box::new(move |cx| {
        theirs.letterbox.set_remote(cx.remote());
        // Flags that were set before we had a place.
        cx.again();
        begin(cx, PipeEnd::new(owner, theirs, pipe))
    }));
    Ok(SessionHandle(remote))
}

/// Makes a source on its I/O thread.
type Begin = Box<dyn FnOnce(&mut SourceContext<'_>, PipeEnd) -> Box<dyn Source> + Send>;

/// What datagrams need.
struct Means {
    socket: Datagrams,
    form: Form,
    room: Vec<u8>,
}

impl Means {
    /// Errors: as [`exchange`].
    fn of(session_context: &SessionContext, socket: Datagrams) -> Result<Means> {
        let form = Form::of(session_context.options.socket_type).ok_or(Errno::INVAL)?;
        let mut room = Vec::new();
        if socket.receives() {
            room.try_reserve_exact(form.largest()).map_err(|_| Errno::NOMEM)?;
            room.resize(form.largest(), 0);
        }
        Ok(Means { socket, form, room })
    }
}

/// Lives on an I/O thread.
struct Exchange {
    form: Form,
    sends: bool,
    /// For one datagram on its way in; empty where none is received.
    room: Vec<u8>,
    /// The first frame of a message on its way in.
    first: Vec<u8>,
    out: Outgoing,
    /// `out` holds a datagram that the system would not take yet.
    waiting: bool,
    registered: bool,
    pipe: PipeEnd,
    socket: Datagrams,
    /// Keeps the context from ending while we are here.
    _guard: Guard,
}

impl Exchange {
    fn begin(cx: &mut SourceContext<'_>, guard: Guard, means: Means, pipe: PipeEnd) -> Box<dyn Source> {
        let Means { socket, form, room } = means;
        let mut exchange = Exchange {
            out: Outgoing::new(form, socket.target()),
            sends: socket.target().is_some() || form == Form::Address,
            form,
            room,
            first: Vec::new(),
            waiting: false,
            registered: false,
            pipe,
            socket,
            _guard: guard,
        };
        exchange.register(cx);
        Box::new(exchange)
    }

    /// Has the reactor watch the socket; tried again later where the system has no place for it.
    fn register(&mut self, cx: &mut SourceContext<'_>) {
        let interest = match (self.socket.receives(), self.sends) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            _ => Interest::WRITABLE,
        };
        self.registered = cx.register(self.socket.fd().as_raw_fd(), interest).is_ok();
        if !self.registered {
            cx.set_timer(RETRY_TIMER, ERROR_PAUSE);
        }
    }

    /// Passes datagrams to the socket while there are any and it takes them. Where it does not, the system keeps some and drops
    /// the rest, as it does with any receiver that is too slow.
    fn receive(&mut self, cx: &mut SourceContext<'_>) {
        if !self.socket.receives() || self.pipe.closing {
            return;
        }
        for _ in 0..TURN_DATAGRAMS {
            if !self.pipe.writer.check() {
                // The pipe's reader wakes us.
                return;
            }
            match datagram::receive(self.socket.fd(), &mut self.room) {
                Ok((length, from)) => {
                    // A datagram that was cut is no message either.
                    self.pipe.count(SocketCounter::TransportMessagesReceived);
                    let Some(datagram) = self.room.get(..length) else {
                        self.pipe.dropped(Reason::OverSize);
                        continue;
                    };
                    let Some(body) = self.form.decode(datagram, from, &mut self.first) else {
                        self.pipe.dropped(Reason::Malformed);
                        continue;
                    };
                    if deliver(&mut self.pipe.writer, &self.first, body).is_err() {
                        // There is no memory for this one: it is lost, as datagrams may be.
                        self.pipe.writer.rollback();
                        self.pipe.dropped(Reason::OverSize);
                    }
                }
                Err(errno) if errno.would_block() => return,
                Err(_) => return cx.set_timer(RETRY_TIMER, ERROR_PAUSE),
            }
        }
        cx.again();
    }

    fn send(&mut self, cx: &mut SourceContext<'_>) {
        for _ in 0..TURN_DATAGRAMS {
            if !self.waiting && !self.take() {
                return self.pipe.finish_if_over(cx);
            }
            self.waiting = false;
            let Some((datagram, to)) = self.out.datagram() else {
                self.pipe.dropped(Reason::Unroutable);
                continue;
            };
            match datagram::send(self.socket.fd(), datagram, &to) {
                Err(errno) if errno.would_block() => {
                    self.waiting = true;
                    if !self.registered {
                        cx.set_timer(RETRY_TIMER, ERROR_PAUSE);
                    }
                    return;
                }
                // A datagram that cannot be sent is lost, as it may be anywhere on its way.
                Err(Errno::MSGSIZE) => self.pipe.dropped(Reason::OverSize),
                Err(_) => self.pipe.dropped(Reason::Unroutable),
                Ok(()) => self.pipe.count(SocketCounter::TransportMessagesSent),
            }
        }
        cx.again();
    }

    /// Takes a message out of the pipe and makes a datagram of it. `false`: there is none. A message without a way to send, or of
    /// another number of frames than two, is dropped.
    fn take(&mut self) -> bool {
        loop {
            let Some(first) = self.pipe.reader.read() else { return false };
            if first.flags & COMMAND != 0 {
                continue;
            }
            if !first.more() {
                self.pipe.dropped(Reason::Malformed);
                continue;
            }
            self.out.begin(first.data());
            let whole = match self.pipe.reader.read() {
                Some(body) => !body.more() && self.out.finish(body.data()),
                None => false,
            };
            self.pipe.reader.skip_incomplete();
            if whole && self.sends {
                return true;
            }
            self.pipe.dropped(if whole { Reason::Unroutable } else { Reason::Malformed });
        }
    }
}

impl Source for Exchange {
    fn ready(&mut self, cx: &mut SourceContext<'_>, ready: Ready) {
        if ready.writable {
            self.send(cx);
        }
        if ready.readable || ready.error {
            self.receive(cx);
        }
    }

    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) {
        if id == timer::LINGER {
            return cx.finish();
        }
        if !self.registered {
            self.register(cx);
        }
        self.send(cx);
        self.receive(cx);
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        match self.pipe.wake(cx) {
            Wake::GoOn => {
                self.send(cx);
                self.receive(cx);
            }
            Wake::SendRest => self.send(cx),
            Wake::Rest => {}
        }
    }
}

/// Errors: `ENOMEM`.
fn deliver(writer: &mut LaneWriter, first: &[u8], body: &[u8]) -> Result<()> {
    writer.append(&mut OutFrame::bytes(first, true))?;
    writer.append(&mut OutFrame::bytes(body, false))?;
    writer.note_depth();
    writer.flush();
    Ok(())
}
