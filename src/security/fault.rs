//! A mistake in a file, or what a file refuses: where it stands, what it is, and what to do about it.

use crate::errno::Errno;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// Shown in one line: `FILE:LINE: what it is: what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    /// From 1 on; `None` where the fault is the file itself.
    pub line: Option<usize>,
    pub what: String,
    pub what_to_do: String,
    /// What `zmq_bind` and `zmq_connect` fail with: `EACCES` or `EINVAL`.
    pub errno: Errno,
}

impl Fault {
    /// Something in a file is not understood.
    pub fn mistake(
        file: &Path,
        line: Option<usize>,
        what: impl Into<String>,
        what_to_do: impl Into<String>,
    ) -> Fault {
        Fault {
            file: file.to_owned(),
            line,
            what: what.into(),
            what_to_do: what_to_do.into(),
            errno: Errno::INVAL,
        }
    }

    /// Something is understood and not allowed.
    pub fn denial(
        file: &Path,
        line: Option<usize>,
        what: impl Into<String>,
        what_to_do: impl Into<String>,
    ) -> Fault {
        Fault { errno: Errno::ACCES, ..Fault::mistake(file, line, what, what_to_do) }
    }
}

impl Fault {
    /// Of a file that the policy names in a line of its own.
    pub fn named_by(mut self, policy: &Path, line: usize) -> Fault {
        self.what = format!("{} (named by {}:{line})", self.what, policy.display());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!("{line}:")).unwrap_or_default();
        let text = format!("{}:{line} {}: {}", self.file.display(), self.what, self.what_to_do);
        // It shows names and values of the file, and stays one line with all of them.
        for c in text.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_line_with_file_and_line() {
        let file = Path::new("/etc/ferrozmq/security.toml");
        let fault = Fault::mistake(file, Some(3), "no such setting: \"alow\"", "did you mean \"allow\"?");
        let shown = "/etc/ferrozmq/security.toml:3: no such setting: \"alow\": did you mean \"allow\"?";
        assert_eq!((fault.to_string().as_str(), fault.errno), (shown, Errno::INVAL));
        let forged = Fault::mistake(file, None, "\"a\nferrozmq: all is well\u{1b}[2J\"", "say it");
        let shown = "/etc/ferrozmq/security.toml: \"a\\nferrozmq: all is well\\u{1b}[2J\": say it";
        assert_eq!(forged.to_string(), shown);
        let fault = Fault::denial(file, None, "it cannot be read", "let this user read it");
        let shown = "/etc/ferrozmq/security.toml: it cannot be read: let this user read it";
        assert_eq!((fault.to_string().as_str(), fault.errno), (shown, Errno::ACCES));
    }
}
