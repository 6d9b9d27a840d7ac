//! The JSON text of counts.
#![forbid(unsafe_code)]

use super::rows::{ConnectionCounter, HANDSHAKE_CLASSES_NS, IoThreadCounter, Reason, SocketCounter, seconds};
use super::snapshot::{ConnectionCounts, ContextCounts, IoThreadCounts, Queues, Snapshot, SocketCounts};
use super::times::TimeCounts;
use std::fmt::{self, Write};
use std::time::Duration;

/// Of the shape. A reader of this version passes over names that it does not know.
const VERSION: u32 = 1;

/// Lines and commas of an object or array under way.
struct Json {
    text: String,
    /// Something stands before, from which the next thing is set off.
    follows: bool,
}

/// The text of a socket alone.
pub fn of_socket(counts: &SocketCounts) -> String {
    let mut json = Json { text: String::new(), follows: false };
    socket(&mut json, counts);
    json.text
}

/// The text of all.
pub fn of_snapshot(snapshot: &Snapshot) -> String {
    let mut json = Json { text: String::new(), follows: false };
    json.object(|json| {
        json.number("version", VERSION);
        json.number("pid", snapshot.pid);
        json.number("time", decimals(snapshot.time));
        json.number("started", decimals(snapshot.started));
        json.text("library", env!("CARGO_PKG_VERSION"));
        json.list("contexts", &snapshot.contexts, context);
        json.list("io_threads", &snapshot.io_threads, io_thread);
        json.list("sockets", &snapshot.sockets, socket);
    });
    json.text
}

fn decimals(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// What its closed sockets have counted.
fn context(json: &mut Json, counts: &ContextCounts) {
    json.object(|json| {
        json.number("id", counts.number);
        json.named_object("closed_sockets", |json| {
            counters(json, |counter| counts.counter(counter), |reason| counts.dropped(reason));
        });
    });
}

fn io_thread(json: &mut Json, counts: &IoThreadCounts) {
    json.object(|json| {
        json.number("id", counts.number);
        json.number("context", counts.context);
        json.named_object("counters", |json| {
            for counter in IoThreadCounter::ALL {
                json.number(counter.description().name, counts.counter(*counter));
            }
        });
    });
}

fn counters(json: &mut Json, count: impl Fn(SocketCounter) -> u64, dropped: impl Fn(Reason) -> u64) {
    json.named_object("counters", |json| {
        for counter in SocketCounter::ALL {
            json.number(counter.description().name, count(*counter));
        }
    });
    json.named_object("dropped", |json| {
        for reason in Reason::ALL {
            json.number(reason.description().name, dropped(*reason));
        }
    });
}

fn socket(json: &mut Json, counts: &SocketCounts) {
    json.object(|json| {
        json.number("id", counts.number);
        json.number("context", counts.context);
        json.text("type", &counts.socket_type);
        let endpoints: Vec<&str> = counts.endpoints.split(' ').filter(|name| !name.is_empty()).collect();
        json.list("endpoints", &endpoints, |json, endpoint| json.string(endpoint));
        counters(json, |counter| counts.counter(counter), |reason| counts.dropped(reason));
        json.named_object("handshake_time", |json| handshake_time(json, &counts.handshakes));
        json.named_object("qzmq_handshake_duration", |json| handshake_time(json, &counts.qzmq_handshakes));
        queues(json, &counts.queues);
        json.list("connections", &counts.connections, connection);
    });
}

/// Each class counts those below it as well, as Prometheus has it. Times are in seconds.
fn handshake_time(json: &mut Json, counts: &TimeCounts) {
    let ends = HANDSHAKE_CLASSES_NS.iter().map(|end| seconds(*end)).chain(["+Inf".to_string()]);
    let mut sum = 0u64;
    json.named_object("buckets", |json| {
        for (end, count) in ends.zip(counts.classes) {
            sum = sum.saturating_add(count);
            json.number(&end, sum);
        }
    });
    json.number("count", sum);
    json.number("sum", seconds(counts.sum));
}

fn connection(json: &mut Json, counts: &ConnectionCounts) {
    json.object(|json| {
        json.number("id", counts.number);
        json.text("direction", if counts.accepted { "in" } else { "out" });
        json.text("peer", &counts.peer);
        json.text("endpoint", &counts.endpoint);
        json.text("mechanism", &counts.mechanism);
        json.text("user_id", &counts.user_id);
        json.text("routing_id", &counts.routing_id);
        json.named_object("counters", |json| {
            for counter in ConnectionCounter::ALL {
                json.number(counter.description().name, counts.counter(*counter));
            }
        });
        queues(json, &counts.queues);
    });
}

fn queues(json: &mut Json, queues: &Queues) {
    json.number("queued_to_send", queues.to_send);
    json.number("queued_to_send_max", queues.to_send_max);
    json.number("queued_to_receive", queues.to_receive);
    json.number("queued_to_receive_max", queues.to_receive_max);
}

impl Json {
    fn object(&mut self, fill: impl FnOnce(&mut Json)) {
        self.group('{', fill, '}');
    }

    fn named_object(&mut self, name: &str, fill: impl FnOnce(&mut Json)) {
        self.name(name);
        self.object(fill);
    }

    fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Json, &T)) {
        self.name(name);
        self.group('[', |json| items.iter().for_each(|one| item(json, one)), ']');
    }

    fn number(&mut self, name: &str, number: impl fmt::Display) {
        self.name(name);
        // A String takes all.
        let _ = write!(self.text, "{number}");
        self.follows = true;
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }

    fn name(&mut self, name: &str) {
        self.string(name);
        self.text.push(':');
        self.follows = false;
    }

    fn group(&mut self, open: char, fill: impl FnOnce(&mut Json), close: char) {
        self.comma();
        self.text.push(open);
        self.follows = false;
        fill(self);
        self.text.push(close);
        self.follows = true;
    }

    fn string(&mut self, text: &str) {
        self.comma();
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => self.text.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(self.text, "\\u{:04x}", u32::from(c));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self.follows = true;
    }

    fn comma(&mut self) {
        if std::mem::take(&mut self.follows) {
            self.text.push(',');
        }
    }
}
