//! A file of our own in memory that other processes may read, and may go on reading when this one is gone.

use super::{file, file_limit};
use crate::errno::{Errno, Result};
use std::fs::{File, remove_file};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

/// Calls that set room aside, until one is not interrupted.
#[cfg(not(target_vendor = "apple"))]
const MAX_FILL_TRIES: usize = 10;

/// The whole of a file. Dropped, it is no longer in memory, and the file stays.
#[derive(Debug)]
pub struct MappedFile {
    cells: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is the value's own, and is reached as atomics alone.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// Makes a file of `count` numbers, all 0, that only this user may open. The room for it is taken at once: a full disk is an error
    /// here, and no signal later. Errors: `EEXIST` for any file of that name, a link too; `ENOSPC`; `EFBIG` where the process may not have
    /// files of that size; those of open(2) and mmap(2).
    pub fn create(path: &Path, count: usize) -> Result<MappedFile> {
        let new = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let file = file::open(path, new | libc::O_NOFOLLOW, 0o600)?;
        let mapped = MappedFile::of(&file, count);
        if mapped.is_err() {
            // It stays where that fails, too.
            let _ = remove_file(path);
        }
        mapped
    }

    fn of(file: &File, count: usize) -> Result<MappedFile> {
        let bytes =
            count.checked_mul(size_of::<AtomicU64>()).filter(|bytes| *bytes > 0).ok_or(Errno::INVAL)?;
        let length = libc::off_t::try_from(bytes).map_err(|_| Errno::INVAL)?;
        file_limit::check_last_byte(bytes as u64 - 1)?;
        fill(file, length)?;
        // SAFETY: a new mapping at an address of the system's choice, which touches no other memory.
        let memory = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let cells = NonNull::new(memory.cast::<AtomicU64>()).ok_or(Errno::NOMEM)?;
        Ok(MappedFile { cells, count })
    }

    /// The numbers of the file.
    #[inline]
    pub fn cells(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds that many numbers, aligned as pages are, and lives as long as `self`. Any bits are a number.
        unsafe { std::slice::from_raw_parts(self.cells.as_ptr(), self.count) }
    }
}

/// Has the file system set aside that many bytes. Errors: `ENOSPC`, and those of posix_fallocate(3).
#[cfg(not(target_vendor = "apple"))]
fn fill(file: &File, length: libc::off_t) -> Result<()> {
    fill_with(|| {
        // SAFETY: no pointers; the descriptor is open.
        unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) }
    })
}

/// Tries again where a signal of the program has ended the call. One that a timer sends all the time does not keep it here for ever.
#[cfg(not(target_vendor = "apple"))]
fn fill_with(mut allocate: impl FnMut() -> i32) -> Result<()> {
    let outcome = (0..MAX_FILL_TRIES).map(|_| allocate()).find(|error| *error != libc::EINTR);
    match outcome.unwrap_or(libc::EINTR) {
        0 => Ok(()),
        error => Err(Errno(error)),
    }
}

/// Makes the file that long. A full file system is noticed by the first write, which ends the process.
#[cfg(target_vendor = "apple")]
fn fill(file: &File, length: libc::off_t) -> Result<()> {
    // SAFETY: no pointers; the descriptor is open.
    match unsafe { libc::ftruncate(file.as_raw_fd(), length) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: the mapping is the value's own, and what `cells` has lent out is gone.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), self.count * size_of::<AtomicU64>()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::sync::atomic::Ordering;

    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn a_signal_does_not_end_it_and_many_do() {
        let mut left = 3;
        let mut interrupted = |error| {
            fill_with(|| {
                left -= 1;
                if left > 0 { libc::EINTR } else { error }
            })
        };
        assert_eq!(interrupted(0), Ok(()));
        assert_eq!(interrupted(libc::ENOSPC), Err(Errno(libc::ENOSPC)));
        let mut calls = 0;
        let always = || {
            calls += 1;
            libc::EINTR
        };
        assert_eq!(fill_with(always), Err(Errno::INTR));
        assert_eq!(calls, MAX_FILL_TRIES);
    }

    #[test]
    fn what_is_stored_can_be_read_in_the_file() {
        let path = std::env::temp_dir().join(format!("ferrozmq-mapped-{}", std::process::id()));
        let mapped = MappedFile::create(&path, 512).unwrap();
        assert!(mapped.cells().iter().all(|cell| cell.load(Ordering::Relaxed) == 0));
        mapped.cells()[3].store(7, Ordering::Relaxed);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((bytes.len(), &bytes[24..32]), (4096, &7u64.to_ne_bytes()[..]));
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.blocks() >= 8), (0o600, true));
        assert_eq!(MappedFile::create(&path, 512).unwrap_err(), Errno(libc::EEXIST));
        drop(mapped);
        remove_file(&path).unwrap();
        symlink("/nonexistent/ferrozmq", &path).unwrap();
        assert_eq!(MappedFile::create(&path, 512).unwrap_err(), Errno(libc::EEXIST));
        remove_file(&path).unwrap();
        assert_eq!(MappedFile::create(&path, 0).unwrap_err(), Errno::INVAL);
        assert!(!path.exists(), "a file that could not be made is gone");
    }
}
