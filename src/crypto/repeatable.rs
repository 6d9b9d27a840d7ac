//! Cryptography for fuzzing: an input means the same each time, and repeating it is cheap.
//!
//! With `--cfg fuzzing`, and once a thread has called `begin`, its random bytes follow from a fixed number. Results of public-key
//! operations are kept, and come again for the same bytes. The operations themselves are the real ones. Fuzzing repeats them a
//! million times with the same keys, and each takes longer than all the rest of a handshake.
//!
//! An ordinary build has nothing of it: [`once`] is the call that it is given.

#[cfg(fuzzing)]
pub use kept::{begin, fill};

/// A function of its bytes alone.
#[derive(Clone, Copy)]
pub enum Operation {
    X25519Public,
    X25519Agree,
    MlKemPair,
    MlKemEncapsulate,
    MlKemDecapsulate,
    MlDsaVerify,
}

/// What `compute` comes to, which depends on the operation and on `input` alone.
#[cfg(not(fuzzing))]
#[inline(always)]
pub fn once<T>(_: Operation, _: &[&[u8]], compute: impl FnOnce() -> T) -> T {
    compute()
}

#[cfg(fuzzing)]
pub fn once<T: Clone + 'static>(operation: Operation, input: &[&[u8]], compute: impl FnOnce() -> T) -> T {
    kept::once(operation, input, compute)
}

#[cfg(fuzzing)]
mod kept {
    use super::Operation;
    use std::any::Any;
    use std::cell::RefCell;
    use std::collections::HashMap;

    /// Results that are kept. All are forgotten when there are more, for most come from changed keys and never come again.
    const MOST_KEPT: usize = 2048;

    #[derive(Default)]
    struct Thread {
        /// None while the thread is an ordinary one.
        seed: Option<u64>,
        results: HashMap<Vec<u8>, Box<dyn Any>>,
    }

    thread_local! {
        static THREAD: RefCell<Thread> = RefCell::default();
    }

    /// From here on the calling thread's random bytes are those that came after the last call.
    pub fn begin() {
        THREAD.with_borrow_mut(|thread| thread.seed = Some(0));
    }

    /// SplitMix64. False on an ordinary thread.
    pub fn fill(bytes: &mut [u8]) -> bool {
        THREAD.with_borrow_mut(|thread| {
            let Some(seed) = &mut thread.seed else { return false };
            for part in bytes.chunks_mut(8) {
                *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut word = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                part.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..part.len()]);
            }
            true
        })
    }

    pub fn once<T: Clone + 'static>(operation: Operation, input: &[&[u8]], compute: impl FnOnce() -> T) -> T {
        if THREAD.with_borrow(|thread| thread.seed.is_none()) {
            return compute();
        }
        let mut key = vec![operation as u8];
        for part in input {
            key.extend_from_slice(&part.len().to_le_bytes());
            key.extend_from_slice(part);
        }
        let known = THREAD.with_borrow(|thread| thread.results.get(&key)?.downcast_ref::<T>().cloned());
        known.unwrap_or_else(|| {
            let result = compute();
            THREAD.with_borrow_mut(|thread| {
                if thread.results.len() == MOST_KEPT {
                    thread.results.clear();
                }
                thread.results.insert(key, Box::new(result.clone()));
            });
            result
        })
    }
}
