//! The operating system, behind safe interfaces.

pub mod eventfd;
pub mod fork;
pub mod lock;
pub mod park;
pub mod poll;
pub mod stream;
pub mod thread;
