//! Random bytes.

use crate::errno::Result;
use crate::sys;

/// Fills `bytes` from the system's random generator. While fuzzing they follow from a number: see [`repeatable`](super::repeatable).
///
/// Errors: the system's; the caller must not use `bytes` then.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    #[cfg(fuzzing)]
    if super::repeatable::fill(bytes) {
        return Ok(());
    }
    sys::random::fill(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn twice_is_never_the_same() {
        let mut bytes = [[0; 32]; 2];
        fill(&mut bytes[0]).unwrap();
        fill(&mut bytes[1]).unwrap();
        assert_ne!(bytes[0], bytes[1]);
        assert_ne!(bytes[0], [0; 32]);
    }
}
