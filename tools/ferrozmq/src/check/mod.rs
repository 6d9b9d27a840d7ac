//! `ferrozmq check`.

mod certified;
mod endpoints;
mod files;
mod other_side;

use crate::cli::Check;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use anstyle::{AnsiColor, Style};
use files::Files;
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use zmq::security::Policy;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default().bold();

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    endpoints: Vec<endpoints::Row>,
    /// What makes binds, connects or handshakes fail, or lets in or keeps out others than meant.
    problems: Vec<String>,
    /// What is as it may be, and not always as it was meant.
    warnings: Vec<String>,
}

pub fn run(options: &Check) -> Result<Outcome, Failure> {
    // A file that is not there is no answer; one with mistakes is.
    fs::metadata(&options.file).map_err(|error| Failure::of(&options.file, &error))?;
    let mut report = Report { file: options.file.display().to_string(), ..Report::default() };
    let scenes = endpoints::scenes(options)?;
    if let Some(policy) = read(&options.file, &mut report) {
        let files = Files::read(&policy, &mut report);
        files.look_at_own_certificates(options.with.is_none(), &mut report);
        report.endpoints = scenes.iter().map(|scene| endpoints::row(&policy, scene)).collect();
        if let Some(other) = &options.with
            && let Some(policy) = read(other, &mut report)
        {
            let theirs = Files::read(&policy, &mut report);
            theirs.look_at_own_certificates(false, &mut report);
            report.problems.extend(other_side::differences((&options.file, &files), (other, &theirs)));
        }
    }
    report.problems.dedup();
    failure::print(&match options.json {
        // Texts and lists alone: this does not fail.
        true => format!("{}\n", serde_json::to_string(&report).unwrap_or_default()),
        false => text(&report),
    })?;
    Ok(if report.problems.is_empty() { Outcome::Yes } else { Outcome::No })
}

/// The policy in a file. Its mistakes go to the report.
fn read(file: &Path, report: &mut Report) -> Option<Policy> {
    match Policy::read(file) {
        Ok(policy) => Some(policy),
        Err(faults) => {
            report.problems.extend(faults.iter().map(ToString::to_string));
            None
        }
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String does not fail.
    for row in &report.endpoints {
        let _ = writeln!(text, "{row}");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "{ODD}warning{ODD:#}  {warning}");
    }
    for problem in &report.problems {
        let _ = writeln!(text, "{BAD}problem{BAD:#}  {problem}");
    }
    if report.problems.is_empty() {
        let _ = writeln!(text, "{GOOD}no problems{GOOD:#} in {}", report.file);
    }
    text
}
