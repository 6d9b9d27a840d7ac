//! Tests that need a process of their own, and children in general.
//!
//! A test needs one if it forks, limits or counts what the whole process has, or closes descriptors of others. It is then run
//! again by the same binary in a child, whose variable [`ROLE`] says what it is there for.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

const ROLE: &str = "FERROZMQ_TEST_ROLE";

/// A child has a copy of every descriptor from its fork until its exec. An address that this process has let go of meanwhile stays
/// taken until then. So children begin under the write lock, and tests that bind to an address again hold a read lock.
static BEGINNINGS: RwLock<()> = RwLock::new(());

/// Until the guard is dropped no child begins.
pub fn no_child_begins() -> RwLockReadGuard<'static, ()> {
    BEGINNINGS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a copy of this test's program there. A child that begins meanwhile could still write to it, and until its exec the system would
/// refuse to run the copy.
pub fn copy_of_this_program(path: &Path) {
    let _nothing_has_it_open = no_child_begins();
    std::fs::copy(std::env::current_exe().unwrap(), path).unwrap();
}

/// The name of a test of the integration tests as its binary knows it.
macro_rules! test_name {
    ($name:ident) => {{
        let _: fn() = $name;
        concat!(module_path!(), "::", stringify!($name)).split_once("::").unwrap().1
    }};
}
pub(crate) use test_name;

/// What this process is there for; `None`: it runs the tests.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Runs the test once more in a process of its own, and fails if that does. `true` in that process.
pub fn inside(test: &str) -> bool {
    if role().is_some() {
        return true;
    }
    let output = spawn(test, "inside", &[]).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "no test {test}: {said}");
    assert!(output.status.success(), "{test}: {}: {said}", output.status);
    false
}

/// Starts the test in a process with this role; `before` stands before the command. Its output is piped. The kernel kills it when
/// the calling thread ends.
pub fn spawn(test: &str, role: &str, before: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
    words.push(own.into());
    let options = ["--exact", "--nocapture", "--test-threads=1"];
    words.push(test.into());
    words.extend(options.map(OsString::from));
    let mut command = Command::new(words.remove(0));
    command.args(words).env(ROLE, role).stdin(Stdio::null()).stdout(Stdio::piped());
    let parent = std::process::id();
    // SAFETY: prctl and getppid may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let orphaned = libc::getppid().unsigned_abs() != parent;
            if orphaned { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        });
    }
    let _alone = BEGINNINGS.write().unwrap_or_else(PoisonError::into_inner);
    command.spawn().expect("no process")
}
