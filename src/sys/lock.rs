//! A mutex without poison.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A mutex that goes on after a panic under it: a panic is contained where it happened (see ARCHITECTURE), and
/// what it broke is dropped there.
///
/// It is the standard library's and not `parking_lot`'s where a forked child may meet it: its whole state lies in
/// the mutex itself, while `parking_lot` keeps a table for the process whose buckets a thread that does not exist
/// in the child may have locked.
#[derive(Debug, Default)]
pub struct Lock<T: ?Sized>(Mutex<T>);

impl<T> Lock<T> {
    pub const fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Lock<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` while somebody else holds it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
