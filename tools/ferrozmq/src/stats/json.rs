//! Observations as JSON, in the form that the library itself has for a process.

use super::Observation;
use super::layout::{Field, Form, Kind, Record, Value};
use super::tree::{Connection, DROPPED, Process, Queue, Socket};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

pub fn observation(observation: &Observation) -> Json {
    let processes: Vec<Json> =
        observation.processes.iter().map(|found| process(found, observation.time)).collect();
    json!({ "version": 1, "time": observation.time, "processes": processes, "problems": observation.problems })
}

fn process(process: &Process, time: f64) -> Json {
    let of_kind = |kind| process.parts.iter().filter(move |part| part.kind == kind);
    let part = |part: &Record| {
        let mut object = texts(part);
        object.insert("id".to_owned(), part.serial.into());
        object.insert("context".to_owned(), part.parent.into());
        object.insert("counters".to_owned(), counters(part).into());
        object
    };
    let own: Map<String, Json> = of_kind(Kind::Process).flat_map(counters).collect();
    json!({
        "version": 1,
        "pid": process.pid,
        "name": process.name,
        "state": process.state.word(),
        "started": process.opened,
        "heartbeat": process.heartbeat,
        "time": time,
        "settled": !process.is_torn,
        "counters": own,
        "io_threads": of_kind(Kind::IoThread).map(part).collect::<Vec<_>>(),
        "sockets": process.sockets.iter().map(socket).collect::<Vec<_>>(),
    })
}

fn socket(socket: &Socket) -> Json {
    let mut object = texts(&socket.record);
    object.insert("id".to_owned(), socket.record.serial.into());
    object.insert("context".to_owned(), socket.record.parent.into());
    object.insert("endpoints".to_owned(), socket.endpoints().into());
    object.insert("counters".to_owned(), counters(&socket.record).into());
    let dropped: Map<String, Json> =
        socket.dropped().map(|(reason, count)| (reason.to_owned(), count.into())).collect();
    object.insert("dropped".to_owned(), dropped.into());
    object.extend(histograms(&socket.record));
    object.extend(queues(socket.to_send, socket.to_receive));
    object.insert(
        "connections".to_owned(),
        socket.connections.iter().map(connection).collect::<Vec<_>>().into(),
    );
    object.into()
}

fn connection(connection: &Connection) -> Json {
    let mut object = texts(&connection.record);
    object.insert("id".to_owned(), connection.record.serial.into());
    if let Some(accepted) = connection.record.number("accepted") {
        object.insert("direction".to_owned(), if accepted == 0 { "out" } else { "in" }.into());
    }
    object.insert("counters".to_owned(), counters(&connection.record).into());
    object.extend(queues(connection.to_send, connection.to_receive));
    object.into()
}

fn queues(to_send: Queue, to_receive: Queue) -> [(String, Json); 4] {
    [
        ("queued_to_send", to_send.now),
        ("queued_to_send_max", to_send.max),
        ("queued_to_receive", to_receive.now),
        ("queued_to_receive_max", to_receive.max),
    ]
    .map(|(name, number)| (name.to_owned(), number.into()))
}

/// Each bucket counts those below it as well, as Prometheus has it.
fn histograms(record: &Record) -> Map<String, Json> {
    let mut histograms: Map<String, Json> = Map::new();
    let mut counts = BTreeMap::<&str, (Map<String, Json>, u64)>::new();
    for (field, number) in record.numbers() {
        let Form::Bucket(bound) = field.form else { continue };
        let (buckets, count) = counts.entry(&field.name).or_default();
        *count = count.saturating_add(number);
        // In seconds.
        let bound = if bound.is_finite() { (bound / 1e9).to_string() } else { "+Inf".to_owned() };
        buckets.insert(bound, (*count).into());
    }
    for (name, (buckets, count)) in counts {
        let sum = record.number(&format!("{name}_sum")).unwrap_or_default() as f64 / 1e9;
        histograms.insert(name.to_owned(), json!({ "buckets": buckets, "count": count, "sum": sum }));
    }
    histograms
}

fn texts(record: &Record) -> Map<String, Json> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(Json::from(text.as_str())),
        Value::Number(_) => None,
    };
    record.fields().filter_map(|(field, value)| Some((field.name.clone(), text(value)?))).collect()
}

/// Drops and histograms have objects of their own.
fn counters(record: &Record) -> Map<String, Json> {
    let is_apart = |field: &Field| {
        let is_bucket = matches!(field.form, Form::Bucket(_));
        is_bucket
            || field.name.starts_with(DROPPED)
            || field.name.ends_with("_sum")
            || field.name == "accepted"
    };
    let numbers = record.numbers().filter(|(field, _)| !is_apart(field));
    numbers.map(|(field, number)| (field.name.clone(), number.into())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::stats::tree::tests::process as process_of;
    use crate::stats::written::Written;

    #[test]
    fn the_object_has_the_form_of_the_librarys() {
        let observed = Observation {
            time: 2.5,
            processes: vec![process_of(&Written::example())],
            problems: vec!["a".to_owned()],
        };
        let json = observation(&observed);
        let push = &json["processes"][0]["sockets"][0];
        assert_eq!((&push["type"], &push["id"], &push["context"]), (&json!("PUSH"), &json!(7), &json!(1)));
        assert_eq!(push["endpoints"], json!(["tcp://127.0.0.1:5555", "inproc://a"]));
        assert_eq!(push["dropped"], json!({ "high_water_mark": 5, "conflate": 2 }));
        assert_eq!((&push["queued_to_send"], &push["queued_to_send_max"]), (&json!(13), &json!(25)));
        let time = json!({ "buckets": { "0.001": 0, "+Inf": 0 }, "count": 0, "sum": 0.003 });
        assert_eq!(push["handshake_time"], time);
        assert_eq!(push["counters"]["messages_sent"], json!(148));
        assert_eq!(
            (&push["counters"]["context"], &push["counters"]["handshake_time_sum"]),
            (&Json::Null, &Json::Null)
        );
        assert_eq!(push["connections"][0]["mechanism"], json!("CURVE"));
        assert_eq!((&json["problems"], &json["time"]), (&json!(["a"]), &json!(2.5)));
    }
}
