//! Lines that threads of the program leave for one thread of the library to write (the log, the audit trail).
//!
//! | file | what |
//! |---|---|
//! | `queue` | the lines that wait, and the count of those that did not fit; pure |
//! | `writer` | the thread that writes, and waiting for it |
//!
//! Law: no thread of the program and no I/O thread waits for the place where lines go. A thread that asks to wait says for how long at most.

mod queue;
mod writer;

pub use queue::whole_lines;
pub use writer::{LineWriter, Place, RETRY_INTERVAL};
