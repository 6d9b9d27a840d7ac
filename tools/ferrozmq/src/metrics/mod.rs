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
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::Duration;

const TEXT_FILE: &str = "ferrozmq.prom";
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
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&under_way)?;
        new.write_all(text.as_bytes())?;
        fs::rename(&under_way, &file)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&under_way);
        Failure::of(&file, &error)
    })
}
