//! REP: a request, then its reply, and so on (RFC 28).

use super::router::Router;
use super::{Behaviour, Origin};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, Msg, OutFrame};
use crate::options::SocketOptions;
use crate::pipe::{PipeId, Pipes};

pub struct Rep {
    router: Router,
    state: State,
    /// Where the reply goes. `None`: that pipe is gone, and the reply is dropped.
    reply_pipe: Option<PipeId>,
    /// The frames before the request's own, up to and with the empty one; they go back before the reply's.
    envelope: Vec<Msg>,
}

/// Labels of a request: each router on its way adds one. A request with more is dropped, as they all go back at once before the reply.
const MAX_LABELS: usize = 1024;
/// Room for labels that is kept for the next request.
const KEPT_LABELS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No request.
    Idle,
    /// The frames before the request's own have been taken.
    Opened,
    /// Some of the request's own frames have been taken.
    Receiving,
    /// The request was taken; the next frame sent begins the reply.
    Replying,
    /// The next frame sent belongs to the reply begun.
    Sending,
}

impl Rep {
    pub fn new() -> Rep {
        Rep { router: Router::new(), state: State::Idle, reply_pipe: None, envelope: Vec::new() }
    }

    /// Takes what comes before a request's own frames. Messages that are no request are dropped. Where the budget ends inside
    /// an envelope, the next call goes on with it.
    fn open(&mut self, pipes: &mut Pipes) -> Result<()> {
        loop {
            let pipe = self.router.next(pipes).ok_or(Errno::AGAIN)?;
            if self.router.queue.inside().is_none() {
                self.forget_envelope();
            }
            if self.take_envelope(pipes, pipe)? {
                self.reply_pipe = Some(pipe);
                self.state = State::Opened;
                return Ok(());
            }
        }
    }

    /// Whether the message had an empty frame, and more behind it. Errors: `EAGAIN` at the end of the budget; `ENOMEM`, with the
    /// message dropped.
    fn take_envelope(&mut self, pipes: &mut Pipes, pipe: PipeId) -> Result<bool> {
        loop {
            if !pipes.budget.allows() {
                return Err(Errno::AGAIN);
            }
            let frame = self.router.queue.recv(pipes)?;
            let (more, bytes) = (frame.more(), frame.data().len());
            let bottom = bytes == 0;
            let is_too_deep = !bottom && self.envelope.len() >= MAX_LABELS;
            let room = self.envelope.try_reserve(1).map_err(|_| Errno::NOMEM);
            let label = (more && !is_too_deep).then(|| room.and_then(|()| frame.into_msg()));
            pipes.spend_frame(pipe, bytes);
            let Some(label) = label else {
                self.forget_envelope();
                if more {
                    self.router.queue.skip_message(pipes, pipe, Reason::Malformed);
                } else {
                    pipes.record.dropped(Reason::Malformed, 1);
                }
                return Ok(false);
            };
            match label {
                Ok(label) => self.envelope.push(label),
                Err(errno) => {
                    self.forget_envelope();
                    self.router.queue.skip_message(pipes, pipe, Reason::Malformed);
                    return Err(errno);
                }
            }
            if bottom {
                return Ok(true);
            }
        }
    }

    /// The request is dropped, or has its reply.
    fn forget_envelope(&mut self) {
        self.envelope.clear();
        if self.envelope.capacity() > KEPT_LABELS {
            self.envelope = Vec::new();
        }
    }

    /// Writes to the peer that asked. A peer without credit, or gone, misses the reply. Errors: `ENOMEM`, with nothing
    /// written.
    fn reply(&mut self, pipes: &mut Pipes, pipe: PipeId, frame: &mut OutFrame<'_>) -> Result<()> {
        let first = self.state == State::Replying;
        let written = self.write(pipes, pipe, frame);
        if written != Ok(true) && (first || written.is_ok()) {
            pipes.rollback(pipe);
        }
        if !written? {
            // A message's later frames need no credit.
            let is_full = first && pipes.is_open(pipe);
            pipes.record.dropped(if is_full { Reason::HighWaterMark } else { Reason::Disconnected }, 1);
            self.reply_pipe = None;
        } else if !frame.more() {
            pipes.flush(pipe);
        }
        Ok(())
    }

    fn write(&mut self, pipes: &mut Pipes, pipe: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        if self.state == State::Replying {
            let mut is_first = true;
            for label in &mut self.envelope {
                let label = &mut OutFrame::msg(label, true);
                let is_first = std::mem::take(&mut is_first);
                let written =
                    if is_first { pipes.write_first(pipe, label) } else { pipes.write_rest(pipe, label) };
                if !written? {
                    return Ok(false);
                }
            }
        }
        // An envelope has its last label at least.
        pipes.write_rest(pipe, frame)
    }
}

impl Behaviour for Rep {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.router.attach(pipes, pipe, origin);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !matches!(self.state, State::Replying | State::Sending) {
            return Err(Errno::FSM);
        }
        if let Some(pipe) = self.reply_pipe {
            self.reply(pipes, pipe, frame)?;
        } else if self.state == State::Replying {
            pipes.record.dropped(Reason::Disconnected, 1);
        }
        if self.state == State::Replying {
            self.forget_envelope();
        }
        self.state = if frame.more() { State::Sending } else { State::Idle };
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        match self.state {
            State::Replying | State::Sending => return Err(Errno::FSM),
            State::Idle => self.open(pipes)?,
            State::Opened | State::Receiving => {}
        }
        let frame = self.router.queue.recv(pipes)?;
        self.state = if frame.more() { State::Receiving } else { State::Replying };
        Ok(frame)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        match self.state {
            State::Replying | State::Sending => false,
            State::Opened | State::Receiving => true,
            State::Idle => self.open(pipes).is_ok(),
        }
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // A reply that cannot be sent is dropped.
        matches!(self.state, State::Replying | State::Sending)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.router.read_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.state == State::Sending && self.reply_pipe == Some(pipe) {
            // The peer has lost the first frames.
            pipes.record.dropped(Reason::Disconnected, 1);
            self.reply_pipe = None;
        }
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.router.peer_closed(pipes, pipe);
    }

    fn is_promised(&self, pipe: PipeId) -> bool {
        self.router.is_promised(pipe)
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.reply_pipe == Some(pipe) {
            self.reply_pipe = None;
            if self.state == State::Sending {
                pipes.record.dropped(Reason::Disconnected, 1);
            }
            if self.state == State::Opened {
                // Nothing of the request has been seen: as if it had not come.
                self.router.queue.forget();
                self.forget_envelope();
                self.state = State::Idle;
            }
        }
        self.router.terminated(pipes, pipe);
    }

    fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        self.router.set_option(pipes, options, option, value)
    }

    fn take_connect_id(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        self.router.take_connect_id(pipes)
    }

    fn can_reach(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<bool> {
        self.router.can_reach(pipes, routing_id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::{KEPT_LABELS, MAX_LABELS, Rep};
    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::Pattern;
    use crate::pattern::testing::{Bench, Peer};

    #[test]
    fn the_way_back_is_the_way_it_came() {
        let mut bench = Bench::new(SocketType::Rep);
        assert_eq!(bench.send(&["no"]), Err(Errno::FSM));
        let (mut one, mut two) = (bench.connect_as(""), bench.connect_as(""));
        one.send(&["hop", "", "a", "b"]);
        bench.settle();
        two.send(&["", "c"]);
        for (peer, request, reply) in [(&mut one, vec!["a", "b"], "hop||x|y"), (&mut two, vec!["c"], "|x|y")]
        {
            assert!(bench.has_in() && !bench.has_out());
            assert_eq!(bench.recv(), request);
            assert!(!bench.has_in() && bench.has_out());
            assert_eq!(bench.try_recv(), Err(Errno::FSM));
            bench.send_frame("x", true).unwrap();
            assert_eq!(bench.try_recv(), Err(Errno::FSM));
            bench.send_frame("y", false).unwrap();
            assert_eq!(peer.recv_all(), [reply]);
        }
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }

    #[test]
    fn malformed_request_is_passed_over() {
        let mut bench = Bench::new(SocketType::Rep);
        let mut peer = bench.connect_as("");
        peer.send(&["no delimiter"]);
        peer.send(&["still", "none"]);
        peer.send(&[""]);
        assert!(!bench.has_in());
        peer.send(&["", "request"]);
        assert_eq!(bench.recv(), ["request"]);
        bench.send(&["reply"]).unwrap();
        assert_eq!(peer.recv_all(), ["|reply"]);
    }

    #[test]
    fn reply_without_a_peer_is_dropped() {
        let mut bench = Bench::new(SocketType::Rep);
        let mut gone = bench.connect_as("");
        gone.send(&["", "a"]);
        assert_eq!(bench.recv(), ["a"]);
        drop(gone);
        bench.send(&["x"]).unwrap();
        // A peer that does not read its replies.
        let mut full = bench.connect_with(1, |pipe| {
            pipe.write_routing_id(b"").unwrap();
            pipe.flush();
        });
        for reply in ["1", "2"] {
            full.send(&["", "b"]);
            assert_eq!(bench.recv(), ["b"]);
            bench.send(&[reply, "end"]).unwrap();
        }
        assert_eq!(full.recv_all(), ["|1|end"]);
    }

    #[test]
    fn a_reply_cut_short_is_not_sent() {
        let mut bench = Bench::new(SocketType::Rep);
        let mut peer = bench.connect_as("");
        peer.send(&["", "a"]);
        assert_eq!(bench.recv(), ["a"]);
        bench.send_frame("half", true).unwrap();
        drop(peer);
        bench.send_frame("rest", false).unwrap();
        let mut peer = bench.connect_as("");
        peer.send(&["", "b"]);
        assert_eq!(bench.recv(), ["b"]);
    }

    #[test]
    fn a_request_whose_pipe_closes_before_it_is_seen_has_not_come() {
        let mut bench = Bench::new(SocketType::Rep);
        let mut peer = bench.connect_as("");
        peer.send(&["", "lost"]);
        assert!(bench.has_in());
        bench.pipes.terminate(peer.id);
        assert!(!bench.has_in());
        let mut other = bench.connect_as("");
        other.send(&["", "a"]);
        assert_eq!(bench.recv(), ["a"]);
        // In the middle it ends in an empty frame, and the reply goes nowhere.
        bench.send(&["x"]).unwrap();
        other.send(&["", "1", "2"]);
        assert_eq!(bench.recv_frame().unwrap().0, "1");
        bench.pipes.terminate(other.id);
        assert_eq!(bench.recv(), [""]);
        bench.send(&["to no peer"]).unwrap();
    }

    fn rep(bench: &Bench) -> &Rep {
        match &bench.pattern {
            Pattern::Rep(rep) => rep,
            _ => panic!("no REP"),
        }
    }

    /// A request with this number of labels before the empty frame.
    fn ask(peer: &mut Peer, labels: usize) {
        (0..labels).for_each(|_| peer.write(b"l", true));
        peer.send(&["", "request"]);
    }

    #[test]
    fn a_request_with_too_many_labels_is_dropped_and_takes_no_memory() {
        let mut bench = Bench::new(SocketType::Rep);
        bench.units = 256;
        let mut peer = bench.connect_as("");
        ask(&mut peer, 50_000);
        peer.send(&["", "behind"]);
        let mut most = 0;
        while !bench.has_in() {
            most = most.max(rep(&bench).envelope.capacity());
        }
        assert!(most <= 2 * MAX_LABELS, "{most}");
        assert_eq!(bench.recv(), ["behind"]);
        assert_eq!(bench.send(&["reply"]), Ok(()));
        assert_eq!(peer.recv_all(), ["|reply"]);
    }

    #[test]
    fn a_request_with_many_labels_is_answered_and_they_are_let_go_of() {
        let mut bench = Bench::new(SocketType::Rep);
        let mut peer = bench.connect_as("");
        ask(&mut peer, MAX_LABELS);
        assert_eq!(bench.recv(), ["request"]);
        bench.send(&["reply"]).unwrap();
        assert_eq!(peer.recv_all(), [["l"; MAX_LABELS].join("|") + "||reply"]);
        assert!(rep(&bench).envelope.capacity() <= KEPT_LABELS);
        ask(&mut peer, 1);
        assert_eq!(bench.recv(), ["request"]);
        bench.send(&["reply"]).unwrap();
        assert!(rep(&bench).envelope.is_empty() && rep(&bench).envelope.capacity() > 0, "kept for the next");
    }
}
