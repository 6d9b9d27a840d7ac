//! Counters as families of metrics, by Prometheus' conventions. Pure.
//!
//! | counter in the file | metric |
//! |---|---|
//! | `messages_sent` of a socket | `zmq_messages_sent_total` |
//! | `dropped_R`, `handshakes_failed_R`, `disconnects_R` | `zmq_messages_dropped_total`, ..., with the label `reason="R"` |
//! | nanoseconds | seconds, and the name ends in `_seconds` |
//! | buckets of one name | a histogram; its sum is the counter `NAME_sum` |
//! | what begins with `qzmq_` | one metric for each process: see `qzmq` |
//! | anything of a connection, an I/O thread, ... | `zmq_connection_NAME`, `zmq_io_thread_NAME`, ... |

use super::exposition::{Family, Labels, Sample, Type, Value};
use super::qzmq;
use crate::stats::Observation;
use crate::stats::layout::{Field, Form, Kind, Record};
use crate::stats::process::State;
use crate::stats::tree::{Connection, DROPPED, Process, Queue, Socket};
use std::collections::{HashMap, HashSet};

/// Counters that differ in a reason alone, and the metric that they are.
const REASONS: [(&str, &str, &str); 3] = [
    (DROPPED, "messages_dropped", "Messages that did not arrive, by reason."),
    ("handshakes_failed_", "handshakes_failed", "Handshakes that failed, by reason."),
    ("disconnects_", "disconnects", "Connections that have ended, by reason."),
];
/// What the formats put behind names by themselves.
const RESERVED_ENDS: [&str; 6] = ["_total", "_bucket", "_count", "_sum", "_info", "_created"];
/// A label that a program or a peer has chosen is cut.
const MAX_LABEL_CHARS: usize = 128;

/// Metrics in the order in which they were found first.
struct Collection {
    families: Vec<Family>,
    places: HashMap<String, usize>,
    /// Family and labels of each series. A file that names one twice would spoil the whole text.
    seen: HashSet<(usize, Labels)>,
    /// Series that were there already, with the same labels or under another type.
    doubles: u64,
    series: usize,
    max_series: usize,
}

/// What the limit of series has left out.
#[derive(Default)]
struct LeftOut {
    processes: u64,
    sockets: u64,
    connections: u64,
}

/// A series that is to be added.
struct Point {
    name: String,
    help: String,
    form: Type,
    sample: Sample,
}

/// All processes that are there. With a series for each connection if `connections`. At most `max_series` series; what is beyond is
/// left out, a process part, socket or connection at a time.
pub fn of(observation: &Observation, connections: bool, max_series: usize) -> Vec<Family> {
    let mut collection = Collection {
        families: Vec::new(),
        places: HashMap::new(),
        seen: HashSet::new(),
        doubles: 0,
        series: 0,
        max_series,
    };
    let mut left_out = LeftOut::default();
    let processes = || observation.processes.iter().filter(|process| has_series(process));
    let unsettled =
        observation.processes.iter().filter(|process| is_there(process) && process.is_torn).count();
    for process in processes() {
        collection.add_or_count(of_process(process), &mut left_out.processes);
    }
    // Sockets of all processes go before connections of any.
    for (process, socket) in
        processes().flat_map(|process| process.sockets.iter().map(move |socket| (process, socket)))
    {
        collection.add_or_count(of_socket(process, socket), &mut left_out.sockets);
    }
    if connections {
        for process in processes() {
            for socket in &process.sockets {
                for connection in &socket.connections {
                    collection
                        .add_or_count(of_connection(process, socket, connection), &mut left_out.connections);
                }
            }
        }
    }
    let problems = observation.problems.len() as u64;
    collection.max_series = usize::MAX;
    collection.add(own(
        "files_unreadable",
        "Files of counters that could not be read.",
        problems,
        Labels::default(),
    ));
    let LeftOut { processes, sockets, connections } = left_out;
    let kinds = [
        ("process", processes),
        ("socket", sockets),
        ("connection", connections),
        ("series", collection.doubles),
        ("unsettled", unsettled as u64),
    ];
    for (what, number) in kinds {
        let help = "What the limit of series has left out, series that have the labels of others, and processes that were never at rest.";
        collection.add(own("left_out", help, number, Labels::new(&[("kind", what)])));
    }
    collection.families
}

/// The process runs, and its counts were read at rest. A sum without a record that was about to move would be smaller than the last
/// one, and Prometheus would take it for a restart. A gap in a series is no harm.
pub fn has_series(process: &Process) -> bool {
    is_there(process) && !process.is_torn
}

fn is_there(process: &Process) -> bool {
    !matches!(process.state, State::Gone | State::Zombie)
}

impl Collection {
    fn add_or_count(&mut self, points: Vec<Point>, left_out: &mut u64) {
        let series: usize = points.iter().map(|point| point.sample.value.series()).sum();
        if self.series.saturating_add(series) > self.max_series {
            *left_out += 1;
            return;
        }
        points.into_iter().for_each(|point| self.add(point));
    }

    fn add(&mut self, point: Point) {
        let next = self.families.len();
        let place = *self.places.entry(point.name.clone()).or_insert(next);
        if place == next {
            let Point { name, help, form, .. } = &point;
            let (name, help) = (name.clone(), help.clone());
            self.families.push(Family { name, help, form: *form, samples: Vec::new() });
        }
        let Some(family) = self.families.get_mut(place) else { return };
        if family.form == point.form && self.seen.insert((place, point.sample.labels.clone())) {
            self.series += point.sample.value.series();
            family.samples.push(point.sample);
        } else {
            self.doubles = self.doubles.saturating_add(1);
        }
    }
}

impl Value {
    fn series(&self) -> usize {
        match self {
            Value::Histogram { buckets, .. } => buckets.len() + 2,
            Value::Integer(_) | Value::Float(_) => 1,
        }
    }
}

/// What the tool says of itself.
fn own(name: &str, help: &str, number: u64, labels: Labels) -> Point {
    let sample = Sample { labels, value: Value::Integer(number) };
    Point { name: format!("zmq_exporter_{name}"), help: help.to_owned(), form: Type::Gauge, sample }
}

/// What tells a process from others. The name of one in another container is not known.
pub fn labels_of(process: &Process) -> Labels {
    let labels = Labels::new(&[("pid", &process.pid.to_string()), ("process", cut(&process.name))]);
    match process.namespace {
        Some(namespace) => labels.with("pid_namespace", &namespace.to_string()),
        None => labels,
    }
}

fn of_process(process: &Process) -> Vec<Point> {
    let labels = labels_of(process);
    let gauge = |name: &str, help: &str, value| Point {
        name: name.to_owned(),
        help: help.to_owned(),
        form: Type::Gauge,
        sample: Sample { labels: labels.clone(), value },
    };
    let mut points = vec![
        gauge(
            "zmq_opened_timestamp_seconds",
            "When the process began to count.",
            Value::Float(process.opened),
        ),
        gauge(
            "zmq_heartbeat_timestamp_seconds",
            "The last sign of life of an I/O thread.",
            Value::Float(process.heartbeat),
        ),
        gauge("zmq_sockets", "Sockets of the process.", Value::Integer(process.sockets.len() as u64)),
    ];
    for part in &process.parts {
        let (prefix, labels) = match part.kind {
            Kind::Context => ("context_", labels.with("context", &part.serial.to_string())),
            Kind::IoThread => ("io_thread_", labels.with("io_thread", &part.serial.to_string())),
            _ => ("process_", labels.clone()),
        };
        points.extend(of_record(part, prefix, &labels));
    }
    points
}

fn of_socket(process: &Process, socket: &Socket) -> Vec<Point> {
    let record = &socket.record;
    let (context, serial) = (record.parent.to_string(), record.serial.to_string());
    let endpoint = socket.endpoints().first().copied().unwrap_or_default();
    let labels = labels_of(process).and(&[
        ("context", &context),
        ("socket", &serial),
        ("type", cut(record.text("type"))),
        ("endpoint", cut(endpoint)),
    ]);
    let mut points = of_record(record, "", &labels);
    points.extend(of_queues("", &labels, socket.to_send, socket.to_receive));
    points.push(Point {
        name: "zmq_connections".to_owned(),
        help: "Connections of the socket whose handshake is over.".to_owned(),
        form: Type::Gauge,
        sample: Sample { labels, value: Value::Integer(socket.connections.len() as u64) },
    });
    points
}

fn of_connection(process: &Process, socket: &Socket, connection: &Connection) -> Vec<Point> {
    let record = &connection.record;
    let (of_socket, serial) = (socket.record.serial.to_string(), record.serial.to_string());
    let labels = labels_of(process).and(&[
        ("socket", &of_socket),
        ("type", cut(socket.record.text("type"))),
        ("connection", &serial),
        ("peer", cut(record.text("peer"))),
        ("mechanism", cut(record.text("mechanism"))),
        ("user_id", cut(record.text("user_id"))),
    ]);
    let mut points = of_record(record, "connection_", &labels);
    points.extend(of_queues("connection_", &labels, connection.to_send, connection.to_receive));
    points
}

fn of_queues(prefix: &str, labels: &Labels, to_send: Queue, to_receive: Queue) -> Vec<Point> {
    let point = |name: &str, help: &str, way: &str, number| Point {
        name: format!("zmq_{prefix}{name}"),
        help: help.to_owned(),
        form: Type::Gauge,
        sample: Sample { labels: labels.with("direction", way), value: Value::Integer(number) },
    };
    let ways = [("send", to_send), ("receive", to_receive)];
    let of_way = |(way, queue): &(&str, Queue)| {
        [
            point("queued_messages", "Messages that wait, to be sent or to be received.", way, queue.now),
            point("queued_messages_max", "The most messages that one queue has held so far.", way, queue.max),
        ]
    };
    ways.iter().flat_map(of_way).collect()
}

fn of_record(record: &Record, prefix: &str, labels: &Labels) -> Vec<Point> {
    let mut points = Vec::new();
    let mut histograms: Vec<(&Field, Vec<(f64, u64)>)> = Vec::new();
    for (field, number) in record.numbers().filter(|(field, _)| qzmq::name_of(&field.name).is_none()) {
        if let Form::Bucket(bound) = field.form {
            match histograms.iter_mut().find(|(known, _)| known.name == field.name) {
                Some((_, buckets)) => buckets.push((bound, number)),
                None => histograms.push((field, vec![(bound, number)])),
            }
            continue;
        }
        let is_reserved = RESERVED_ENDS.iter().any(|end| field.name.ends_with(end));
        if !is_reserved {
            points.push(of_number(field, number, prefix, labels));
        }
    }
    for (field, buckets) in histograms {
        let sum = record.number(&format!("{}_sum", field.name)).unwrap_or_default();
        points.push(of_histogram(field, buckets, sum, prefix, labels));
    }
    points
}

fn of_number(field: &Field, number: u64, prefix: &str, labels: &Labels) -> Point {
    let form = if field.form == Form::Counter { Type::Counter } else { Type::Gauge };
    let reason =
        REASONS.iter().find_map(|(start, name, help)| Some((field.name.strip_prefix(start)?, name, help)));
    if let Some((reason, name, help)) = reason {
        let sample = Sample { labels: labels.with("reason", reason), value: Value::Integer(number) };
        return Point { name: format!("zmq_{prefix}{name}"), help: (*help).to_owned(), form, sample };
    }
    let (end, factor) = scale(field);
    let value = if factor == 1.0 { Value::Integer(number) } else { Value::Float(number as f64 * factor) };
    let sample = Sample { labels: labels.clone(), value };
    Point { name: format!("zmq_{prefix}{}{end}", field.name), help: help(field), form, sample }
}

fn of_histogram(
    field: &Field,
    mut buckets: Vec<(f64, u64)>,
    sum: u64,
    prefix: &str,
    labels: &Labels,
) -> Point {
    let (end, factor) = scale(field);
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    buckets.dedup_by(|one, other| one.0 == other.0);
    if buckets.last().is_none_or(|(bound, _)| bound.is_finite()) {
        buckets.push((f64::INFINITY, 0));
    }
    let buckets = buckets.into_iter().map(|(bound, number)| (scaled(bound, factor), number)).collect();
    let value = Value::Histogram { buckets, sum: sum as f64 * factor };
    let sample = Sample { labels: labels.clone(), value };
    Point {
        name: format!("zmq_{prefix}{}{end}", field.name),
        help: help(field),
        form: Type::Histogram,
        sample,
    }
}

/// Base units: what is behind the name, and what a number is multiplied by.
fn scale(field: &Field) -> (&'static str, f64) {
    if field.unit == "nanoseconds" { ("_seconds", 1e-9) } else { ("", 1.0) }
}

/// 500000 nanoseconds are 0.0005 seconds and not 0.0005000000000000001.
fn scaled(bound: f64, factor: f64) -> f64 {
    if factor == 1.0 { bound } else { bound / (1.0 / factor).round() }
}

fn help(field: &Field) -> String {
    if field.help.is_empty() { field.name.replace('_', " ") } else { field.help.clone() }
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_LABEL_CHARS).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::metrics::exposition::{Format, text};
    use crate::stats::tree::tests::process;
    use crate::stats::written::Written;

    pub fn observation(written: &Written) -> Observation {
        let mut process = process(written);
        process.name = "orders".to_owned();
        process.pid = 42;
        Observation { time: 1000.0, processes: vec![process], problems: Vec::new() }
    }

    fn printed(connections: bool, max_series: usize) -> String {
        text(&of(&observation(&Written::example()), connections, max_series), Format::Prometheus)
    }

    const SOCKET: &str = "pid=\"42\",process=\"orders\",context=\"1\",socket=\"7\",type=\"PUSH\",endpoint=\"tcp://127.0.0.1:5555\"";

    #[test]
    fn counters_have_their_conventional_names() {
        let text = printed(false, 10_000);
        for line in [
            format!("zmq_messages_sent_total{{{SOCKET}}} 148\n"),
            format!("zmq_messages_dropped_total{{{SOCKET},reason=\"high_water_mark\"}} 5\n"),
            format!("zmq_queued_messages{{{SOCKET},direction=\"send\"}} 13\n"),
            format!("zmq_queued_messages_max{{{SOCKET},direction=\"send\"}} 25\n"),
            format!("zmq_handshake_time_seconds_bucket{{{SOCKET},le=\"0.001\"}} 0\n"),
            format!("zmq_handshake_time_seconds_sum{{{SOCKET}}} 0.003\n"),
            format!("zmq_connections{{{SOCKET}}} 1\n"),
            "zmq_process_wakeups_total{pid=\"42\",process=\"orders\"} 77\n".to_owned(),
            "# TYPE zmq_subscriptions gauge\n".to_owned(),
            "# HELP zmq_bytes_sent_total Bytes of their bodies.\n".to_owned(),
        ] {
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(!text.contains("zmq_connection_") && !text.contains("_sum_total"), "{text}");
    }

    #[test]
    fn connections_have_series_where_they_are_asked_for() {
        let text = printed(true, 10_000);
        assert!(
            text.contains(
                "peer=\"tcp://10.0.0.9:4711\",mechanism=\"CURVE\",user_id=\"al\u{fffd}[31mice\"} 30\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("zmq_connection_handshake_time_seconds{") && text.contains("} 0.00064\n"),
            "{text}"
        );
    }

    #[test]
    fn series_are_bounded_and_what_is_left_out_is_counted() {
        let lines = |max| printed(true, max).lines().filter(|line| !line.starts_with('#')).count();
        let all = lines(10_000);
        for max in 0..all {
            // The tool's own six come on top.
            assert!(lines(max) <= max + 6, "{max}");
        }
        assert!(printed(true, all).contains("zmq_exporter_left_out{kind=\"connection\"} 0\n"));
        assert!(printed(true, 0).contains("zmq_exporter_left_out{kind=\"socket\"} 2\n"));
    }

    #[test]
    fn no_series_is_there_twice() {
        let names = "\
            socket\tqueued_messages\t16\t\tgauge\t\nsocket\tmessages_dropped\t24\t\tcounter\t\n\
            socket\tdropped_a\t32\t\tcounter\t\nsocket\tconnections\t40\t\tcounter\t\n\
            socket\ta_total\t48\t\tgauge\t\nsocket\ta\t56\t\tcounter\t\nsocket\tb\t64\t\tbucket 5\t\n\
            socket\tb\t72\t\tbucket 5\t\nsocket\tb\t80\t\tbucket 1\t\n";
        let spoilt = Written { names: names.to_owned(), ..Written::example() };
        let text = text(&of(&observation(&spoilt), true, 10_000), Format::Prometheus);
        let series: Vec<&str> =
            text.lines().filter_map(|line| line.rsplit_once(' ')).map(|line| line.0).collect();
        let different: HashSet<&&str> = series.iter().collect();
        assert_eq!(different.len(), series.len(), "{text}");
        assert_eq!(text.matches("# TYPE zmq_connections").count(), 1);
        assert!(text.contains("le=\"+Inf\""));
        assert!(!text.contains("zmq_exporter_left_out{kind=\"series\"} 0\n"), "{text}");
    }

    #[test]
    fn processes_of_containers_with_the_same_id_have_series_of_their_own() {
        let elsewhere = twins([Some(7), Some(8)]);
        let first = text(&of(&elsewhere, true, 10_000), Format::Prometheus);
        for namespace in [7, 8] {
            let labels = format!("{{pid=\"42\",process=\"\",pid_namespace=\"{namespace}\"");
            assert!(first.contains(&format!("zmq_process_wakeups_total{labels}}} 77\n")), "{first}");
            assert!(first.contains(&format!("zmq_messages_sent_total{labels},context=")), "{first}");
            assert!(first.contains(&format!("zmq_connection_messages_sent_total{labels},socket=")));
        }
        assert!(first.contains("zmq_exporter_left_out{kind=\"series\"} 0\n"), "{first}");
        let same = text(&of(&twins([Some(7), Some(7)]), true, 10_000), Format::Prometheus);
        assert!(!same.contains("zmq_exporter_left_out{kind=\"series\"} 0\n"), "{same}");
    }

    /// Two processes of one id, in these namespaces.
    pub fn twins(namespaces: [Option<u64>; 2]) -> Observation {
        let one = observation(&Written::example()).processes.remove(0);
        let processes = namespaces.map(|namespace| Process {
            name: String::new(),
            state: State::Elsewhere,
            namespace,
            ..one.clone()
        });
        Observation { time: 1000.0, processes: processes.to_vec(), problems: Vec::new() }
    }

    #[test]
    fn processes_that_have_gone_have_no_series() {
        let mut gone = observation(&Written::example());
        gone.processes.first_mut().unwrap().state = State::Gone;
        assert!(!text(&of(&gone, true, 10_000), Format::Prometheus).contains("pid="));
    }

    #[test]
    fn a_process_that_was_never_at_rest_has_no_series_and_is_counted() {
        let mut torn = observation(&Written::example());
        assert!(printed(true, 10_000).contains("zmq_exporter_left_out{kind=\"unsettled\"} 0\n"));
        torn.processes.first_mut().unwrap().is_torn = true;
        let all = of(&torn, true, 10_000).into_iter().chain(qzmq::families(&torn, qzmq::Times::Seconds));
        let text = text(&all.collect::<Vec<_>>(), Format::Prometheus);
        assert!(!text.contains("pid="), "{text}");
        assert!(text.contains("zmq_exporter_left_out{kind=\"unsettled\"} 1\n"), "{text}");
    }

    #[test]
    fn labels_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(200)).chars().count(), MAX_LABEL_CHARS);
        assert_eq!(cut("short"), "short");
    }
}
