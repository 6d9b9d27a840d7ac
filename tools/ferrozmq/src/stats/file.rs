//! A file of counters: opened with suspicion, read whole, and read again where it has changed meanwhile.
//!
//! It is read and never mapped: a file that gets shorter while it is mapped ends the reader by SIGBUS.

use super::layout::{self, Fault, Header, Record, Source};
use crate::failure;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How often a file is read that changes while it is read, and the pause in between.
const MAX_ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// A file that was read.
#[derive(Debug)]
pub struct Reading {
    pub header: Header,
    pub records: Vec<Record>,
    /// The records were made or ended all the time, or the process was stopped or killed while it did so. A record may be missing then,
    /// or its counts may stand in two places.
    pub is_torn: bool,
    /// The user that the file belongs to.
    pub owner: u32,
}

/// Why there is nothing to read. A line for the user, without the file's name.
#[derive(Debug)]
pub enum Unreadable {
    Fault(Fault),
    System(io::Error),
    NoFile,
    Foreign(u32),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Fault(fault) => fault.fmt(f),
            Unreadable::System(error) => write!(f, "{}", failure::plain(error)),
            Unreadable::NoFile => write!(f, "it is no regular file"),
            Unreadable::Foreign(user) => write!(f, "it belongs to another user ({user})"),
        }
    }
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Unreadable {
        Unreadable::Fault(fault)
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        Unreadable::System(error)
    }
}

/// Reads the file at `path`. Symbolic links are not followed. `user` is the one that the tool runs as; only root reads the files of
/// others.
pub fn read(path: &Path, user: u32) -> Result<Reading, Unreadable> {
    // Opening a named pipe would wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = openat(CWD, path, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::LOOP => Unreadable::NoFile,
        error => Unreadable::System(error.into()),
    })?;
    let file = File::from(opened);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Unreadable::NoFile);
    }
    if user != 0 && metadata.uid() != user {
        return Err(Unreadable::Foreign(metadata.uid()));
    }
    let (header, records, is_torn) = settled(&file)?;
    Ok(Reading { header, records, is_torn, owner: metadata.uid() })
}

/// Reads until nothing was made or ended meanwhile, or until it has been tried often enough.
fn settled(file: &File) -> Result<(Header, Vec<Record>, bool), Unreadable> {
    for attempt in 1.. {
        let before = layout::generation(file)?;
        let header = layout::header(file, file.metadata()?.len())?;
        let records = layout::records(file, &header)?;
        let is_settled = before % 2 == 0 && layout::generation(file)? == before;
        if is_settled || attempt >= MAX_ATTEMPTS {
            return Ok((header, records, !is_settled));
        }
        thread::sleep(PAUSE);
    }
    Err(Fault::Truncated.into())
}

impl Source for File {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
        self.read_exact_at(buffer, offset).map_err(|_| Fault::Truncated)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::stats::written::Written;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, Written::example().bytes()).unwrap();
        let reading = read(&path, user()).unwrap();
        assert!(!reading.is_torn && reading.owner == user() && reading.records.len() == 7);
    }

    #[test]
    fn what_is_no_file_of_the_users_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&path, Written::example().bytes()).unwrap();
        symlink(&path, &link).unwrap();
        assert!(matches!(read(&link, user()), Err(Unreadable::NoFile)));
        assert!(matches!(read(folder.path(), user()), Err(Unreadable::NoFile)));
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        assert!(matches!(read(&pipe, user()), Err(Unreadable::NoFile)));
        assert!(matches!(read(&folder.path().join("missing"), user()), Err(Unreadable::System(_))));
        // As a user who is neither root nor the owner of the file.
        let other = user() + 1;
        assert!(matches!(read(&path, other), Err(Unreadable::Foreign(owner)) if owner == user()));
    }

    #[test]
    fn an_odd_generation_is_waited_for_and_then_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut written = Written::example();
        written.generation = 7;
        fs::write(&path, written.bytes()).unwrap();
        assert!(read(&path, user()).unwrap().is_torn);
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_read_is_no_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let whole = Written::example().bytes();
        fs::write(&path, &whole).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let cutter = {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            let (lengths, is_over) = ([0, 40, 4096, 5000, whole.len() as u64], Arc::clone(&is_over));
            thread::spawn(move || {
                let cut = |turn: usize| file.set_len(lengths[turn % 5]).unwrap();
                (0..).take_while(|_| !is_over.load(Ordering::Relaxed)).for_each(cut);
            })
        };
        let (mut reads, mut faults) = (0, 0);
        while reads < 500 || faults == 0 {
            // What was cut away comes back as zeroes.
            faults += usize::from(matches!(read(&path, user()), Err(Unreadable::Fault(_))));
            reads += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        cutter.join().unwrap();
    }
}
