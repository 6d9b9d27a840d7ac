//! A file that grows, is moved away and made anew (logrotate), or is cut to nothing (copytruncate).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The library's lines have 4 KiB at most.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A line without its end.
#[derive(Debug, Eq, PartialEq)]
pub enum Line<'a> {
    Whole(&'a str),
    TooLong,
}

pub struct Tail {
    path: PathBuf,
    current: Open,
    /// The file that was moved away last. A process may write to it until it notices.
    previous: Option<Open>,
}

impl Tail {
    pub fn open(path: &Path) -> io::Result<Tail> {
        Ok(Tail { path: path.to_owned(), current: Open::new(path)?, previous: None })
    }

    /// Gives `take` what has come since the last call. Stops at the first of its errors.
    pub fn read<E>(&mut self, mut take: impl FnMut(Line<'_>) -> Result<(), E>) -> io::Result<Result<(), E>> {
        if let Some(previous) = &mut self.previous
            && let Err(error) = previous.read(&mut take)?
        {
            return Ok(Err(error));
        }
        if let Err(error) = self.current.read(&mut take)? {
            return Ok(Err(error));
        }
        let Ok(there) = fs::metadata(&self.path) else { return Ok(Ok(())) };
        if (there.dev(), there.ino()) == self.current.id {
            return Ok(Ok(()));
        }
        // Between the two calls the file may have been moved away again: the next call sees that.
        let Ok(next) = Open::new(&self.path) else { return Ok(Ok(())) };
        self.previous = Some(std::mem::replace(&mut self.current, next));
        self.read(take)
    }
}

/// An open file, and what has been read of its last line.
struct Open {
    file: BufReader<File>,
    /// Device and inode.
    id: (u64, u64),
    begun: Begun,
}

impl Open {
    fn new(path: &Path) -> io::Result<Open> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Open { file: BufReader::new(file), id: (metadata.dev(), metadata.ino()), begun: Begun::default() })
    }

    fn read<E>(&mut self, take: impl FnMut(Line<'_>) -> Result<(), E>) -> io::Result<Result<(), E>> {
        let metadata = self.file.get_ref().metadata()?;
        if metadata.is_file() && metadata.len() < self.file.stream_position()? {
            self.file.seek(SeekFrom::Start(0))?;
            self.begun = Begun::default();
        }
        self.begun.read(&mut self.file, take)
    }
}

/// Every line of `input`, the last one even without an end.
pub fn lines<E>(
    mut input: impl BufRead,
    mut take: impl FnMut(Line<'_>) -> Result<(), E>,
) -> io::Result<Result<(), E>> {
    let mut begun = Begun::default();
    match begun.read(&mut input, &mut take)? {
        Ok(()) if !begun.bytes.is_empty() => Ok(begun.end(&mut take)),
        result => Ok(result),
    }
}

/// A line whose end has not come yet.
#[derive(Default)]
struct Begun {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Begun {
    fn read<E>(
        &mut self,
        input: &mut impl BufRead,
        mut take: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> io::Result<Result<(), E>> {
        loop {
            let room = MAX_LINE_BYTES.saturating_sub(self.bytes.len());
            let read = input.by_ref().take(room as u64).read_until(b'\n', &mut self.bytes)?;
            if self.bytes.last() == Some(&b'\n') {
                self.bytes.pop();
                if let Err(error) = self.end(&mut take) {
                    return Ok(Err(error));
                }
            } else if self.bytes.len() >= MAX_LINE_BYTES {
                self.is_too_long = true;
                self.bytes.clear();
            } else if read == 0 {
                return Ok(Ok(()));
            }
        }
    }

    fn end<E>(&mut self, take: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let bytes = std::mem::take(&mut self.bytes);
        if std::mem::take(&mut self.is_too_long) {
            return take(Line::TooLong);
        }
        take(Line::Whole(&String::from_utf8_lossy(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::convert::Infallible;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        let take = |line: Line<'_>| {
            lines.push(if let Line::Whole(text) = line { text.to_owned() } else { "too long".to_owned() });
            Ok::<(), Infallible>(())
        };
        tail.read(take).unwrap().unwrap();
        lines
    }

    #[test]
    fn lines_come_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        append(&path, "one\ntw");
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(read(&mut tail), ["one"]);
        append(&path, "o\n\nfour\n");
        assert_eq!(read(&mut tail), ["two", "", "four"]);
        assert!(read(&mut tail).is_empty());
    }

    #[test]
    fn a_file_that_was_moved_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit"), folder.path().join("audit.1"));
        append(&path, "one\n");
        let mut tail = Tail::open(&path).unwrap();
        fs::rename(&path, &old).unwrap();
        append(&old, "two\n");
        assert_eq!(read(&mut tail), ["one", "two"]);
        append(&path, "three\n");
        assert_eq!(read(&mut tail), ["three"]);
        // Another process has not noticed yet.
        append(&old, "late\n");
        append(&path, "four\n");
        assert_eq!(read(&mut tail), ["late", "four"]);
    }

    #[test]
    fn a_file_that_was_cut_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        append(&path, "a longer line\nrest");
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(read(&mut tail), ["a longer line"]);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        append(&path, "new\n");
        assert_eq!(read(&mut tail), ["new"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        append(&path, &"x".repeat(3 * MAX_LINE_BYTES + 5));
        append(&path, "\nnext\n");
        let mut tail = Tail::open(&path).unwrap();
        assert_eq!(read(&mut tail), ["too long", "next"]);
    }

    #[test]
    fn the_last_line_of_a_pipe_needs_no_end() {
        let mut found = Vec::new();
        let take = |line: Line<'_>| {
            found.push(format!("{line:?}"));
            Ok::<(), Infallible>(())
        };
        lines(&b"one\ntwo"[..], take).unwrap().unwrap();
        assert_eq!(found, ["Whole(\"one\")", "Whole(\"two\")"]);
    }
}
