//! ML-KEM (FIPS 203) in the two sizes that QZMQ uses, by libcrux.
//!
//! libcrux takes randomness as an argument, so a system that has none fails the caller's request for it and aborts nothing.

/// One size: a module with the secret key, and functions over arrays of its lengths.
macro_rules! size {
    ($name:ident, $secret_bytes:literal, $public_bytes:literal, $ciphertext_bytes:literal) => {
        pub mod $name {
            use super::super::SharedSecret;
            use crate::crypto::repeatable::{Operation, once};
            use libcrux_ml_kem::$name as libcrux;
            use zeroize::{Zeroize, Zeroizing};

            pub const PUBLIC_BYTES: usize = $public_bytes;
            pub const CIPHERTEXT_BYTES: usize = $ciphertext_bytes;
            /// Bytes of the seed `d ‖ z`.
            pub const SEED_BYTES: usize = libcrux_ml_kem::KEY_GENERATION_SEED_SIZE;
            const SECRET_BYTES: usize = $secret_bytes;

            /// A decapsulation key. Wiped when dropped.
            pub struct Secret(Box<libcrux_ml_kem::MlKemPrivateKey<SECRET_BYTES>>);

            impl Secret {
                /// The pair of a seed.
                pub fn from_seed(seed: &[u8; SEED_BYTES]) -> (Secret, [u8; PUBLIC_BYTES]) {
                    let (secret, public) = once(Operation::MlKemPair, &[seed], || {
                        let (secret, public) = libcrux::generate_key_pair(*seed).into_parts();
                        (secret, public.into())
                    });
                    (Secret(Box::new(secret)), public)
                }

                /// A ciphertext that was made for another key gives a secret that its sender does not know.
                pub fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_BYTES]) -> SharedSecret {
                    let secret = &self.0[..SECRET_BYTES];
                    SharedSecret(once(Operation::MlKemDecapsulate, &[secret, ciphertext], || {
                        Zeroizing::new(libcrux::decapsulate(&self.0, &ciphertext.into()))
                    }))
                }
            }

            impl Drop for Secret {
                fn drop(&mut self) {
                    self.0[..SECRET_BYTES].zeroize();
                }
            }

            /// The check of FIPS 203, section 7.2.
            pub fn is_public(public: &[u8; PUBLIC_BYTES]) -> bool {
                libcrux::validate_public_key(&public.into())
            }

            /// Encapsulates to a public key that has been checked.
            pub fn encapsulate(
                public: &[u8; PUBLIC_BYTES],
                randomness: &[u8; 32],
            ) -> ([u8; CIPHERTEXT_BYTES], SharedSecret) {
                let (ciphertext, shared) = once(Operation::MlKemEncapsulate, &[public, randomness], || {
                    let (ciphertext, shared) = libcrux::encapsulate(&public.into(), *randomness);
                    (ciphertext.into(), Zeroizing::new(shared))
                });
                (ciphertext, SharedSecret(shared))
            }
        }
    };
}

size!(mlkem768, 2400, 1184, 1088);
size!(mlkem1024, 3168, 1568, 1568);
