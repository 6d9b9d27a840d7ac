//! The operating system behind safe functions: what `std` and `socket2` do not offer without `unsafe`.

pub mod credentials;
pub mod interface;
pub mod io;
pub mod net;
pub mod net_adopt;
pub mod net_resolve;
