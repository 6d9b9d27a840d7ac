//! Observations as JSON, in the form that the library itself has for a process.

use super::Observation;
use super::layout::{Kind, Record, Value};
use super::tree::{Connection, DROPPED, Process, Socket};
use serde_json::{Map, Value as Json, json};

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
    object.insert("queued_to_send".to_owned(), socket.to_send.now.into());
    object.insert("queued_to_receive".to_owned(), socket.to_receive.now.into());
    object.insert(
        "connections".to_owned(),
        socket.connections.iter().map(connection).collect::<Vec<_>>().into(),
    );
    object.into()
}

fn connection(connection: &Connection) -> Json {
    let mut object = texts(&connection.record);
    object.insert("id".to_owned(), connection.record.serial.into());
    object.insert("counters".to_owned(), counters(&connection.record).into());
    object.insert("queued_to_send".to_owned(), connection.to_send.now.into());
    object.insert("queued_to_send_max".to_owned(), connection.to_send.max.into());
    object.insert("queued_to_receive".to_owned(), connection.to_receive.now.into());
    object.into()
}

fn texts(record: &Record) -> Map<String, Json> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(Json::from(text.as_str())),
        Value::Number(_) => None,
    };
    record.fields().filter_map(|(field, value)| Some((field.name.clone(), text(value)?))).collect()
}

/// Drops have an object of their own.
fn counters(record: &Record) -> Map<String, Json> {
    let numbers = record.numbers().filter(|(field, _)| !field.name.starts_with(DROPPED));
    numbers.map(|(field, number)| (field.name.clone(), number.into())).collect()
}
