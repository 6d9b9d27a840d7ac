//! The layout of the file `DIR/ferrozmq.PID` (`FERROZMQ_STATS=DIR`), version 1. docs/observability.md tells of it, too.
//!
//! All numbers are in the byte order of the machine. Offsets in the header are in bytes from its beginning.
//!
//! | offset | what | |
//! |---|---|---|
//! | 0 | 8 bytes | `FZMQSTAT`; stored last, so a file without it is not ready |
//! | 8 | u32 | version of the layout: 1 |
//! | 12 | u32 | bytes of the header, with the sections and without the table of names |
//! | 16 | u64 | process id |
//! | 24 | u64 | when the process began, as field 22 of `/proc/PID/stat` has it; 0: unknown |
//! | 32 | u64 | when the file was made, in nanoseconds since 1970 |
//! | 40 | u64 | when an I/O thread was last seen at work, in the same unit; at most once a second |
//! | 48 | u64 | generation: odd while records come, go or are folded |
//! | 56 | u32 | offset of the table of names |
//! | 60 | u32 | bytes of the table of names |
//! | 64 | 16 bytes for each section | u32 kind, u32 offset in the file, u32 bytes from slot to slot, u32 slots |
//!
//! | 4032 | u64 | the namespace of the process id, as the inode of `/proc/self/ns/pid` has it; 0: unknown |
//! | 4040 | 16 bytes | the boot of the system, as `/proc/sys/kernel/random/boot_id` has it; zeros: unknown |
//!
//! A section of kind 0, or the end of the header, ends the list of sections.
//!
//! The name is `DIR/ferrozmq.PID-NAMESPACE` where a process of another namespace has a file of the first name: containers that share the folder
//! have the same ids.
//!
//! Kinds: 1 process, 2 context, 3 I/O thread, 4 socket, 5 connection, 6 lane. A reader passes over kinds and rows that it does not know.
//!
//! **Names.** Lines of UTF-8, each with six fields between tabs: kind, name, offset in the record, unit, type, help. Types:
//!
//! - `counter`: u64, it only grows;
//! - `gauge`: u64, it goes up and down;
//! - `bucket LE`: u64, a class of a histogram that goes up to LE of the unit, each value in one class alone (`+Inf`: what is above);
//! - `text LEN`: UTF-8, padded with zeros to LEN bytes.
//!
//! **Records.** Each begins with its state, u64: 0, or its number, which is never used again. A slot with a state of 0 holds nothing. The
//! number of the record above follows, u64: the context's for a socket and an I/O thread, the socket's for a connection, the connection's for a lane, or 0.
//!
//! A reader loads the state (acquire), copies the record, and loads the state again behind an acquire fence. It keeps the copy if both are the same.
//! For a sum over records, it takes the generation before and after, and tries again where that was odd or has changed.
//!
//! **Sums.** A socket's `transport_messages_sent` and `transport_messages_received` are those of connections that have ended. The reader adds
//! `messages_sent` and `messages_received` of its connections. Its first six counters and its drops are those of lanes that have ended. The
//! reader adds the lanes:
//!
//! - of lanes whose `writer_socket` is the socket: messages sent are `written` - `requests_written`, frames those and
//!   `continuation_frames_written`, bytes `bytes_written`, dropped by conflation `conflated`;
//! - of lanes whose `reader_socket` is the socket: the same of what was read; `conflated`, where `writer_socket` is 0;
//! - queued in a lane are `written` - `read` - `conflated`. They are to be sent where a socket writes, and to be received
//!   where a socket reads;
//! - a socket's `qzmq_` counters but those of handshakes are of connections that have ended. The reader adds those of connections whose
//!   `mechanism` is `QZMQ`: `messages_sent` to `qzmq_messages_encrypted`, `messages_received` to `qzmq_messages_decrypted`,
//!   `key_updates_sent` and `key_updates_received` to `qzmq_key_updates`, `auth_failures` to `qzmq_auth_failures`, `replays` to
//!   `qzmq_replay_attempts`.
//!
//! A context has the sums of its closed sockets, under the same names behind `closed_`.
//!
//! **The end.** The file is removed with the last context, and by exit(3). After a crash it stays until a reader removes it: its process is
//! gone, or began at another time. It is never truncated while the process lives.
#![forbid(unsafe_code)]

use super::connection::ConnectionCells;
use super::context::ContextCells;
use super::io_thread::IoThreadCells;
use super::lane::LaneCells;
use super::rows::Row;
use super::socket::SocketCells;
use std::fmt::Write;

pub const MAGIC: &[u8; 8] = b"FZMQSTAT";
pub const VERSION: u32 = 1;

/// Places in the header, in cells of 8 bytes.
pub mod place {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const PID: usize = 2;
    pub const STARTED: usize = 3;
    pub const OPENED: usize = 4;
    pub const HEARTBEAT: usize = 5;
    pub const GENERATION: usize = 6;
    pub const NAMES: usize = 7;
    pub const FIRST_SECTION: usize = 8;
    pub const PID_NAMESPACE: usize = 504;
    /// And the one behind it.
    pub const BOOT: usize = 505;
    pub const END: usize = 512;
}

/// Places in the record of the process.
pub mod process {
    pub const LEFT_OUT: usize = 2;
    pub const CONTEXTS: usize = 3;
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Process = 1,
    Context = 2,
    IoThread = 3,
    Socket = 4,
    Connection = 5,
    Lane = 6,
}

/// Where the records of a kind lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub kind: Kind,
    /// From the beginning of the file, in bytes.
    pub offset: usize,
    /// From slot to slot, in bytes.
    pub stride: usize,
    pub slots: usize,
}

const CELL_BYTES: usize = 8;
const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;
const PROCESS_BYTES: usize = LINE_BYTES;

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Process, Kind::Context, Kind::IoThread, Kind::Socket, Kind::Connection, Kind::Lane];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Process => "process",
            Kind::Context => "context",
            Kind::IoThread => "io_thread",
            Kind::Socket => "socket",
            Kind::Connection => "connection",
            Kind::Lane => "lane",
        }
    }

    /// Records that the file has room for. Further ones are on the heap.
    fn slots(self) -> usize {
        match self {
            Kind::Process => 1,
            Kind::Context => 64,
            Kind::IoThread => 128,
            Kind::Socket => 512,
            Kind::Connection => 2048,
            // Two for each connection, and two for each pipe between sockets.
            Kind::Lane => 5120,
        }
    }

    fn record_bytes(self) -> usize {
        match self {
            Kind::Process => PROCESS_BYTES,
            Kind::Context => size_of::<ContextCells>(),
            Kind::IoThread => size_of::<IoThreadCells>(),
            Kind::Socket => size_of::<SocketCells>(),
            Kind::Connection => size_of::<ConnectionCells>(),
            Kind::Lane => size_of::<LaneCells>(),
        }
    }

    fn rows(self) -> Vec<Row> {
        match self {
            Kind::Process => process_rows(),
            Kind::Context => ContextCells::rows(),
            Kind::IoThread => IoThreadCells::rows(),
            Kind::Socket => SocketCells::rows(),
            Kind::Connection => ConnectionCells::rows(),
            Kind::Lane => LaneCells::rows(),
        }
    }
}

fn process_rows() -> Vec<Row> {
    vec![
        Row::counter(
            "records_left_out",
            process::LEFT_OUT * CELL_BYTES,
            "Records for which the file had no room, and that are not in it.",
        ),
        Row::gauge("contexts", process::CONTEXTS * CELL_BYTES, "Contexts that are not terminated."),
    ]
}

/// The table of names.
pub fn names() -> String {
    let mut names = String::new();
    for kind in Kind::ALL {
        for row in kind.rows() {
            // A String takes all.
            let _ = writeln!(
                names,
                "{}\t{}\t{}\t{}\t{}\t{}",
                kind.name(),
                row.name,
                row.offset,
                row.unit,
                row.behaviour,
                row.help
            );
        }
    }
    names
}

/// Bytes of the header. The table of names follows.
pub const HEADER_BYTES: usize = PAGE_BYTES;

/// All sections behind a table of names of this size, and the bytes of the whole file.
pub fn sections(names: usize) -> (Vec<Section>, usize) {
    let mut end = (HEADER_BYTES + names).next_multiple_of(PAGE_BYTES);
    let sections = Kind::ALL.map(|kind| {
        let (stride, slots) = (kind.record_bytes().next_multiple_of(LINE_BYTES), kind.slots());
        let section = Section { kind, offset: end, stride, slots };
        end = (end + stride * slots).next_multiple_of(PAGE_BYTES);
        section
    });
    (sections.to_vec(), end)
}

/// Two numbers of 32 bits in a cell.
pub fn pair(first: usize, second: usize) -> u64 {
    let half = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (half(first), half(second));
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_lies_in_its_record_and_none_in_two_places() {
        let names = names();
        let mut places = BTreeSet::new();
        for line in names.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let [kind, name, offset, _, behaviour, help] = fields[..] else { panic!("{line}") };
            let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).unwrap();
            let offset: usize = offset.parse().unwrap();
            let bytes = behaviour.strip_prefix("text ").map_or(8, |length| length.parse().unwrap());
            assert!(offset.is_multiple_of(8) && offset + bytes <= kind.record_bytes(), "{line}");
            assert!(help.ends_with('.'), "{line}");
            for cell in (offset..offset + bytes).step_by(8) {
                assert!(places.insert((kind as u32, cell)), "{name} lies on another row");
            }
        }
        assert!(names.lines().count() > 70);
    }

    #[test]
    fn sections_follow_one_another() {
        assert!(place::FIRST_SECTION + 2 * Kind::ALL.len() < place::PID_NAMESPACE);
        assert_eq!(place::END * CELL_BYTES, HEADER_BYTES);
        let (sections, bytes) = sections(names().len());
        let mut end = HEADER_BYTES + names().len();
        for section in sections {
            assert!(section.offset >= end && section.offset.is_multiple_of(PAGE_BYTES), "{section:?}");
            end = section.offset + section.stride * section.slots;
        }
        assert!(bytes >= end && bytes < 4 << 20, "{bytes}");
    }
}
