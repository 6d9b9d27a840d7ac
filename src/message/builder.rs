//! A body that is read from a socket bit by bit.

use super::Body;
use super::header::Header;
use super::pool;
use crate::errno::{Errno, Result};
use crate::sys::memory::try_realloc;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Room that a body gets before any of its bytes have arrived.
const FIRST_ROOM_BYTES: usize = 64 * 1024;

/// A large body on its way in. The peer has announced its length, but memory follows the bytes that have really
/// arrived: never more than `FIRST_ROOM_BYTES` or twice that many, unless the peer has shown before that it sends such
/// bodies.
pub struct BodyBuilder {
    /// Room for a header and `capacity` bytes, the first `len` of them filled; `None` before any byte is due. The capacity is
    /// [that of a class](pool::room_for) of the pool, so a quarter more than is due at most.
    header: Option<NonNull<Header>>,
    capacity: usize,
    len: usize,
    /// As announced.
    total: usize,
    /// Room before any byte has arrived.
    first_room: usize,
}

// SAFETY: the allocation is this builder's alone.
unsafe impl Send for BodyBuilder {}
// SAFETY: `&BodyBuilder` only reads.
unsafe impl Sync for BodyBuilder {}

impl BodyBuilder {
    /// For a body of `total_len` bytes. Allocates nothing yet.
    pub fn with_expected(total_len: usize) -> BodyBuilder {
        BodyBuilder { header: None, capacity: 0, len: 0, total: total_len, first_room: FIRST_ROOM_BYTES }
    }

    /// Has room for `sent_before` bytes from the first, for a peer that has just sent a body of that length. It costs no more
    /// memory than that peer has filled once, and no byte is moved.
    pub fn trust(&mut self, sent_before: usize) {
        self.first_room = sent_before.max(FIRST_ROOM_BYTES);
    }

    /// Room for the next bytes, to be followed by [`advance`](BodyBuilder::advance); empty only when none
    /// are due. Errors: `ENOMEM`.
    pub fn spare(&mut self) -> Result<&mut [MaybeUninit<u8>]> {
        if self.len == self.capacity && self.len < self.total {
            self.grow()?;
        }
        let Some(header) = self.header else { return Ok(&mut []) };
        // SAFETY: `len <= capacity`, and the allocation has room for `capacity` bytes after the header.
        let start = unsafe { Header::data_at(header).add(self.len) };
        // SAFETY: `len` is at most `total`; up to `capacity` the room is allocated, borrowed mutably with `self`, and may be uninitialised.
        Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), self.capacity.min(self.total) - self.len) })
    }

    /// Says that the first `n` bytes of [`spare`](BodyBuilder::spare) have been written.
    ///
    /// # Safety
    /// They have, and `n` is not more than the length of that slice.
    pub unsafe fn advance(&mut self, n: usize) {
        debug_assert!(n <= self.capacity.min(self.total) - self.len);
        self.len += n;
    }

    /// Lets `read` fill the room with bytes and return those it filled, a front part of what it was given. Returns
    /// how many. Errors: `ENOMEM`, `read`'s own, and `EINVAL` for bytes from elsewhere.
    pub fn fill(
        &mut self,
        read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8]>,
    ) -> Result<usize> {
        let spare = self.spare()?;
        let (start, room) = (spare.as_ptr().cast::<u8>(), spare.len());
        let filled = read(spare)?;
        let n = filled.len();
        if n > 0 && (filled.as_ptr() != start || n > room) {
            return Err(Errno::INVAL);
        }
        // SAFETY: a `&mut [u8]` is initialised, and this one is the front of the room.
        unsafe { self.advance(n) };
        Ok(n)
    }

    /// Copies bytes in; those beyond the expected length are left. Returns how many were taken. Errors: `ENOMEM`.
    pub fn extend(&mut self, mut data: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while !data.is_empty() && self.remaining() > 0 {
            let spare = self.spare()?;
            let n = spare.len().min(data.len());
            let (now, later) = data.split_at(n);
            spare[..n].write_copy_of_slice(now);
            // SAFETY: just written.
            unsafe { self.advance(n) };
            taken += n;
            data = later;
        }
        Ok(taken)
    }

    /// What has arrived.
    pub fn filled(&self) -> &[u8] {
        let Some(header) = self.header else { return &[] };
        // SAFETY: the first `len` bytes have been written.
        unsafe { std::slice::from_raw_parts(Header::data_at(header), self.len) }
    }

    /// How many bytes are still to come.
    pub fn remaining(&self) -> usize {
        self.total - self.len
    }

    /// The body: all of what has arrived. Errors: `ENOMEM`.
    pub fn finish(mut self) -> Result<Body> {
        match self.header.take() {
            Some(header) => Ok(Body::adopt(header, self.len, self.capacity)),
            None => Body::copy_from(&[]),
        }
    }

    fn grow(&mut self) -> Result<()> {
        let wanted = self.len.saturating_mul(2).max(self.first_room).min(self.total);
        let capacity = pool::room_for(wanted);
        let (header, capacity) = match self.header {
            None => pool::here().obtain(wanted)?,
            Some(header) => {
                let (old, new) = (Header::layout(self.capacity)?, Header::layout(capacity)?);
                // SAFETY: `old` is what it was allocated with; the new size is not zero and, by `layout`, not too
                // large. On failure the old allocation stays as it is.
                let moved = unsafe { try_realloc(header.as_ptr().cast(), old, new.size()) };
                (NonNull::new(moved.cast()).ok_or(Errno::NOMEM)?, capacity)
            }
        };
        self.header = Some(header);
        self.capacity = capacity;
        Ok(())
    }
}

impl Drop for BodyBuilder {
    fn drop(&mut self) {
        if let Some(header) = self.header.take() {
            // SAFETY: allocated with this capacity; no body was made from it, or `finish` had taken it.
            unsafe { pool::here().keep(header, self.capacity) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_peer_that_has_sent_as_much_before_gets_the_room_at_once() {
        let mut builder = BodyBuilder::with_expected(1_000_000);
        builder.trust(300_000);
        assert_eq!(builder.spare().unwrap().len(), pool::room_for(300_000));
        let mut short = BodyBuilder::with_expected(100);
        short.trust(300_000);
        assert_eq!(short.spare().unwrap().len(), 100);
        let mut new = BodyBuilder::with_expected(1_000_000);
        new.trust(0);
        assert_eq!(new.spare().unwrap().len(), FIRST_ROOM_BYTES);
    }

    #[test]
    fn memory_follows_the_bytes_received() {
        let mut builder = BodyBuilder::with_expected(usize::MAX);
        assert_eq!(builder.capacity, 0);
        assert_eq!(builder.spare().unwrap().len(), FIRST_ROOM_BYTES);
        for _ in 0..100 {
            builder.extend(&[7; 10_000]).unwrap();
            assert!(builder.capacity <= FIRST_ROOM_BYTES.max(2 * builder.len));
        }
        assert_eq!(builder.filled().len(), 1_000_000);
        assert!(builder.filled().iter().all(|&byte| byte == 7));
    }

    #[test]
    fn ends_at_the_length_announced() {
        let data: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
        let mut builder = BodyBuilder::with_expected(150_000);
        assert_eq!(builder.extend(&data).unwrap(), 150_000);
        assert_eq!((builder.remaining(), builder.capacity), (0, pool::room_for(150_000)));
        assert!(builder.spare().unwrap().is_empty());
        let body = builder.finish().unwrap();
        assert_eq!(body.as_slice(), &data[..150_000]);
    }

    #[test]
    fn nothing_expected() {
        let mut builder = BodyBuilder::with_expected(0);
        assert!(builder.spare().unwrap().is_empty() && builder.filled().is_empty());
        assert!(builder.finish().unwrap().is_empty());
    }

    #[test]
    fn written_in_place() {
        let mut builder = BodyBuilder::with_expected(4);
        builder.spare().unwrap()[..2].write_copy_of_slice(b"ab");
        // SAFETY: just written.
        unsafe { builder.advance(2) };
        builder.extend(b"cd").unwrap();
        assert_eq!(builder.finish().unwrap().as_slice(), b"abcd");
    }
}
