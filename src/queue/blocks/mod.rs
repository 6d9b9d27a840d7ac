//! A single-producer single-consumer list of byte blocks.
//!
//! The producer appends bytes to its newest block and publishes them in one step, however many blocks they
//! fill. It stores the state words of the newer blocks first and that of the oldest one last. The consumer
//! reaches a newer block only through the older one's word. A block may end in a *tail*, a value that travels
//! between its bytes and those of the next block.
//!
//! A run of bytes appended in one call never straddles two blocks.
//!
//! One flag says that the consumer sleeps. The consumer raises it when it finds nothing. The producer lowers
//! it when it publishes; its caller then has to wake the consumer. Both sides access it around a sequentially
//! consistent fence (Dekker's algorithm), so at least one of the two sees the other's write.

mod block;
mod consumer;
mod distance;
mod producer;

#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::Consumer;
pub use producer::Producer;

use super::shim::{Arc, AtomicBool, AtomicPtr, UnsafeCell};
use crate::errno::Result;
use block::{Block, FIRST_BLOCK_BYTES, Position, Shared};
use distance::Distance;
use std::ptr;

/// Makes an empty queue. Errors: `ENOMEM`.
pub fn queue<T>() -> Result<(Producer<T>, Consumer<T>)> {
    let block = Block::allocate(FIRST_BLOCK_BYTES)?;
    let shared = Arc::new(Shared {
        asleep: AtomicBool::new(false),
        spare: AtomicPtr::new(ptr::null_mut()),
        deserted: AtomicBool::new(false),
        head: UnsafeCell::new(block),
    });
    let producer = Producer {
        shared: Arc::clone(&shared),
        block,
        filled: 0,
        spares: ptr::null_mut(),
        skipped: 0,
        received: 0,
        messages: 0,
        inside: false,
        oldest: block,
        oldest_word: 0,
        published: Position::default(),
    };
    let distance = Distance::default();
    Ok((producer, Consumer { shared, block, position: 0, messages: 0, seen: 0, distance }))
}
