//! ROUTER: the first frame of every message names the peer (RFC 28).

mod naming;

use super::dealer::send_probe;
use super::fair_queue::FairQueue;
use super::{Behaviour, Origin, flag, set_common};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::SocketOptions;
use crate::options::draft_number::ZMQ_ROUTER_NOTIFY;
use crate::options::number::{
    ZMQ_CONNECT_ROUTING_ID, ZMQ_PROBE_ROUTER, ZMQ_ROUTER_HANDOVER, ZMQ_ROUTER_MANDATORY, ZMQ_ROUTER_RAW,
};
use crate::pipe::{PipeId, Pipes, ReaderTurns};
use naming::{Naming, Unnamed};

pub struct Router {
    pub(super) queue: FairQueue,
    naming: Naming,
    /// The rest of the message being sent goes to this pipe; without one it is dropped.
    out: Option<PipeId>,
    /// The next frame sent is not a routing id.
    inside: bool,
    mandatory: bool,
    probe_router: bool,
}

impl Router {
    pub fn new() -> Router {
        Router {
            queue: FairQueue::default(),
            naming: Naming::new(),
            out: None,
            inside: false,
            mandatory: false,
            probe_router: false,
        }
    }

    /// The pipe to take the next frame from.
    pub(super) fn next(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        self.queue.next(pipes)
    }

    /// Names a pipe if that can be done by now, and reads from it then.
    fn identify(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        if self.naming.identify(pipes, pipe, origin) {
            self.queue.attach(pipe);
        }
    }

    /// The peer that has waited for the name of one that has gone is read from now on.
    fn pass_name_on(&mut self, pipes: &mut Pipes, gone: PipeId) {
        if let Some(heir) = self.naming.pass_on(pipes, gone) {
            self.queue.attach(heir);
            // The program has not been told of what came before.
            pipes.budget.leave_undone();
        }
    }

    /// The pipe of the peer so named; `None`: the message is to be dropped.
    fn route(&mut self, pipes: &mut Pipes, routing_id: &[u8]) -> Result<Option<PipeId>> {
        match self.naming.routes.find_next(pipes, routing_id) {
            Some(pipe) if pipes.check_write_first(pipe) => Ok(Some(pipe)),
            found if !self.mandatory => {
                let is_full = found.is_some_and(|pipe| pipes.is_open(pipe));
                let reason = if is_full { Reason::HighWaterMark } else { Reason::Unroutable };
                pipes.record.dropped(reason, 1);
                Ok(None)
            }
            Some(pipe) if pipes.is_open(pipe) => Err(Errno::AGAIN),
            _ => Err(Errno::HOSTUNREACH),
        }
    }

    fn send_to(&mut self, pipes: &mut Pipes, pipe: PipeId, frame: &mut OutFrame<'_>) -> Result<()> {
        if self.naming.raw && frame.data().is_empty() {
            // The way to close a raw connection.
            pipes.terminate(pipe);
            self.out = None;
        } else if !pipes.write_rest(pipe, frame)? {
            pipes.record.dropped(Reason::Disconnected, 1);
            pipes.rollback(pipe);
            self.out = None;
        } else if !frame.more() {
            pipes.flush(pipe);
            self.out = None;
        }
        Ok(())
    }
}

impl Behaviour for Router {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        if self.probe_router {
            send_probe(pipes, pipe);
        }
        self.identify(pipes, pipe, origin);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            // A message of a routing id alone goes nowhere.
            if frame.more() {
                self.out = self.route(pipes, frame.data())?;
                self.inside = true;
            } else {
                pipes.record.dropped(Reason::Malformed, 1);
            }
            return Ok(());
        }
        let more = frame.more();
        if self.naming.raw {
            frame.set_more(false);
        }
        if let Some(pipe) = self.out
            && let Err(errno) = self.send_to(pipes, pipe, frame)
        {
            frame.set_more(more);
            return Err(errno);
        }
        self.inside = frame.more();
        Ok(())
    }

    #[inline]
    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.next(pipes).ok_or(Errno::AGAIN)?;
        if self.queue.inside().is_none() {
            self.queue.begin(pipes, pipe);
            return pipes.routing_id_frame(pipe).ok_or(Errno::AGAIN);
        }
        self.queue.take(pipes, pipe)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        let Some(pipe) = self.next(pipes) else { return false };
        self.queue.announce(pipes, pipe);
        true
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        // What cannot be sent is dropped, unless the program wants to know.
        if !self.mandatory || self.inside {
            return true;
        }
        let mut turns = ReaderTurns::default();
        let mut has_room = |pipe| pipes.check_write(pipe) || pipes.check_write_again(pipe, &mut turns);
        self.naming.routes.pipes().any(&mut has_room)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        match self.naming.lack(pipe) {
            Some(Unnamed::Waiting) => self.identify(pipes, pipe, Origin::Accepted),
            Some(Unnamed::Duplicate) => {}
            None => self.queue.activated(pipe),
        }
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.out == Some(pipe) {
            // The peer has lost the first frames.
            pipes.record.dropped(Reason::Disconnected, 1);
            self.out = None;
        }
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.naming.lack(pipe) == Some(Unnamed::Duplicate) {
            return pipes.terminate(pipe);
        }
        self.read_activated(pipes, pipe);
        pipes.check_read(pipe);
        self.pass_name_on(pipes, pipe);
    }

    fn is_promised(&self, pipe: PipeId) -> bool {
        self.queue.inside() == Some(pipe) || self.queue.announced(pipe)
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if !self.naming.forget(pipes, pipe) {
            return;
        }
        self.queue.terminated(pipe);
        if self.out == Some(pipe) {
            pipes.record.dropped(Reason::Disconnected, 1);
            self.out = None;
        }
        self.pass_name_on(pipes, pipe);
    }

    fn set_option(
        &mut self,
        _: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        Some(match option {
            ZMQ_ROUTER_MANDATORY => flag(value).map(|yes| self.mandatory = yes),
            ZMQ_PROBE_ROUTER => flag(value).map(|yes| {
                self.probe_router = yes;
                options.probe_router = yes;
            }),
            ZMQ_ROUTER_HANDOVER => flag(value).map(|yes| self.naming.handover = yes),
            ZMQ_ROUTER_RAW => flag(value).map(|yes| {
                self.naming.raw = yes;
                if yes {
                    options.recv_routing_id = false;
                    options.raw_socket = true;
                }
            }),
            ZMQ_ROUTER_NOTIFY => set_common(options, option, value),
            ZMQ_CONNECT_ROUTING_ID => self.naming.routes.set_connect_id(value),
            _ => return None,
        })
    }

    fn take_connect_id(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        self.naming.routes.take_connect_id(pipes)
    }

    fn find_peer(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        self.naming.routes.find_open(pipes, routing_id)
    }

    fn can_reach(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<bool> {
        let pipe = self.naming.routes.find_open(pipes, routing_id)?;
        Ok(pipes.check_hwm(pipe))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::message::Metadata;
    use crate::options::SocketType;
    use crate::options::draft_number::ZMQ_ROUTER_NOTIFY;
    use crate::options::number::*;
    use crate::pattern::testing::Bench;
    use std::sync::Arc;

    #[test]
    fn messages_carry_the_name_of_their_peer() {
        let mut bench = Bench::new(SocketType::Router);
        let (mut a, mut b) = (bench.connect_as("a"), bench.connect_as("b"));
        a.send(&["1", "2"]);
        assert!(bench.has_in());
        assert_eq!(bench.recv(), ["a", "1", "2"]);
        b.send(&["", "3"]);
        assert_eq!(bench.recv(), ["b", "", "3"]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        bench.send(&["b", "to", "b"]).unwrap();
        bench.send(&["a", ""]).unwrap();
        bench.send(&["b", "again"]).unwrap();
        assert_eq!(a.recv_all(), [""]);
        assert_eq!(b.recv_all(), ["to|b", "again"]);
    }

    #[test]
    fn a_peer_that_is_disconnected_is_heard_to_its_last_message_and_its_name_is_free() {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_ROUTER_MANDATORY, 1);
        let (mut a, mut b) = (bench.connect_as("a"), bench.connect_as("b"));
        a.send(&["1"]);
        a.send(&["2"]);
        bench.settle();
        let found = bench.pattern.find_peer(&bench.pipes, b"a").unwrap();
        assert_eq!(found, a.id);
        bench.pipes.disconnect(found);
        assert!(!a.is_open() && b.is_open());
        assert_eq!(bench.pattern.find_peer(&bench.pipes, b"a"), Err(Errno::HOSTUNREACH));
        assert_eq!(bench.pattern.find_peer(&bench.pipes, b"none"), Err(Errno::HOSTUNREACH));
        assert_eq!(bench.send(&["a", "x"]), Err(Errno::HOSTUNREACH));
        let mut again = bench.connect_as("a");
        bench.send(&["a", "y"]).unwrap();
        assert_eq!(again.recv_all(), ["y"]);
        b.send(&["from b"]);
        let mut received: Vec<_> = (0..3).map(|_| bench.recv().join("|")).collect();
        received.sort();
        assert_eq!(received, ["a|1", "a|2", "b|from b"]);
        drop(a);
        bench.settle();
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        assert_eq!(bench.pattern.find_peer(&bench.pipes, b"a"), Ok(again.id));
    }

    #[test]
    fn a_message_that_was_announced_comes_first_and_passes_the_turn_on_at_once() {
        let mut bench = Bench::new(SocketType::Router);
        let (mut a, mut b) = (bench.connect_as("a"), bench.connect_as("b"));
        assert!(!bench.has_in());
        b.send(&["1"]);
        assert!(bench.has_in());
        // With no other peer awake, the turn comes round to "b" again, before "a".
        a.send(&["2"]);
        b.send(&["3"]);
        bench.settle();
        assert_eq!(bench.recv(), ["b", "1"]);
        assert_eq!(bench.recv(), ["b", "3"]);
        assert_eq!(bench.recv(), ["a", "2"]);
    }

    #[test]
    fn undeliverable_message_is_dropped_unless_mandatory() {
        let mut bench = Bench::new(SocketType::Router);
        let mut peer = bench.connect_with(1, |pipe| {
            pipe.write_routing_id(b"p").unwrap();
            pipe.flush();
        });
        bench.send(&["no peer", "x", "y"]).unwrap();
        bench.send(&["alone"]).unwrap();
        bench.send(&["p", "1"]).unwrap();
        bench.send(&["p", "2"]).unwrap();
        assert_eq!(peer.recv_all(), ["1"]);
        bench.set(ZMQ_ROUTER_MANDATORY, 1);
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"p"), Ok(true));
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"q"), Err(Errno::HOSTUNREACH));
        bench.send(&["p", "3"]).unwrap();
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"p"), Ok(false));
        assert_eq!(bench.send(&["p", "4"]), Err(Errno::AGAIN));
        assert!(!bench.has_out());
        assert_eq!(bench.send(&["no peer", "x"]), Err(Errno::HOSTUNREACH));
        assert_eq!(peer.recv_all(), ["3"]);
        assert!(bench.has_out());
        bench.send(&["p", "4"]).unwrap();
        drop(peer);
        assert_eq!(bench.send(&["p", "5"]), Err(Errno::HOSTUNREACH));
    }

    #[test]
    fn a_peer_that_goes_in_a_message_misses_it() {
        let mut bench = Bench::new(SocketType::Router);
        let peer = bench.connect_as("p");
        bench.send_frame("p", true).unwrap();
        bench.send_frame("1", true).unwrap();
        drop(peer);
        bench.send_frame("2", true).unwrap();
        let mut peer = bench.connect_as("p");
        bench.send_frame("3", false).unwrap();
        bench.send(&["p", "4"]).unwrap();
        assert_eq!(peer.recv_all(), ["4"]);
    }

    #[test]
    fn a_raw_router_needs_no_names_and_closes_on_an_empty_frame() {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_ROUTER_RAW, 1);
        assert!(bench.options.raw_socket && !bench.options.recv_routing_id);
        let mut peer = bench.connect();
        peer.send(&["bytes"]);
        bench.settle();
        let id = bench.pattern.recv(&mut bench.pipes).unwrap().data().to_vec();
        assert_eq!(bench.recv(), ["bytes"]);
        let mut send = |data: &[u8]| {
            let mut frame = crate::message::OutFrame::bytes(data, true);
            bench.pattern.send(&mut bench.pipes, &mut frame).unwrap();
        };
        send(&id);
        send(b"answer");
        assert_eq!(peer.recv(), ["answer"]);
        send(&id);
        send(b"");
        assert!(!peer.is_open());
    }

    #[test]
    fn a_message_cut_off_by_closing_its_pipe_ends() {
        let mut bench = Bench::new(SocketType::Router);
        let mut peer = bench.connect_as("p");
        peer.send(&["lost"]);
        assert_eq!(bench.recv_frame().unwrap(), ("p".into(), true));
        bench.pipes.terminate(peer.id);
        assert_eq!(bench.recv(), [""]);
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
    }

    #[test]
    fn the_name_comes_with_the_properties_of_its_message() {
        let mut bench = Bench::new(SocketType::Router);
        let peer = bench.connect_as("p");
        let (_reader, mut writer, _end) = peer.pipe.into_parts();
        let metadata = Arc::new(Metadata::new([("Peer-Address".to_string(), b"here".to_vec())]));
        writer.append_properties(metadata.clone()).unwrap();
        writer.append(&mut crate::message::OutFrame::bytes(b"x", false)).unwrap();
        writer.flush();
        bench.settle();
        for _ in 0..2 {
            let frame = bench.pattern.recv(&mut bench.pipes).unwrap();
            assert!(Arc::ptr_eq(frame.metadata.unwrap(), &metadata));
        }
    }

    #[test]
    fn a_probe_and_the_common_options() {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_PROBE_ROUTER, 1);
        assert_eq!(bench.connect().recv_all(), [""]);
        bench.set(ZMQ_ROUTER_NOTIFY, 3);
        assert_eq!(bench.options.router_notify, 3);
        assert_eq!(bench.set_bytes(ZMQ_ROUTER_NOTIFY, &4i32.to_ne_bytes()), Err(Errno::INVAL));
    }
}
