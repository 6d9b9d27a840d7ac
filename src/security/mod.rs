//! Security by configuration: a TOML file says how sockets are secured on which the program set no mechanism.
//!
//! | file | what it holds |
//! |---|---|
//! | `fault` | a mistake in a file, or a refusal: where, what, and what to do |
//! | `file` | the TOML file as a typed [`Policy`] |
//! | `qzmq_settings` | how QZMQ is spoken: its table of that file |
//! | `reader` | TOML values with their lines, and what is said of those that do not fit |
//! | `certificate` | key files, as pyzmq and czmq write them |
//! | `authorities` | files of QZMQ's certificates: authorities, certificates, what is revoked |
//! | `revoked` | the list of what is revoked, which forgets nothing at a glance |
//! | `trust` | the authorities that an endpoint of QZMQ trusts |
//! | `allowed` | whose keys are let in |
//! | `passwords` | the users of PLAIN |
//! | `peer_network` | where peers count as one |
//! | `verifier` | the thread that compares passwords with hashes |
//! | `reload` | files that are looked at again when they are needed |
//! | `watch` | looks that hold up no I/O thread |
//! | `rules` | the decision for one endpoint, pure |
//! | `authenticator` | the answer about one peer, pure |
//! | `endpoint_keys` | whether the keys of an endpoint fit together, pure |
//! | `handshake_keys` | what the handshakes of an endpoint are made with, pure |
//! | `key_changes` | keys that have come and gone since an endpoint was last looked at |
//! | `protection` | what an endpoint's handshakes get, from the files as they are then |
//!
//! A mistake is loud and closed: `zmq_bind` and `zmq_connect` fail, and handshakes do. None falls back to NULL.
#![forbid(unsafe_code)]

pub mod allowed;
pub mod authenticator;
#[cfg(feature = "qzmq")]
pub mod authorities;
pub mod certificate;
pub mod endpoint_keys;
pub mod fault;
pub mod file;
mod handshake_keys;
pub mod key_changes;
pub mod keys;
pub mod passwords;
pub mod peer_network;
pub mod protection;
pub mod qzmq_settings;
mod reader;
mod reload;
#[cfg(feature = "qzmq")]
mod revoked;
#[cfg(feature = "qzmq")]
mod trust;
pub mod rules;
mod verifier;
mod watch;
#[cfg(test)]
mod testing;

pub use fault::Fault;
pub use file::Policy;
pub use protection::{Protection, SECURITY, SecurityFile};
