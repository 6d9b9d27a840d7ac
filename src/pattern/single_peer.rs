//! One peer, and no other.

use super::{Behaviour, Origin};
use crate::errno::Result;
use crate::message::{Frame, OutFrame};
use crate::pipe::{OCCUPIED, PipeId, Pipes};

/// A socket type that takes turns among its peers, held to one. A second peer is turned away until the first has gone and has
/// been read. A message is never split between a peer and the next. One that the program itself has connected to does not wait
/// for that: what it sends is read after all of the first's. One at a time may wait so; a connection of the program's behind it
/// is made again later.
// In this order: see `Pattern`.
#[derive(Default)]
#[repr(C)]
pub struct SinglePeer<P> {
    pub(super) pattern: P,
    peer: Option<PipeId>,
    /// The peer before, which has gone and has not been read.
    former: Option<PipeId>,
}

impl<P: Behaviour> Behaviour for SinglePeer<P> {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        forget_those_read(self, pipes);
        if self.peer.is_some_and(|peer| pipes.is_open(peer)) {
            return pipes.terminate(pipe);
        }
        if self.peer.is_none() && self.former.is_none() {
            self.peer = Some(pipe);
            return self.pattern.attach(pipes, pipe, origin);
        }
        if !matches!(origin, Origin::Connected | Origin::Reconnected) {
            return pipes.terminate(pipe);
        }
        if self.peer.is_some() && self.former.is_some() {
            return pipes.refuse(pipe, OCCUPIED);
        }
        self.former = self.former.or(self.peer);
        self.peer = Some(pipe);
        self.pattern.attach_last(pipes, pipe);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        self.pattern.send(pipes, frame)
    }

    #[inline]
    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.pattern.recv(pipes)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.pattern.has_in(pipes)
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.pattern.has_out(pipes)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.pattern.read_activated(pipes, pipe);
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.pattern.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.pattern.hiccuped(pipes, pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        for own in [&mut self.peer, &mut self.former] {
            if own.take_if(|own| *own == pipe).is_some() {
                return self.pattern.terminated(pipes, pipe);
            }
        }
    }
}

/// Peers that have closed and of which all is read have gone, though the socket has not been told of that yet.
fn forget_those_read<P: Behaviour>(single: &mut SinglePeer<P>, pipes: &mut Pipes) {
    for peer in [single.former, single.peer].into_iter().flatten() {
        if !pipes.is_open(peer) && !pipes.check_read(peer) {
            single.terminated(pipes, peer);
        }
    }
}
