//! Nonces: a prefix that distinguishes the uses of a key, and a counter or random bytes that make each nonce
//! new (RFC 26).
//!
//! One counter numbers all commands of a side, from HELLO or READY on; the other side checks that it rises.

use crate::crypto::{NONCE_BYTES, random};
use crate::engine::Failure;

/// Bytes of a nonce that the counter and the random part leave to the prefix.
const COUNTED_PREFIX_BYTES: usize = 16;
const RANDOM_PREFIX_BYTES: usize = 8;
/// Bytes of the random part.
pub const RANDOM_BYTES: usize = 16;

/// A nonce with a counter.
pub fn counted(prefix: &[u8; COUNTED_PREFIX_BYTES], counter: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    let (front, back) = nonce.split_at_mut(COUNTED_PREFIX_BYTES);
    front.copy_from_slice(prefix);
    back.copy_from_slice(&counter.to_be_bytes());
    nonce
}

/// A nonce with random bytes, which are sent along.
pub fn salted(prefix: &[u8; RANDOM_PREFIX_BYTES], salt: &[u8; RANDOM_BYTES]) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    let (front, back) = nonce.split_at_mut(RANDOM_PREFIX_BYTES);
    front.copy_from_slice(prefix);
    back.copy_from_slice(salt);
    nonce
}

/// Fresh random bytes. Fails with the system's error if it has none.
pub fn salt() -> Result<[u8; RANDOM_BYTES], Failure> {
    let mut salt = [0; RANDOM_BYTES];
    random::fill(&mut salt).map_err(Failure::Own)?;
    Ok(salt)
}

/// Takes the peer's next counter. It must be greater than the last, or a command came twice or out of order.
pub fn rise(last: &mut u64, next: u64) -> Result<(), Failure> {
    if next <= *last {
        return Err(Failure::INVALID_SEQUENCE);
    }
    *last = next;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;
    use crate::sys::faults::{self, Call};

    #[test]
    fn nonces_have_the_layout_of_the_rfc() {
        assert_eq!(counted(b"CurveZMQHELLO---", 0x0102), *b"CurveZMQHELLO---\0\0\0\0\0\0\x01\x02");
        assert_eq!(salted(b"COOKIE--", b"0123456789abcdef"), *b"COOKIE--0123456789abcdef");
    }

    #[test]
    fn a_failure_of_the_systems_random_bytes_is_not_the_peers_fault() {
        let _refused = faults::refuse(Call::Random, Errno::FAULT, 2);
        assert_eq!(salt(), Err(Failure::Own(Errno::FAULT)));
        assert!(!Failure::Own(Errno::FAULT).is_the_peers());
        assert!(salt().is_ok());
    }

    #[test]
    fn counters_rise() {
        let mut last = 1;
        for (next, outcome) in [
            (2, Ok(())),
            (2, Err(Failure::INVALID_SEQUENCE)),
            (1, Err(Failure::INVALID_SEQUENCE)),
            (9, Ok(())),
            (u64::MAX, Ok(())),
            (0, Err(Failure::INVALID_SEQUENCE)),
        ] {
            assert_eq!(rise(&mut last, next), outcome);
        }
    }
}
