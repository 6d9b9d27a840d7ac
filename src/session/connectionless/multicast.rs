//! Between a socket's pipe and a reliable multicast. A publisher's messages go out to all listeners, a subscriber's come in from
//! all senders, each sender's apart. Subscriptions do not travel; the socket filters.

use crate::ctx::Guard;
use crate::engine::multicast::{Limits, Message};
use crate::engine::pgm::{Packer, Unpacker};
use crate::message::COMMAND;
use crate::reactor::{Interest, Ready, Source, SourceContext};
use crate::session::SessionContext;
use crate::session::connectionless::pipe_end::{self, PipeEnd, Wake};
use crate::session::lifecycle::timer;
use crate::sys::hash_map::HashMap;
use crate::sys::pgm::{PgmSocket, Received, Sent, Source as Sender};
use crate::transport::Multicast;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets received or sent in one go, before others have their turn.
const TURN_PACKETS: usize = 64;
/// Senders that are kept apart. Any host can claim to be one more; the least recently heard goes first.
const MAX_SENDERS: usize = 1024;
/// The wait after an error: asking again at once could spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);
/// The protocol itself has something to do, or packets to ask for.
const PROTOCOL_TIMER: u8 = 1;
/// The rate allows to send again.
const RATE_TIMER: u8 = 2;

/// Lives on an I/O thread.
pub struct Exchange {
    way: Way,
    /// No sending before `RATE_TIMER` is over.
    limited: bool,
    pipe: PipeEnd,
    socket: PgmSocket,
    /// Keeps the context from ending while we are here.
    _guard: Guard,
}

enum Way {
    Out(Packer),
    In(Incoming),
}

/// What has come in.
struct Incoming {
    senders: HashMap<Sender, (u64, Unpacker)>,
    /// Counts packets, so that it shows which sender was heard last.
    clock: u64,
    limits: Limits,
    /// Whole messages for which the pipe had no room. Nothing is received while there are any.
    waiting: VecDeque<Message>,
}

impl Exchange {
    /// Makes the source, on its I/O thread.
    pub fn begin(
        cx: &mut SourceContext<'_>,
        session_context: SessionContext,
        multicast: Multicast,
        pipe: PipeEnd,
    ) -> Box<dyn Source> {
        let way = match multicast.receives {
            true => Way::In(Incoming {
                senders: HashMap::default(),
                clock: 0,
                limits: pipe_end::limits(&session_context.options),
                waiting: VecDeque::new(),
            }),
            false => Way::Out(Packer::new(multicast.socket.largest())),
        };
        let exchange =
            Exchange { way, limited: false, pipe, socket: multicast.socket, _guard: session_context.guard };
        for &(fd, writable) in exchange.socket.fds() {
            // A descriptor that the reactor cannot register is served by the timers alone.
            let interest = if writable { Interest::WRITABLE } else { Interest::READABLE };
            if cx.register(fd, interest).is_err() {
                cx.set_timer(PROTOCOL_TIMER, ERROR_PAUSE);
            }
        }
        Box::new(exchange)
    }

    /// Runs the protocol and receives packets.
    fn receive(&mut self, cx: &mut SourceContext<'_>) {
        for _ in 0..TURN_PACKETS {
            if let Way::In(incoming) = &mut self.way
                && !self.pipe.deliver(&mut incoming.waiting)
            {
                return;
            }
            match (self.socket.receive(), &mut self.way) {
                (Ok(Received::Packet(sender, packet)), Way::In(incoming)) => {
                    let before = incoming.waiting.len();
                    incoming.packet(sender, packet);
                    self.pipe.count_received(incoming.waiting.len().saturating_sub(before));
                }
                (Ok(Received::Lost(sender)), Way::In(incoming)) => {
                    if let Some((_, unpacker)) = incoming.senders.get_mut(&sender) {
                        unpacker.lost();
                    }
                }
                (Ok(Received::Packet(..) | Received::Lost(_)), Way::Out(_)) => {}
                (Ok(Received::Nothing(None)), _) => return,
                (Ok(Received::Nothing(Some(after))), _) => return cx.set_timer(PROTOCOL_TIMER, after),
                (Err(_), _) => return cx.set_timer(PROTOCOL_TIMER, ERROR_PAUSE),
            }
        }
        cx.again();
    }

    fn send(&mut self, cx: &mut SourceContext<'_>) {
        let Way::Out(packer) = &mut self.way else {
            self.pipe.drop_subscriptions();
            return self.pipe.finish_if_over(cx);
        };
        if self.limited {
            return;
        }
        for _ in 0..TURN_PACKETS {
            while packer.has_room()
                && let Some(frame) = self.pipe.reader.read()
            {
                if frame.flags & COMMAND != 0 {
                    continue;
                }
                packer.add(frame.flags, frame.data());
            }
            let Some(packet) = packer.packet() else { return self.pipe.finish_if_over(cx) };
            match self.socket.send(packet) {
                Ok(Sent::Whole) => self.pipe.count_sent(packer.sent()),
                // What OpenPGM does not want at all would only be in the way of what follows.
                Err(_) => self.pipe.lose(packer.sent()),
                Ok(Sent::NotYet(after)) => {
                    self.limited = true;
                    return cx.set_timer(RATE_TIMER, after);
                }
                // Its descriptor says when.
                Ok(Sent::Blocked) => return,
            }
        }
        cx.again();
    }
}

impl Incoming {
    fn packet(&mut self, sender: Sender, packet: &[u8]) {
        self.clock += 1;
        if !self.senders.contains_key(&sender) && self.senders.len() >= MAX_SENDERS {
            let oldest = self.senders.iter().min_by_key(|(_, (heard, _))| *heard).map(|(sender, _)| *sender);
            if let Some(oldest) = oldest {
                self.senders.remove(&oldest);
            }
        }
        let (heard, unpacker) = self.senders.entry(sender).or_default();
        *heard = self.clock;
        unpacker.packet(packet, self.limits, |message| self.waiting.push_back(message));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        match &self.way {
            Way::Out(packer) => self.pipe.lose_unsent(packer.unsent()),
            Way::In(incoming) => self.pipe.lose(incoming.waiting.len()),
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
        match id {
            timer::LINGER => cx.finish(),
            RATE_TIMER => {
                self.limited = false;
                self.send(cx);
            }
            _ => self.receive(cx),
        }
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
