//! Failures: one line that says what is wrong and what to do.

use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit code of a subcommand that could not do its work.
pub const FAILED: u8 = 2;
/// Those of `run`, which are the ones of env(1) and nohup(1): all others are the program's.
pub const RUN_FAILED: u8 = 125;
pub const NOT_EXECUTABLE: u8 = 126;
pub const NOT_FOUND: u8 = 127;

const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Why a subcommand could not do its work.
#[derive(Debug)]
pub struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    pub fn new(line: impl Into<String>) -> Failure {
        Failure { line: line.into(), code: FAILED }
    }

    /// What the system said of `path`.
    pub fn of(path: &Path, error: &io::Error) -> Failure {
        Failure::new(format!("{}: {}", path.display(), plain(error)))
    }

    pub fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// Prints the line. The exit code of the process.
    pub fn report(&self) -> ExitCode {
        anstream::eprintln!("{ERROR}ferrozmq:{ERROR:#} {}", self.line);
        ExitCode::from(self.code)
    }

    pub fn line(&self) -> &str {
        &self.line
    }
}

/// An error of the system without its number: "Permission denied".
pub fn plain(error: &io::Error) -> impl Display {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Writes to standard output. A reader that has gone (`| head`) ends the process quietly, as with any filter.
pub fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|error| Failure::new(format!("standard output: {}", plain(&error)))),
    }
}
