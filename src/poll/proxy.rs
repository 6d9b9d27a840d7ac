//! `zmq_proxy`.

use super::with_waiter;
use crate::errno::Result;
use crate::message::{Msg, OutFrame};
use crate::options::SocketType;
use crate::options::number::ZMQ_TYPE;
use crate::socket::{DONTWAIT, Forwarded, Handle, POLLIN, POLLOUT};
use std::collections::VecDeque;

/// Messages that go one way before the proxy looks the other way, and for commands.
const BURST_MESSAGES: u64 = 1000;

/// Forwards whole messages from `frontend` to `backend` and back, and a copy of each to `capture`, until `control`
/// says TERMINATE (then `Ok`) or something fails. The two may be one socket, which then talks to itself.
///
/// A message is taken only when the other side has room for it, so high-water marks hold through the proxy; what waits
/// for room, or for a peer, costs no processor time. Nothing is forwarded while `capture` has no room for its copies.
///
/// Commands are PAUSE, RESUME, TERMINATE and STATISTICS; others are ignored. The answer to STATISTICS is eight
/// frames with a 64-bit number each, in the machine's byte order: messages and bytes received and sent by the
/// frontend, then by the backend. A REP socket answers everything else with an empty message.
///
/// Errors: `ETERM`; `ENOTSOCK` (also when one of them is closed meanwhile); `EINTR`; and any error of receiving and sending on
/// these sockets except `EAGAIN`. Source: zmq_proxy(3), zmq_proxy_steerable(3).
pub fn proxy(
    frontend: Handle,
    backend: Handle,
    capture: Option<Handle>,
    control: Option<Handle>,
) -> Result<()> {
    let mut proxy = Proxy {
        state: State::Active,
        requests: Direction::new(frontend, backend),
        replies: Direction::new(backend, frontend),
        capture,
        control,
        one_socket: frontend.address() == backend.address(),
    };
    with_waiter(|waiter| {
        // Known to all of them for as long as it runs: an event between a look and the sleep ends the sleep.
        for socket in [Some(frontend), Some(backend), control].into_iter().flatten() {
            waiter.attend(socket.address(), true, || socket.link())?;
        }
        if let Some(capture) = capture {
            waiter.attend(capture.address(), false, || capture.link())?;
        }
        loop {
            // Sleeps only if a turn finds nothing to do.
            waiter.until(-1, None, |_| proxy.turn().map(usize::from))?;
            if proxy.state == State::Terminated {
                return Ok(());
            }
        }
    })
}

struct Proxy {
    state: State,
    requests: Direction,
    replies: Direction,
    capture: Option<Handle>,
    control: Option<Handle>,
    one_socket: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Paused,
    Terminated,
}

/// One way through the proxy.
struct Direction {
    from: Handle,
    to: Handle,
    /// The frames of a message that was taken and not sent yet. Kept from turn to turn only where the room there
    /// was is gone again: its peer went away in between.
    frames: VecDeque<Msg>,
    /// Frames that the capture has not taken yet.
    copies: VecDeque<Msg>,
    messages: u64,
    bytes: u64,
}

impl Proxy {
    /// Looks after everything once. Whether there was anything to do: `false` only if all sockets said that there is
    /// nothing, so that they will wake the sleeper.
    fn turn(&mut self) -> Result<bool> {
        let mut done = false;
        if let Some(control) = self.control
            && has(control.events()?, POLLIN)
        {
            self.obey(control)?;
            done = true;
        }
        // Asked in every state: a paused proxy ends with its context, too.
        let frontend = self.requests.from.events()?;
        let backend = if self.one_socket { frontend } else { self.replies.from.events()? };
        if self.state == State::Active {
            done |= self.requests.turn(frontend, backend, self.capture)?;
            if !self.one_socket {
                done |= self.replies.turn(backend, frontend, self.capture)?;
            }
        }
        Ok(done)
    }

    fn obey(&mut self, control: Handle) -> Result<()> {
        let mut frames = VecDeque::new();
        if !receive(control, &mut frames)? {
            return Ok(());
        }
        match frames.front().map(Msg::data) {
            Some(b"STATISTICS") => return self.tell_statistics(control),
            Some(b"PAUSE") => self.state = State::Paused,
            Some(b"RESUME") => self.state = State::Active,
            Some(b"TERMINATE") => self.state = State::Terminated,
            _ => {}
        }
        if is_rep(control) {
            control.send(&mut OutFrame::bytes(b"", false), 0)?;
        }
        Ok(())
    }

    fn tell_statistics(&self, control: Handle) -> Result<()> {
        let (requests, replies) = (&self.requests, &self.replies);
        let mut left = [
            [requests.messages, requests.bytes],
            [replies.messages, replies.bytes],
            [replies.messages, replies.bytes],
            [requests.messages, requests.bytes],
        ]
        .into_iter()
        .flatten()
        .peekable();
        while let Some(number) = left.next() {
            control.send(&mut OutFrame::bytes(&number.to_ne_bytes(), left.peek().is_some()), 0)?;
        }
        Ok(())
    }
}

impl Direction {
    fn new(from: Handle, to: Handle) -> Direction {
        let (frames, copies) = (VecDeque::new(), VecDeque::new());
        Direction { from, to, frames, copies, messages: 0, bytes: 0 }
    }

    /// Forwards messages up to a burst, as far as there are any and there is room: whether it forwarded one. `from` and `to` are
    /// the events of the two sockets.
    fn turn(&mut self, from: i32, to: i32, capture: Option<Handle>) -> Result<bool> {
        if !self.flush_copies(capture)? {
            return Ok(false);
        }
        let is_room = has(to, POLLOUT);
        if !self.frames.is_empty() && (!is_room || !self.flush()?) {
            return Ok(false);
        }
        if !has(from, POLLIN) {
            return Ok(false);
        }
        let is_end =
            |capture: Handle| [self.from, self.to].iter().any(|end| end.address() == capture.address());
        if self.is_loop() || capture.is_some_and(is_end) {
            return self.one_by_one(capture);
        }
        if is_room { self.together(capture) } else { Ok(false) }
    }

    /// A turn between sockets that are different ones.
    fn together(&mut self, capture: Option<Handle>) -> Result<bool> {
        let Forwarded { messages, bytes, left, uncaptured } =
            self.from.forward(self.to, capture, BURST_MESSAGES)?;
        self.messages += messages;
        self.bytes += bytes;
        self.frames = left;
        self.copies = uncaptured;
        self.copies.extend(self.frames.iter_mut().map(Msg::copy));
        Ok(self.flush_copies(capture)? && (messages > 0 || !self.frames.is_empty()))
    }

    /// A turn where one socket is asked for two things. If it is both ends it may have room only once a message was
    /// taken from it: REP does.
    fn one_by_one(&mut self, capture: Option<Handle>) -> Result<bool> {
        for done in 0..BURST_MESSAGES {
            let is_room = self.is_loop() || has(self.to.events()?, POLLOUT);
            if !is_room || !receive(self.from, &mut self.frames)? {
                return Ok(done > 0);
            }
            if capture.is_some() {
                self.copies = self.frames.iter_mut().map(Msg::copy).collect();
            }
            if !self.flush_copies(capture)? {
                return Ok(false);
            }
            if !self.flush()? {
                break;
            }
        }
        Ok(true)
    }

    fn is_loop(&self) -> bool {
        self.from.address() == self.to.address()
    }

    /// Sends the frames that were taken: `false` if there is no room.
    fn flush(&mut self) -> Result<bool> {
        while let Some((bytes, more)) = send_first(self.to, &mut self.frames)? {
            self.bytes += bytes;
            self.messages += u64::from(!more);
        }
        Ok(self.frames.is_empty())
    }

    /// Sends the capture's copies: `false` if it has no room; its events will tell of room.
    fn flush_copies(&mut self, capture: Option<Handle>) -> Result<bool> {
        if let Some(capture) = capture {
            while send_first(capture, &mut self.copies)?.is_some() {}
        }
        Ok(self.copies.is_empty())
    }
}

/// Sends the first of these frames, and takes it out: its bytes, and whether more of its message are to come. `None` if there is
/// none, or no room.
fn send_first(to: Handle, frames: &mut VecDeque<Msg>) -> Result<Option<(u64, bool)>> {
    let Some(frame) = frames.front_mut() else { return Ok(None) };
    let (more, bytes) = (frame.more(), frame.len() as u64);
    match to.send(&mut OutFrame::msg(frame, more), DONTWAIT) {
        Ok(()) => {}
        Err(error) if error.would_block() => return Ok(None),
        Err(error) => return Err(error),
    }
    frames.pop_front();
    Ok(Some((bytes, more)))
}

/// Takes one whole message: `false` if there is none.
fn receive(from: Handle, frames: &mut VecDeque<Msg>) -> Result<bool> {
    loop {
        match from.recv(DONTWAIT, |frame| frame.take_msg()) {
            Ok(frame) => {
                let more = frame.more();
                frames.push_back(frame);
                if !more {
                    return Ok(true);
                }
            }
            // Messages come whole, so this is between two.
            Err(error) if error.would_block() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

fn has(events: i32, event: i32) -> bool {
    events & event != 0
}

fn is_rep(socket: Handle) -> bool {
    let mut value = [0; 4];
    socket.option(ZMQ_TYPE, &mut value).is_ok() && i32::from_ne_bytes(value) == SocketType::Rep as i32
}
