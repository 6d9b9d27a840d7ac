//! Which files the loader would take for a program: ld.so(8), followed on paper.

use crate::elf::{Elf, Target, Zmq};
use std::collections::{BTreeSet, VecDeque};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const CACHE: &str = "/etc/ld.so.cache";
const CACHE_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const CACHE_HEADER_BYTES: usize = 48;
const CACHE_ENTRY_BYTES: usize = 24;
/// More files than any program needs.
const MAX_FILES: usize = 2000;
/// Where libraries are without any configuration.
const DEFAULT_FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];
pub const PRELOAD: &str = "LD_PRELOAD";
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// What of the environment the loader heeds.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub preload: Vec<PathBuf>,
    pub library_path: Vec<PathBuf>,
}

impl Surroundings {
    /// This process's.
    pub fn here() -> Surroundings {
        let value = |name| env::var_os(name).unwrap_or_default();
        Surroundings::new(&value(PRELOAD), &value(LIBRARY_PATH))
    }

    pub fn new(preload: &OsStr, library_path: &OsStr) -> Surroundings {
        Surroundings { preload: split(preload, b": "), library_path: split(library_path, b":;") }
    }
}

fn split(value: &OsStr, separators: &[u8]) -> Vec<PathBuf> {
    let parts = value.as_bytes().split(|byte| separators.contains(byte));
    parts.filter(|part| !part.is_empty()).map(|part| PathBuf::from(OsStr::from_bytes(part))).collect()
}

/// A file that the loader takes, and how it came to it.
#[derive(Debug)]
pub struct Loaded {
    pub path: PathBuf,
    pub elf: Elf,
    pub is_preloaded: bool,
}

/// What the loader would map for one program or extension, in the order in which it looks names up.
#[derive(Debug, Default)]
pub struct Scope {
    pub files: Vec<Loaded>,
    /// Names that it would not find.
    pub missing: Vec<String>,
}

impl Scope {
    /// Of `program`. Where it is an extension, the program around it stands before it and has nothing to do with libzmq.
    pub fn of(program: &Path, elf: Elf, surroundings: &Surroundings) -> Scope {
        let is_extension = elf.interpreter.is_none();
        let mut search = Search::new(elf.target, surroundings);
        let mut queue = VecDeque::new();
        let first = Loaded { path: program.to_owned(), elf, is_preloaded: false };
        if is_extension {
            search.preload(&mut queue);
            search.take(first, &mut queue, Vec::new());
        } else {
            search.take(first, &mut queue, Vec::new());
            search.preload(&mut queue);
        }
        search.follow_all(queue)
    }

    /// Of any program that needs the library `name`.
    pub fn of_name(name: &str, target: Target, surroundings: &Surroundings) -> Scope {
        let mut search = Search::new(target, surroundings);
        let mut queue = VecDeque::new();
        search.preload(&mut queue);
        queue.push_front(Wanted { name: name.to_owned(), by: Paths::default() });
        search.follow_all(queue)
    }

    /// The file whose functions the calls go to: the first in order that exports them.
    pub fn serving(&self) -> Option<&Loaded> {
        self.files.iter().find(|file| file.elf.zmq == Zmq::Exported)
    }

    /// Whether any file calls the interface.
    pub fn has_callers(&self) -> bool {
        self.files.iter().any(|file| file.elf.zmq == Zmq::Called)
    }
}

/// A name that a file needs, and the search paths that it brings.
struct Wanted {
    name: String,
    by: Paths,
}

/// Where a file that needs others has them looked for.
#[derive(Clone, Default)]
struct Paths {
    rpath: Vec<PathBuf>,
    runpath: Vec<PathBuf>,
}

struct Search<'a> {
    target: Target,
    surroundings: &'a Surroundings,
    cache: Option<Vec<(String, PathBuf)>>,
    seen: BTreeSet<PathBuf>,
    scope: Scope,
}

impl<'a> Search<'a> {
    fn new(target: Target, surroundings: &'a Surroundings) -> Search<'a> {
        Search { target, surroundings, cache: None, seen: BTreeSet::new(), scope: Scope::default() }
    }

    fn follow_all(mut self, mut queue: VecDeque<Wanted>) -> Scope {
        while let Some(Wanted { name, by }) = queue.pop_front() {
            if self.scope.files.len() < MAX_FILES {
                self.follow(&name, &by, &mut queue);
            }
        }
        self.scope
    }

    fn preload(&mut self, queue: &mut VecDeque<Wanted>) {
        for path in &self.surroundings.preload {
            let has_slash = path.as_os_str().as_bytes().contains(&b'/');
            let name = path.to_string_lossy().into_owned();
            let found = if has_slash { self.fitting(path) } else { self.find(&name, &Paths::default()) };
            match found {
                Some((path, elf)) => self.take(Loaded { path, elf, is_preloaded: true }, queue, Vec::new()),
                None => self.scope.missing.push(name),
            }
        }
    }

    fn follow(&mut self, name: &str, by: &Paths, queue: &mut VecDeque<Wanted>) {
        // The loader knows a file that it has already by its soname, too.
        if self.scope.files.iter().any(|file| file.elf.soname.as_deref() == Some(name)) {
            return;
        }
        let found = if name.contains('/') { self.fitting(Path::new(name)) } else { self.find(name, by) };
        match found {
            Some((path, elf)) => {
                self.take(Loaded { path, elf, is_preloaded: false }, queue, by.rpath.clone())
            }
            None => self.scope.missing.push(name.to_owned()),
        }
    }

    /// Adds a file, and what it needs to the queue. `inherited` are the RPATHs of the files that led to it.
    fn take(&mut self, file: Loaded, queue: &mut VecDeque<Wanted>, inherited: Vec<PathBuf>) {
        let real = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
        if !self.seen.insert(real) {
            return;
        }
        let runpath = expand(file.elf.runpath.as_deref(), &file.path);
        // A file with a RUNPATH is looked for by that alone.
        let rpath = match runpath.is_empty() {
            true => expand(file.elf.rpath.as_deref(), &file.path).into_iter().chain(inherited).collect(),
            false => Vec::new(),
        };
        let by = Paths { rpath, runpath };
        queue.extend(file.elf.needed.iter().map(|name| Wanted { name: name.clone(), by: by.clone() }));
        self.scope.files.push(file);
    }

    fn find(&mut self, name: &str, by: &Paths) -> Option<(PathBuf, Elf)> {
        let first = by.rpath.iter().chain(&self.surroundings.library_path).chain(&by.runpath);
        if let Some(found) = first.map(|folder| folder.join(name)).find_map(|path| self.fitting(&path)) {
            return Some(found);
        }
        let cache = self
            .cache
            .get_or_insert_with(|| fs::read(CACHE).map(|bytes| entries(&bytes)).unwrap_or_default());
        let cached: Vec<PathBuf> =
            cache.iter().filter(|(key, _)| key == name).map(|(_, path)| path.clone()).collect();
        let rest = DEFAULT_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        cached.into_iter().chain(rest).find_map(|path| self.fitting(&path))
    }

    /// The file, if it is there and for this machine.
    fn fitting(&self, path: &Path) -> Option<(PathBuf, Elf)> {
        let elf = Elf::read(path).ok()??;
        (elf.target == self.target).then(|| (path.to_owned(), elf))
    }
}

/// A RPATH or RUNPATH, with its $ORIGIN.
fn expand(paths: Option<&str>, file: &Path) -> Vec<PathBuf> {
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let origin = file.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let paths = paths.unwrap_or_default().split(':').filter(|path| !path.is_empty());
    paths.map(|path| PathBuf::from(path.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))).collect()
}

/// The names and files in the loader's cache.
fn entries(bytes: &[u8]) -> Vec<(String, PathBuf)> {
    let Some(start) = memchr::memmem::find(bytes, CACHE_MAGIC) else { return Vec::new() };
    let cache = bytes.get(start..).unwrap_or_default();
    let number = |at: usize| {
        let bytes = cache.get(at..at.checked_add(4)?)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?) as usize)
    };
    let text = |at: usize| {
        let rest = cache.get(at..)?;
        let text = rest.get(..rest.iter().position(|&byte| byte == 0)?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    let count = number(CACHE_MAGIC.len()).unwrap_or(0).min(cache.len() / CACHE_ENTRY_BYTES);
    let entry = |index: usize| {
        let at = CACHE_HEADER_BYTES + index * CACHE_ENTRY_BYTES;
        Some((text(number(at + 4)?)?, PathBuf::from(text(number(at + 8)?)?)))
    };
    (0..count).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn this_program_needs_what_the_loader_mapped() {
        let program = env::current_exe().unwrap();
        let elf = Elf::read(&program).unwrap().unwrap();
        let scope = Scope::of(&program, elf, &Surroundings::here());
        assert!(scope.missing.is_empty(), "{:?}", scope.missing);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        for file in &scope.files {
            let real = fs::canonicalize(&file.path).unwrap();
            assert!(maps.contains(real.to_str().unwrap()), "{real:?} is not in\n{maps}");
        }
        assert!(scope.files.len() > 1);
    }

    #[test]
    fn broken_caches_are_empty_ones() {
        let cache = fs::read(CACHE).unwrap();
        let whole = entries(&cache).len();
        assert!(whole > 10);
        for end in (0..cache.len()).step_by(97) {
            assert!(entries(&cache[..end]).len() <= whole);
        }
        let mut wrong = cache;
        for at in (0..wrong.len()).step_by(5) {
            wrong[at] ^= 0xff;
        }
        entries(&wrong);
    }

    #[test]
    fn the_variables_are_taken_apart() {
        let found = Surroundings::new(OsStr::new("/a.so /b.so:c.so"), OsStr::new("/x:/y"));
        assert_eq!(found.preload, [Path::new("/a.so"), Path::new("/b.so"), Path::new("c.so")]);
        assert_eq!(found.library_path, [Path::new("/x"), Path::new("/y")]);
        assert_eq!(expand(Some("$ORIGIN/../lib:/x"), Path::new("/bin/none")).len(), 2);
    }
}
