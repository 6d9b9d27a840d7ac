//! Counts what the calling thread does with keys, for tests of how much work a peer can cause.

use std::cell::Cell;

/// Numbers of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub key_pairs: u32,
    pub encapsulations: u32,
    pub decapsulations: u32,
}

thread_local! {
    static DONE: Cell<Work> = const { Cell::new(Work { key_pairs: 0, encapsulations: 0, decapsulations: 0 }) };
}

pub fn note(count: impl FnOnce(&mut Work)) {
    let mut work = DONE.get();
    count(&mut work);
    DONE.set(work);
}

/// What the thread has done while `run` ran.
pub fn of<R>(run: impl FnOnce() -> R) -> (R, Work) {
    DONE.set(Work::default());
    let result = run();
    (result, DONE.take())
}
