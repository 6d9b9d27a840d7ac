//! REQ: a request, then its reply, and so on (RFC 28).

use super::dealer::Dealer;
use super::{Behaviour, Origin, flag};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::SocketOptions;
use crate::options::number::{ZMQ_REQ_CORRELATE, ZMQ_REQ_RELAXED};
use crate::pipe::{PipeId, Pipes};
use crate::sys::random::number_or_0;

pub struct Req {
    dealer: Dealer,
    state: State,
    /// Where the reply has to come from. `None`: that pipe is gone, and any peer's reply will do.
    reply_pipe: Option<PipeId>,
    /// Number of the last request; sent along where `correlate` is set.
    request: u32,
    /// `ZMQ_REQ_CORRELATE`: requests and replies carry the request's number.
    correlate: bool,
    /// `ZMQ_REQ_RELAXED`: a new request may be sent instead of waiting for a reply.
    relaxed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next frame sent begins a request.
    Idle,
    /// The next frame sent belongs to the request begun.
    Requesting,
    /// The request was sent; nothing has come of its reply.
    Waiting,
    /// The frames before the reply's own have been taken.
    Opened,
    /// Some of the reply's own frames have been taken.
    Replying,
}

impl Req {
    pub fn new() -> Req {
        Req {
            dealer: Dealer::default(),
            state: State::Idle,
            reply_pipe: None,
            // Any start will do; a random one tells the requests of one run from those of another.
            request: number_or_0(),
            correlate: false,
            relaxed: false,
        }
    }

    fn may_send(&self) -> bool {
        self.relaxed || matches!(self.state, State::Idle | State::Requesting)
    }

    /// Sends what comes before a request, and its first frame: all of it or nothing.
    fn send_first(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        let sent = self.send_envelope(pipes).and_then(|()| {
            self.drop_old_replies(pipes);
            self.reply_pipe = self.dealer.out.inside();
            self.dealer.out.send_or_break(pipes, frame)
        });
        if sent.is_err() {
            self.dealer.out.rollback(pipes);
            self.reply_pipe = None;
        }
        sent
    }

    /// Replies to earlier requests that the program no longer asks for. Those that the budget does not reach count as what a peer
    /// sends unasked: the program takes only what has the form of a reply and comes from the peer that it has asked.
    fn drop_old_replies(&mut self, pipes: &mut Pipes) {
        while let Some(pipe) = self.dealer.queue.next(pipes) {
            self.dealer.queue.skip_message(pipes, pipe, Reason::Malformed);
        }
    }

    fn send_envelope(&mut self, pipes: &mut Pipes) -> Result<()> {
        let number = self.request.wrapping_add(1);
        if self.correlate {
            self.dealer.out.send(pipes, &mut OutFrame::bytes(&number.to_ne_bytes(), true))?;
        }
        self.dealer.out.send_or_break(pipes, &mut OutFrame::bytes(b"", true))?;
        self.request = number;
        Ok(())
    }

    /// The pipe that the next frame of the reply lies in. Messages from others are dropped.
    fn next(&mut self, pipes: &mut Pipes) -> Result<PipeId> {
        loop {
            let pipe = self.dealer.queue.next(pipes).ok_or(Errno::AGAIN)?;
            if self.reply_pipe.is_none_or(|reply_pipe| reply_pipe == pipe) {
                return Ok(pipe);
            }
            self.dealer.queue.skip_message(pipes, pipe, Reason::Malformed);
        }
    }

    /// Takes what comes before a reply's own frames. Messages that are no reply to the request are dropped, as far as the budget
    /// goes.
    fn open(&mut self, pipes: &mut Pipes) -> Result<()> {
        let number = self.request.to_ne_bytes();
        let envelope = [&number[..], b""];
        let expected = if self.correlate { &envelope[..] } else { &envelope[1..] };
        'message: loop {
            for &part in expected {
                let pipe = self.next(pipes)?;
                let frame = self.dealer.queue.take(pipes, pipe)?;
                let (more, bytes) = (frame.more(), frame.data().len());
                if !more || frame.data() != part {
                    drop(frame);
                    pipes.spend_frame(pipe, bytes);
                    if more {
                        self.dealer.queue.skip_message(pipes, pipe, Reason::Malformed);
                        continue 'message;
                    }
                    pipes.record.dropped(Reason::Malformed, 1);
                    if !pipes.budget.allows() {
                        return Err(Errno::AGAIN);
                    }
                    continue 'message;
                }
            }
            self.state = State::Opened;
            return Ok(());
        }
    }

    /// The pipe that the next of the reply's own frames lies in.
    fn next_own(&mut self, pipes: &mut Pipes) -> Result<PipeId> {
        match self.state {
            State::Idle | State::Requesting => return Err(Errno::FSM),
            State::Waiting => self.open(pipes)?,
            State::Opened | State::Replying => {}
        }
        self.next(pipes)
    }
}

impl Behaviour for Req {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.dealer.attach(pipes, pipe, origin);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.may_send() {
            return Err(Errno::FSM);
        }
        if !matches!(self.state, State::Idle | State::Requesting) {
            // The request before is given up, even if there is no peer for this one.
            self.state = State::Idle;
        }
        if self.state == State::Requesting {
            // A request that has lost its peer half way goes on as if nothing had happened. It gets no reply, as one whose peer
            // goes right after it.
            self.dealer.out.send(pipes, frame)?;
        } else {
            self.send_first(pipes, frame)?;
        }
        self.state = if frame.more() { State::Requesting } else { State::Waiting };
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.next_own(pipes)?;
        let frame = self.dealer.queue.take(pipes, pipe)?;
        self.state = if frame.more() { State::Replying } else { State::Idle };
        Ok(frame)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.next_own(pipes).is_ok()
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.may_send() && self.dealer.has_out(pipes)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.dealer.read_activated(pipes, pipe);
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.dealer.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.dealer.hiccuped(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.state == State::Opened && self.dealer.queue.inside() == Some(pipe) {
            // Nothing of the reply has been seen: as if it had not come.
            self.dealer.queue.forget();
            self.state = State::Waiting;
        }
        if self.reply_pipe == Some(pipe) {
            self.reply_pipe = None;
        }
        self.dealer.terminated(pipes, pipe);
    }

    fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            ZMQ_REQ_CORRELATE => Some(flag(value).map(|yes| self.correlate = yes)),
            ZMQ_REQ_RELAXED => Some(flag(value).map(|yes| self.relaxed = yes)),
            _ => self.dealer.set_option(pipes, options, option, value),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::{ZMQ_REQ_CORRELATE, ZMQ_REQ_RELAXED};
    use crate::pattern::testing::Bench;

    #[test]
    fn requests_and_replies_alternate() {
        let mut bench = Bench::new(SocketType::Req);
        assert_eq!(bench.try_recv(), Err(Errno::FSM));
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        let (mut one, mut two) = (bench.connect(), bench.connect());
        for (peer, round) in [(&mut one, "1"), (&mut two, "2")] {
            assert!(bench.has_out() && !bench.has_in());
            bench.send(&["a", round]).unwrap();
            assert_eq!(peer.recv_all(), [format!("|a|{round}")]);
            assert!(!bench.has_out());
            assert_eq!(bench.send(&["too soon"]), Err(Errno::FSM));
            assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
            peer.send(&["", "b", round]);
            assert!(bench.has_in());
            assert_eq!(bench.recv_frame().unwrap(), ("b".into(), true));
            assert_eq!(bench.send(&["too soon"]), Err(Errno::FSM));
            assert_eq!(bench.recv(), [round]);
            assert_eq!(bench.try_recv(), Err(Errno::FSM));
        }
    }

    #[test]
    fn only_a_well_formed_reply_from_the_peer_asked_counts() {
        let mut bench = Bench::new(SocketType::Req);
        let (mut asked, mut other) = (bench.connect(), bench.connect());
        other.send(&["", "before the request"]);
        bench.send(&["x"]).unwrap();
        other.send(&["", "not asked"]);
        for malformed in [&["no delimiter"][..], &["filled", "y"], &[""], &["a", "", "y"]] {
            asked.send(malformed);
            assert!(!bench.has_in());
        }
        asked.send(&["", "y"]);
        asked.send(&["", "a second reply"]);
        assert_eq!(bench.recv(), ["y"]);
        bench.send(&["to the other"]).unwrap();
        assert_eq!(other.recv(), ["", "to the other"]);
        other.send(&["", "z"]);
        assert_eq!(bench.recv(), ["z"]);
    }

    #[test]
    fn a_relaxed_socket_may_ask_again_and_a_number_tells_the_replies_apart() {
        let mut bench = Bench::new(SocketType::Req);
        bench.set(ZMQ_REQ_RELAXED, 1);
        bench.set(ZMQ_REQ_CORRELATE, 1);
        let mut peer = bench.connect();
        let mut numbers = Vec::new();
        for text in ["first", "second"] {
            bench.send(&[text]).unwrap();
            numbers.push(peer.pipe.read().unwrap().data().to_vec());
            assert_eq!(peer.recv(), ["", text]);
        }
        for number in &numbers {
            peer.write(number, true);
            peer.send(&["", if number == &numbers[0] { "late" } else { "right" }]);
        }
        peer.send(&["", "without a number"]);
        assert_eq!(bench.recv(), ["right"]);
        // Asking again in the middle of a reply gives up the rest of it.
        bench.send(&["third"]).unwrap();
        let number = peer.pipe.read().unwrap().data().to_vec();
        peer.write(&number, true);
        peer.send(&["", "1", "2"]);
        assert_eq!(bench.recv_frame().unwrap().0, "1");
        bench.send(&["fourth"]).unwrap();
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }

    #[test]
    fn when_the_peer_asked_goes_any_may_reply() {
        let mut bench = Bench::new(SocketType::Req);
        let asked = bench.connect();
        bench.send(&["x"]).unwrap();
        drop(asked);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        assert_eq!(bench.send(&["x"]), Err(Errno::FSM));
        let mut other = bench.connect();
        other.send(&["", "y"]);
        assert_eq!(bench.recv(), ["y"]);
    }

    #[test]
    fn a_request_that_loses_its_peer_half_way_vanishes() {
        let mut bench = Bench::new(SocketType::Req);
        let peer = bench.connect();
        bench.send_frame("half", true).unwrap();
        drop(peer);
        let mut other = bench.connect();
        bench.send_frame("rest", false).unwrap();
        assert_eq!(other.recv_all(), [""; 0]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN), "it waits as for any lost request");
    }

    #[test]
    fn a_peer_found_closed_does_not_swallow_the_request() {
        let mut bench = Bench::new(SocketType::Req);
        let (closed, mut open) = (bench.connect(), bench.connect());
        drop(closed);
        let mut frame = crate::message::OutFrame::bytes(b"x", false);
        bench.pattern.send(&mut bench.pipes, &mut frame).unwrap();
        assert_eq!(open.recv(), ["", "x"]);
    }

    #[test]
    fn a_reply_whose_pipe_closes_before_it_is_seen_has_not_come() {
        let mut bench = Bench::new(SocketType::Req);
        let mut peer = bench.connect();
        bench.send(&["x"]).unwrap();
        peer.recv();
        peer.send(&["", "y"]);
        assert!(bench.has_in());
        bench.pipes.terminate(peer.id);
        assert!(!bench.has_in());
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }

    #[test]
    fn relaxed_request_without_a_peer_gives_up_the_one_before() {
        let mut bench = Bench::new(SocketType::Req);
        bench.set(ZMQ_REQ_RELAXED, 1);
        let peer = bench.connect();
        bench.send(&["first"]).unwrap();
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        drop(peer);
        bench.settle();
        assert_eq!(bench.send(&["second"]), Err(Errno::AGAIN));
        assert_eq!(bench.try_recv(), Err(Errno::FSM));
    }
}
