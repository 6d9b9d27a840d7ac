//! The names that a ROUTER knows its peers by.
//!
//! A name comes from the program (`ZMQ_CONNECT_ROUTING_ID`), from the peer, or from here, in this order. A pipe without one is not read
//! from.

use crate::errno::Result;
use crate::message::{COMMAND, ROUTING_ID};
use crate::pattern::Origin;
use crate::pattern::routes::Routes;
use crate::pipe::{PipeId, Pipes};
use crate::sys::memory;
use slotmap::SecondaryMap;
use std::collections::{BTreeMap, BTreeSet};

/// Peers by their names, and those that have none yet.
pub struct Naming {
    /// The peers that have names.
    pub routes: Routes,
    /// Pipes that are not read from, and why.
    unnamed: SecondaryMap<PipeId, Unnamed>,
    /// Those that wait for each name, as far as they were open when last looked at. No hash table: one of many grows all at once.
    heirs: BTreeMap<Vec<u8>, BTreeSet<PipeId>>,
    /// `ZMQ_ROUTER_RAW`: no peer names itself.
    pub raw: bool,
    /// `ZMQ_ROUTER_HANDOVER`: the next peer of a name takes it over.
    pub handover: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unnamed {
    /// Its routing id has not come yet.
    Waiting,
    /// Its routing id is another's. It waits for that one to go.
    Duplicate,
}

impl Naming {
    pub fn new() -> Naming {
        Naming {
            routes: Routes::new(),
            unnamed: SecondaryMap::new(),
            heirs: BTreeMap::new(),
            raw: false,
            handover: false,
        }
    }

    /// Why the pipe has no name; `None`: it has one.
    pub fn lack(&self, pipe: PipeId) -> Option<Unnamed> {
        self.unnamed.get(pipe).copied()
    }

    /// Names a pipe if that can be done by now. Whether it was.
    pub fn identify(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) -> bool {
        let assigned = self.routes.assigned(pipes, pipe);
        let given = if origin == Origin::Connected { self.routes.take_connect_id(pipes) } else { None };
        let state = match assigned.or(given) {
            Some(routing_id) => Ok(routing_id),
            None if self.raw => Ok(self.routes.make_up()),
            None => self.read_routing_id(pipes, pipe),
        };
        match state {
            Ok(routing_id) => {
                self.unnamed.remove(pipe);
                self.routes.add(pipes, pipe, routing_id);
                true
            }
            Err(unnamed) => {
                self.unnamed.insert(pipe, unnamed);
                false
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
        if let Ok(holder) = self.routes.find_open(pipes, &routing_id) {
            if !self.handover {
                if let Err(errno) = self.await_name(pipe, &routing_id) {
                    pipes.refuse(pipe, errno);
                }
                pipes.set_routing_id(pipe, routing_id);
                return Err(Unnamed::Duplicate);
            }
            // Its messages still come under its name.
            pipes.retire(holder);
        }
        Ok(routing_id)
    }

    /// Notes that the pipe is to have the name when it is free. Errors: `ENOMEM`, with nothing noted.
    fn await_name(&mut self, pipe: PipeId, name: &[u8]) -> Result<()> {
        if let Some(heirs) = self.heirs.get_mut(name) {
            heirs.insert(pipe);
            return Ok(());
        }
        let mut copy = Vec::new();
        memory::try_reserve(&mut copy, name.len())?;
        copy.extend_from_slice(name);
        self.heirs.insert(copy, BTreeSet::from([pipe]));
        Ok(())
    }

    /// Gives the name of a peer that has gone to one that calls itself the same, and returns that. A client that comes back before its
    /// old connection is found dead would else never be heard.
    pub fn pass_on(&mut self, pipes: &mut Pipes, gone: PipeId) -> Option<PipeId> {
        if self.heirs.is_empty() || pipes.is_open(gone) {
            return None;
        }
        let name = pipes.routing_id(gone);
        // It has been passed on before, or another peer was faster.
        if self.routes.find_open(pipes, name).is_ok() {
            return None;
        }
        let heirs = self.heirs.get_mut(name)?;
        // One that has closed is looked at once: it will not have the name.
        let heir = std::iter::from_fn(|| heirs.pop_first()).find(|&heir| pipes.is_open(heir));
        if heirs.is_empty() {
            self.heirs.remove(name);
        }
        let heir = heir?;
        let name = name.to_vec();
        self.unnamed.remove(heir);
        self.routes.add(pipes, heir, name);
        Some(heir)
    }

    /// Forgets a pipe. Whether it had a name.
    pub fn forget(&mut self, pipes: &Pipes, pipe: PipeId) -> bool {
        if let Some(lack) = self.unnamed.remove(pipe) {
            if lack == Unnamed::Duplicate {
                self.forget_heir(pipe, pipes.routing_id(pipe));
            }
            return false;
        }
        self.routes.remove(pipes, pipe);
        true
    }

    fn forget_heir(&mut self, pipe: PipeId, name: &[u8]) {
        let Some(heirs) = self.heirs.get_mut(name) else { return };
        heirs.remove(&pipe);
        if heirs.is_empty() {
            self.heirs.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::{ZMQ_CONNECT_ROUTING_ID, ZMQ_ROUTER_HANDOVER, ZMQ_ROUTER_MANDATORY};
    use crate::pattern::Origin;
    use crate::pattern::Pattern;
    use crate::pattern::testing::{Bench, Peer};
    use crate::sys::faults::{self, Call};

    fn naming(bench: &Bench) -> &super::Naming {
        match &bench.pattern {
            Pattern::Router(router) => &router.naming,
            _ => panic!("no ROUTER"),
        }
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
    fn a_peer_whose_name_is_taken_gets_it_when_the_other_goes() {
        for socket_type in [SocketType::Router, SocketType::Rep] {
            let mut bench = Bench::new(socket_type);
            let (mut first, second) = (bench.connect_as("p"), bench.connect_as("p"));
            let (mut third, mut other) = (bench.connect_as("p"), bench.connect_as("q"));
            first.send(&["", "1"]);
            third.send(&["", "3"]);
            other.send(&["", "4"]);
            // Of two that wait it is one that is there.
            drop((first, second));
            let mut got: Vec<_> = std::iter::from_fn(|| {
                let message = bench.try_recv().ok()?;
                // REP has to answer before it receives again.
                let _ = bench.send(&["answer"]);
                message.last().cloned()
            })
            .collect();
            got.sort();
            assert_eq!(got, ["1", "3", "4"]);
            let answered = if socket_type == SocketType::Rep { &["|answer"][..] } else { &[] };
            assert_eq!(third.recv_all(), answered);
            bench.settle();
            assert_eq!(bench.pipes.len(), 2);
        }
    }

    /// Nanoseconds that the thread has had a processor for.
    fn spent_ns() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    /// What it takes to hear that 2,000 peers have gone, while `waiting` others wait for the name of one that stays.
    fn cost_of_leavers(waiting: usize) -> u64 {
        let mut bench = Bench::new(SocketType::Router);
        let holder = bench.connect_as("held");
        let duplicates: Vec<_> = (0..waiting).map(|_| bench.connect_as("held")).collect();
        let named: Vec<_> = (0..2000).map(|name| bench.connect_as(&name.to_string())).collect();
        drop(named);
        let begun = spent_ns();
        bench.settle();
        let spent = spent_ns() - begun;
        assert_eq!(bench.pipes.len(), 1 + waiting);
        drop(holder);
        bench.settle();
        assert_eq!(bench.pattern.find_peer(&bench.pipes, b"held").is_ok(), waiting > 0);
        drop(duplicates);
        bench.settle();
        assert_eq!(bench.pipes.len(), 0);
        spent
    }

    #[test]
    fn a_peer_that_goes_costs_no_more_where_many_wait_for_the_name_of_another() {
        let (alone, beside) = (cost_of_leavers(0), cost_of_leavers(2000));
        assert!(beside < 10 * alone, "{beside} ns beside those that wait, {alone} ns without");
    }

    #[test]
    fn of_many_with_one_name_that_go_at_once_none_is_kept() {
        let mut bench = Bench::new(SocketType::Router);
        let mut peers: Vec<_> = (0..50).map(|_| bench.connect_as("p")).collect();
        let mut last = bench.connect_as("p");
        last.send(&["heard"]);
        peers.insert(25, bench.connect_as("q"));
        peers.truncate(40);
        drop(peers);
        bench.settle();
        assert_eq!(bench.recv(), ["p", "heard"]);
        assert_eq!(bench.pipes.len(), 1);
        assert!(naming(&bench).heirs.is_empty() && naming(&bench).unnamed.is_empty());
    }

    #[test]
    fn without_memory_to_note_that_a_peer_waits_it_is_let_go_of() {
        let mut bench = Bench::new(SocketType::Router);
        let mut first = bench.connect_as("p");
        let (id, mut theirs) = bench.insert(0);
        theirs.write_routing_id(b"p").unwrap();
        theirs.flush();
        let refused = faults::refuse(Call::Allocate, Errno::NOMEM, u32::MAX);
        bench.pattern.attach(&mut bench.pipes, id, Origin::Accepted);
        bench.settle();
        drop(refused);
        assert!(!theirs.is_open());
        assert_eq!(bench.pipes.len(), 1);
        first.send(&["x"]);
        assert_eq!(bench.recv(), ["p", "x"]);
        assert!(naming(&bench).heirs.is_empty() && naming(&bench).unnamed.is_empty());
    }

    #[test]
    fn the_program_is_told_of_what_a_peer_sent_that_gets_its_name_by_a_disconnect() {
        for is_disconnected_by_name in [false, true] {
            let mut bench = Bench::new(SocketType::Router);
            let (first, mut second) = (bench.connect_as("p"), bench.connect_as("p"));
            second.send(&["waits"]);
            assert!(!bench.has_in());
            if is_disconnected_by_name {
                bench.pipes.disconnect(first.id);
                bench.settle();
                drop(first);
            } else {
                // As zmq_disconnect does.
                bench.pipes.terminate(first.id);
            }
            bench.pipes.budget.take_undone();
            bench.settle();
            assert!(bench.pipes.budget.take_undone(), "a thread that waits looks again");
            assert_eq!(bench.recv(), ["p", "waits"]);
        }
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
    fn a_name_given_here_is_free_once_its_peer_has_gone_though_it_was_not_read() {
        let mut bench = Bench::new(SocketType::Router);
        let mut old = bench.connect_as("p");
        old.send(&["unread"]);
        drop(old);
        bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"p").unwrap();
        assert_eq!(bench.pattern.take_connect_id(&bench.pipes).unwrap(), b"p", "for a session");
        // Over inproc the pipe is there at once.
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"p"), Err(Errno::HOSTUNREACH));
        bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"p").unwrap();
        let mut new = bench.join(0, Origin::Connected, |pipe| {
            pipe.write_routing_id(b"its own").unwrap();
            pipe.flush();
        });
        bench.send(&["p", "x"]).unwrap();
        assert_eq!(new.recv(), ["x"]);
        assert_eq!(bench.recv(), ["p", "unread"]);
        assert_eq!(bench.pattern.can_reach(&bench.pipes, b"p"), Ok(true));
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
}
