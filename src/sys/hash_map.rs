//! Hash maps whose order no peer can guess, made without a call that could fail or be interrupted for ever.
//!
//! The standard library asks the system for the keys of its hash maps until it gets them, and ends the
//! process where it gets none.

use super::fork::SetOnce;
use super::random;
use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// As the standard library's, with keys from this module.
pub type HashMap<K, V> = std::collections::HashMap<K, V, Keyed>;

/// Hashes with the secret that the process has drawn for its first map.
#[derive(Clone, Debug)]
pub struct Keyed(DefaultHasher);

impl Default for Keyed {
    fn default() -> Keyed {
        /// A hasher that has taken in the secret already. Written once.
        static FRONT: SetOnce<DefaultHasher> = SetOnce::new();
        Keyed(FRONT.get_or_make(draw).clone())
    }
}

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    #[inline]
    fn build_hasher(&self) -> DefaultHasher {
        self.0.clone()
    }
}

fn draw() -> DefaultHasher {
    let mut secret = [0; 32];
    if random::fill(&mut secret).is_err() {
        // The program's address and the time are the remaining facts that a peer does not know.
        let place = std::ptr::from_ref(&secret).addr() as u64;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let (front, back) = secret.split_at_mut(16);
        front.copy_from_slice(&now.as_nanos().to_ne_bytes());
        back.copy_from_slice(&u128::from(place).to_ne_bytes());
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(&secret);
    hasher
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::errno::Errno;
    use crate::sys::faults::{self, Call};

    #[test]
    fn maps_find_what_is_in_them() {
        let mut map = HashMap::default();
        map.extend((0..1000u32).map(|i| (i.to_ne_bytes().to_vec(), i)));
        assert!((0..1000u32).all(|i| map.get(&i.to_ne_bytes()[..]) == Some(&i)));
        assert_eq!(map.get(&b"nobody"[..]), None);
    }

    #[test]
    fn secrets_differ_also_without_the_systems_random_bytes() {
        let hash = |front: &DefaultHasher| {
            let mut hasher = front.clone();
            hasher.write_u32(7);
            hasher.finish()
        };
        assert_ne!(hash(&draw()), hash(&draw()));
        assert_ne!(hash(&draw()), hash(&DefaultHasher::new()));
        let _refused = faults::refuse(Call::Random, Errno::INTR, 1000);
        assert_ne!(hash(&draw()), hash(&DefaultHasher::new()));
    }
}
