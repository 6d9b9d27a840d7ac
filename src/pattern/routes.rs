//! The table of peers by routing id, for sockets that address them: ROUTER and STREAM.

use crate::errno::{Errno, Result};
use crate::pipe::{PipeId, Pipes};
use crate::sys::hash_map::HashMap;
use crate::sys::random::number_or_0;

/// Peers by routing id. Each pipe carries its own id as well ([`Pipes::routing_id`]).
pub struct Routes {
    by_id: HashMap<Vec<u8>, PipeId>,
    /// The pipe found last: spares a program that talks to one peer for a while the look-up.
    last: Option<PipeId>,
    /// The next routing id made up here, without its leading zero byte.
    next: u32,
    /// `ZMQ_CONNECT_ROUTING_ID`: the id of the next peer connected to; empty for none.
    connect_id: Vec<u8>,
}

impl Routes {
    pub fn new() -> Routes {
        // Any start will do; a random one keeps programs from relying on the ids.
        let next = number_or_0();
        Routes { by_id: HashMap::default(), last: None, next, connect_id: Vec::new() }
    }

    /// Names the next peer that is connected to. Errors: `EINVAL` for the empty name.
    pub fn set_connect_id(&mut self, routing_id: &[u8]) -> Result<()> {
        if routing_id.is_empty() {
            return Err(Errno::INVAL);
        }
        self.connect_id = routing_id.to_vec();
        Ok(())
    }

    /// The name for the peer that is being connected to, given once; `None` where it was not set, or belongs to
    /// another peer already.
    pub fn take_connect_id(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        let routing_id = std::mem::take(&mut self.connect_id);
        (!routing_id.is_empty() && self.is_free(pipes, &routing_id)).then_some(routing_id)
    }

    /// Whether a pipe may have the name. A closed one, of which messages are still to be read, does not keep it from another.
    fn is_free(&self, pipes: &Pipes, routing_id: &[u8]) -> bool {
        self.find_open(pipes, routing_id).is_err()
    }

    /// The name that a pipe has brought with it, for the peer that its session connects to; `None` where there is none, or it is
    /// another peer's by now.
    pub fn assigned(&self, pipes: &Pipes, pipe: PipeId) -> Option<Vec<u8>> {
        let routing_id = pipes.routing_id(pipe);
        (!routing_id.is_empty() && self.is_free(pipes, routing_id)).then(|| routing_id.to_vec())
    }

    /// A routing id that no peer has: a zero byte, with which no peer's own may begin, and a number.
    pub fn make_up(&mut self) -> Vec<u8> {
        loop {
            let [a, b, c, d] = self.next.to_be_bytes();
            self.next = self.next.wrapping_add(1);
            let routing_id = vec![0, a, b, c, d];
            if !self.by_id.contains_key(&routing_id) {
                return routing_id;
            }
        }
    }

    /// Names a pipe. Another that had the name is no longer found, though what is read from it still comes under it.
    pub fn add(&mut self, pipes: &mut Pipes, pipe: PipeId, routing_id: Vec<u8>) {
        self.last = None;
        self.by_id.insert(routing_id.clone(), pipe);
        pipes.set_routing_id(pipe, routing_id);
    }

    /// Forgets a pipe and its name.
    pub fn remove(&mut self, pipes: &Pipes, pipe: PipeId) {
        if self.last == Some(pipe) {
            self.last = None;
        }
        if self.by_id.get(pipes.routing_id(pipe)) == Some(&pipe) {
            self.by_id.remove(pipes.routing_id(pipe));
        }
    }

    #[inline]
    pub fn find(&self, routing_id: &[u8]) -> Option<PipeId> {
        self.by_id.get(routing_id).copied()
    }

    /// As [`find`](Routes::find), for a peer that is still there. Errors: `EHOSTUNREACH`.
    pub fn find_open(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        self.find(routing_id).filter(|&pipe| pipes.is_open(pipe)).ok_or(Errno::HOSTUNREACH)
    }

    /// As [`find`](Routes::find), for one message after the other.
    #[inline]
    pub fn find_next(&mut self, pipes: &Pipes, routing_id: &[u8]) -> Option<PipeId> {
        if let Some(last) = self.last
            && !routing_id.is_empty()
            && pipes.routing_id(last) == routing_id
        {
            return Some(last);
        }
        self.last = self.find(routing_id);
        self.last
    }

    pub fn pipes(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.by_id.values().copied()
    }
}
