//! Between a socket's pipe and a NORM session. A publisher's messages go out to all listeners, a subscriber's come in from all
//! senders, each sender's apart. Subscriptions do not travel; the socket filters.

use crate::ctx::Guard;
use crate::engine::multicast::{Limits, Message};
use crate::engine::norm::{Packer, Unpacker};
use crate::message::COMMAND;
use crate::reactor::{Interest, Ready, Source, SourceContext};
use crate::session::SessionContext;
use crate::session::connectionless::pipe_end::{self, PipeEnd, Wake};
use crate::session::lifecycle::timer;
use crate::sys::hash_map::HashMap;
use crate::sys::norm::{Event, NormSocket, Read, Stream};
use crate::transport::Norm;
use std::collections::VecDeque;
use std::time::Duration;

/// Steps taken in one go, before others have their turn.
const TURN_STEPS: usize = 64;
/// Bytes read in one step, and written where a message is longer.
const STEP_BYTES: usize = 64 * 1024;
/// Time between two looks for events where the reactor cannot watch NORM's descriptor.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const LOOK_TIMER: u8 = 1;
/// How long NORM may take to send what it holds, even where the socket lingers for ever: a rate that no receiver's answers raise
/// may fall so low that it would be hours.
const MAX_DRAIN_TIME: Duration = Duration::from_secs(10);
const GIVE_UP_TIMER: u8 = 2;

/// Lives on an I/O thread.
pub struct Exchange {
    way: Way,
    /// The reactor has a place for the descriptor.
    watched: bool,
    pipe: PipeEnd,
    socket: NormSocket,
    /// Keeps the context from ending while we are here.
    _guard: Guard,
}

enum Way {
    Out(Outgoing),
    In(Incoming),
}

#[derive(Default)]
struct Outgoing {
    packer: Packer,
    /// NORM has had no room, and has not told that there is some.
    blocked: bool,
    /// The last bytes written may lie with NORM until a packet is full.
    unflushed: bool,
    /// Anything was ever written.
    begun: bool,
    /// Nothing will be written any more; once NORM has sent all of it we can go.
    emptying: bool,
}

struct Incoming {
    streams: HashMap<Stream, Unpacking>,
    /// Those that may have something to read, each once.
    readable: VecDeque<Stream>,
    limits: Limits,
    /// Whole messages for which the pipe had no room. Nothing is read while there are any.
    waiting: VecDeque<Message>,
    room: Vec<u8>,
}

#[derive(Default)]
struct Unpacking {
    unpacker: Unpacker,
    /// A border has been found.
    joined: bool,
    /// Among those that are readable.
    queued: bool,
}

impl Exchange {
    /// Makes the source, on its I/O thread.
    pub fn begin(
        cx: &mut SourceContext<'_>,
        session_context: SessionContext,
        norm: Norm,
        pipe: PipeEnd,
    ) -> Box<dyn Source> {
        let way = match norm.receives {
            true => Way::In(Incoming::new(pipe_end::limits(&session_context.options))),
            false => Way::Out(Outgoing::default()),
        };
        let watched = cx.register(norm.socket.fd(), Interest::READABLE).is_ok();
        if !watched {
            cx.set_timer(LOOK_TIMER, LOOK_INTERVAL);
        }
        Box::new(Exchange { way, watched, pipe, socket: norm.socket, _guard: session_context.guard })
    }

    fn go_on(&mut self, cx: &mut SourceContext<'_>) {
        let mut again = false;
        match &mut self.way {
            Way::In(incoming) => {
                self.pipe.drop_subscriptions();
                match self.pipe.is_over() {
                    true => cx.finish(),
                    false => again = incoming.receive(&mut self.socket, &mut self.pipe),
                }
            }
            Way::Out(outgoing) => {
                if outgoing.hear(&mut self.socket) {
                    return cx.finish();
                }
                match outgoing.send(&mut self.socket, &mut self.pipe) {
                    Step::Later => {}
                    Step::Again => again = true,
                    Step::Idle if self.pipe.is_over() => {
                        if !outgoing.begun {
                            return cx.finish();
                        }
                        if outgoing.empty(&mut self.socket) {
                            cx.set_timer(GIVE_UP_TIMER, MAX_DRAIN_TIME);
                        }
                    }
                    Step::Idle => {}
                }
            }
        }
        if again {
            cx.again();
        }
    }
}

/// The outcome of sending.
enum Step {
    /// NORM is full, and will tell of room.
    Later,
    /// There is more, but others have their turn.
    Again,
    /// Nothing is left to write.
    Idle,
}

impl Outgoing {
    /// Handles NORM's events. `true`: all has been sent and nothing more comes.
    fn hear(&mut self, socket: &mut NormSocket) -> bool {
        let mut done = false;
        while let Some(event) = socket.next_event() {
            match event {
                Event::Room => self.blocked = false,
                Event::Empty => {
                    self.blocked = false;
                    done = self.emptying;
                }
                Event::Readable(_) | Event::Gone(_) => {}
            }
        }
        done
    }

    fn send(&mut self, socket: &mut NormSocket, pipe: &mut PipeEnd) -> Step {
        if self.blocked {
            return Step::Later;
        }
        for _ in 0..TURN_STEPS {
            while self.packer.rest().len() < STEP_BYTES
                && let Some(frame) = pipe.reader.read()
            {
                if frame.flags & COMMAND == 0 {
                    self.packer.add(frame.flags, frame.data());
                    if self.packer.is_whole() {
                        break;
                    }
                }
            }
            if self.packer.rest().is_empty() {
                if std::mem::take(&mut self.unflushed) {
                    socket.flush();
                }
                return Step::Idle;
            }
            let (written, whole) = (socket.write(self.packer.rest()), self.packer.is_whole());
            pipe.count_sent(self.packer.wrote(written));
            self.begun = true;
            if !self.packer.rest().is_empty() {
                self.blocked = true;
                return Step::Later;
            }
            if whole {
                socket.end_message();
                self.unflushed = true;
            }
        }
        Step::Again
    }

    /// Has NORM tell when it has sent what it holds. An earlier announcement may be older than the last write. `true` the first
    /// time.
    fn empty(&mut self, socket: &mut NormSocket) -> bool {
        let first = !std::mem::replace(&mut self.emptying, true);
        if first {
            while socket.next_event().is_some() {}
            socket.flush();
        }
        first
    }
}

impl Incoming {
    fn new(limits: Limits) -> Incoming {
        Incoming {
            streams: HashMap::default(),
            readable: VecDeque::new(),
            limits,
            waiting: VecDeque::new(),
            room: vec![0; STEP_BYTES],
        }
    }

    /// Receives messages, as long as the pipe takes them. `true`: there may be more.
    fn receive(&mut self, socket: &mut NormSocket, pipe: &mut PipeEnd) -> bool {
        for _ in 0..TURN_STEPS {
            // Events come first, also where the pipe has no room: with them go senders that are too many.
            match socket.next_event() {
                Some(Event::Readable(stream)) => {
                    self.queue(stream);
                    continue;
                }
                Some(Event::Gone(stream)) => {
                    self.streams.remove(&stream);
                    continue;
                }
                Some(Event::Room | Event::Empty) => continue,
                None => {}
            }
            if !pipe.deliver(&mut self.waiting) {
                return false;
            }
            match self.readable.pop_front() {
                Some(stream) => {
                    let before = self.waiting.len();
                    self.read(socket, stream);
                    pipe.count_received(self.waiting.len().saturating_sub(before));
                }
                None => return false,
            }
        }
        true
    }

    fn queue(&mut self, stream: Stream) {
        let unpacking = self.streams.entry(stream).or_default();
        if !std::mem::replace(&mut unpacking.queued, true) {
            self.readable.push_back(stream);
        }
    }

    /// Reads once, and puts the stream behind the others if it may have more.
    fn read(&mut self, socket: &mut NormSocket, stream: Stream) {
        let Some(unpacking) = self.streams.get_mut(&stream) else { return };
        unpacking.queued = false;
        if !unpacking.joined {
            unpacking.joined = socket.seek(stream);
        }
        if !unpacking.joined {
            return;
        }
        match socket.read(stream, &mut self.room) {
            Read::Nothing => return,
            Read::Lost => {
                unpacking.unpacker.lost();
                unpacking.joined = false;
            }
            Read::Bytes(length) => {
                let bytes = self.room.get(..length).unwrap_or_default();
                unpacking.unpacker.bytes(bytes, self.limits, |message| self.waiting.push_back(message));
            }
        }
        self.queue(stream);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        match &self.way {
            Way::Out(outgoing) => self.pipe.lose_unsent(outgoing.packer.unsent()),
            Way::In(incoming) => self.pipe.lose(incoming.waiting.len()),
        }
    }
}

impl Source for Exchange {
    fn ready(&mut self, cx: &mut SourceContext<'_>, _ready: Ready) {
        self.go_on(cx);
    }

    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) {
        if id == timer::LINGER || id == GIVE_UP_TIMER {
            return cx.finish();
        }
        if !self.watched {
            self.watched = cx.register(self.socket.fd(), Interest::READABLE).is_ok();
            if !self.watched {
                cx.set_timer(LOOK_TIMER, LOOK_INTERVAL);
            }
        }
        self.go_on(cx);
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        if !matches!(self.pipe.wake(cx), Wake::Rest) {
            self.go_on(cx);
        }
    }
}
