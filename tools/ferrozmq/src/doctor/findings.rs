//! What was found, for people and for programs.

use crate::elf::{Maker, Zmq};
use crate::library::Library;
use crate::loader::{Loaded, Scope};
use crate::outcome::Outcome;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::fmt::{Display, Write};
use std::fs;
use std::path::{Path, PathBuf};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const OTHER: Style = AnsiColor::Yellow.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// What was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Environment,
    Program,
    Process,
}

/// How a file comes to serve the calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The loader finds it by the name that the program was linked with.
    Linked,
    /// LD_PRELOAD names it.
    Preloaded,
    /// It came with a Python package.
    Wheel,
    /// It is linked into the program or extension.
    Inside,
    /// It is mapped in the process.
    Mapped,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ferrozmq,
    Other,
    Unknown,
}

/// A file with a libzmq in it.
#[derive(Debug, Serialize)]
struct Holder {
    file: PathBuf,
    maker: &'static str,
    version: Option<String>,
    how: How,
}

#[derive(Debug, Serialize)]
pub struct Findings {
    subject: String,
    kind: Subject,
    verdict: Verdict,
    /// The file that the calls go to.
    library: Option<Holder>,
    /// Other files with a libzmq, which serve no call, or other calls.
    also: Vec<Holder>,
    notes: Vec<String>,
}

impl Findings {
    pub fn new(subject: impl Display, kind: Subject) -> Findings {
        let verdict = Verdict::Unknown;
        Findings {
            subject: subject.to_string(),
            kind,
            verdict,
            library: None,
            also: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The calls go to this file. Where several serve calls, the first is the one that counts.
    pub fn uses(&mut self, file: &Path, maker: Maker, how: How) {
        let holder = Holder::new(file, &maker, how);
        if self.library.is_some() {
            self.also.push(holder);
            return;
        }
        self.verdict = if matches!(maker, Maker::Ferrozmq(_)) { Verdict::Ferrozmq } else { Verdict::Other };
        self.library = Some(holder);
    }

    /// This file is there, too.
    pub fn has(&mut self, file: &Path, maker: &Maker, how: How) {
        self.also.push(Holder::new(file, maker, how));
    }

    /// What the loader would do with the files of a program or extension.
    pub fn judge(&mut self, scope: &Scope) {
        let first = scope.files.first();
        match scope.serving() {
            Some(serving) => self.uses_loaded(serving, scope),
            None => self.explain(scope),
        }
        let is_rest = |file: &&Loaded| scope.serving().is_none_or(|serving| serving.path != file.path);
        for file in scope.files.iter().filter(is_rest) {
            if let Some(maker) = file.elf.maker() {
                self.has(&file.path, &maker, how(file));
            }
        }
        if self.library.is_some() && first.is_some() && !scope.has_callers() && self.kind == Subject::Program
        {
            self.note("no file that it is linked with calls libzmq; what it loads later would use this one");
        }
    }

    fn uses_loaded(&mut self, serving: &Loaded, scope: &Scope) {
        if let Some(maker) = serving.elf.maker() {
            self.uses(&serving.path, maker, how(serving));
        }
        // A file with a libzmq of its own inside calls that one.
        for own in scope.files.iter().filter(|file| file.elf.zmq == Zmq::Inside) {
            self.note(format!("{} has a libzmq of its own inside, which it calls", own.path.display()));
        }
    }

    /// Why there is no answer.
    fn explain(&mut self, scope: &Scope) {
        for name in &scope.missing {
            self.note(format!("the loader does not find {name}"));
        }
        if !scope.has_callers() {
            self.note("nothing that it is linked with is or calls a libzmq; if it loads one later, look at the process: ferrozmq doctor PID");
        }
    }

    pub fn outcome(&self) -> Outcome {
        match self.verdict {
            Verdict::Ferrozmq => Outcome::Yes,
            Verdict::Other => Outcome::No,
            Verdict::Unknown => Outcome::Unknown,
        }
    }

    pub fn json(&self) -> String {
        // Texts, lists and options alone: this does not fail.
        format!("{}\n", serde_json::to_string(self).unwrap_or_default())
    }

    /// `ours` is for the advice.
    pub fn text(&self, ours: Option<&Library>) -> String {
        let verb = if self.kind == Subject::Process { "uses" } else { "would use" };
        let verdict = match self.verdict {
            Verdict::Ferrozmq => format!("{verb} {GOOD}ferrozmq{GOOD:#}"),
            Verdict::Other => format!("{verb} {OTHER}another libzmq{OTHER:#}"),
            Verdict::Unknown => format!("{OTHER}cannot tell{OTHER:#}"),
        };
        let mut text = format!("{}: {verdict}\n", self.subject);
        let mut line = |name: &str, rest: &dyn Display| {
            // Writing into a String does not fail.
            let _ = writeln!(text, "  {QUIET}{name:<9}{QUIET:#} {rest}");
        };
        if let Some(library) = &self.library {
            line("library", library);
        }
        for holder in &self.also {
            line("also", holder);
        }
        for note in &self.notes {
            line("note", note);
        }
        for advice in self.advice(ours) {
            line("to switch", &advice);
        }
        text
    }

    /// What to do to have ours.
    fn advice(&self, ours: Option<&Library>) -> Vec<String> {
        let Some(Holder { how, .. }) = self.library.as_ref().filter(|_| self.verdict == Verdict::Other)
        else {
            return Vec::new();
        };
        let program = match self.kind {
            Subject::Program => self.subject.as_str(),
            Subject::Process | Subject::Environment => "PROGRAM",
        };
        let preload = match ours {
            Some(library) => {
                format!("ferrozmq run {program} ..., which sets LD_PRELOAD={}", library.path.display())
            }
            None => format!("LD_PRELOAD=/path/to/ferrozmq's/libzmq.so.5 {program} ..."),
        };
        let again = if self.kind == Subject::Process { "start it again: " } else { "" };
        let preload = format!("{again}{preload}");
        match how {
            How::Inside => {
                vec![
                    "LD_PRELOAD does not reach it: link it with libzmq.so.5, or with ferrozmq's libzmq.a"
                        .to_owned(),
                ]
            }
            How::Wheel => vec![
                preload,
                "or build pyzmq against ferrozmq: ZMQ_PREFIX=PREFIX pip install --no-binary pyzmq pyzmq"
                    .to_owned(),
            ],
            How::Linked | How::Preloaded | How::Mapped => {
                vec![
                    preload,
                    "or for all programs: install ferrozmq where the loader looks first, and run ldconfig"
                        .to_owned(),
                ]
            }
        }
    }
}

impl Holder {
    fn new(file: &Path, maker: &Maker, how: How) -> Holder {
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let (maker, version) = match maker {
            Maker::Ferrozmq(version) => ("ferrozmq", version.clone()),
            Maker::Other => ("libzmq", interface_version(&file)),
        };
        Holder { file, maker, version, how }
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let how = match self.how {
            How::Linked => "linked",
            How::Preloaded => "preloaded",
            How::Wheel => "of a Python wheel",
            How::Inside => "linked in",
            How::Mapped => "mapped",
        };
        write!(f, "{} ({}{version}, {how})", self.file.display(), self.maker)
    }
}

fn how(file: &Loaded) -> How {
    if file.elf.zmq == Zmq::Inside {
        return How::Inside;
    }
    if file.is_preloaded {
        return How::Preloaded;
    }
    how_of_path(&file.path)
}

/// Wheels have their libraries in a folder NAME.libs.
pub fn how_of_path(path: &Path) -> How {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_of_wheel =
        path.parent().is_some_and(|folder| folder.extension().is_some_and(|extension| extension == "libs"));
    if is_of_wheel { How::Wheel } else { How::Linked }
}

/// libzmq's file names end in the libtool version: 5.2.4 is that of 4.3.4.
fn interface_version(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let (_, patch) = name.split_once(".so.5.2.")?;
    patch.parse::<u32>().ok().map(|patch| format!("4.3.{patch}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_file_counts() {
        let mut findings = Findings::new("x", Subject::Process);
        assert_eq!(findings.outcome(), Outcome::Unknown);
        findings.uses(Path::new("/a/libzmq.so.5.2.4"), Maker::Other, How::Mapped);
        findings.uses(Path::new("/b/libzmq.so.5"), Maker::Ferrozmq(None), How::Mapped);
        assert_eq!(findings.outcome(), Outcome::No);
        let text = anstream::adapter::strip_str(&findings.text(None)).to_string();
        assert!(
            text.starts_with(
                "x: uses another libzmq\n  library   /a/libzmq.so.5.2.4 (libzmq 4.3.4, mapped)\n"
            ),
            "{text}"
        );
        assert!(text.contains("to switch start it again: LD_PRELOAD="), "{text}");
    }

    #[test]
    fn wheels_are_known_by_their_folder() {
        assert_eq!(how_of_path(Path::new("/x/pyzmq.libs/libzmq-1.so.5.2.5")), How::Wheel);
        assert_eq!(how_of_path(Path::new("/x/lib/libzmq.so.5")), How::Linked);
        assert_eq!(interface_version(Path::new("/x/libzmq-2f.so.5.2.5")).unwrap(), "4.3.5");
        assert_eq!(interface_version(Path::new("/x/libzmq.so.5")), None);
    }
}
