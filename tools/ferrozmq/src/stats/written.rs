//! Files of counters, written for tests: whole ones, and ones to be spoilt.

use std::collections::BTreeMap;

const NAMES_OFFSET: usize = 4096;
const STRIDE: usize = 512;

/// A library that is smaller than ours, and has a counter and a kind that this tool knows nothing of.
const ROWS: &str = "\
socket\tmessages_sent\t16\tmessages\tcounter\tMessages that the program has sent.
socket\tbytes_sent\t24\tbytes\tcounter\tBytes of their bodies.
socket\tframes_sent\t32\tframes\tcounter\tFrames that the program has sent.
socket\tmessages_received\t40\tmessages\tcounter\tMessages that the program has received.
socket\tbytes_received\t48\tbytes\tcounter\tBytes of their bodies.
socket\tframes_received\t56\tframes\tcounter\tFrames that the program has received.
socket\tdropped_high_water_mark\t64\tmessages\tcounter\tThe high-water mark was reached.
socket\tdropped_conflate\t72\tmessages\tcounter\tA newer one has taken its place.
socket\thandshakes_failed_auth\t80\tcount\tcounter\tHandshakes in which a peer was turned away.
socket\tsubscriptions\t88\tcount\tgauge\tSubscriptions of peers.
socket\thandshake_time\t96\tnanoseconds\tbucket 1000000\tHandshakes by the time that they took.
socket\thandshake_time\t104\tnanoseconds\tbucket +Inf\tHandshakes by the time that they took.
socket\thandshake_time_sum\t112\tnanoseconds\tcounter\tThe time that all handshakes have taken.
socket\ttype\t128\t\ttext 16\tThe type.
socket\tendpoints\t144\t\ttext 192\tThe first endpoints.
connection\tmessages_sent\t16\tmessages\tcounter\tMessages that have gone to the stream.
connection\thandshake_time\t24\tnanoseconds\tgauge\tHow long the handshake took.
connection\tpeer\t32\t\ttext 64\tThe peer's address.
connection\tmechanism\t96\t\ttext 8\tThe mechanism.
connection\tuser_id\t104\t\ttext 32\tThe user id.
connection\tfuture\t136\tparsecs\tcounter\tWhat a newer library counts.\tand a column more
lane\tread\t16\tmessages\tcounter\t
lane\tbytes_read\t24\tbytes\tcounter\t
lane\treader_socket\t32\t\tgauge\t
lane\twritten\t40\tmessages\tcounter\t
lane\tbytes_written\t48\tbytes\tcounter\t
lane\tcontinuation_frames_written\t56\tframes\tcounter\t
lane\trequests_written\t64\tmessages\tcounter\t
lane\tgreatest_depth_written\t72\tmessages\tgauge\t
lane\twriter_socket\t80\t\tgauge\t
lane\tconflated\t88\tmessages\tcounter\t
process\twakeups\t16\tcount\tcounter\tTimes that an I/O thread was woken.
tomorrow\tthings\t16\tcount\tcounter\tA kind that this tool does not know.
";

/// A file that grows record by record.
pub struct Written {
    pub pid: u64,
    pub started: u64,
    pub generation: u64,
    pub heartbeat_ns: u64,
    pub names: String,
    pub records: BTreeMap<u32, Vec<Vec<u8>>>,
}

impl Written {
    pub fn new() -> Written {
        let pid = std::process::id();
        let started = super::process::started(pid);
        let names = ROWS.to_owned();
        Written { pid: pid.into(), started, generation: 2, heartbeat_ns: 0, names, records: BTreeMap::new() }
    }

    /// A record with numbers and texts by their names. Serial 0 is a free slot.
    pub fn record(
        mut self,
        kind: &str,
        serial: u64,
        parent: u64,
        numbers: &[(&str, u64)],
        texts: &[(&str, &str)],
    ) -> Written {
        let number = ["process", "context", "io_thread", "socket", "connection", "lane", "tomorrow"];
        let number = number.iter().position(|name| *name == kind).map(|index| index as u32 + 1);
        let mut bytes = vec![0; STRIDE];
        let mut put = |offset: usize, value: &[u8]| {
            bytes.splice(offset..offset + value.len(), value.iter().copied());
        };
        put(0, &serial.to_ne_bytes());
        put(8, &parent.to_ne_bytes());
        let offset = |wanted: &str| {
            let rows = ROWS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
            let mut offsets = rows.filter(|row| row.first() == Some(&kind) && row.get(1) == Some(&wanted));
            offsets.next().and_then(|row| row.get(2)?.parse::<usize>().ok()).unwrap_or(STRIDE)
        };
        for (name, value) in numbers {
            put(offset(name), &value.to_ne_bytes());
        }
        for (name, value) in texts {
            put(offset(name), value.as_bytes());
        }
        self.records.entry(number.unwrap_or(99)).or_default().push(bytes);
        self
    }

    /// Two sockets, of which the first has a connection with two lanes, and an inproc lane from the first to the second.
    pub fn example() -> Written {
        let peer = [("peer", "tcp://10.0.0.9:4711"), ("mechanism", "CURVE"), ("user_id", "al\u{1b}[31mice")];
        Written::new()
            .record("process", 1, 0, &[("wakeups", 77)], &[])
            .record("socket", 0, 0, &[], &[])
            .record(
                "socket",
                7,
                1,
                &[
                    ("messages_sent", 100),
                    ("bytes_sent", 1000),
                    ("frames_sent", 100),
                    ("dropped_high_water_mark", 5),
                    ("handshake_time_sum", 3_000_000),
                ],
                &[("type", "PUSH"), ("endpoints", "tcp://127.0.0.1:5555 inproc://a")],
            )
            .record(
                "socket",
                8,
                1,
                &[("handshakes_failed_auth", 2)],
                &[("type", "PULL"), ("endpoints", "inproc://a")],
            )
            .record("connection", 12, 7, &[("messages_sent", 30), ("handshake_time", 640_000)], &peer)
            .record(
                "lane",
                20,
                12,
                &[
                    ("written", 40),
                    ("requests_written", 1),
                    ("bytes_written", 400),
                    ("continuation_frames_written", 3),
                    ("read", 30),
                    ("greatest_depth_written", 25),
                    ("writer_socket", 7),
                ],
                &[],
            )
            .record("lane", 21, 12, &[("written", 2), ("reader_socket", 7)], &[])
            .record(
                "lane",
                22,
                0,
                &[
                    ("written", 9),
                    ("bytes_written", 90),
                    ("read", 4),
                    ("bytes_read", 40),
                    ("conflated", 2),
                    ("writer_socket", 7),
                    ("reader_socket", 8),
                ],
                &[],
            )
            .record("tomorrow", 30, 0, &[], &[])
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut header = b"FZMQSTAT".to_vec();
        let count = self.records.len();
        let header_bytes = (64 + 16 * count) as u32;
        header.extend(1_u32.to_ne_bytes());
        header.extend(header_bytes.to_ne_bytes());
        for number in [self.pid, self.started, 1_000_000_000, self.heartbeat_ns, self.generation] {
            header.extend(number.to_ne_bytes());
        }
        header.extend((NAMES_OFFSET as u32).to_ne_bytes());
        header.extend((self.names.len() as u32).to_ne_bytes());
        let mut offset = NAMES_OFFSET + self.names.len().next_multiple_of(STRIDE);
        let mut body = Vec::new();
        for (kind, records) in &self.records {
            for number in [*kind, offset as u32, STRIDE as u32, records.len() as u32] {
                header.extend(number.to_ne_bytes());
            }
            body.extend(records.concat());
            offset += records.len() * STRIDE;
        }
        header.resize(NAMES_OFFSET, 0);
        header.extend(self.names.as_bytes());
        header.resize(NAMES_OFFSET + self.names.len().next_multiple_of(STRIDE), 0);
        header.extend(body);
        header
    }
}
