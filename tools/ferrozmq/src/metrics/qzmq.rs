//! The metrics of the QZMQ mechanism, under the names that its document has promised. Pure.
//!
//! The counters of a library that begin with `qzmq_` are added up for each process, those of sockets that are closed as well. A library
//! that has none of them has no such metrics: a 0 would say that there was nothing to count.

use super::exposition::{Family, Labels, Sample, Type, Value};
use super::families::{has_series, labels_of};
use crate::stats::Observation;
use crate::stats::layout::{Form, Record};
use crate::stats::tree::{Process, QZMQ};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashSet};

const PREFIX: &str = "qzmq_";
/// In front of what closed sockets have counted.
const CLOSED: &str = "closed_";
/// Handshakes that went well, and those that failed, by what has become of them.
const HANDSHAKES: [&str; 2] = ["qzmq_handshakes_failed_", "qzmq_handshakes_"];
/// The promised names that do not end as the names of counters do.
const WITHOUT_TOTAL: [&str; 4] =
    ["qzmq_messages_encrypted", "qzmq_messages_decrypted", "qzmq_auth_failures", "qzmq_replay_attempts"];
/// Times of handshakes, as the library has them.
const DURATION: &str = "qzmq_handshake_duration";

/// How times are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// `qzmq_handshake_duration_ms`, as promised.
    Milliseconds,
    /// `qzmq_handshake_duration_seconds`, as Prometheus wants it.
    Seconds,
}

impl Times {
    fn name(self) -> &'static str {
        match self {
            Times::Milliseconds => "qzmq_handshake_duration_ms",
            Times::Seconds => "qzmq_handshake_duration_seconds",
        }
    }

    fn nanoseconds(self) -> f64 {
        match self {
            Times::Milliseconds => 1e6,
            Times::Seconds => 1e9,
        }
    }
}

/// What one process has counted.
struct Counted<'a> {
    process: &'a Process,
    connections: u64,
    numbers: BTreeMap<&'a str, (u64, &'a str)>,
    buckets: BTreeMap<&'a str, Vec<(f64, u64)>>,
}

/// The name of a counter of QZMQ, closed sockets or not; `None` for any other.
pub fn name_of(field: &str) -> Option<&str> {
    let name = field.strip_prefix(CLOSED).unwrap_or(field);
    name.starts_with(PREFIX).then_some(name)
}

fn count(observation: &Observation) -> Vec<Counted<'_>> {
    observation.processes.iter().filter(|process| has_series(process)).map(Counted::of).collect()
}

impl<'a> Counted<'a> {
    fn of(process: &'a Process) -> Counted<'a> {
        let connections = || process.sockets.iter().flat_map(|socket| &socket.connections);
        let is_ours = |record: &Record| record.text("mechanism") == QZMQ;
        let number = connections().filter(|connection| is_ours(&connection.record)).count() as u64;
        let mut counted =
            Counted { process, connections: number, numbers: BTreeMap::new(), buckets: BTreeMap::new() };
        process.parts.iter().for_each(|part| counted.add(part));
        process.sockets.iter().for_each(|socket| counted.add(&socket.record));
        counted
    }

    fn add(&mut self, record: &'a Record) {
        for (field, number) in record.numbers() {
            let Some(name) = name_of(&field.name) else { continue };
            if let Form::Bucket(bound) = field.form {
                let buckets = self.buckets.entry(name).or_default();
                match buckets.iter_mut().find(|(known, _)| *known == bound) {
                    Some((_, sum)) => *sum = sum.saturating_add(number),
                    None => buckets.push((bound, number)),
                }
                continue;
            }
            let sum = self.numbers.entry(name).or_insert((0, &field.help));
            sum.0 = sum.0.saturating_add(number);
        }
    }

    fn labels(&self) -> Labels {
        labels_of(self.process)
    }
}

pub fn families(observation: &Observation, times: Times) -> Vec<Family> {
    let counted = count(observation);
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut seen: HashSet<(String, Labels)> = HashSet::new();
    let mut add = |name: &str, help: &str, form, labels, value| {
        let family = || Family { name: name.to_owned(), help: help.to_owned(), form, samples: Vec::new() };
        let samples = &mut families.entry(name.to_owned()).or_insert_with(family).samples;
        // A series that is there twice would spoil the whole text. `families` counts what is left out.
        if seen.insert((name.to_owned(), Labels::clone(&labels))) {
            samples.push(Sample { labels, value });
        }
    };
    for process in &counted {
        let labels = || process.labels();
        let help = "Connections with the QZMQ mechanism.";
        add("qzmq_connections", help, Type::Gauge, labels(), Value::Integer(process.connections));
        for (name, (number, help)) in &process.numbers {
            match *name {
                _ if name.ends_with("_sum") => {}
                _ if HANDSHAKES.iter().any(|start| name.starts_with(start)) => {
                    let result = HANDSHAKES.iter().find_map(|start| name.strip_prefix(start));
                    let labels = labels().with("result", result.unwrap_or_default());
                    let help = "Handshakes of QZMQ, by what has become of them.";
                    add("qzmq_handshakes", help, Type::Counter, labels, Value::Integer(*number));
                }
                _ if WITHOUT_TOTAL.contains(name) => {
                    add(name, help, Type::Unknown, labels(), Value::Integer(*number));
                }
                _ => add(name, help, Type::Counter, labels(), Value::Integer(*number)),
            }
        }
        for (name, buckets) in &process.buckets {
            let mut buckets: Vec<(f64, u64)> =
                buckets.iter().map(|(bound, number)| (bound / times.nanoseconds(), *number)).collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            if buckets.last().is_none_or(|(bound, _)| bound.is_finite()) {
                buckets.push((f64::INFINITY, 0));
            }
            let sum = process.numbers.get(format!("{name}_sum").as_str()).map_or(0, |sum| sum.0) as f64
                / times.nanoseconds();
            if *name == DURATION {
                let value = Value::Histogram { buckets, sum };
                add(times.name(), "How long handshakes took.", Type::Histogram, labels(), value);
            }
        }
    }
    families.into_values().collect()
}

pub fn status(observation: &Observation) -> Json {
    let process = |counted: &Counted| {
        let counters: BTreeMap<&str, u64> =
            counted.numbers.iter().map(|(name, sum)| (*name, sum.0)).collect();
        json!({
            "pid": counted.process.pid,
            "pid_namespace": counted.process.namespace,
            "name": counted.process.name,
            "state": counted.process.state.word(),
            "connections": counted.connections,
            "counters": counters,
        })
    };
    let processes: Vec<Json> = count(observation).iter().map(process).collect();
    json!({ "version": 1, "mechanism": QZMQ, "time": observation.time, "processes": processes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::metrics::exposition::{Format, text};
    use crate::metrics::families::tests::{observation, twins};
    use crate::stats::written::Written;

    fn with(rows: &str) -> Observation {
        observation(&Written { names: rows.to_owned(), ..Written::example() })
    }

    #[test]
    fn a_library_without_these_counters_has_none_of_them() {
        let before = observation(&Written::example());
        let text = text(&families(&before, Times::Milliseconds), Format::Prometheus);
        assert!(text.contains("qzmq_connections{pid=\"42\",process=\"orders\"} 0\n"), "{text}");
        assert!(
            !text.contains("handshakes") && status(&before)["processes"][0]["counters"] == json!({}),
            "{text}"
        );
    }

    #[test]
    fn no_series_is_there_twice() {
        for (namespaces, number) in [([Some(7), Some(8)], 2), ([Some(7), Some(7)], 1)] {
            let text = text(&families(&twins(namespaces), Times::Milliseconds), Format::Prometheus);
            assert_eq!(text.matches("\nqzmq_connections{").count(), number, "{text}");
        }
    }

    #[test]
    fn the_promised_names_are_those_of_the_document() {
        let rows = "\
            socket\tqzmq_handshakes_succeeded\t16\tcount\tcounter\tGood.\nsocket\tqzmq_key_updates\t24\tcount\tcounter\t\n\
            socket\tqzmq_handshakes_failed_auth\t64\tcount\tcounter\tBad.\n\
            socket\tqzmq_auth_failures\t32\tcount\tcounter\t\nprocess\tqzmq_replay_attempts\t16\tcount\tcounter\t\n\
            process\tclosed_qzmq_key_updates\t16\tcount\tcounter\t\n\
            socket\tqzmq_handshake_duration\t40\tnanoseconds\tbucket 1000000\t\n\
            socket\tqzmq_handshake_duration_sum\t48\tnanoseconds\tcounter\t\n";
        let found = with(rows);
        let prometheus = text(&families(&found, Times::Milliseconds), Format::Prometheus);
        let labels = "{pid=\"42\",process=\"orders\"";
        for line in [
            "# TYPE qzmq_handshakes_total counter\n".to_owned(),
            format!("qzmq_handshakes_total{labels},result=\"succeeded\"}} 100\n"),
            format!("qzmq_handshakes_total{labels},result=\"auth\"}} 5\n"),
            format!("qzmq_key_updates_total{labels}}} 1077\n"),
            format!("qzmq_auth_failures{labels}}} 100\n"),
            format!("qzmq_replay_attempts{labels}}} 77\n"),
            format!("qzmq_handshake_duration_ms_bucket{labels},le=\"1.0\"}} 0\n"),
            format!("qzmq_handshake_duration_ms_sum{labels}}} 0.0\n"),
        ] {
            assert!(prometheus.contains(&line), "{line}{prometheus}");
        }
        let in_seconds = text(&families(&found, Times::Seconds), Format::Prometheus);
        assert!(in_seconds.contains("qzmq_handshake_duration_seconds_bucket") && !in_seconds.contains("_ms"));
        assert!(
            text(&families(&found, Times::Milliseconds), Format::OpenMetrics)
                .contains("# TYPE qzmq_auth_failures unknown\n")
        );
        assert_eq!(status(&found)["processes"][0]["counters"]["qzmq_handshakes_succeeded"], json!(100));
    }
}
