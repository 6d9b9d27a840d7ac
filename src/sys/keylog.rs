//! The keys of connections, for dissectors (`FERROZMQ_KEYLOG`). A reader of the file reads all that the connections carried.
//!
//! A line is `LABEL ID KEY`: what kind of key, which connection, and the key, the latter two as hexadecimal digits. Lines of TLS are
//! those of NSS (`SSLKEYLOGFILE`), whose readers pass over labels that they do not know.

use super::cancel::CancelOff;
use super::credentials::effective_uid;
use super::environment;
use super::fork::SetOnce;
use super::log::{self, Level, LogFile, Subsystem};
use super::thread_state::ThreadState;
use std::fmt::Write;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Name of an environment variable: the file that keys are written to.
pub const KEYLOG: &str = "FERROZMQ_KEYLOG";

/// Writes a key: its label, the connection, and the key.
pub type KeyLog = fn(label: &str, id: &[u8], key: &[u8]);

/// `None`: no keys are written. Set once. A forked child writes to the same file.
static FILE: SetOnce<Option<LogFile>> = SetOnce::new();

/// What writes keys, if they are to be written. The environment is looked at once. Where it asks for keys, a line on stderr
/// says that they are written, or why they are not.
pub fn key_log() -> Option<KeyLog> {
    FILE.get().unwrap_or_else(begin).as_ref().map(|_| write as KeyLog)
}

/// Several threads may come here at a time, and each opens the file. The first one tells.
#[cold]
fn begin() -> &'static Option<LogFile> {
    // One file too many is closed.
    let _off = CancelOff::for_call(ThreadState::current());
    let Some(asked) = std::env::var_os(KEYLOG).filter(|path| !path.is_empty()) else {
        return FILE.get_or_make(|| None);
    };
    let path = Path::new(&asked);
    let shown = path.display();
    let (file, line) = if environment::variable(KEYLOG).is_none() {
        let why = "no keys are written: the program has more rights than its caller";
        (None, format!("{KEYLOG}={shown}: {why}"))
    } else {
        match open(path) {
            Ok(file) => {
                let line = format!("warning: {KEYLOG} is set: a reader of {shown} can read all connections");
                (Some(file), line)
            }
            Err(error) => (None, format!("{KEYLOG}={shown}: no keys are written: {error}")),
        }
    };
    if FILE.set(file) {
        log::complain((Subsystem::Security, Level::Warn), format_args!("{line}"));
    }
    FILE.get_or_make(|| None)
}

/// Errors: those of open(2); one of its own for a file that others own or may read.
fn open(path: &Path) -> io::Result<LogFile> {
    let file = LogFile::open(path)?;
    if is_private(&file.metadata()?, effective_uid()) {
        return Ok(file);
    }
    Err(io::Error::other("it must be a file of this user that no other may read or write (chmod 600)"))
}

fn is_private(file: &Metadata, user: u32) -> bool {
    file.is_file() && file.uid() == user && file.mode() & 0o077 == 0
}

fn write(label: &str, id: &[u8], key: &[u8]) {
    if let Some(Some(file)) = FILE.get() {
        file.append(line(label, id, key).as_bytes());
    }
}

fn line(label: &str, id: &[u8], key: &[u8]) -> Zeroizing<String> {
    // Large enough from the start: growing would leave a key behind that is not wiped.
    let mut line = Zeroizing::new(String::with_capacity(label.len() + 2 * (id.len() + key.len()) + 3));
    line.push_str(label);
    for part in [id, key] {
        line.push(' ');
        for byte in part {
            // Writing to a string does not fail.
            let _ = write!(line, "{byte:02x}");
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_line_has_the_form_of_nss() {
        assert_eq!(*line("LABEL", &[0, 0xff], b"key"), "LABEL 00ff 6b6579\n");
        assert_eq!(*line("LABEL", &[], &[]), "LABEL  \n");
    }

    #[test]
    fn a_file_that_others_may_read_gets_no_keys() {
        let path = std::env::temp_dir().join(format!("ferrozmq-keylog-{}", std::process::id()));
        assert!(open(&path).is_ok());
        for (mode, fine) in [(0o600, true), (0o640, false), (0o602, false), (0o200, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(open(&path).is_ok(), fine, "{mode:o}");
        }
        let file = fs::metadata(&path).unwrap();
        assert!(is_private(&file, effective_uid()) && !is_private(&file, effective_uid() + 1));
        fs::remove_file(&path).unwrap();
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
