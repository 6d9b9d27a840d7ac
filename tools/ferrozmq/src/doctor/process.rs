//! Which libzmq a process uses: by the addresses that the loader has written for its calls, else by what is mapped.

use super::findings::{Findings, How, Subject, how_of_path};
use crate::elf::{Elf, Zmq};
use crate::failure::Failure;
use crate::loader::Surroundings;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// More files than any process maps.
const MAX_FILES: usize = 10_000;

/// What the kernel puts behind the name of a mapped file that has been removed, or replaced by a rename as upgrades do.
const DELETED: &[u8] = b" (deleted)";

/// A file of the process.
#[derive(Debug)]
struct Mapped {
    /// Its name in the process's own view of the file system, as /proc/PID/maps has it.
    path: PathBuf,
    elf: Elf,
    source: Source,
    /// Where its first byte is.
    start: u64,
}

/// Where the file was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    /// By its name.
    Named,
    /// Through the mapping: the name is gone, or is that of another file. The kernel shows it to root alone.
    Mapping,
    /// It could not be read, and this is the file that has its name now.
    Successor,
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
    let command = fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let mut findings = Findings::new(format!("{pid} ({})", command.trim_end()), Subject::Process);
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
    let serving_or_own: Vec<&Mapped> = serving.iter().copied().chain(own).collect();
    let is_known = serving_or_own.iter().all(|file| file.source != Source::Successor);
    // The one that has the name now may be by another maker.
    for file in serving_or_own.iter().filter(|file| file.source != Source::Successor) {
        let path = name(&file.path);
        let how = if file.elf.zmq == Zmq::Inside { How::Inside } else { how(path) };
        match file.elf.maker() {
            Some(maker) if is_known => findings.uses(path, maker, how),
            Some(maker) => findings.has(path, &maker, how),
            None => {}
        }
    }
    let is_other = |file: &&&Mapped| !serving.iter().any(|other| other.path == file.path);
    for file in holders.iter().filter(is_other).filter(|file| file.source != Source::Successor) {
        if let Some(maker) = file.elf.maker() {
            findings.has(name(&file.path), &maker, how(name(&file.path)));
        }
    }
    let is_hidden = tell_replaced(files, maps, findings);
    if serving.len() > 1 {
        findings
            .note("calls go to more than one libzmq: contexts and sockets of one are unknown to the other");
    }
    if !is_hidden && holders.is_empty() && !files.iter().any(|file| file.elf.zmq == Zmq::Inside) {
        findings.note("no libzmq is mapped (yet)");
    }
}

/// Tells of files with a libzmq whose names are gone, or are those of other files. Whether there is one that could not be read at all.
fn tell_replaced(files: &[Mapped], maps: &[Mapping], findings: &mut Findings) -> bool {
    for file in files.iter().filter(|file| matches!(file.elf.zmq, Zmq::Exported | Zmq::Inside)) {
        let path = name(&file.path).display();
        match file.source {
            Source::Named => {}
            Source::Mapping => findings.note(format!(
                "{path} has been removed or replaced since: the process uses the old one until it is started anew"
            )),
            Source::Successor => findings.note(format!(
                "{path} has been replaced since, and the old one, which the process uses, is visible to root alone"
            )),
        }
    }
    let is_unread = |path: &&Path| !files.iter().any(|file| file.path == **path);
    let is_libzmq = |path: &&Path| {
        let file = name(path).file_name().unwrap_or_default();
        is_deleted(path) && file.to_string_lossy().contains("libzmq")
    };
    let paths = maps.iter().map(|mapping| mapping.path.as_path());
    let hidden: BTreeSet<&Path> = paths.filter(is_libzmq).filter(is_unread).collect();
    for path in &hidden {
        let path = name(path).display();
        findings.note(format!("{path} has been removed since, and what was in it is visible to root alone"));
    }
    !hidden.is_empty()
}

fn is_deleted(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(DELETED)
}

/// Without the mark of the kernel.
fn name(path: &Path) -> &Path {
    let bytes = path.as_os_str().as_bytes();
    Path::new(OsStr::from_bytes(bytes.strip_suffix(DELETED).unwrap_or(bytes)))
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
    let first =
        holders.iter().copied().find(|file| preloaded.iter().any(|path| is_same(path, name(&file.path))));
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
    let mut firsts: BTreeMap<&Path, &Mapping> = BTreeMap::new();
    for mapping in maps.iter().filter(|mapping| mapping.offset == 0) {
        firsts.entry(&mapping.path).or_insert(mapping);
    }
    firsts.into_values().take(MAX_FILES).filter_map(|mapping| read(folder, mapping)).collect()
}

fn read(folder: &Path, mapping: &Mapping) -> Option<Mapped> {
    let path = &mapping.path;
    let seen = |path: &Path| folder.join("root").join(path.strip_prefix("/").unwrap_or(path));
    let mapped = |elf, source| Mapped { path: path.clone(), elf, source, start: mapping.start };
    // A name may end in the mark by itself.
    if !is_deleted(path) || seen(path).exists() {
        let elf = Elf::read(&seen(path)).or_else(|_| Elf::read(path)).ok()??;
        return Some(mapped(elf, Source::Named));
    }
    let range = format!("{:x}-{:x}", mapping.start, mapping.end);
    if let Ok(elf) = Elf::read(&folder.join("map_files").join(range)) {
        return Some(mapped(elf?, Source::Mapping));
    }
    // Opening what is no file, such as a pipe, might wait.
    let successor = seen(name(path));
    let is_file = fs::metadata(&successor).is_ok_and(|found| found.is_file());
    let mut elf = is_file.then(|| Elf::read(&successor).ok()).flatten()??;
    // Those of the old one may be at other places.
    elf.slots.clear();
    Some(mapped(elf, Source::Successor))
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

    /// What is said of a process that has mapped a file of this name, which has been replaced or removed since.
    fn said_of_replaced(is_root: bool, is_replaced: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let library = std::env::current_exe().unwrap();
        let link = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(&library, path).unwrap();
        };
        if is_root {
            link("map_files/7f00-7fff");
        }
        if is_replaced {
            link("root/usr/lib/libzmq.so.5");
        }
        let line = b"7f00-7fff r--p 00000000 fd:00 12 /usr/lib/libzmq.so.5 (deleted)";
        let maps = [Mapping::parse(line).unwrap()];
        let mut findings = Findings::new("1 (test)", Subject::Process);
        let mut files = files(folder.path(), &maps);
        // The test's own program stands for the library.
        files.iter_mut().for_each(|file| file.elf.zmq = Zmq::Exported);
        judge(folder.path(), &files, &maps, &mut findings);
        let said = findings.text(None);
        assert!(!said.contains("no libzmq is mapped") && !said.contains("(deleted)"), "{said}");
        said
    }

    #[test]
    fn a_library_that_has_been_replaced_since_is_told_and_its_successor_is_not_taken_for_it() {
        for is_replaced in [true, false] {
            let said = said_of_replaced(true, is_replaced);
            assert!(said.contains("libzmq.so.5 has been removed or replaced since"), "{said}");
            assert!(!said.contains("cannot tell"), "{said}");
        }
        let said = said_of_replaced(false, true);
        assert!(
            said.contains("libzmq.so.5 has been replaced since") && said.contains("cannot tell"),
            "{said}"
        );
        let said = said_of_replaced(false, false);
        assert!(
            said.contains("libzmq.so.5 has been removed since") && said.contains("cannot tell"),
            "{said}"
        );
    }
}
