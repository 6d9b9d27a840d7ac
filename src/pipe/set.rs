//! The pipes of one socket.

use super::budget::{Budget, frame_units};
use super::{DISCONNECTED, LaneWriter, Pipe, ReaderTurns};
use crate::counters::SocketRecord;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::sys::faults::{self, Call};
use slotmap::SlotMap;

slotmap::new_key_type! {
    /// A pipe of a socket; never reused.
    pub struct PipeId;
}

/// The pipes of one socket, by id. A pattern refers to pipes by id alone and reads and writes through this
/// set. Calls with the id of a pipe that is gone act as on a closed pipe.
#[derive(Default)]
pub struct Pipes {
    pipes: SlotMap<PipeId, Pipe>,
    /// Pipes closed, or found ended, since the socket last took them. The socket then calls the pattern's
    /// `terminated`.
    closed: Vec<PipeId>,
    /// Work that the peers may cause in the current call on the socket.
    pub budget: Budget,
    /// What the socket counts.
    pub record: SocketRecord,
}

impl Pipes {
    /// The pipes of the socket with this record.
    pub fn of(record: SocketRecord) -> Pipes {
        Pipes { pipes: SlotMap::default(), closed: Vec::new(), budget: Budget::default(), record }
    }

    pub fn insert(&mut self, pipe: Pipe) -> PipeId {
        pipe.count_for(&self.record);
        self.pipes.insert(pipe)
    }

    /// Makes room for one more pipe, so that [`insert`](Pipes::insert) does not fail: a list that has grown long is moved in one piece.
    /// Errors: `ENOMEM`.
    pub fn make_room(&mut self) -> Result<()> {
        if let Some(errno) = faults::next(Call::MakeRoom) {
            return Err(errno);
        }
        self.pipes.try_reserve(1).map_err(|_| Errno::NOMEM)
    }

    /// Takes a pipe out; dropping it closes it.
    pub fn remove(&mut self, id: PipeId) -> Option<Pipe> {
        self.pipes.remove(id)
    }

    pub fn contains(&self, id: PipeId) -> bool {
        self.pipes.contains_key(id)
    }

    pub fn len(&self) -> usize {
        self.pipes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    pub fn ids(&self) -> Vec<PipeId> {
        self.pipes.keys().collect()
    }

    #[inline(always)]
    pub fn pipe(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.pipes.get_mut(id)
    }

    /// See [`Pipe::check_read`]. A pipe found ended is noted as closed.
    #[inline]
    pub fn check_read(&mut self, id: PipeId) -> bool {
        self.next_flags(id).is_some()
    }

    /// As [`check_read`](Pipes::check_read), with the flags of the next frame.
    #[inline(always)]
    pub fn next_flags(&mut self, id: PipeId) -> Option<u8> {
        let pipe = self.pipes.get_mut(id)?;
        let flags = pipe.next_flags();
        if flags.is_some() {
            return flags;
        }
        if pipe.ended() {
            self.note_closed(id);
            return None;
        }
        // `ended` may have seen frames that were published just before the peer closed.
        pipe.next_flags()
    }

    /// See [`Pipe::routing_id_frame`].
    pub fn routing_id_frame(&self, id: PipeId) -> Option<Frame<'_>> {
        self.pipes.get(id).map(Pipe::routing_id_frame)
    }

    /// Whether both ends are open.
    pub fn is_open(&self, id: PipeId) -> bool {
        self.pipes.get(id).is_some_and(Pipe::is_open)
    }

    /// Takes the next frame.
    #[inline(always)]
    pub fn read(&mut self, id: PipeId) -> Option<Frame<'_>> {
        self.pipes.get_mut(id)?.read()
    }

    /// Counts a frame of `bytes` against the budget: one that was dropped, or taken by the socket itself.
    pub fn spend_frame(&mut self, id: PipeId, bytes: usize) {
        let hwm = self.pipes.get(id).map_or(0, Pipe::receive_hwm);
        self.budget.spend(frame_units(bytes, hwm));
    }

    /// Returns the next frame without taking it.
    pub fn peek(&mut self, id: PipeId) -> Option<Frame<'_>> {
        self.pipes.get_mut(id)?.peek()
    }

    #[inline]
    pub fn check_write(&mut self, id: PipeId) -> bool {
        self.pipes.get_mut(id).is_some_and(Pipe::check_write)
    }

    /// See [`Pipe::check_write_again`].
    pub fn check_write_again(&mut self, id: PipeId, turns: &mut ReaderTurns) -> bool {
        self.pipes.get_mut(id).is_some_and(|pipe| pipe.check_write_again(turns))
    }

    /// Whether a message may be written now, after the reader was asked to read if need be. For a message that is for this peer alone.
    #[inline]
    pub fn check_write_first(&mut self, id: PipeId) -> bool {
        self.check_write(id) || self.check_write_again(id, &mut ReaderTurns::default())
    }

    /// See [`Pipe::credit`].
    pub fn credit(&self, id: PipeId) -> u64 {
        self.pipes.get(id).map_or(0, Pipe::credit)
    }

    /// See [`Pipe::write`].
    #[inline(always)]
    pub fn write(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        self.pipes.get_mut(id).map_or(Ok(false), |pipe| pipe.write(frame))
    }

    /// See [`Pipe::write_and_flush`].
    #[inline(always)]
    pub fn write_and_flush(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        self.pipes.get_mut(id).map_or(Ok(false), |pipe| pipe.write_and_flush(frame))
    }

    /// See [`Pipe::write_rest`].
    #[inline]
    pub fn write_rest(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        self.pipes.get_mut(id).map_or(Ok(false), |pipe| pipe.write_rest(frame))
    }

    /// As [`write_rest`](Pipes::write_rest), and flushes at the end of the message.
    #[cold]
    pub fn write_rest_and_flush(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        let written = self.write_rest(id, frame)?;
        if written && !frame.more() {
            self.flush(id);
        }
        Ok(written)
    }

    /// As [`write`](Pipes::write), of the first frame of a message for this peer alone: where there is no credit, the reader is
    /// [asked to read](Pipe::check_write_again) before the message is refused.
    #[inline(always)]
    pub fn write_first(&mut self, id: PipeId, frame: &mut OutFrame<'_>) -> Result<bool> {
        if self.write(id, frame)? {
            Ok(true)
        } else {
            self.write_again(id, frame, &mut ReaderTurns::default())
        }
    }

    /// As [`write`](Pipes::write), after that has found no credit: the reader is [asked to read](Pipe::check_write_again).
    #[cold]
    #[inline(never)]
    pub fn write_again(
        &mut self,
        id: PipeId,
        frame: &mut OutFrame<'_>,
        turns: &mut ReaderTurns,
    ) -> Result<bool> {
        if self.check_write_again(id, turns) { self.write(id, frame) } else { Ok(false) }
    }

    /// See [`Pipe::last_weight`]; 0 unless the set has exactly one pipe.
    pub fn last_weight(&self) -> usize {
        if self.len() == 1 { self.pipes.values().map(Pipe::last_weight).sum() } else { 0 }
    }

    /// See [`Pipe::prepare_write`].
    #[inline(always)]
    pub fn prepare_write(&self, id: PipeId) {
        if let Some(pipe) = self.pipes.get(id) {
            pipe.prepare_write();
        }
    }

    /// See [`Pipe::write_subscription`].
    pub fn write_subscription(&mut self, id: PipeId, subscribe: bool, topic: &[u8]) -> Result<()> {
        self.pipes.get_mut(id).map_or(Ok(()), |pipe| pipe.write_subscription(subscribe, topic))
    }

    /// See [`Pipe::write_membership`].
    pub fn write_membership(&mut self, id: PipeId, join: bool, group: &[u8]) -> Result<()> {
        self.pipes.get_mut(id).map_or(Ok(()), |pipe| pipe.write_membership(join, group))
    }

    #[inline(always)]
    pub fn flush(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.flush();
        }
    }

    pub fn rollback(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.rollback();
        }
    }

    pub fn check_hwm(&self, id: PipeId) -> bool {
        self.pipes.get(id).is_some_and(Pipe::check_hwm)
    }

    /// Closes the end at once. The peer can still read what was flushed; what the peer wrote is dropped. The
    /// socket calls the pattern's `terminated` afterwards, never from inside this call.
    pub fn terminate(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.close();
            self.note_closed(id);
        }
    }

    /// Closes the end, with what the peer wrote still to be read. The pipe is put among the closed ones after that.
    pub fn retire(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.close_and_drain();
        }
        // The peer may have closed, and all may be read already.
        self.check_read(id);
    }

    /// As [`retire`](Pipes::retire), for a peer that the program disconnects: its session drops what was not sent, and ends.
    pub fn disconnect(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.refuse(DISCONNECTED);
        }
        self.retire(id);
    }

    /// As [`terminate`](Pipes::terminate), for a peer that asks for more than a limit allows. Its session
    /// learns `errno`.
    pub fn refuse(&mut self, id: PipeId, errno: Errno) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.refuse(errno);
        }
        self.terminate(id);
    }

    /// See [`Pipe::heed_peer`].
    pub fn heed_peer(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.heed_peer();
        }
    }

    pub fn replace_writer(&mut self, id: PipeId, writer: LaneWriter) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            writer.record().written_by(&self.record);
            pipe.replace_writer(writer);
        }
    }

    pub fn routing_id(&self, id: PipeId) -> &[u8] {
        self.pipes.get(id).map_or(&[], |pipe| &pipe.routing_id)
    }

    pub fn set_routing_id(&mut self, id: PipeId, routing_id: Vec<u8>) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.routing_id = routing_id;
        }
    }

    /// Whether the socket has work after a call of the pattern: closed pipes to take, or work left undone.
    #[inline(always)]
    pub fn is_unsettled(&self) -> bool {
        self.any_closed() || self.budget.is_anything_undone()
    }

    /// Whether [`take_closed`](Pipes::take_closed) would return any.
    #[inline]
    pub fn any_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Takes the ids closed since the last call, each once.
    pub fn take_closed(&mut self) -> Vec<PipeId> {
        std::mem::take(&mut self.closed)
    }

    fn note_closed(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id)
            && !std::mem::replace(&mut pipe.noted_closed, true)
        {
            self.closed.push(id);
        }
    }
}
