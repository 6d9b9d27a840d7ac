//! How an end of a pipe tells the other end's owner that something happened.

/// What happened on the other end.
pub enum PipeEvent {
    /// Frames were published while the reader slept.
    Readable,
    /// Credit was granted while the writer slept.
    Writable,
    /// The peer closed its end: nothing more can be written, what it wrote may still be read.
    PeerClosed,
}

/// The owner of a pipe's end, as its peer sees it. Called on the peer's thread, and only when this side sleeps.
pub trait Notify: Send + Sync {
    fn notify(&self, event: PipeEvent);
}
