//! Digests: SHA-256, and SHA-1. The latter serves only WebSocket, which requires it and does not depend on its strength.

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// The SHA-1 digest of the parts' concatenation.
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The SHA-256 digest of the parts' concatenation.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first example of FIPS 180.
    #[test]
    fn abc() {
        let digest = [
            0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c,
            0x9c, 0xd0, 0xd8, 0x9d,
        ];
        assert_eq!(sha1(&[b"a", b"", b"bc"]), digest);
        assert_eq!(sha256(&[b"a", b"", b"bc"])[..6], [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01]);
    }
}
