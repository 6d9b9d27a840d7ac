//! The file that other processes read: `DIR/ferrozmq.PID`, if `FERROZMQ_STATS` names a folder.
//!
//! What cannot be done is told in the log, and never to the program: records lie on the heap then.
#![forbid(unsafe_code)]

use super::layout::{self, Kind, MAGIC, Section, place, process};
use crate::errno::{Errno, Result};
use crate::sys::environment;
use crate::sys::exit::at_exit;
use crate::sys::file;
use crate::sys::fork::{Born, PerProcess, SetOnce};
use crate::sys::lock::Lock;
use crate::sys::log::{Level, Notice, Subsystem};
use crate::sys::mapped_file::MappedFile;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{SystemTime, UNIX_EPOCH};

/// Name of an environment variable: the folder of the file.
pub const STATS: &str = "FERROZMQ_STATS";

/// Bytes of a file of the system's that are read: far more than it has.
const MAX_SYSTEM_TEXT_BYTES: usize = 4096;
/// The field of it that says when the process began, counted behind the name.
const STARTED_FIELD: usize = 19;

/// Nanoseconds of a day: without a sign of its I/O threads for longer, a process in another container is taken to be gone. Files of containers
/// that were killed would pile up otherwise. One that lives and is idle for so long loses the file at worst, until it makes a first
/// context again.
const MAX_SILENT_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// The file of this process, while it has contexts.
static CURRENT: PerProcess<Lock<Current>> = PerProcess::new();

#[derive(Default)]
struct Current {
    contexts: u64,
    file: Option<Arc<StatsFile>>,
}

/// A file with slots for records.
pub struct StatsFile {
    mapped: MappedFile,
    path: PathBuf,
    sections: Vec<Section>,
    /// Slots that are free, by section: those that were used before, and the first that never was.
    free: Lock<Vec<(Vec<usize>, usize)>>,
}

/// A context: the file is there as long as there is one.
pub struct InUse(Option<Born>);

impl InUse {
    /// A context begins.
    pub fn begin() -> InUse {
        let Some(folder) = folder() else { return InUse(None) };
        let mut current = current().lock();
        if current.file.is_none() {
            current.file = StatsFile::open(folder).map(Arc::new);
        }
        current.contexts += 1;
        current.count_contexts();
        InUse(Some(Born::now()))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        // A forked child has nothing to do with its parent's.
        if self.0.is_none_or(Born::forked) {
            return;
        }
        let mut current = current().lock();
        current.contexts = current.contexts.saturating_sub(1);
        current.count_contexts();
        let last = if current.contexts == 0 { current.file.take() } else { None };
        drop(current);
        if let Some(file) = last {
            file.remove();
        }
    }
}

impl Current {
    fn count_contexts(&self) {
        if let Some(cell) = self.file.as_ref().and_then(|file| file.of_process(process::CONTEXTS)) {
            cell.store(self.contexts, Ordering::Relaxed);
        }
    }
}

fn current() -> &'static Lock<Current> {
    CURRENT.find_or_make(Lock::default)
}

/// The folder that the environment named when this was first called. A relative one counts from where the program was then: it may go to
/// another one before the file is removed. An empty one is none.
fn folder() -> Option<&'static Path> {
    static FOLDER: SetOnce<Option<PathBuf>> = SetOnce::new();
    let find = || {
        let named = environment::variable(STATS).filter(|folder| !folder.is_empty())?;
        // Where the program's own folder is gone there can be no file in it either.
        Some(std::path::absolute(&named).unwrap_or_else(|_| PathBuf::from(named)))
    };
    if cfg!(loom) { None } else { FOLDER.get_or_make(find).as_deref() }
}

impl StatsFile {
    /// The one that new records go to.
    pub fn current() -> Option<Arc<StatsFile>> {
        folder()?;
        current().lock().file.clone()
    }

    /// `None`, and a line in the log, where there can be none.
    fn open(folder: &Path) -> Option<StatsFile> {
        static NOTICE: Notice = Notice::new(Subsystem::Stats, Level::Error);
        let mut path = folder.join(format!("ferrozmq.{}", std::process::id()));
        if is_elsewhere(&path) {
            path = folder.join(format!("ferrozmq.{}-{}", std::process::id(), pid_namespace()));
        }
        match StatsFile::make(&path) {
            Ok(file) => {
                static REMOVED_AT_EXIT: PerProcess<bool> = PerProcess::new();
                REMOVED_AT_EXIT.find_or_make(|| at_exit(remove_at_exit));
                Some(file)
            }
            Err(errno) => {
                let why = std::io::Error::from_raw_os_error(errno.0);
                NOTICE.complain(format_args!("no counters in {}: {why}", path.display()));
                None
            }
        }
    }

    /// Errors: those of [`MappedFile::create`].
    fn make(path: &Path) -> Result<StatsFile> {
        let names = layout::names();
        let (sections, bytes) = layout::sections(names.len());
        let count = bytes / size_of::<AtomicU64>();
        let mapped = match MappedFile::create(path, count) {
            Err(Errno(libc::EEXIST)) if is_stale(path) => {
                fs::remove_file(path).map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
                MappedFile::create(path, count)?
            }
            mapped => mapped?,
        };
        let free = Lock::new(sections.iter().map(|_| (Vec::new(), 0)).collect());
        let file = StatsFile { mapped, path: path.to_path_buf(), sections, free };
        file.fill_in(&names);
        Ok(file)
    }

    /// The header. The mark that it is ready comes last.
    fn fill_in(&self, names: &str) {
        use layout::{HEADER_BYTES, pair};
        self.set(place::VERSION, pair(layout::VERSION as usize, HEADER_BYTES));
        self.set(place::PID, std::process::id().into());
        self.set(place::STARTED, started());
        self.set(place::OPENED, now());
        self.set(place::HEARTBEAT, now());
        self.set(place::NAMES, pair(HEADER_BYTES, names.len()));
        self.set(place::PID_NAMESPACE, pid_namespace());
        let [first, second] = boot();
        self.set(place::BOOT, first);
        self.set(place::BOOT + 1, second);
        for (index, section) in self.sections.iter().enumerate() {
            let at = place::FIRST_SECTION + 2 * index;
            self.set(at, pair(section.kind as usize, section.offset));
            self.set(at + 1, pair(section.stride, section.slots));
        }
        let mut words = names.as_bytes().chunks(size_of::<u64>());
        for (index, word) in words.by_ref().enumerate() {
            let mut padded = [0; size_of::<u64>()];
            padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
            self.set(HEADER_BYTES / size_of::<u64>() + index, u64::from_ne_bytes(padded));
        }
        if let Some(state) = self.of_process(0) {
            state.store(1, Ordering::Release);
        }
        if let Some(magic) = self.mapped.cells().get(place::MAGIC) {
            magic.store(u64::from_ne_bytes(*MAGIC), Ordering::Release);
        }
    }

    fn set(&self, at: usize, to: u64) {
        if let Some(cell) = self.mapped.cells().get(at) {
            cell.store(to, Ordering::Relaxed);
        }
    }

    /// A cell of the record of the process.
    fn of_process(&self, at: usize) -> Option<&AtomicU64> {
        let section = self.sections.iter().find(|section| section.kind == Kind::Process)?;
        self.mapped.cells().get(section.offset / size_of::<AtomicU64>() + at)
    }

    /// A free slot, and what lies there; `None`: all are used, which is counted.
    pub fn take_slot(&self, kind: Kind) -> Option<(usize, &[AtomicU64])> {
        let place = self.sections.iter().position(|section| section.kind == kind)?;
        let section = self.sections.get(place)?;
        let mut free = self.free.lock();
        let (used_before, unused) = free.get_mut(place)?;
        let index = used_before.pop().or_else(|| {
            let index = *unused;
            *unused = (index + 1).min(section.slots);
            (index < section.slots).then_some(index)
        });
        drop(free);
        let Some(index) = index else {
            if let Some(cell) = self.of_process(process::LEFT_OUT) {
                cell.fetch_add(1, Ordering::Relaxed);
            }
            return None;
        };
        let from = (section.offset + index * section.stride) / size_of::<AtomicU64>();
        Some((index, self.mapped.cells().get(from..from + section.stride / size_of::<AtomicU64>())?))
    }

    /// The slot may be used again.
    pub fn free_slot(&self, kind: Kind, index: usize) {
        if let Some(place) = self.sections.iter().position(|section| section.kind == kind)
            && let Some((used_before, _)) = self.free.lock().get_mut(place)
        {
            used_before.push(index);
        }
    }

    /// Has readers try again that come between this and [`end_change`](StatsFile::end_change). The caller has the registry's lock.
    pub fn begin_change(&self) {
        self.add_generation(Ordering::Relaxed);
        fence(Ordering::Release);
    }

    pub fn end_change(&self) {
        self.add_generation(Ordering::Release);
    }

    fn add_generation(&self, order: Ordering) {
        if let Some(generation) = self.mapped.cells().get(place::GENERATION) {
            generation.fetch_add(1, order);
        }
    }

    /// An I/O thread is at work.
    pub fn beat(&self) {
        self.set(place::HEARTBEAT, now());
    }

    /// Removes the name, if it is still this file's.
    fn remove(&self) {
        if is_ours(&self.path) {
            // Where that fails, a reader finds that the process is gone.
            let _ = fs::remove_file(&self.path);
        }
    }
}

extern "C" fn remove_at_exit() {
    // Another thread may be stopped with the lock.
    if let Some(current) = CURRENT.find()
        && let Some(current) = current.try_lock()
        && let Some(file) = &current.file
    {
        file.remove();
    }
}

/// Whether an earlier process with this one's id has left the file.
fn is_stale(path: &Path) -> bool {
    let own = fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_file() && found.uid() == crate::sys::credentials::effective_uid());
    own && head_of(path).is_some_and(|head| head.first() == Some(&u64::from_ne_bytes(*MAGIC)))
}

/// Whether a process of another namespace has made the file, since the system was booted, and has been at work in the last day. It may be there:
/// this process cannot tell.
fn is_elsewhere(path: &Path) -> bool {
    let Some(head) = head_of(path) else { return false };
    let (at, boot) = (|place: usize| head.get(place).copied().unwrap_or(0), boot());
    let namespaces = (at(place::PID_NAMESPACE), pid_namespace());
    let is_known = namespaces.0 != 0 && namespaces.1 != 0;
    at(place::MAGIC) == u64::from_ne_bytes(*MAGIC)
        && is_known
        && namespaces.0 != namespaces.1
        && [at(place::BOOT), at(place::BOOT + 1)] == boot
        && now().saturating_sub(at(place::HEARTBEAT)) <= MAX_SILENT_NS
}

/// Whether the file was made by this process.
fn is_ours(path: &Path) -> bool {
    let head = head_of(path);
    head.is_some_and(|head| {
        head.get(place::PID) == Some(&std::process::id().into())
            && head.get(place::STARTED) == Some(&started())
            && head.get(place::PID_NAMESPACE) == Some(&pid_namespace())
    })
}

/// The numbers of a header. Others may write to the folder: a link is not followed, and a pipe that bears the name is not waited for.
fn head_of(path: &Path) -> Option<[u64; place::END]> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut head = [[0; size_of::<u64>()]; place::END];
    // It may have been replaced since.
    let opened = file::open(path, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0);
    let (mut bytes, into) = (Vec::new(), head.as_flattened_mut());
    file::read(&opened.ok()?, &mut bytes, into.len()).ok()?;
    into.copy_from_slice(bytes.get(..into.len())?);
    Some(head.map(u64::from_ne_bytes))
}

/// When the process began, in the system's ticks; 0 where that is not known.
fn started() -> u64 {
    let stat = text_of("/proc/self/stat");
    // The name of the program is in parentheses, and may hold some itself.
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let field = behind_name.split(' ').nth(STARTED_FIELD);
    field.and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// What a small file of the system's says; nothing where it cannot be read.
fn text_of(path: &str) -> String {
    let mut text = Vec::new();
    let read = file::open(Path::new(path), libc::O_RDONLY, 0)
        .and_then(|file| file::read(&file, &mut text, MAX_SYSTEM_TEXT_BYTES));
    read.map_or_else(|_| String::new(), |()| String::from_utf8_lossy(&text).into_owned())
}

/// The namespace of this process's id; 0 where that is not known.
fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// The boot of the system, whose id is 32 hexadecimal digits with lines between; zeros where that is not known.
fn boot() -> [u64; 2] {
    let id = text_of("/proc/sys/kernel/random/boot_id");
    let id = u128::from_str_radix(&id.trim().replace('-', ""), 16).unwrap_or(0).to_be_bytes();
    let [first, second] = [id.first_chunk(), id.last_chunk()];
    [first, second].map(|half| half.copied().map_or(0, u64::from_ne_bytes))
}

/// In nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
