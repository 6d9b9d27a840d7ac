//! `ferrozmq audit`.

mod filter;
mod record;
mod tail;

pub use record::printable;

use crate::cli::Audit;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use filter::Filter;
use record::Record;
use serde_json::json;
use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tail::{Line, Tail};

/// The variable that switches the trail on in programs.
const VARIABLE: &str = "FERROZMQ_AUDIT";
/// How often a file that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// Values that are counted one by one. Peers choose some of them, so there may be any number.
const MAX_VALUES: usize = 100_000;

pub fn run(options: &Audit) -> Result<Outcome, Failure> {
    let filter = Filter::new(options)?;
    let mut report = Report::new(options, filter);
    let file = file(options)?;
    if file == Path::new("-") {
        tail::lines(io::stdin().lock(), |line| report.take(line))
            .map_err(|error| Failure::new(format!("standard input: {}", failure::plain(&error))))??;
        return report.finish();
    }
    let mut tail = Tail::open(&file).map_err(|error| Failure::of(&file, &error))?;
    loop {
        tail.read(|line| report.take(line)).map_err(|error| Failure::of(&file, &error))??;
        if !options.follow {
            return report.finish();
        }
        thread::sleep(PAUSE);
    }
}

fn file(options: &Audit) -> Result<PathBuf, Failure> {
    let named = options
        .file
        .clone()
        .or_else(|| env::var_os(VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from));
    named.ok_or_else(|| {
        Failure::new(format!("no file was named: give one, `-` for standard input, or set {VARIABLE}"))
    })
}

/// What has been read so far.
struct Report<'a> {
    options: &'a Audit,
    filter: Filter,
    found: u64,
    /// Records that the library says it has lost.
    lost: u64,
    /// Lines that are none.
    broken: u64,
    counts: BTreeMap<String, u64>,
    /// Records whose values were too many to be counted one by one.
    uncounted: u64,
}

impl<'a> Report<'a> {
    fn new(options: &'a Audit, filter: Filter) -> Report<'a> {
        Report { options, filter, found: 0, lost: 0, broken: 0, counts: BTreeMap::new(), uncounted: 0 }
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), Failure> {
        let record = match line {
            Line::Whole(text) => Record::parse(text),
            Line::TooLong => None,
        };
        let Some(record) = record else {
            self.broken += 1;
            return Ok(());
        };
        self.lost = self.lost.saturating_add(record.lost());
        if !self.filter.matches(&record) {
            return Ok(());
        }
        self.found += 1;
        match &self.options.count_by {
            Some(field) => self.count(record.text(field).unwrap_or_else(|| "-".to_owned())),
            None if self.options.json => failure::print(&format!("{}\n", record.line()))?,
            None => failure::print(&format!("{record}\n"))?,
        }
        Ok(())
    }

    fn count(&mut self, value: String) {
        if self.counts.len() >= MAX_VALUES && !self.counts.contains_key(&value) {
            self.uncounted += 1;
            return;
        }
        *self.counts.entry(value).or_default() += 1;
    }

    fn finish(self) -> Result<Outcome, Failure> {
        let mut rows: Vec<(&String, &u64)> = self.counts.iter().collect();
        rows.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        for (value, count) in rows {
            let line = match self.options.json {
                true => json!({ "value": value, "count": count }).to_string(),
                false => format!("{count:>9}  {}", record::printable(value)),
            };
            failure::print(&format!("{line}\n"))?;
        }
        let remarks = [
            (self.lost, "records were lost when the queue was full (events `gap`)"),
            (self.broken, "lines are no records and were skipped"),
            (self.uncounted, "records have values that were not counted: there are too many"),
        ];
        for (number, remark) in remarks.into_iter().filter(|(number, _)| *number > 0) {
            anstream::eprintln!("ferrozmq: {number} {remark}");
        }
        Ok(if self.found > 0 { Outcome::Yes } else { Outcome::No })
    }
}
