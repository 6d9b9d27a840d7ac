//! Bodies that go from socket to socket within the process: by reference, in a ring beside the lane's blocks, in which an empty frame
//! with the flag [`IN_BODY_RING`](crate::message::IN_BODY_RING) stands for each. In the order of their frames, of which they have one each.

use super::block_tail::{BlockTail, BodyRing};
use super::wire::Encoded;
use crate::errno::Result;
use crate::message::{Body, IN_BODY_RING, MORE};
use crate::queue::blocks::Producer;

/// Bodies that the first ring of a lane holds. Each further ring holds twice as many.
const MIN_RING_BODIES: usize = 64;
/// Bodies that the last ring holds. A body that finds no place goes with its block.
const MAX_RING_BODIES: usize = 4096;

/// The writer's side.
#[derive(Default)]
pub struct RingWriter {
    ring: Option<rtrb::Producer<Body>>,
    /// Bodies of frames that are not published yet: they may be taken back.
    held: Vec<Body>,
    size: usize,
}

/// The reader's side.
#[derive(Default)]
pub struct RingReader(Option<rtrb::Consumer<Body>>);

impl RingWriter {
    /// Whether there is a place for one more.
    #[inline(always)]
    pub fn has_room(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| {
            // What the reader has taken meanwhile is looked at only where it matters.
            ring.cached_slots() > self.held.len() || ring.slots() > self.held.len()
        })
    }

    /// As [`has_room`](RingWriter::has_room), with a larger ring if need be. Errors: `ENOMEM`.
    pub fn offer(&mut self, producer: &mut Producer<BlockTail>) -> Result<bool> {
        if self.has_room() {
            return Ok(true);
        }
        // What is held has its place in the ring that there is.
        if self.size >= MAX_RING_BODIES || !self.held.is_empty() {
            return Ok(false);
        }
        let size = (self.size * 2).max(MIN_RING_BODIES);
        let (ours, theirs) = rtrb::RingBuffer::new(size);
        producer.attach(BlockTail::BodyRing(BodyRing(theirs)))?;
        (self.ring, self.size) = (Some(ours), size);
        Ok(true)
    }

    /// Appends a frame, and takes its body, for which there [is room](RingWriter::has_room). Errors: `ENOMEM`.
    pub fn append(&mut self, producer: &mut Producer<BlockTail>, flags: u8, body: Body) -> Result<()> {
        producer.append([Encoded::new(flags | IN_BODY_RING, 0).as_slice(), b""])?;
        producer.end_messages(u32::from(flags & MORE == 0));
        self.hold(body);
        Ok(())
    }

    /// Takes a body, for which there [is room](RingWriter::has_room) and a frame has been appended.
    #[inline(always)]
    pub fn hold(&mut self, body: Body) {
        self.held.push(body);
    }

    /// Before frames are published.
    #[inline(always)]
    pub fn publish(&mut self) {
        if !self.held.is_empty() {
            self.give();
        }
    }

    #[inline]
    fn give(&mut self) {
        if let Some(ring) = &mut self.ring {
            for body in self.held.drain(..) {
                // There was room, and no other writer fills it.
                let _ = ring.push(body);
            }
        }
    }

    /// What was appended since the last time is taken back. That may be a ring that the reader never got.
    pub fn rollback(&mut self) {
        self.held.clear();
        if self.ring.as_ref().is_some_and(rtrb::Producer::is_abandoned) {
            *self = RingWriter::default();
        }
    }
}

impl RingReader {
    /// Goes on with another ring: all frames up to now had their bodies in the last one.
    pub fn switch_ring(&mut self, BodyRing(ring): BodyRing) {
        self.0 = Some(ring);
    }

    /// The body of the frame that lies ahead.
    pub fn peek(&mut self) -> Option<&Body> {
        self.0.as_mut()?.peek().ok()
    }

    /// Whether there is one, and it is not a program's.
    pub fn has_ours(&mut self) -> bool {
        self.peek().is_some_and(|body| !body.is_lent())
    }

    /// As [`peek`](RingReader::peek), for a caller that takes the frame.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Body> {
        self.0.as_mut()?.pop().ok()
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        // They must not wait for the writer's end to be freed.
        while self.take().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::testing::Counted;
    use crate::message::{BODY_RING_MIN_BYTES, BY_REFERENCE_MIN_BYTES, Msg, OutFrame};
    use crate::pipe::{LaneOptions, Pipe, Wake, pair_of_sockets};

    fn pipe() -> (Pipe, Pipe) {
        let options = LaneOptions { hwm: 0, conflate: false };
        pair_of_sockets(options, options).unwrap()
    }

    fn message(number: usize) -> Msg {
        let len = [
            3,
            BODY_RING_MIN_BYTES,
            BODY_RING_MIN_BYTES - 1,
            200,
            BY_REFERENCE_MIN_BYTES,
            3 * BY_REFERENCE_MIN_BYTES,
        ][number % 6];
        Msg::copy_from(&vec![number as u8; len]).unwrap()
    }

    fn write(pipe: &mut Pipe, message: &mut Msg, more: bool) {
        assert!(pipe.write(&mut OutFrame::msg(message, more)).unwrap());
        if !more {
            pipe.flush();
        }
    }

    fn read(pipe: &mut Pipe) -> Option<(Vec<u8>, bool)> {
        pipe.read().map(|frame| (frame.data().to_vec(), frame.more()))
    }

    #[test]
    fn bodies_come_with_their_frames_however_many_there_are() {
        let (mut left, mut right) = pipe();
        // More than any ring holds, for some of the time.
        for round in 0..3 {
            let count = [200, 5 * MAX_RING_BODIES, 1000][round];
            for number in 0..count {
                write(&mut left, &mut message(number), number % 5 == 1);
            }
            for number in 0..count - 1 {
                let expected = (message(number).data().to_vec(), number % 5 == 1);
                if number % 7 == 0 {
                    assert_eq!(right.reader.next_len(), Some(expected.0.len()));
                    assert_eq!(right.peek().unwrap().data(), expected.0);
                }
                assert_eq!(read(&mut right).unwrap(), expected, "{number}");
            }
            assert_eq!(read(&mut right).unwrap().0, message(count - 1).data());
            assert!(right.read().is_none());
        }
    }

    #[test]
    fn the_reader_gets_the_body_itself() {
        let (mut left, mut right) = pipe();
        // It lies asleep, and there is no ring yet.
        let mut first = Msg::copy_from(&[1; BODY_RING_MIN_BYTES]).unwrap();
        assert_eq!(left.write_message(&mut first, false), None);
        let at = first.data_ptr();
        write(&mut left, &mut first, false);
        drop(first);
        assert_eq!(right.read().unwrap().into_msg().unwrap().data_ptr(), at);
        // From then on the short way is open, for parts as well, by ring or by copy.
        for last in [3, BODY_RING_MIN_BYTES] {
            let mut parts = [BODY_RING_MIN_BYTES, 2 * BY_REFERENCE_MIN_BYTES]
                .map(|len| Msg::copy_from(&vec![2; len]).unwrap());
            let places = [0, 1].map(|part: usize| parts[part].data_ptr());
            for part in &mut parts {
                assert_eq!(left.write_message(part, true), Some(Wake::NotNeeded));
                assert!(part.is_empty());
            }
            assert!(right.read_by_reference().is_none(), "not published");
            assert_eq!(left.write_inline(b"not while bodies are held", false), None);
            write(&mut left, &mut Msg::copy_from(&vec![3; last]).unwrap(), false);
            for place in places {
                let (body, more) = right.read_by_reference().unwrap();
                assert_eq!((body.as_ptr(), more), (place, true));
            }
            assert_eq!(right.read_by_reference().is_some(), last == BODY_RING_MIN_BYTES);
            assert_eq!(right.read_inline(false, |_| true).is_some(), last == 3);
        }
    }

    #[test]
    fn what_is_taken_back_does_not_come() {
        let (mut left, mut right) = pipe();
        let counted = Counted::new(b"lent");
        for round in 0..3u8 {
            // In the first round the ring itself is taken back.
            write(&mut left, &mut Msg::from_body(counted.body()), true);
            write(&mut left, &mut Msg::copy_from(&[round; BODY_RING_MIN_BYTES]).unwrap(), true);
            left.rollback();
            assert_eq!(counted.freed(), 1 + usize::from(round));
            write(&mut left, &mut Msg::copy_from(&[round + 10; BODY_RING_MIN_BYTES]).unwrap(), false);
            assert_eq!(read(&mut right).unwrap(), (vec![round + 10; BODY_RING_MIN_BYTES], false));
        }
    }

    #[test]
    fn lent_bodies_are_given_back_by_the_end_that_drops_last() {
        for reader_first in [true, false] {
            let counted = Counted::new(b"lent");
            let (mut left, mut right) = pipe();
            for _ in 0..5 {
                write(&mut left, &mut Msg::from_body(counted.body()), false);
            }
            assert!(right.read_by_reference().is_none(), "its program is called back without a lock");
            drop(right.read());
            assert_eq!(counted.freed(), 1);
            if reader_first {
                drop(right);
                assert_eq!(counted.freed(), 5, "without waiting for the writer");
                assert!(!left.write(&mut OutFrame::msg(&mut Msg::from_body(counted.body()), false)).unwrap());
                assert_eq!(counted.freed(), 6);
            } else {
                drop(left);
                assert_eq!(right.read().unwrap().data(), b"lent");
                drop(right);
                assert_eq!(counted.freed(), 5);
            }
        }
    }

    #[test]
    fn two_threads_agree() {
        let (mut left, mut right) = pipe();
        let writer = std::thread::spawn(move || {
            for number in 0..30_000 {
                let (mut message, more) = (message(number), number % 3 == 0);
                // Some on the short way.
                if message.len() < BODY_RING_MIN_BYTES || left.write_message(&mut message, more).is_none() {
                    write(&mut left, &mut message, more);
                }
            }
            left
        });
        for number in 0..30_000 {
            let (frame, more) = loop {
                if let Some((body, more)) = (number % 2 == 0).then(|| right.read_by_reference()).flatten() {
                    break (body.as_slice().to_vec(), more);
                }
                match read(&mut right) {
                    Some(frame) => break frame,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!((&frame[..], more), (message(number).data(), number % 3 == 0), "{number}");
        }
        drop(writer.join().unwrap());
    }
}
