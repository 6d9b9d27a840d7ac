//! ROUTER: the first frame of every message names the peer (RFC 28).

use super::dealer::send_probe;
use super::fair_queue::FairQueue;
use super::routes::Routes;
use super::{Behaviour, Origin, flag, set_common};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{COMMAND, Frame, OutFrame, ROUTING_ID};
use crate::options::SocketOptions;
use crate::options::draft_number::ZMQ_ROUTER_NOTIFY;
use crate::options::number::{
    ZMQ_CONNECT_ROUTING_ID, ZMQ_PROBE_ROUTER, ZMQ_ROUTER_HANDOVER, ZMQ_ROUTER_MANDATORY, ZMQ_ROUTER_RAW,
};
use crate::pipe::{PipeId, Pipes};
use slotmap::SecondaryMap;

pub struct Router {
    pub(super) queue: FairQueue,
    routes: Routes,
    /// Pipes that are not read from, and why.
    unnamed: SecondaryMap<PipeId, Unnamed>,
    /// The rest of the message being sent goes to this pipe; without one it is dropped.
    out: Option<PipeId>,
    /// The next frame sent is not a routing id.
    inside: bool,
    mandatory: bool,
    raw: bool,
    probe_router: bool,
    handover: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    /// Its routing id has not come yet.
    Waiting,
    /// Its routing id is another's.
    Duplicate,
}

impl Router {
    pub fn new() -> Router {
        Router {
            queue: FairQueue::default(),
            routes: Routes::new(),
            unnamed: SecondaryMap::new(),
            out: None,
            inside: false,
            mandatory: false,
            raw: false,
            probe_router: false,
            handover: false,
        }
    }

    /// The pipe to take the next frame from.
    pub(super) fn next(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        self.queue.next(pipes)
    }

    /// Names a pipe if that can be done by now.
    fn identify(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        let assigned = self.routes.assigned(pipes, pipe);
        let given = if origin == Origin::Connected { self.routes.take_connect_id() } else { None };
        let state = match assigned.or(given) {
            Some(routing_id) => Ok(routing_id),
            None if self.raw => Ok(self.routes.make_up()),
            None => self.read_routing_id(pipes, pipe),
        };
        match state {
            Ok(routing_id) => {
                self.unnamed.remove(pipe);
                self.routes.add(pipes, pipe, routing_id);
                self.queue.attach(pipe);
            }
            Err(unnamed) => {
                self.unnamed.insert(pipe, unnamed);
            }
        }
    }

    /// The name that the peer has given itself, or one made up for it.
    fn read_routing_id(&mut self, pipes: &mut Pipes, pipe: PipeId) -> std::result::Result<Vec<u8>, Unnamed> {
        loop {
            let flags = pipes.next_flags(pipe).ok_or(Unnamed::Waiting)?;
            if flags & ROUTING_ID != 0 {
                break;
            }
            if flags & COMMAND == 0 {
                // A message: the peer will not name itself any more.
                return Ok(self.routes.make_up());
            }
            drop(pipes.read(pipe));
        }
        let routing_id = pipes.read(pipe).map(|frame| frame.data().to_vec()).unwrap_or_default();
        if routing_id.is_empty() {
            return Ok(self.routes.make_up());
        }
        // A closed pipe, of which messages are still to be read, does not need its name for anything else.
        if let Some(holder) = self.routes.find(&routing_id).filter(|&pipe| pipes.is_open(pipe)) {
            if !self.handover {
                return Err(Unnamed::Duplicate);
            }
            // Its messages still come under its name.
            pipes.retire(holder);
        }
        Ok(routing_id)
    }

    /// The pipe of the peer so named; `None`: the message is to be dropped.
    fn route(&mut self, pipes: &mut Pipes, routing_id: &[u8]) -> Result<Option<PipeId>> {
        match self.routes.find_next(pipes, routing_id) {
            Some(pipe) if pipes.check_write(pipe) || pipes.check_write_again(pipe) => Ok(Some(pipe)),
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
        if self.raw && frame.data().is_empty() {
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
        if self.raw {
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
        !self.mandatory
            || self.inside
            || self.routes.pipes().any(|pipe| pipes.check_write(pipe) || pipes.check_write_again(pipe))
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        match self.unnamed.get(pipe) {
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
        if self.unnamed.get(pipe) == Some(&Unnamed::Duplicate) {
            return pipes.terminate(pipe);
        }
        self.read_activated(pipes, pipe);
        pipes.check_read(pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        if self.unnamed.remove(pipe).is_some() {
            return;
        }
        self.routes.remove(pipes, pipe);
        self.queue.terminated(pipe);
        if self.out == Some(pipe) {
            pipes.record.dropped(Reason::Disconnected, 1);
            self.out = None;
        }
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
            ZMQ_ROUTER_HANDOVER => flag(value).map(|yes| self.handover = yes),
            ZMQ_ROUTER_RAW => flag(value).map(|yes| {
                self.raw = yes;
                if yes {
                    options.recv_routing_id = false;
                    options.raw_socket = true;
                }
            }),
            ZMQ_ROUTER_NOTIFY => set_common(options, option, value),
            ZMQ_CONNECT_ROUTING_ID => self.routes.set_connect_id(value),
            _ => return None,
        })
    }

    fn take_connect_id(&mut self) -> Option<Vec<u8>> {
        self.routes.take_connect_id()
    }

    fn find_peer(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        self.routes.find_open(pipes, routing_id)
    }

    fn can_reach(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<bool> {
        let pipe = self.routes.find(routing_id).ok_or(Errno::HOSTUNREACH)?;
        Ok(pipes.check_hwm(pipe))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::Origin;
    use crate::errno::Errno;
    use crate::message::Metadata;
    use crate::options::SocketType;
    use crate::options::draft_number::ZMQ_ROUTER_NOTIFY;
    use crate::options::number::*;
    use crate::pattern::testing::{Bench, Peer};
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
    fn a_peer_without_a_name_gets_one_in_order() {
        let mut bench = Bench::new(SocketType::Router);
        let mut ids = Vec::new();
        for _ in 0..2 {
            let mut peer = bench.connect_as("");
            peer.send(&["x"]);
            bench.settle();
            ids.push(bench.pattern.recv(&mut bench.pipes).unwrap().data().to_vec());
            assert_eq!(bench.recv(), ["x"]);
        }
        let number = |id: &[u8]| u32::from_be_bytes(id[1..].try_into().unwrap());
        assert!(ids.iter().all(|id| id.len() == 5 && id[0] == 0));
        assert_eq!(number(&ids[0]).wrapping_add(1), number(&ids[1]));
    }

    #[test]
    fn a_peer_is_unknown_until_its_name_has_come() {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_ROUTER_MANDATORY, 1);
        let mut peer = bench.connect();
        assert_eq!(bench.send(&["late", "x"]), Err(Errno::HOSTUNREACH));
        assert!(!bench.has_out());
        peer.pipe.write_routing_id(b"late").unwrap();
        peer.send(&["hello"]);
        assert_eq!(bench.recv(), ["late", "hello"]);
        bench.send(&["late", "x"]).unwrap();
        assert_eq!(peer.recv(), ["x"]);
        // It names itself again when it has connected again.
        peer.pipe.write_routing_id(b"late").unwrap();
        peer.pipe.flush();
        assert!(!bench.has_in());
        drop(bench.connect());
        bench.settle();
        assert_eq!(bench.pipes.len(), 1);
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
    fn of_two_peers_with_one_name_the_first_keeps_it() {
        let mut bench = Bench::new(SocketType::Router);
        let (mut first, mut second) = (bench.connect_as("p"), bench.connect_as("p"));
        second.send(&["unheard"]);
        first.send(&["heard"]);
        assert_eq!(bench.recv(), ["p", "heard"]);
        assert!(!bench.has_in());
        bench.send(&["p", "x"]).unwrap();
        assert_eq!((first.recv_all(), second.recv_all()), (vec!["x".into()], vec![]));
        drop(second);
        bench.settle();
        assert_eq!(bench.pipes.len(), 1);
    }

    #[test]
    fn a_closed_peer_does_not_keep_its_name_from_the_next() {
        let mut bench = Bench::new(SocketType::Router);
        let mut old = bench.connect_as("p");
        old.send(&["unread"]);
        drop(old);
        let mut new = bench.connect_as("p");
        bench.send(&["p", "x"]).unwrap();
        assert_eq!(new.recv(), ["x"]);
        assert_eq!(bench.recv(), ["p", "unread"]);
        assert!(!bench.has_in());
        bench.send(&["p", "y"]).unwrap();
        assert_eq!(new.recv(), ["y"]);
    }

    #[test]
    fn with_handover_the_second_takes_the_name() {
        let mut bench = Bench::new(SocketType::Router);
        bench.set(ZMQ_ROUTER_HANDOVER, 1);
        let first = bench.connect_as("p");
        let mut second = bench.connect_as("p");
        assert!(!first.is_open());
        bench.send(&["p", "x"]).unwrap();
        assert_eq!(second.recv(), ["x"]);
        drop(first);
        // Messages of the peer that loses its name are read to the end, and come under that name.
        second.send(&["1", "2"]);
        second.send(&["3"]);
        assert_eq!(bench.recv_frame().unwrap().0, "p");
        assert_eq!(bench.recv_frame().unwrap().0, "1");
        let mut third = bench.connect_as("p");
        assert!(!second.is_open());
        bench.send(&["p", "y"]).unwrap();
        assert_eq!(bench.recv(), ["2"]);
        third.send(&["4"]);
        let mut rest = [bench.recv(), bench.recv()];
        rest.sort();
        assert_eq!(rest, [["p", "3"], ["p", "4"]]);
        assert!(!bench.has_in());
        assert_eq!(third.recv(), ["y"]);
        let pipes = bench.pipes.len();
        drop(second);
        bench.settle();
        assert_eq!((bench.pipes.len(), pipes), (1, 2), "it is there until its peer has closed, too");
        bench.send(&["p", "z"]).unwrap();
        assert_eq!(third.recv(), ["z"]);
    }

    #[test]
    fn the_peer_connected_to_can_be_named_here() {
        let mut bench = Bench::new(SocketType::Router);
        assert_eq!(bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b""), Err(Errno::INVAL));
        bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"mine").unwrap();
        let accepted = bench.connect();
        let mut connected = bench.join(0, Origin::Connected, |_| {});
        bench.send(&["mine", "x"]).unwrap();
        assert_eq!(connected.recv(), ["x"]);
        connected.pipe.write_routing_id(b"its own").unwrap();
        connected.send(&["y"]);
        assert_eq!(bench.recv(), ["mine", "y"]);
        // Given once, and not twice.
        bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"mine").unwrap();
        let _other = bench.join(0, Origin::Connected, |pipe| {
            pipe.write_routing_id(b"other").unwrap();
            pipe.flush();
        });
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"other"), Ok(true));
        drop(accepted);
    }

    #[test]
    fn a_pipe_may_bring_the_name_of_its_peer_along() {
        let mut bench = Bench::new(SocketType::Router);
        let join = |bench: &mut Bench| {
            let (id, pipe) = bench.insert(0);
            bench.pipes.set_routing_id(id, b"given".to_vec());
            bench.pattern.attach(&mut bench.pipes, id, Origin::Accepted);
            bench.settle();
            Peer { id, pipe }
        };
        let mut first = join(&mut bench);
        first.pipe.write_routing_id(b"its own").unwrap();
        first.send(&["x"]);
        assert_eq!(bench.recv(), ["given", "x"]);
        // While that one is there the name is taken, and the peer keeps its own name.
        let mut second = join(&mut bench);
        second.pipe.write_routing_id(b"its own").unwrap();
        second.send(&["y"]);
        assert_eq!(bench.recv(), ["its own", "y"]);
        // Of a peer that has gone something is still to be read.
        first.send(&["z"]);
        drop(first);
        let mut third = join(&mut bench);
        bench.send(&["given", "to the third"]).unwrap();
        assert_eq!(third.recv(), ["to the third"]);
        assert_eq!(bench.recv(), ["given", "z"]);
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
