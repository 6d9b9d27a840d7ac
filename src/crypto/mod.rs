//! Cryptography: the only layer that names a crypto crate.
//!
//! | File | What |
//! |---|---|
//! | `keys` | X25519 keys: [`SecretKey`], [`PublicKey`], pairs |
//! | `boxes` | one box at a time, for the handshake: [`HandshakeKey`], [`SharedKey`], [`SealKey`] |
//! | `stream` | the boxes of a connection's MESSAGE commands: [`BoxStream`] |
//! | `random` | random bytes of the system |
//! | `digest` | SHA-1, for WebSocket |
//! | `tls` | TLS: settings from PEM, and a connection that does no I/O |
//! | `poly1305` | the authenticator |
//! | `sums` | the authenticators of several texts, while the key stream of the next is computed |
//! | `salsa` | Salsa20 key stream, many blocks at a time; a kernel per instruction set in files of their own |
//!
//! The curve comes from x25519-dalek, the boxes of the handshake from crypto_box and, those of cookies, from
//! chacha20poly1305. The cipher of all that follows the handshake is ours: the usual crates compute the key stream
//! block by block and derive the XSalsa20 subkey anew for each message, which costs a small message several times
//! what it has to. crypto_box, which is more widely read, is what ours is tested against.
//!
//! Nothing in here branches on, or indexes by, secret bytes. Keys are wiped when dropped.

pub mod boxes;
pub mod digest;
pub mod keys;
mod poly1305;
pub mod random;
mod salsa;
pub mod stream;
mod sums;
pub mod tls;

#[cfg(test)]
mod tests;

pub use boxes::{HandshakeKey, NONCE, SealKey, SharedKey};
pub use keys::{KEY, PublicKey, SecretKey};
pub use stream::{BoxStream, Sealed, TAG};
