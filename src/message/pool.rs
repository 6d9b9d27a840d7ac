//! One pool for the memory of bodies.
//!
//! A body's memory is used again, since the allocator costs more than to copy what goes there. The allocator has no quick way above 1 KiB.
//! It takes a lock where another thread frees, and returns large pieces to the system page by page.
//!
//! - **Classes** (`class`). A body has the room of its class: 64 or 128 bytes, then four classes to each power of two up to 2 MiB. So bodies
//!   of about one length take each other's place. A longer body has the room that it asks for, and its memory is never kept.
//! - **Thread cache** (`thread_cache`). A thread keeps pieces of up to 32 KiB in one list for each class, and takes the piece that it kept
//!   last. A list holds one batch at most: 16 pieces or 64 KiB, whichever is less. An open list counts as a full one, and all open lists of
//!   a thread count for 512 KiB at most. To open another one, the thread closes the next list in turn and frees its pieces.
//! - **Depot** (`depot`). All threads share it, behind a lock that they only try. A thread whose list is full leaves the batch there, and a
//!   thread whose list is empty takes one. So the memory of messages that go from thread to thread comes back by the batch. A piece of more
//!   than 32 KiB is a batch of its own. The depot holds 64 batches and 4 MiB at most; the oldest batches make way, and are freed.
//! - **Given back.** The I/O thread empties the depot after a burst (`reactor::trim`), and so does `zmq_ctx_term` for the last context. A
//!   thread frees its cache when it ends.
//! - **Short of memory.** Nothing here allocates or waits. A piece that finds no place is freed. A body that finds no piece asks the system,
//!   whose refusal is `ENOMEM`.

mod class;
mod depot;
mod thread_cache;

pub(super) use class::room_for;
pub(super) use thread_cache::{ThreadCache, empty_depot, here};
