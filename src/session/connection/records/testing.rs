//! Streams in memory for tests of records.

use super::{Lower, Records};
use crate::errno::{Errno, Result};
use std::collections::VecDeque;
use std::mem::MaybeUninit;

/// A stream in memory that takes and gives what a test lets it.
#[derive(Default)]
pub struct Wire {
    pub bytes: VecDeque<u8>,
    pub room: usize,
}

impl Wire {
    /// One that takes all.
    pub fn wide() -> Wire {
        Wire { room: usize::MAX, ..Wire::default() }
    }

    pub fn take(&mut self, bytes: &[u8]) -> Result<usize> {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        self.bytes.extend(&bytes[..taken]);
        if taken == 0 { Err(Errno::AGAIN) } else { Ok(taken) }
    }

    pub fn give(&mut self, room: &mut [u8]) -> Result<usize> {
        let given = room.len().min(self.bytes.len());
        room.iter_mut().zip(self.bytes.drain(..given)).for_each(|(place, byte)| *place = byte);
        if given == 0 { Err(Errno::AGAIN) } else { Ok(given) }
    }
}

/// What a side reads from, and what it writes to.
pub struct Ways<'a>(pub &'a mut Wire, pub &'a mut Wire);

impl Lower for Ways<'_> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        self.0.give(room)
    }

    fn read_behind<'r>(&mut self, front: &[u8], room: &'r mut [MaybeUninit<u8>]) -> Result<&'r mut [u8]> {
        behind(front, room, |bytes| self.read(bytes))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.1.take(bytes)
    }
}

/// [`Lower::read_behind`] of a stream that reads like this.
pub fn behind<'r>(
    front: &[u8],
    room: &'r mut [MaybeUninit<u8>],
    read: impl FnOnce(&mut [u8]) -> Result<usize>,
) -> Result<&'r mut [u8]> {
    let mut bytes = vec![0; room.len() - front.len()];
    let given = read(&mut bytes)?;
    let both = [front, &bytes[..given]].concat();
    Ok(room[..both.len()].write_copy_of_slice(&both))
}

/// Reads at most this number of bytes of what the records hold.
pub fn read(records: &Records, lower: &mut impl Lower, most: usize) -> Result<Vec<u8>> {
    let mut room = vec![MaybeUninit::uninit(); most];
    records.read(&mut room, lower).map(|bytes| bytes.to_vec())
}
