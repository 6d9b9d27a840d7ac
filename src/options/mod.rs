//! Options of sockets and contexts: one row per option in `table`, typed structs that hold the values, and the
//! checks that `zmq_setsockopt`, `zmq_getsockopt`, `zmq_ctx_set` and `zmq_ctx_get` make.
//!
//! A new option is a number in [`number`] (or [`draft_number`]), a field, and a row.
#![forbid(unsafe_code)]

mod context;
#[cfg(zmq_draft)]
pub mod draft_number;
mod filter;
pub mod number;
#[cfg(feature = "qzmq")]
mod qzmq;
mod row;
mod security;
mod socket;
mod socket_values;
mod table;
mod text;
pub mod value;

#[cfg(test)]
mod tests;

pub use context::ContextOptions;
pub use filter::accepts_tcp_peer;
#[cfg(feature = "qzmq")]
pub use qzmq::{KnownServer, QzmqKeys, public as qzmq_public_key, secret as qzmq_secret_key};
pub use row::{Access, Empty, Kind, Owner, Row, When};
pub use security::curve_key;
pub use socket_values::{Mechanism, SocketOptions, SocketType};
pub use table::{row, rows};
pub use text::Text;
pub use value::FlagRule;
