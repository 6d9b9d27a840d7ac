//! Cryptography: the only layer that names a crate of ciphers, signatures or TLS.
//!
//! | File | What |
//! |---|---|
//! | `x25519` | X25519 itself |
//! | `keys` | its keys: [`SecretKey`], [`PublicKey`], pairs |
//! | `boxes` | single boxes, for the handshake: [`SharedKey`], [`SealKey`] |
//! | `stream` | the boxes of a connection's MESSAGE commands: [`BoxStream`] |
//! | `random` | random bytes of the system |
//! | `digest` | SHA-256, and SHA-1 for WebSocket |
//! | `fingerprint` | public keys as people compare them: [`fingerprint()`] |
//! | `tls` | TLS: settings from PEM, and a connection that does no I/O |
//! | `password` | hashed passwords: Argon2id |
//! | `poly1305` | the authenticator |
//! | `sums` | the authenticators of several texts, computed between the rounds of the key stream |
//! | `kem` | X-Wing and ML-KEM-1024, for QZMQ: [`KemSecret`], [`KemPublic`] |
//! | `aead` | AES-256-GCM and ChaCha20-Poly1305, for QZMQ's boxes and records: [`AeadKey`] |
//! | `dsa` | ML-DSA, for certificates: [`DsaSecret`], [`DsaPublic`] |
//! | `certificate` | certificates of QZMQ, and which ones a socket trusts: [`Certificate`], [`Trust`] |
//! | `hkdf` | the hash functions of QZMQ and its key derivation: [`Digest`], [`DerivationKey`] |
//! | `repeatable` | for fuzzing alone: the same random bytes each time, and results that are kept |
//! | `salsa` | Salsa20 key stream, many blocks at a time; a kernel per instruction set in files of their own |
//!
//! X25519 comes from graviola, or from x25519-dalek where the processor is not one for graviola. The boxes of cookies come from
//! chacha20poly1305. The cipher of all other boxes is this project's own. The usual crates compute the key stream
//! block by block and derive the XSalsa20 subkey anew for each message. For a small message that takes several times
//! as long. Tests compare the cipher with crypto_box, which has been reviewed by more people.
//!
//! What QZMQ uses comes with the feature `qzmq`, from libcrux, ring and hkdf. [docs/qzmq.md](../../docs/qzmq.md) says why.
//!
//! No code here branches on, or indexes by, secret bytes. Keys are wiped when dropped.

#[cfg(feature = "qzmq")]
pub mod aead;
pub mod boxes;
#[cfg(feature = "qzmq")]
pub mod certificate;
pub mod digest;
#[cfg(feature = "qzmq")]
pub mod dsa;
pub mod fingerprint;
#[cfg(feature = "qzmq")]
pub mod hkdf;
#[cfg(feature = "qzmq")]
pub mod kem;
pub mod keys;
pub mod password;
mod poly1305;
pub mod random;
pub mod repeatable;
mod salsa;
pub mod stream;
mod sums;
pub mod tls;
mod x25519;

#[cfg(test)]
mod tests;

#[cfg(feature = "qzmq")]
pub use aead::{AeadKey, AeadSuite};
pub use boxes::{NONCE_BYTES, SealKey, SharedKey};
#[cfg(feature = "qzmq")]
pub use certificate::{Certificate, Claims, Roles, Trust};
#[cfg(feature = "qzmq")]
pub use dsa::{DsaPublic, DsaSecret, DsaSuite};
pub use fingerprint::fingerprint;
#[cfg(feature = "qzmq")]
pub use hkdf::{DerivationKey, Digest, HashSuite};
#[cfg(feature = "qzmq")]
pub use kem::{KemPublic, KemSecret, KemSuite};
pub use keys::{KEY_BYTES, PublicKey, SecretKey};
pub use stream::{BoxStream, Sealed};

/// Bytes of the authentication tag, which stands before the text.
pub const TAG_BYTES: usize = 16;
/// Bytes of the nonce's fixed part.
pub const PREFIX_BYTES: usize = 16;
