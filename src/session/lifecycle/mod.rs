//! The life of a session: connecting or accepted, handshake, established, closing; and the listeners that accept.

pub(in crate::session) mod admission;
pub(in crate::session) mod backoff;
pub(in crate::session) mod ban_list;
mod blame;
pub(in crate::session) mod connecter;
pub(in crate::session) mod connecting;
pub(in crate::session) mod data_phase;
pub(in crate::session) mod delivery_wait;
pub(in crate::session) mod ends;
mod establishing;
pub(in crate::session) mod events;
pub(in crate::session) mod handshake_memory;
pub(in crate::session) mod handshake_trail;
pub(in crate::session) mod handshaking;
pub mod linger;
pub mod listener;
pub(in crate::session) mod reason;
pub(in crate::session) mod resolve;
pub mod session;
pub mod session_context;
pub(in crate::session) mod session_pipe;
pub(in crate::session) mod stage;
pub(in crate::session) mod timer;
pub(in crate::session) mod turned_away;
pub mod zap;
