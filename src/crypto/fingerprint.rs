//! Public keys as people compare them.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes of the digest that are shown: two keys with the same 128 bits cannot be found.
const SHOWN_BYTES: usize = 16;
/// Bytes between two dashes.
const GROUP_BYTES: usize = 2;

/// The fingerprint of a public key of any kind, by its bytes as they are: the beginning of its SHA-256 digest, as in
/// `6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20`.
pub fn fingerprint(public_key: &[u8]) -> String {
    let digest = Sha256::digest(public_key);
    let mut text = String::with_capacity(SHOWN_BYTES * 5 / 2);
    for (number, byte) in digest.iter().take(SHOWN_BYTES).enumerate() {
        if number > 0 && number % GROUP_BYTES == 0 {
            text.push('-');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests are the first example of FIPS 180 and what coreutils' sha256sum says of 32 zero bytes.
    #[test]
    fn a_fingerprint_is_the_beginning_of_the_digest() {
        assert_eq!(fingerprint(b"abc"), "ba78-16bf-8f01-cfea-4141-40de-5dae-2223");
        assert_eq!(fingerprint(&[0; 32]), "6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20");
    }
}
