//! What is to be known of one row: lines of text. Pure.

use super::rates::Rates;
use super::table::{Subject, why};
use crate::stats::Observation;
use crate::stats::layout::{Form, Record};
use crate::stats::tree::{Connection, DROPPED, Process, Queue, Socket};
use crate::units;

pub fn lines(before: Option<&Observation>, now: &Observation, subject: &Subject) -> Vec<String> {
    let rates = Rates::between(before, now);
    let is_process = |process: &&Process| Some((process.pid, process.started)) == subject.process;
    let Some(process) = now.processes.iter().find(is_process) else { return Vec::new() };
    let socket = process.sockets.iter().find(|socket| Some(socket.record.serial) == subject.socket);
    let connection = socket.and_then(|socket| {
        socket.connections.iter().find(|connection| Some(connection.record.serial) == subject.connection)
    });
    match (socket, connection) {
        (Some(socket), Some(connection)) => of_connection(process, socket, connection, &rates),
        (Some(socket), None) => of_socket(process, socket, &rates),
        (None, _) => of_process(process, now.time),
    }
}

fn of_process(process: &Process, now: f64) -> Vec<String> {
    let mut reasons = std::collections::BTreeMap::<&str, u64>::new();
    for (reason, number) in process.sockets.iter().flat_map(Socket::dropped) {
        let sum = reasons.entry(reason).or_default();
        *sum = sum.saturating_add(number);
    }
    let heartbeat = units::age(now - process.heartbeat.max(process.opened));
    let age = units::age(now - process.opened);
    let mut lines = vec![
        format!("{} {}: {}, counts for {age}", process.name, process.pid, process.state.word()),
        format!("last sign of life of its I/O threads {heartbeat} ago"),
    ];
    let words = reasons.iter().filter(|(_, number)| **number > 0);
    let words: Vec<String> =
        words.map(|(reason, number)| format!("{reason} {}", units::count(*number as f64))).collect();
    lines
        .push(format!("dropped: {}", if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }));
    if process.is_torn {
        lines.push("records were made or ended while it was read: something may be missing".to_owned());
    }
    for part in &process.parts {
        lines.extend(others(part, &[]));
    }
    lines
}

fn of_socket(process: &Process, socket: &Socket, rates: &Rates) -> Vec<String> {
    let record = &socket.record;
    let dropped = why(socket);
    let rate = rates.dropped(process, socket).filter(|rate| *rate > 0.0);
    let rate = rate.map(|rate| format!(" ({}/s)", units::count(rate))).unwrap_or_default();
    let mut lines = vec![
        format!("{} of {} {}: {}", record.text("type"), process.name, process.pid, record.text("endpoints")),
        traffic(process, record, rates, "sent", ["messages_sent", "bytes_sent"]),
        traffic(process, record, rates, "received", ["messages_received", "bytes_received"]),
        queues(socket.to_send, socket.to_receive),
        format!("dropped: {}{rate}", if dropped.is_empty() { "nothing" } else { &dropped }),
    ];
    lines.extend(others(record, &TRAFFIC));
    lines
}

fn of_connection(process: &Process, socket: &Socket, connection: &Connection, rates: &Rates) -> Vec<String> {
    let record = &connection.record;
    let text = |word: &str, name: &str| match record.text(name) {
        "" => String::new(),
        text => format!(", {word} {text}"),
    };
    let handshake = record.number("handshake_time").filter(|ns| *ns > 0);
    let handshake = handshake.map(|ns| format!(", handshake took {}", units::seconds(ns as f64 / 1e9)));
    let way = match record.number("accepted") {
        Some(0) => "to ",
        Some(_) => "from ",
        None => "",
    };
    let mut lines = vec![
        format!(
            "{way}{}{}{}{}{}",
            record.text("peer"),
            text("mechanism", "mechanism"),
            text("user", "user_id"),
            text("routing id", "routing_id"),
            handshake.unwrap_or_default()
        ),
        format!(
            "of {} {}, {} {}{}",
            process.name,
            process.pid,
            socket.record.text("type"),
            socket.record.text("endpoints"),
            text("by", "endpoint")
        ),
        traffic(process, record, rates, "sent", ["messages_sent", "bytes_sent"]),
        traffic(process, record, rates, "received", ["messages_received", "bytes_received"]),
        queues(connection.to_send, connection.to_receive),
    ];
    lines.extend(others(record, &[&TRAFFIC[..], &["accepted", "handshake_time"]].concat()));
    lines
}

/// Counters that have a line of their own.
const TRAFFIC: [&str; 4] = ["messages_sent", "bytes_sent", "messages_received", "bytes_received"];

fn traffic(
    process: &Process,
    record: &Record,
    rates: &Rates,
    word: &str,
    [messages, bytes]: [&str; 2],
) -> String {
    let total = |name| record.number(name).unwrap_or_default() as f64;
    let rate =
        |name, unit: fn(f64) -> String| rates.of(process, record, name).map_or_else(|| "-".to_owned(), unit);
    format!(
        "{word} {} messages, {}B ({}/s, {}B/s)",
        units::count(total(messages)),
        units::bytes(total(bytes)),
        rate(messages, units::count),
        rate(bytes, units::bytes),
    )
}

fn queues(to_send: Queue, to_receive: Queue) -> String {
    let queue = |queue: Queue| {
        format!("{} (at most {} so far)", units::count(queue.now as f64), units::count(queue.max as f64))
    };
    format!("waiting to be sent {}, to be received {}", queue(to_send), queue(to_receive))
}

/// All other counters that are not 0, a few in a line.
fn others(record: &Record, known: &[&str]) -> Vec<String> {
    const MAX_LINE_CHARS: usize = 78;
    let is_other = |name: &str| !known.contains(&name) && !name.starts_with(DROPPED);
    let words = record.numbers().filter(|(field, number)| {
        *number > 0
            && is_other(&field.name)
            && !matches!(field.form, Form::Bucket(_))
            && field.unit != "nanoseconds"
    });
    let mut lines: Vec<String> = Vec::new();
    for (field, number) in words {
        let word = format!("{} {}", field.name, units::count(number as f64));
        match lines.last_mut() {
            Some(line) if line.len() + word.len() + 2 <= MAX_LINE_CHARS => {
                line.push_str(", ");
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}
