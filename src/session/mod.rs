//! Sessions: what stands between a socket's pipe and a stream.
#![forbid(unsafe_code)]

mod recv;
mod send;
