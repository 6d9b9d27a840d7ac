//! Which libzmq a process uses: by the addresses that the loader has written for its calls, else by what is mapped.

use super::findings::{Findings, How, Subject, how_of_path};
use crate::elf::{Elf, Zmq};
use crate::failure::Failure;
use crate::loader::Surroundings;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// More files than any process maps.
const MAX_FILES: usize = 10_000;

/// A file of the process.
#[derive(Debug)]
struct Mapped {
    /// Its name in the process's own view of the file system.
    path: PathBuf,
    elf: Elf,
    /// Where its first byte is.
    start: u64,
}

/// One line of /proc/PID/maps that names a file.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: PathBuf,
}

pub fn look(pid: u32) -> Result<Findings, Failure> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    if !folder.is_dir() {
        return Err(Failure::new(format!("{pid}: no such process")));
    }
    let maps = fs::read(folder.join("maps")).map_err(|error| denied(pid, &folder, &error))?;
    let maps: Vec<Mapping> = maps.split(|&byte| byte == b'\n').filter_map(Mapping::parse).collect();
    let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let mut findings = Findings::new(format!("{pid} ({})", name.trim_end()), Subject::Process);
    if maps.is_empty() {
        findings.note("no file is mapped that this user may see; ask as the process's user or as root");
        return Ok(findings);
    }
    judge(&folder, &files(&folder, &maps), &maps, &mut findings);
    Ok(findings)
}

fn denied(pid: u32, folder: &Path, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            Failure::new(format!("{pid}: a process of another user: ask as that user or as root"))
        }
        _ => Failure::of(folder, error),
    }
}

fn judge(folder: &Path, files: &[Mapped], maps: &[Mapping], findings: &mut Findings) {
    // A file that holds a libzmq for itself calls that one.
    let own = files.iter().filter(|file| file.elf.zmq == Zmq::Inside);
    let called = called(folder, files, maps);
    let holders: Vec<&Mapped> = files.iter().filter(|file| file.elf.zmq == Zmq::Exported).collect();
    let serving: Vec<&Mapped> = match called {
        Some(paths) => holders.iter().copied().filter(|file| paths.contains(&file.path)).collect(),
        None => guess(folder, &holders, findings),
    };
    for file in serving.iter().copied().chain(own) {
        let how = if file.elf.zmq == Zmq::Inside { How::Inside } else { how(&file.path) };
        if let Some(maker) = file.elf.maker() {
            findings.uses(&file.path, maker, how);
        }
    }
    for file in holders.iter().filter(|file| !serving.iter().any(|other| other.path == file.path)) {
        if let Some(maker) = file.elf.maker() {
            findings.has(&file.path, &maker, how(&file.path));
        }
    }
    if serving.len() > 1 {
        findings
            .note("calls go to more than one libzmq: contexts and sockets of one are unknown to the other");
    }
    if holders.is_empty() && !files.iter().any(|file| file.elf.zmq == Zmq::Inside) {
        findings.note("no libzmq is mapped (yet)");
    }
}

/// The files that calls of the interface go to, read from the process's memory. `None` where that may not be read or no call has an
/// address yet.
fn called(folder: &Path, files: &[Mapped], maps: &[Mapping]) -> Option<Vec<PathBuf>> {
    let memory = File::open(folder.join("mem")).ok()?;
    let mut paths = Vec::new();
    for file in files {
        for slot in &file.elf.slots {
            let at = file.start.wrapping_add(slot.wrapping_sub(file.elf.bias));
            let Some(address) = file.elf.target.read_address(|bytes| memory.read_exact_at(bytes, at)) else {
                continue;
            };
            let target = maps.iter().find(|mapping| (mapping.start..mapping.end).contains(&address));
            // An address inside of the caller itself is that of a call which has not been made yet.
            if let Some(target) = target.filter(|target| target.path != file.path)
                && !paths.contains(&target.path)
            {
                paths.push(target.path.clone());
            }
        }
    }
    paths.retain(|path| files.iter().any(|file| file.path == *path && file.elf.zmq == Zmq::Exported));
    (!paths.is_empty()).then_some(paths)
}

/// Without the process's memory: the one libzmq that is there, or the one that was preloaded.
fn guess<'a>(folder: &Path, holders: &[&'a Mapped], findings: &mut Findings) -> Vec<&'a Mapped> {
    if let [only] = holders {
        return vec![only];
    }
    let preloaded = preloaded(folder);
    let first = holders.iter().copied().find(|file| preloaded.iter().any(|path| is_same(path, &file.path)));
    if first.is_none() && !holders.is_empty() {
        findings.note("several are mapped, and which one serves is not visible to this user: ask as root");
    }
    first.into_iter().collect()
}

fn preloaded(folder: &Path) -> Vec<PathBuf> {
    let variables = fs::read(folder.join("environ")).unwrap_or_default();
    let value = variables.split(|&byte| byte == 0).find_map(|variable| variable.strip_prefix(b"LD_PRELOAD="));
    Surroundings::new(OsStr::from_bytes(value.unwrap_or_default()), OsStr::new("")).preload
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| one == other)
}

fn how(path: &Path) -> How {
    match how_of_path(path) {
        How::Wheel => How::Wheel,
        _ => How::Mapped,
    }
}

/// The ELF files among the mapped ones, each once. They are read as the process sees them, which may be in a container.
fn files(folder: &Path, maps: &[Mapping]) -> Vec<Mapped> {
    let mut starts: BTreeMap<&Path, u64> = BTreeMap::new();
    for mapping in maps.iter().filter(|mapping| mapping.offset == 0) {
        starts.entry(&mapping.path).or_insert(mapping.start);
    }
    let read = |(path, start): (&Path, u64)| {
        let seen = folder.join("root").join(path.strip_prefix("/").unwrap_or(path));
        let elf = Elf::read(&seen).or_else(|_| Elf::read(path)).ok()??;
        Some(Mapped { path: path.to_owned(), elf, start })
    };
    starts.into_iter().take(MAX_FILES).filter_map(read).collect()
}

impl Mapping {
    /// `start-end rights offset device inode path`.
    fn parse(line: &[u8]) -> Option<Mapping> {
        let path = line.get(line.iter().position(|&byte| byte == b'/')?..)?;
        let text = String::from_utf8_lossy(line);
        let mut fields = text.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let offset = number(fields.nth(1)?)?;
        Some(Mapping {
            start: number(start)?,
            end: number(end)?,
            offset,
            path: PathBuf::from(OsStr::from_bytes(path)),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_maps_are_taken_apart() {
        let mapping = Mapping::parse(b"7f00-7fff r-xp 00001000 fd:00 12 /usr/lib/a b.so").unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f00, 0x7fff, 0x1000));
        assert_eq!(mapping.path, Path::new("/usr/lib/a b.so"));
        for line in [&b""[..], b"7f00-7fff r-xp 0 0:0 0", b"x-y r-xp 0 0:0 0 /a", b"/"] {
            assert!(Mapping::parse(line).is_none());
        }
    }

    #[test]
    fn no_process_has_the_number_zero() {
        assert!(look(0).is_err());
    }

    #[test]
    fn the_test_itself_is_a_process() {
        let findings = look(std::process::id()).unwrap();
        assert!(findings.text(None).starts_with(&std::process::id().to_string()));
    }
}
