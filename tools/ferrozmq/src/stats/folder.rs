//! The folder of counters: which files there are, whose they are, and which of them are left over.

use super::file::{self, Reading};
use super::process::{Process, State};
use crate::failure::Failure;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The variable that makes programs write their counters into a folder.
pub const VARIABLE: &str = "FERROZMQ_STATS";
const PREFIX: &str = "ferrozmq.";
/// More processes than one folder shows. They bound the work of one look at it.
const MAX_FILES: usize = 1024;
/// How long the last numbers of a process that has been killed can be looked at.
const MAX_LEFT_OVER_AGE: Duration = Duration::from_mins(10);
/// After this time without a sign a process in another container is taken to be gone, by the library as well.
const MAX_SILENT_AGE: Duration = Duration::from_hours(24);

/// A process with its counters.
#[derive(Debug)]
pub struct Found {
    pub reading: Reading,
    pub process: Process,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// By process id.
    pub found: Vec<Found>,
    /// Files that could not be read. A line for each.
    pub problems: Vec<String>,
}

/// The folder that was asked for, else that of the environment, else the one that `XDG_RUNTIME_DIR` has for the user.
pub fn choose(asked: Option<&Path>) -> PathBuf {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = asked.map(Path::to_path_buf).or_else(|| variable(VARIABLE));
    let of_user = || variable("XDG_RUNTIME_DIR").map(|folder| folder.join("ferrozmq"));
    named.or_else(of_user).unwrap_or_else(|| PathBuf::from("/run/ferrozmq"))
}

/// Reads all files of the folder. Removes what is left over, unless `keep`. A folder that is not there holds nothing.
pub fn list(folder: &Path, keep: bool) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let user = rustix::process::geteuid().as_raw();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(Failure::of(folder, &error)),
    };
    let named = |name: &str| Some((pid_of(name)?, name.to_owned()));
    let mut files: Vec<(u64, String)> = entries
        .flatten()
        .filter_map(|entry| named(entry.file_name().to_str()?))
        .take(MAX_FILES + 1)
        .collect();
    files.sort_unstable();
    if files.len() > MAX_FILES {
        files.truncate(MAX_FILES);
        listing.problems.push(format!("{}: only {MAX_FILES} of its files are read", folder.display()));
    }
    for (pid, name) in files {
        let path = folder.join(name);
        match file::read(&path, user) {
            Ok(reading) if reading.header.pid != pid => {
                let says = reading.header.pid;
                listing.problems.push(format!("{}: it is a file of process {says}", path.display()));
            }
            Ok(reading) => {
                let process = Process::of(&reading.header);
                if !keep && is_left_over(&reading, process.state, user, now()) {
                    remove(&path, &reading);
                }
                listing.found.push(Found { reading, process });
            }
            // The process has ended since the folder was read.
            Err(file::Unreadable::System(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(why) => listing.problems.push(format!("{}: {why}", path.display())),
        }
    }
    Ok(listing)
}

/// Nothing for a name that the library does not make. Behind the process id may stand its namespace.
fn pid_of(name: &str) -> Option<u64> {
    let number = |digits: &str| digits.parse().ok().filter(|number: &u64| digits == number.to_string());
    let rest = name.strip_prefix(PREFIX)?;
    match rest.split_once('-') {
        Some((pid, namespace)) => number(namespace).and_then(|_| number(pid)),
        None => number(rest),
    }
}

fn is_left_over(reading: &Reading, state: State, user: u32, now: Duration) -> bool {
    let header = &reading.header;
    let last = Duration::from_nanos(header.opened_ns.max(header.heartbeat_ns));
    let most = match state {
        State::Gone => MAX_LEFT_OVER_AGE,
        State::Elsewhere => MAX_SILENT_AGE,
        State::Running | State::Stopped | State::Zombie => return false,
    };
    reading.owner == user && now.saturating_sub(last) > most
}

/// Another process may have got the same id since, and made the file anew: then it stays.
fn remove(path: &Path, reading: &Reading) {
    let again = file::read(path, reading.owner);
    if again.is_ok_and(|again| again.header == reading.header) {
        // The next look at the folder tries again.
        let _ = fs::remove_file(path);
    }
}

/// Since 1970.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stats::written::Written;
    use std::process::{Command, Stdio};

    /// The id of a process that has gone. It is not used again soon: ids are given out one after the other.
    fn gone() -> u64 {
        let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
        child.wait().unwrap();
        child.id().into()
    }

    fn put(folder: &Path, written: &Written) -> PathBuf {
        let path = folder.join(format!("ferrozmq.{}", written.pid));
        fs::write(&path, written.bytes()).unwrap();
        path
    }

    #[test]
    fn only_names_of_the_library_are_looked_at() {
        for (name, pid) in [
            ("ferrozmq.12", Some(12)),
            ("ferrozmq.0", Some(0)),
            ("ferrozmq.12-4026531836", Some(12)),
            ("ferrozmq.18446744073709551615", Some(u64::MAX)),
        ] {
            assert_eq!(pid_of(name), pid);
        }
        for other in [
            "ferrozmq.",
            "ferrozmq.012",
            "ferrozmq.+1",
            "ferrozmq.12-",
            "ferrozmq.12-a",
            "ferrozmq.12-1-1",
            "ferrozmq.-1",
            "ferrozmq.1.tmp",
            "ferrozmq",
            "1",
            "ferrozmq.18446744073709551616",
        ] {
            assert_eq!(pid_of(other), None, "{other}");
        }
    }

    #[test]
    fn files_of_processes_that_have_gone_are_removed_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let here = put(folder.path(), &Written::example());
        let mut old = Written::example();
        (old.pid, old.started) = (gone(), 1);
        let old_path = put(folder.path(), &old);
        let mut late = Written::example();
        (late.pid, late.started) = (gone(), 1);
        late.heartbeat_ns = u64::try_from(now().as_nanos()).unwrap();
        let late_path = put(folder.path(), &late);
        let states = |keep| {
            let listing = list(folder.path(), keep).unwrap();
            assert!(listing.problems.is_empty());
            listing
                .found
                .iter()
                .map(|found| (found.reading.header.pid, found.process.state))
                .collect::<Vec<_>>()
        };
        let mut expected = vec![
            (std::process::id().into(), State::Running),
            (old.pid, State::Gone),
            (late.pid, State::Gone),
        ];
        expected.sort_unstable_by_key(|row| row.0);
        assert_eq!(states(true), expected);
        assert!(old_path.exists());
        // Its last numbers are seen once more.
        assert_eq!(states(false), expected);
        assert!(here.exists() && late_path.exists() && !old_path.exists());
        expected.retain(|row| row.0 != old.pid);
        assert_eq!(states(false), expected);
    }

    #[test]
    fn what_is_foreign_or_spoilt_is_told_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let spoilt = folder.path().join("ferrozmq.77777777");
        fs::write(&spoilt, "no such file").unwrap();
        let mut moved = Written::example();
        moved.pid = gone();
        let elsewhere = folder.path().join("ferrozmq.88888888");
        fs::write(&elsewhere, moved.bytes()).unwrap();
        fs::write(folder.path().join("other"), "").unwrap();
        let listing = list(folder.path(), false).unwrap();
        assert!(listing.found.is_empty() && listing.problems.len() == 2, "{:?}", listing.problems);
        assert!(
            listing.problems.iter().any(|line| line.contains(&format!("a file of process {}", moved.pid)))
        );
        assert!(spoilt.exists() && elsewhere.exists());
        assert!(list(&folder.path().join("missing"), false).unwrap().found.is_empty());
        assert!(list(&spoilt, false).is_err());
    }

    #[test]
    fn a_file_of_another_user_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = Written::example();
        (old.pid, old.started) = (gone(), 1);
        let reading = file::read(&put(folder.path(), &old), rustix::process::geteuid().as_raw()).unwrap();
        let last = Duration::from_nanos(reading.header.opened_ns.max(reading.header.heartbeat_ns));
        let silent_for = |state, hours| {
            super::is_left_over(&reading, state, reading.owner, last + Duration::from_hours(hours))
        };
        assert!(!silent_for(State::Elsewhere, 23) && silent_for(State::Elsewhere, 25));
        let is_left_over =
            |user, state| super::is_left_over(&reading, state, user, last + MAX_LEFT_OVER_AGE * 2);
        assert!(is_left_over(reading.owner, State::Gone));
        assert!(!is_left_over(reading.owner + 1, State::Gone));
        for state in [State::Running, State::Stopped, State::Zombie, State::Elsewhere] {
            assert!(!is_left_over(reading.owner, state));
        }
    }
}
