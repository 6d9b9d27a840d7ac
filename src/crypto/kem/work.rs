//! Counts what the calling thread does with keys, for tests of how much work a peer can cause.

use std::cell::Cell;

/// Numbers of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub key_pairs: u32,
    pub encapsulations: u32,
    pub decapsulations: u32,
    /// Of certificates' signatures.
    pub verifications: u32,
    /// Of authorities' keys, each over the whole key.
    pub fingerprints: u32,
}

impl Work {
    pub const NONE: Work =
        Work { key_pairs: 0, encapsulations: 0, decapsulations: 0, verifications: 0, fingerprints: 0 };
}

thread_local! {
    static DONE: Cell<Work> = const { Cell::new(Work::NONE) };
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
