//! Processes, their sockets and their connections, made of the records of a file. Pure.
//!
//! Only what has to be added up is known by its name here. All other counters are passed on as the name table has them.

use super::file::Reading;
use super::folder::Found;
use super::layout::{Kind, Record};
use super::process::State;
use std::collections::BTreeMap;

/// What the counters of messages that were not delivered begin with.
pub const DROPPED: &str = "dropped_";

/// The mechanism whose connections are counted apart.
pub const QZMQ: &str = "QZMQ";

/// What connections with it count, and what it is for their socket.
const OF_QZMQ: [(&str, &str); 6] = [
    ("messages_sent", "qzmq_messages_encrypted"),
    ("messages_received", "qzmq_messages_decrypted"),
    ("key_updates_sent", "qzmq_key_updates"),
    ("key_updates_received", "qzmq_key_updates"),
    ("auth_failures", "qzmq_auth_failures"),
    ("replays", "qzmq_replay_attempts"),
];

/// A process with everything in it.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u64,
    /// That of its process id, where it is not the tool's own. Two containers may have the same process id.
    pub namespace: Option<u64>,
    /// Tells apart two processes that have had the same id.
    pub started: u64,
    pub name: String,
    pub state: State,
    /// When the process made its file, in seconds since 1970.
    pub opened: f64,
    /// The last sign of life of its I/O threads, likewise.
    pub heartbeat: f64,
    /// Something was missing or double when it was read.
    pub is_torn: bool,
    /// The process itself, its contexts and I/O threads.
    pub parts: Vec<Record>,
    pub sockets: Vec<Socket>,
}

#[derive(Clone, Debug)]
pub struct Socket {
    /// With the counts of its lanes added, and those of its connections with QZMQ.
    pub record: Record,
    pub to_send: Queue,
    pub to_receive: Queue,
    pub connections: Vec<Connection>,
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub record: Record,
    pub to_send: Queue,
    pub to_receive: Queue,
}

/// Messages that one side has written and the other has not read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Queue {
    pub now: u64,
    pub max: u64,
}

impl Queue {
    /// The sum of what waits; the longest of the queues.
    fn add(&mut self, other: Queue) {
        self.now = self.now.saturating_add(other.now);
        self.max = self.max.max(other.max);
    }
}

impl Process {
    pub fn of(found: Found) -> Process {
        let Found { reading, process, .. } = found;
        let Reading { header, records, is_torn, .. } = reading;
        let mut parts = Vec::new();
        let mut tree = Tree::default();
        let mut lanes = Vec::new();
        for record in records {
            match record.kind {
                Kind::Process | Kind::Context | Kind::IoThread => parts.push(record),
                Kind::Socket => tree.add_socket(record),
                Kind::Connection => tree.add_connection(record),
                Kind::Lane => lanes.push(record),
            }
        }
        lanes.iter().for_each(|lane| tree.add_lane(lane));
        let seconds = |ns: u64| ns as f64 / 1e9;
        Process {
            pid: header.pid,
            namespace: (process.state == State::Elsewhere).then_some(header.pid_namespace),
            started: header.started,
            name: process.name,
            state: process.state,
            opened: seconds(header.opened_ns),
            heartbeat: seconds(header.heartbeat_ns),
            is_torn,
            parts,
            sockets: tree.finish(),
        }
    }
}

/// Sockets and connections by their serial numbers.
#[derive(Default)]
struct Tree {
    sockets: BTreeMap<u64, Socket>,
    connections: BTreeMap<u64, Connection>,
}

impl Tree {
    fn add_socket(&mut self, record: Record) {
        let (to_send, to_receive) = Default::default();
        let socket = Socket { record, to_send, to_receive, connections: Vec::new() };
        self.sockets.insert(socket.record.serial, socket);
    }

    fn add_connection(&mut self, record: Record) {
        let (to_send, to_receive) = Default::default();
        self.connections.insert(record.serial, Connection { record, to_send, to_receive });
    }

    /// What was written and read by the lane, to its connection and to the sockets at its ends. A lane between a socket and a session has
    /// one; over inproc there are two.
    fn add_lane(&mut self, lane: &Record) {
        let number = |name| lane.number(name).unwrap_or_default();
        let gone = number("read").wrapping_add(number("conflated"));
        let depth = number("written").saturating_sub(gone);
        let queue = Queue {
            now: depth,
            max: number("greatest_depth_written").max(number("greatest_depth_read")).max(depth),
        };
        let (writer, reader) = (number("writer_socket"), number("reader_socket"));
        if let Some(connection) = self.connections.get_mut(&lane.parent) {
            let queues = if writer != 0 { &mut connection.to_send } else { &mut connection.to_receive };
            queues.add(queue);
        }
        if let Some(socket) = self.sockets.get_mut(&writer) {
            let messages = number("written").saturating_sub(number("requests_written"));
            socket.to_send.add(queue);
            socket.record.add("messages_sent", messages);
            socket.record.add("bytes_sent", number("bytes_written"));
            socket.record.add("frames_sent", messages.wrapping_add(number("continuation_frames_written")));
        }
        if let Some(socket) = self.sockets.get_mut(&reader) {
            let messages = number("read").saturating_sub(number("requests_read"));
            socket.to_receive.add(queue);
            socket.record.add("messages_received", messages);
            socket.record.add("bytes_received", number("bytes_read"));
            socket.record.add("frames_received", messages.wrapping_add(number("continuation_frames_read")));
        }
        if let Some(socket) = self.sockets.get_mut(if writer != 0 { &writer } else { &reader }) {
            socket.record.add("dropped_conflate", number("conflated"));
        }
    }

    /// Connections go to their sockets, oldest first. Those of a socket that has no record are left out.
    fn finish(mut self) -> Vec<Socket> {
        for connection in self.connections.into_values() {
            if let Some(socket) = self.sockets.get_mut(&connection.record.parent) {
                for (counted, sum) in OF_QZMQ.iter().filter(|_| connection.record.text("mechanism") == QZMQ) {
                    socket.record.add(sum, connection.record.number(counted).unwrap_or_default());
                }
                for name in ["messages_sent", "messages_received"] {
                    let count = connection.record.number(name).unwrap_or_default();
                    socket.record.add(&format!("transport_{name}"), count);
                }
                socket.connections.push(connection);
            }
        }
        self.sockets.into_values().collect()
    }
}

impl Socket {
    /// Reasons for which messages were not delivered, with their numbers.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        self.record.numbers().filter_map(|(field, number)| Some((field.name.strip_prefix(DROPPED)?, number)))
    }

    pub fn dropped_in_all(&self) -> u64 {
        self.dropped().fold(0, |sum, (_, number)| sum.saturating_add(number))
    }

    /// As in the library: the first few that the socket has bound or connected.
    pub fn endpoints(&self) -> Vec<&str> {
        self.record.text("endpoints").split_whitespace().collect()
    }
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::stats::file;
    use crate::stats::written::Written;

    /// The process of a file.
    pub fn process(written: &Written) -> Process {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, written.bytes()).unwrap();
        let reading = file::read(&path, rustix::process::geteuid().as_raw()).unwrap();
        let process = crate::stats::process::Process::of(&reading.header);
        Process::of(Found { reading, process })
    }

    #[test]
    fn lanes_count_for_the_sockets_at_their_ends() {
        let process = process(&Written::example());
        let [push, pull] = process.sockets.as_slice() else { panic!("{:?}", process.sockets) };
        // 100 of ended lanes, 40 - 1 of the connection's, 9 over inproc.
        assert_eq!(push.record.number("messages_sent"), Some(148));
        assert_eq!(push.record.number("bytes_sent"), Some(1490));
        assert_eq!(push.record.number("frames_sent"), Some(151));
        assert_eq!((push.to_send, push.to_receive), (Queue { now: 13, max: 25 }, Queue { now: 2, max: 2 }));
        assert_eq!(
            (pull.record.number("messages_received"), pull.record.number("bytes_received")),
            (Some(4), Some(40))
        );
        assert_eq!(pull.to_receive, Queue { now: 3, max: 3 });
        // What was replaced in an inproc lane is the sender's.
        assert_eq!(push.dropped().collect::<Vec<_>>(), [("high_water_mark", 5), ("conflate", 2)]);
        assert_eq!((push.dropped_in_all(), pull.dropped_in_all()), (7, 0));
        let [connection] = push.connections.as_slice() else { panic!("{:?}", push.connections) };
        assert_eq!((connection.to_send.now, connection.to_receive.now), (10, 2));
        assert_eq!(push.endpoints(), ["tcp://127.0.0.1:5555", "inproc://a"]);
    }

    #[test]
    fn records_without_their_parents_are_passed_over() {
        let orphans = Written::new()
            .record("connection", 5, 4, &[], &[])
            .record("lane", 6, 5, &[("written", 1), ("writer_socket", 4)], &[])
            .record("lane", 7, 99, &[("read", u64::MAX), ("conflated", u64::MAX)], &[]);
        assert!(process(&orphans).sockets.is_empty());
    }
}
