//! Where records lie: in slots of the process's file, or on the heap.
//!
//! A lane's account is its credit. So what another process of the user writes into the file may stop a pipe or lift its high-water
//! mark, and spoil numbers. It makes no memory unsafe: the owner of a slot is known on the heap alone.

use super::file::StatsFile;
use super::layout::Kind;
use crate::queue::shim::edge;
use crate::sys::fork::Born;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The numbers of a record.
///
/// # Safety
/// The type is `repr(C)` and made of nothing but atomics of 64 bits. Its size is a multiple of its alignment, which is 64 at most.
/// Zeros are a valid value of it.
pub unsafe trait Cells: Default + Send + Sync + 'static {
    const KIND: Kind;
}

/// A record with its owner's data, in use. Clones share both.
pub struct Placed<C: Cells, T> {
    /// Those of `shared`.
    cells: NonNull<C>,
    shared: Arc<Shared<C, T>>,
}

struct Shared<C: Cells, T> {
    place: Place<C>,
    own: T,
}

enum Place<C: Cells> {
    Heap(Box<C>),
    File(Slot<C>),
}

/// A place in the file. Dropped, it can be used again.
struct Slot<C: Cells> {
    cells: NonNull<C>,
    index: usize,
    /// Keeps the file in memory.
    file: ManuallyDrop<Arc<StatsFile>>,
    born: Born,
}

// SAFETY: `cells` is shared as `&C`, and points into what `shared` keeps alive.
unsafe impl<C: Cells, T: Send + Sync> Send for Placed<C, T> {}
// SAFETY: as above.
unsafe impl<C: Cells, T: Send + Sync> Sync for Placed<C, T> {}
// SAFETY: `cells` is shared as `&C`, and points into what `file` keeps alive.
unsafe impl<C: Cells> Send for Slot<C> {}
// SAFETY: as above.
unsafe impl<C: Cells> Sync for Slot<C> {}

impl<C: Cells, T> Placed<C, T> {
    /// A record of zeros, in the file if there is one with a free slot.
    pub fn new(own: T) -> Placed<C, T> {
        let place = match Slot::take() {
            Some(slot) => Place::File(slot),
            None => Place::Heap(Box::default()),
        };
        let shared = Arc::new(Shared { place, own });
        let cells = match &shared.place {
            Place::Heap(cells) => NonNull::from(&**cells),
            Place::File(slot) => slot.cells,
        };
        Placed { cells, shared }
    }

    #[inline(always)]
    pub fn own(&self) -> &T {
        &self.shared.own
    }
}

impl<C: Cells> Slot<C> {
    fn take() -> Option<Slot<C>> {
        let file = StatsFile::current()?;
        let (index, cells) = file.take_slot(C::KIND)?;
        if size_of_val(cells) < size_of::<C>() || !cells.as_ptr().cast::<C>().is_aligned() {
            return None;
        }
        // What its last owner has left. This thread's own fence keeps readers from mixing it with what comes.
        if let Some(state) = cells.first() {
            state.store(0, Ordering::Relaxed);
            edge::withdraw();
        }
        cells.iter().for_each(|cell| cell.store(0, Ordering::Relaxed));
        let cells = NonNull::from(cells).cast::<C>();
        Some(Slot { cells, index, file: ManuallyDrop::new(file), born: Born::now() })
    }
}

impl<C: Cells, T> Deref for Placed<C, T> {
    type Target = C;

    #[inline(always)]
    fn deref(&self) -> &C {
        // SAFETY: `shared` keeps the box, or the file with the slot, in which other owners have no part. By the law of `Cells` any
        // bits that another process writes there are valid, and they are reached as atomics alone.
        unsafe { self.cells.as_ref() }
    }
}

impl<C: Cells, T> Clone for Placed<C, T> {
    fn clone(&self) -> Placed<C, T> {
        Placed { cells: self.cells, shared: Arc::clone(&self.shared) }
    }
}

impl<C: Cells> Drop for Slot<C> {
    fn drop(&mut self) {
        // A forked child shares the memory with its parent, and leaves the slot to that.
        if !self.born.forked() {
            self.file.free_slot(C::KIND, self.index);
            // SAFETY: it is not used again.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

// SAFETY: `repr(C)`, of cells of 64 bits alone, and aligned to 64 bytes.
unsafe impl Cells for super::socket::SocketCells {
    const KIND: Kind = Kind::Socket;
}

// SAFETY: as above.
unsafe impl Cells for super::context::ContextCells {
    const KIND: Kind = Kind::Context;
}

// SAFETY: as above.
unsafe impl Cells for super::io_thread::IoThreadCells {
    const KIND: Kind = Kind::IoThread;
}

// SAFETY: as above.
unsafe impl Cells for super::connection::ConnectionCells {
    const KIND: Kind = Kind::Connection;
}

// SAFETY: as above. Under loom, where atomics are larger, there is no file.
unsafe impl Cells for super::lane::LaneCells {
    const KIND: Kind = Kind::Lane;
}

#[cfg(not(loom))]
const _: () =
    assert!(size_of::<std::sync::atomic::AtomicU64>() == 8 && align_of::<super::lane::LaneCells>() == 64);
