//! Encapsulation to a key of the other side.

use crate::crypto::KemPublic;
use crate::crypto::kem::{Ciphertext, SharedSecret};
use crate::engine::Failure;
use crate::errno::Errno;

/// Encapsulates to a key. A key that gives a secret of zeros is the other side's fault, a lack of random numbers is not.
pub fn encapsulate(public: &KemPublic) -> Result<(Ciphertext, SharedSecret), Failure> {
    public.encapsulate().map_err(failure)
}

fn failure(errno: Errno) -> Failure {
    match errno {
        Errno::PROTO => Failure::CRYPTOGRAPHIC,
        errno => Failure::Own(errno),
    }
}

#[cfg(test)]
pub mod testing {
    #![allow(clippy::unwrap_used)]
    use crate::crypto::{KemPublic, KemSecret, KemSuite};

    /// A key of X-Wing whose point is of small order.
    pub fn small_order() -> KemPublic {
        let mut bytes = KemSecret::generate(KemSuite::XWing).unwrap().public().bytes().to_vec();
        let point = bytes.len() - 32;
        bytes[point..].fill(0);
        KemPublic::parse(KemSuite::XWing, &bytes).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_of_the_side_that_makes_it() {
        assert_eq!(encapsulate(&testing::small_order()).err(), Some(Failure::CRYPTOGRAPHIC));
        for errno in [Errno::AGAIN, Errno::NOMEM, Errno::FAULT] {
            assert_eq!(failure(errno), Failure::Own(errno));
        }
    }
}
