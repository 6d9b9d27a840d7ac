//! Cryptography: the only layer that names a crypto crate.
//!
//! | File | What |
//! |---|---|
//! | `keys` | X25519 keys: [`SecretKey`], [`PublicKey`], pairs |
//! | `boxes` | one box at a time, for the handshake: [`SharedKey`] (crypto_box) and [`SecretBoxKey`] (secretbox) |
//! | `stream` | the boxes of a connection's MESSAGE commands: [`BoxStream`] |
//! | `random` | random bytes of the system |
//! | `digest` | SHA-1, for WebSocket |
//! | `tls` | TLS: settings from PEM, and a connection that does no I/O |
//! | `poly1305` | the authenticator |
//! | `salsa` | Salsa20 key stream, many blocks at a time; a kernel per instruction set in files of their own |
//!
//! The curve itself comes from curve25519-dalek. The cipher is ours: the usual crates compute the key stream block by
//! block and derive the XSalsa20 subkey anew for each message, which costs a small message several times what it
//! has to. The crates that are more widely read, crypto_box above all, are what ours is tested against.
//!
//! Nothing in here branches on, or indexes by, secret bytes. Keys are wiped when dropped.

pub mod boxes;
pub mod digest;
pub mod keys;
mod poly1305;
pub mod random;
mod salsa;
pub mod stream;
pub mod tls;

#[cfg(test)]
mod tests;

pub use boxes::{NONCE, SecretBoxKey, SharedKey};
pub use keys::{KEY, PublicKey, SecretKey};
pub use stream::{BoxStream, Frame, TAG};
