//! Sockets: pipes, one pattern, a mailbox, and the endpoints they are bound and connected to.
//!
//! A [`Handle`] is what a `void *socket` is validated into. Every call on it takes the socket's lock; a call that
//! has to wait releases it and sleeps, so that two threads using one socket are serialised and a close in between
//! is seen as `ENOTSOCK`.

#![forbid(unsafe_code)]

use crate::ctx::Mailbox;
use crate::errno::Result;
use crate::message::{Frame, OutFrame};
use crate::options::SocketType;
use std::sync::Arc;

/// What other threads tell a socket.
pub enum Command {}

/// A validated socket handle: cheap to copy, never dangling; whether the socket is still open shows on each call.
#[derive(Clone, Copy)]
pub struct Handle(&'static ());

impl Handle {
    /// `zmq_socket`. Errors: `ETERM`, `EMFILE`, and what starting I/O threads may give.
    pub fn open(context: &crate::ctx::Context, socket_type: SocketType) -> Result<Handle> {
        let _ = (context, socket_type);
        todo!()
    }
    /// Of the address a program gave us. Errors: `ENOTSOCK`.
    pub fn from_address(address: usize) -> Result<Handle> {
        let _ = address;
        todo!()
    }
    /// The address a program knows the socket by.
    pub fn address(self) -> usize {
        todo!()
    }
    /// `zmq_close`. Errors: `ENOTSOCK`.
    pub fn close(self) -> Result<()> {
        todo!()
    }
    pub fn bind(self, endpoint: &str) -> Result<()> {
        let _ = endpoint;
        todo!()
    }
    pub fn connect(self, endpoint: &str) -> Result<()> {
        let _ = endpoint;
        todo!()
    }
    /// `zmq_unbind` and `zmq_disconnect`, which libzmq does not tell apart.
    pub fn terminate_endpoint(self, endpoint: &str) -> Result<()> {
        let _ = endpoint;
        todo!()
    }
    pub fn set_option(self, option: i32, value: &[u8]) -> Result<()> {
        let _ = (option, value);
        todo!()
    }
    /// Writes the value to `out` and says how many bytes it took.
    pub fn option(self, option: i32, out: &mut [u8]) -> Result<usize> {
        let _ = (option, out);
        todo!()
    }
    /// Sends one frame; `flags` are `ZMQ_DONTWAIT` (the frame says itself whether more follow). Waits according to
    /// `ZMQ_SNDTIMEO`. On any error nothing was taken.
    pub fn send(self, frame: &mut OutFrame<'_>, flags: i32) -> Result<()> {
        let _ = (frame, flags);
        todo!()
    }
    /// Receives one frame and gives it to `take` while it still lies in the pipe.
    pub fn recv<R>(self, flags: i32, take: impl FnOnce(Frame<'_>) -> Result<R>) -> Result<R> {
        let _ = flags;
        let _ = take;
        todo!()
    }
    /// `ZMQ_EVENTS`: `ZMQ_POLLIN`, `ZMQ_POLLOUT`, after processing what other threads said.
    pub fn events(self) -> Result<i32> {
        todo!()
    }
    /// For waiting on many sockets: register a parker, look at `events` once more, park.
    pub fn mailbox(self) -> Result<Arc<Mailbox<Command>>> {
        todo!()
    }
    /// `zmq_socket_monitor_versioned`; `None` stops monitoring.
    pub fn monitor(self, endpoint: Option<&str>, events: u64, version: i32, socket_type: i32) -> Result<()> {
        let _ = (endpoint, events, version, socket_type);
        todo!()
    }
}
