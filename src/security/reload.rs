//! Files that are looked at again when they are needed.
//!
//! Laws:
//! - It is read when it looks different: by device, inode, size, mode, owner, and the times of its content and inode.
//! - A file that was written within [`UNSETTLED`] of the look is read at the next look as well. The file system's clock is coarse, so a
//!   second write in the same instant would look the same.
//! - What counts is what the file says now. One that has gone, or cannot be understood any more, counts as a fault and not as what it
//!   said before: a key that was withdrawn by a broken file stays withdrawn.

use super::Fault;
use super::watch::Look;
use crate::sys::file;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// A file that was written this recently may change again and look the same.
pub const UNSETTLED: Duration = Duration::from_secs(2);
/// Bytes of the largest file that is read: of 5,000 users with their passwords, or of the largest policy.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The text of a file, and its state.
pub struct Content {
    pub stamp: Stamp,
    /// Wiped when dropped: it may hold a key.
    pub text: Zeroizing<String>,
}

/// A file's value, which is made anew where the file has changed.
pub struct FileLook<T> {
    path: PathBuf,
    make: fn(&Path, &Content) -> Result<T, Fault>,
    /// Of the file that the value came from; `None` where the file must be read again.
    stamp: Option<Stamp>,
    value: Option<Result<Arc<T>, Fault>>,
}

impl<T> FileLook<T> {
    pub fn new(path: &Path, make: fn(&Path, &Content) -> Result<T, Fault>) -> FileLook<T> {
        FileLook { path: path.to_owned(), make, stamp: None, value: None }
    }
}

impl<T: Send + Sync + 'static> Look for FileLook<T> {
    type Value = T;

    fn look(&mut self) -> Result<Arc<T>, Fault> {
        if let (Some(value), Some(known)) = (&self.value, self.stamp)
            && std::fs::metadata(&self.path).is_ok_and(|metadata| Stamp::of(&metadata) == known)
        {
            return value.clone();
        }
        let content = read(&self.path);
        let stamp = content.as_ref().ok().map(|content| content.stamp);
        self.stamp = stamp.filter(|stamp| is_settled(stamp, SystemTime::now()));
        let value = content.and_then(|content| (self.make)(&self.path, &content)).map(Arc::new);
        self.value.insert(value).clone()
    }
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether users other than the owner may read or write the file.
    pub fn is_open_to_others(&self) -> bool {
        self.mode & 0o077 != 0
    }

    /// Whether any user may write the file.
    fn is_writable_by_all(&self) -> bool {
        self.mode & 0o002 != 0
    }

    /// The mode without the file's kind.
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }
}

/// Whether a later state of the file is sure to look different. A time in the future says nothing.
pub fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    let seconds = u64::try_from(stamp.changed.0.max(stamp.modified.0)).unwrap_or(0);
    let Some(written) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else { return false };
    now.duration_since(written).is_ok_and(|age| age >= UNSETTLED)
}

/// Refuses a file or folder that any user may write: each of them could let in clients.
pub fn check_writers(path: &Path, stamp: &Stamp) -> Result<(), Fault> {
    if stamp.is_writable_by_all() {
        let what = format!("all users may write it (mode {:04o})", stamp.permissions());
        return Err(Fault::denial(path, None, what, format!("chmod o-w {}", path.display())));
    }
    Ok(())
}

/// Reads a text file, a regular one of at most [`MAX_FILE_BYTES`]. The faults say what is wrong with the file.
pub fn read(path: &Path) -> Result<Content, Fault> {
    read_at_most(path, MAX_FILE_BYTES)
}

/// As [`read`], a smaller one.
pub fn read_at_most(path: &Path, most_bytes: u64) -> Result<Content, Fault> {
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    // A named pipe would hold up the thread until a writer comes.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = file::open(path, flags, 0).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Fault::mistake(path, None, "it is no regular file", "name a file here"));
    }
    let too_large = || {
        let what = format!("it has more than {most_bytes} bytes");
        Fault::mistake(path, None, what, "is it the file that was meant?")
    };
    if metadata.size() > most_bytes {
        return Err(too_large());
    }
    let size = usize::try_from(metadata.size()).unwrap_or(0);
    // Large enough from the start: growing would leave a key behind that is not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    let most = usize::try_from(most_bytes.saturating_add(1)).unwrap_or(usize::MAX);
    file::read(&file, &mut bytes, most).map_err(unreadable)?;
    if bytes.len() as u64 > most_bytes {
        return Err(too_large());
    }
    let text = std::str::from_utf8(&bytes)
        .map(str::to_owned)
        .map_err(|_| Fault::mistake(path, None, "it is no text (UTF-8)", "is it the file that was meant?"))?;
    Ok(Content { stamp: Stamp::of(&metadata), text: Zeroizing::new(text) })
}

/// The fault of a file or folder that the system does not let us read.
pub fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => {
            Fault::mistake(path, None, "there is no such file", "make it, or correct its name")
        }
        ErrorKind::PermissionDenied => {
            let what = "this user may not read it";
            Fault::denial(path, None, what, "give it to the user that runs the program, and see its folders")
        }
        _ => Fault::mistake(path, None, format!("it cannot be read: {error}"), "see that it is a file"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_that_was_just_written_may_change_unseen() {
        let folder = tempfile();
        let path = folder.join("file");
        std::fs::write(&path, "text").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        let now = SystemTime::now();
        assert!(!is_settled(&stamp, now));
        assert!(is_settled(&stamp, now + UNSETTLED + Duration::from_secs(1)));
        assert!(!is_settled(&stamp, now - Duration::from_secs(3600)), "from the future");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_counts_is_what_the_file_says_now() {
        let folder = tempfile();
        let path = folder.join("file");
        let mut watched = FileLook::new(&path, |_, content| Ok(content.text.to_string()));
        let now = |watched: &mut FileLook<String>| watched.look().map(|text| text.to_string());
        assert!(now(&mut watched).unwrap_err().what.contains("no such file"));
        for text in ["one", "two"] {
            // Of the same size, and within the same second.
            std::fs::write(&path, text).unwrap();
            assert_eq!(now(&mut watched).unwrap(), text);
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(now(&mut watched).unwrap_err().what.contains("UTF-8"));
        std::fs::remove_file(&path).unwrap();
        assert!(now(&mut watched).is_err());
        std::fs::create_dir(&path).unwrap();
        assert!(now(&mut watched).unwrap_err().what.contains("regular"));
        assert!(read(Path::new("/dev/zero")).is_err_and(|fault| fault.what.contains("regular")));
        std::fs::write(folder.join("large"), [b'#'; 17]).unwrap();
        assert!(read_at_most(&folder.join("large"), 16).is_err_and(|fault| fault.what.contains("16 bytes")));
        assert!(read_at_most(&folder.join("large"), 17).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// The clock of another machine, or a clock that was set back, dates files in the future.
    #[test]
    fn a_file_from_the_future_is_read_at_each_look() {
        let folder = tempfile();
        let path = folder.join("file");
        std::fs::write(&path, "one").unwrap();
        let future = SystemTime::now() + Duration::from_secs(1_000_000);
        let date =
            || std::fs::OpenOptions::new().append(true).open(&path).unwrap().set_modified(future).unwrap();
        date();
        let mut watched = FileLook::new(&path, |_, content| Ok(content.text.to_string()));
        for text in ["one", "two", "six"] {
            std::fs::write(&path, text).unwrap();
            // It has the size and the time that it had before.
            date();
            assert_eq!(*watched.look().unwrap(), text);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_looks_the_same_is_not_read() {
        let folder = tempfile();
        let path = folder.join("file");
        std::fs::write(&path, "one").unwrap();
        let mut watched = FileLook::new(&path, |_, content| Ok(content.text.to_string()));
        let first = watched.look().unwrap();
        // As if it had been written a while ago.
        watched.stamp = Some(Stamp::of(&std::fs::metadata(&path).unwrap()));
        assert!(Arc::ptr_eq(&first, &watched.look().unwrap()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_text_file_of_a_fair_size_is_refused() {
        let folder = tempfile();
        let large = folder.join("large");
        std::fs::write(&large, vec![b' '; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]).unwrap();
        assert!(read(&large).err().unwrap().what.contains("more than"));
        assert!(read(Path::new("/dev/zero")).is_err());
        assert!(read(&folder).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    fn tempfile() -> std::path::PathBuf {
        super::super::testing::folder()
    }
}
