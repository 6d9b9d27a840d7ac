//! `ferrozmq metrics`.

mod exposition;
mod families;
mod qzmq;
mod request;
mod server;

use crate::cli::Metrics;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use crate::stats::{self, folder};
use exposition::Format;
use request::Wanted;
use server::Answer;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

const TEXT_FILE: &str = "ferrozmq.prom";
/// For node_exporter as well, which runs as a user of its own.
const TEXT_MODE: u32 = 0o644;
const JSON: &str = "application/json";
const INDEX: &str = "\
/metrics         all counters: Prometheus text or OpenMetrics, as the Accept header asks for
/qzmq/metrics    those of the QZMQ mechanism
/qzmq/status     the same as a JSON object
";

pub fn run(options: &Metrics) -> Result<Outcome, Failure> {
    let source = Source {
        folder: folder::choose(options.stats.as_deref()),
        keep: options.keep,
        connections: options.connections,
        max_series: options.max_series,
    };
    if let Some(folder) = &options.textfile {
        return write_again_and_again(&source, folder, options);
    }
    if options.once {
        let format = if options.openmetrics { Format::OpenMetrics } else { Format::Prometheus };
        failure::print(&source.metrics(format)?)?;
        return Ok(Outcome::Yes);
    }
    let listener = server::listen(&options.listen)?;
    let address = listener.local_addr().map_err(|error| Failure::new(failure::plain(&error).to_string()))?;
    anstream::eprintln!(
        "ferrozmq: the counters in {} are at http://{address}/metrics",
        source.folder.display()
    );
    server::serve(&listener, move |wanted| source.answer(wanted))
}

/// Where the numbers come from.
struct Source {
    folder: PathBuf,
    keep: bool,
    connections: bool,
    max_series: usize,
}

impl Source {
    fn answer(&self, wanted: Wanted) -> Result<Answer, Failure> {
        let (content_type, body) = match wanted {
            Wanted::Index => ("text/plain; charset=utf-8", INDEX.to_owned()),
            Wanted::Metrics(format) => (format.content_type(), self.metrics(format)?),
            Wanted::QzmqMetrics(format) => {
                let families = qzmq::families(&self.observe()?, qzmq::Times::Milliseconds);
                (format.content_type(), exposition::text(&families, format))
            }
            Wanted::QzmqStatus => (JSON, format!("{}\n", qzmq::status(&self.observe()?))),
        };
        Ok(Answer { content_type, body })
    }

    fn observe(&self) -> Result<stats::Observation, Failure> {
        stats::observe(&self.folder, self.keep)
    }

    fn metrics(&self, format: Format) -> Result<String, Failure> {
        let observation = self.observe()?;
        let mut families = families::of(&observation, self.connections, self.max_series);
        families.extend(qzmq::families(&observation, qzmq::Times::Seconds));
        Ok(exposition::text(&families, format))
    }
}

fn write_again_and_again(source: &Source, folder: &Path, options: &Metrics) -> Result<Outcome, Failure> {
    loop {
        write(folder, &source.metrics(Format::Prometheus)?)?;
        if options.once {
            return Ok(Outcome::Yes);
        }
        thread::sleep(Duration::from_secs_f64(options.interval));
    }
}

/// A reader sees the old text or the new one. The name of the file under way is not one that node_exporter reads.
fn write(folder: &Path, text: &str) -> Result<(), Failure> {
    let file = folder.join(TEXT_FILE);
    let under_way = folder.join(format!(".{TEXT_FILE}.{}", process::id()));
    let written = || {
        // One of a process that had this id, and was killed.
        let _ = fs::remove_file(&under_way);
        let mut new = OpenOptions::new().write(true).create_new(true).mode(TEXT_MODE).open(&under_way)?;
        // The umask may have kept node_exporter, which is another user, from reading it.
        new.set_permissions(Permissions::from_mode(TEXT_MODE))?;
        new.write_all(text.as_bytes())?;
        fs::rename(&under_way, &file)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&under_way);
        Failure::of(&file, &error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    /// Tells the test, run anew with a umask of its own, where to write.
    const FOLDER: &str = "FERROZMQ_TEST_TEXTFILE";

    #[test]
    fn the_text_file_can_be_read_by_all_whatever_the_umask() {
        if let Some(folder) = std::env::var_os(FOLDER) {
            return write(Path::new(&folder), "text\n").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        // A process has one umask for all of its threads.
        let again = Command::new("sh")
            .args(["-c", "umask 077 && exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg("metrics::tests::the_text_file_can_be_read_by_all_whatever_the_umask")
            .env(FOLDER, folder.path())
            .output()
            .unwrap();
        assert!(again.status.success(), "{again:?}");
        let mode = fs::metadata(folder.path().join(TEXT_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, TEXT_MODE);
    }
}
