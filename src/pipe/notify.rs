//! How an end of a pipe notifies the other end's owner.

use super::LaneWriter;

/// An event of the other end.
pub enum PipeEvent {
    /// Messages were published while the reader slept.
    Readable,
    /// Credit was granted while the writer slept.
    Writable,
    /// The peer closed its end: nothing more can be written. What it wrote may still be read.
    PeerClosed,
    /// The peer's connection was replaced. Messages not sent are dropped, and this is the lane to write to
    /// from now on ([`Pipe::replace_writer`](super::Pipe::replace_writer)).
    Hiccup(LaneWriter),
}

/// The owner of a pipe's end, as the other end sees it. Called on the other end's thread, and only while this
/// side sleeps, and when the other end closes or hiccups. Must not block and must not call back into the
/// pipe.
pub trait Notify: Send + Sync {
    fn notify(&self, event: PipeEvent);
}
