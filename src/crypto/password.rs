//! Hashed passwords: Argon2id, as PHC strings (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`).

use super::random;
use crate::errno::{Errno, Result};
use argon2::{Algorithm, Argon2, Params, PasswordHash as PhcString, PasswordHasher, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The costs of the dearest hash that is taken: a file must not make each login take gigabytes or minutes.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;
const SALT_BYTES: usize = 16;
const ALGORITHM: &str = "argon2id";

/// A hash to compare passwords with.
#[derive(Clone)]
pub struct PasswordHash {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl PasswordHash {
    /// Reads a PHC string. Errors: `EINVAL` for what is none, is of another algorithm, or costs too much.
    pub fn parse(text: &str) -> Result<PasswordHash> {
        let phc = PhcString::new(text).map_err(|_| Errno::INVAL)?;
        let version =
            phc.version.map_or(Ok(Version::default()), Version::try_from).map_err(|_| Errno::INVAL)?;
        let params = Params::try_from(&phc).map_err(|_| Errno::INVAL)?;
        let dear =
            params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES || params.p_cost() > MAX_LANES;
        if phc.algorithm.as_str() != ALGORITHM || dear {
            return Err(Errno::INVAL);
        }
        let salt = phc.salt.ok_or(Errno::INVAL)?.as_ref().to_vec();
        let output = phc.hash.ok_or(Errno::INVAL)?.as_bytes().to_vec();
        Ok(PasswordHash { argon2: Argon2::new(Algorithm::Argon2id, version, params), salt, output })
    }

    /// Memory in KiB, passes and lanes: what a comparison takes.
    #[cfg(test)]
    pub fn costs(&self) -> (u32, u32, u32) {
        let params = self.argon2.params();
        (params.m_cost(), params.t_cost(), params.p_cost())
    }

    /// Whether it is the hash of this password. Takes tens of milliseconds and megabytes. Errors: `ENOMEM`.
    pub fn verify(&self, password: &[u8]) -> Result<bool> {
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        match self.argon2.hash_password_into(password, &self.salt, &mut output) {
            Ok(()) => Ok(output.as_slice().ct_eq(&self.output).into()),
            Err(_) => Err(Errno::NOMEM),
        }
    }
}

/// The hash of a password with a fresh salt, as a PHC string. Errors: those of the system's random numbers; `EINVAL`.
pub fn hash_password(password: &[u8]) -> Result<String> {
    let mut salt = [0; SALT_BYTES];
    random::fill(&mut salt)?;
    let hash: PhcString =
        Argon2::default().hash_password_with_salt(password, &salt).map_err(|_| Errno::INVAL)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 24 -e`.
    const OF_THE_REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn passwords_are_compared_with_hashes_of_the_reference() {
        let hash = PasswordHash::parse(OF_THE_REFERENCE).unwrap();
        assert_eq!(hash.verify(b"password"), Ok(true));
        assert_eq!(hash.verify(b"Password"), Ok(false));
        assert_eq!(hash.verify(b""), Ok(false));
    }

    #[test]
    fn what_is_made_is_understood() {
        let (one, other) = (hash_password(b"secret").unwrap(), hash_password(b"secret").unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert_eq!(PasswordHash::parse(&one).unwrap().verify(b"secret"), Ok(true));
        assert_eq!(PasswordHash::parse(&one).unwrap().verify(b"secret "), Ok(false));
    }

    #[test]
    fn what_is_no_hash_or_a_dear_one() {
        for text in [
            "",
            "secret",
            "$argon2id$",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=99,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$v=19$m=256,t=2,p=1",
        ] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
    }
}
