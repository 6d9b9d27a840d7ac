//! The JSON text of counts.
#![forbid(unsafe_code)]

use super::rows::{ConnectionCounter, HANDSHAKE_CLASSES_NS, IoThreadCounter, Reason, SocketCounter, seconds};
use super::snapshot::{ConnectionCounts, ContextCounts, IoThreadCounts, Queues, Snapshot, SocketCounts};
use super::times::TimeCounts;
use crate::errno::{Errno, Result};
use crate::sys::memory;
use std::fmt::{self, Write};
use std::time::Duration;

/// Of the shape. A reader of this version passes over names that it does not know.
const VERSION: u32 = 1;

/// Lines and commas of an object or array under way. The text grows with the number of peers, and ends where there is no memory.
#[derive(Default)]
struct Json {
    text: Vec<u8>,
    /// Something stands before, from which the next thing is set off.
    follows: bool,
    /// There was no memory for a part of the text.
    is_cut: bool,
}

/// The text in the place of counts for which there is no memory.
pub const NO_MEMORY: &str = "{\"version\":1,\"error\":\"no memory for the counts\"}";

/// The text of a socket alone, in UTF-8. Errors: `ENOMEM`.
pub fn of_socket(counts: &SocketCounts) -> Result<Vec<u8>> {
    let mut json = Json::default();
    socket(&mut json, counts);
    json.done()
}

/// The text of all, in UTF-8. Errors: `ENOMEM`.
pub fn of_snapshot(snapshot: &Snapshot) -> Result<Vec<u8>> {
    let mut json = Json::default();
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
    json.done()
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

impl fmt::Write for Json {
    /// It never fails, but notes that the text is cut.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.is_cut {
            let has_room = self.text.capacity() - self.text.len() >= text.len();
            let is_allowed = has_room || memory::check().is_ok();
            self.is_cut = !is_allowed || memory::try_reserve(&mut self.text, text.len()).is_err();
        }
        if !self.is_cut {
            self.text.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

impl Json {
    fn done(self) -> Result<Vec<u8>> {
        if self.is_cut { Err(Errno::NOMEM) } else { Ok(self.text) }
    }

    fn put(&mut self, c: char) {
        let _ = self.write_char(c);
    }

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
        let _ = write!(self, "{number}");
        self.follows = true;
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.string(text);
    }

    fn name(&mut self, name: &str) {
        self.string(name);
        self.put(':');
        self.follows = false;
    }

    fn group(&mut self, open: char, fill: impl FnOnce(&mut Json), close: char) {
        self.comma();
        self.put(open);
        self.follows = false;
        fill(self);
        self.put(close);
        self.follows = true;
    }

    fn string(&mut self, text: &str) {
        self.comma();
        self.put('"');
        let is_special = |c: char| matches!(c, '"' | '\\') || c.is_control();
        for piece in text.split_inclusive(is_special) {
            let last = piece.chars().next_back().filter(|c| is_special(*c));
            let plain = last.and_then(|c| piece.strip_suffix(c)).unwrap_or(piece);
            let _ = self.write_str(plain);
            match last {
                Some(c @ ('"' | '\\')) => {
                    self.put('\\');
                    self.put(c);
                }
                Some(c) => {
                    let _ = write!(self, "\\u{:04x}", u32::from(c));
                }
                None => {}
            }
        }
        self.put('"');
        self.follows = true;
    }

    fn comma(&mut self) {
        if std::mem::take(&mut self.follows) {
            self.put(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::faults::{self, Call};

    #[test]
    fn a_text_that_is_cut_anywhere_is_none() {
        let text = || {
            let mut json = Json::default();
            json.object(|json| {
                json.list("numbers", &[1, 2, 3, 4, 5, 6, 7, 8, 9], |json, number| {
                    json.text("n", &"x".repeat(*number))
                })
            });
            json.done()
        };
        let whole = text();
        assert!(whole.as_ref().is_ok_and(|whole| whole.starts_with(b"{\"numbers\":[\"n\":\"x\"")));
        let mut growths = 0;
        loop {
            let refusal = faults::refuse_after(Call::Allocate, Errno::NOMEM, growths, 1);
            let cut = text();
            let was_refused = faults::next(Call::Allocate).is_none() && cut.is_err();
            drop(refusal);
            if !was_refused {
                break assert_eq!(cut, whole);
            }
            growths += 1;
        }
        assert!(growths > 2, "{growths}");
    }
}
