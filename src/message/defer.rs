//! Free callbacks run with no lock of ours held.

/// While one of these lives on a thread, bodies whose last reference drops on that thread keep their free
/// callbacks until the outermost `DeferFrees` of the thread is dropped. Made first in every entry point and
/// reactor turn, so that it is dropped after every lock guard.
pub struct DeferFrees(());

impl DeferFrees {
    pub fn new() -> DeferFrees {
        DeferFrees(())
    }
}
