//! A copy of all counts of one moment.
#![forbid(unsafe_code)]

use super::cells::value;
use super::connection::ConnectionCells;
use super::context::ContextCells;
use super::io_thread::IoThreadCells;
use super::lane::LaneCells;
use super::registry::{Kept, Record, Registry, add_received, add_sent, now, registry};
use super::rows::{ConnectionCounter, IoThreadCounter, OF_QZMQ, QZMQ, Reason, SocketCounter};
use super::socket::SocketCells;
use super::times::TimeCounts;
use crate::errno::{Errno, Result};
use crate::sys::memory;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The counts of a context's sockets, or of all.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub pid: u32,
    /// Since 1970.
    pub time: Duration,
    /// When the process made its first context, since 1970.
    pub started: Duration,
    pub contexts: Vec<ContextCounts>,
    pub io_threads: Vec<IoThreadCounts>,
    pub sockets: Vec<SocketCounts>,
}

/// What the closed sockets of a context have counted.
#[derive(Clone, Debug)]
pub struct ContextCounts {
    pub number: u64,
    counters: [u64; SocketCounter::COUNT],
    dropped: [u64; Reason::COUNT],
}

/// The counts of an I/O thread.
#[derive(Clone, Debug)]
pub struct IoThreadCounts {
    pub number: u64,
    pub context: u64,
    counters: [u64; IoThreadCounter::COUNT],
}

/// The counts of a socket.
#[derive(Clone, Debug)]
pub struct SocketCounts {
    pub number: u64,
    pub context: u64,
    pub socket_type: String,
    pub endpoints: String,
    counters: [u64; SocketCounter::COUNT],
    dropped: [u64; Reason::COUNT],
    pub handshakes: TimeCounts,
    pub qzmq_handshakes: TimeCounts,
    pub queues: Queues,
    pub connections: Vec<ConnectionCounts>,
}

/// The counts of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionCounts {
    pub number: u64,
    pub accepted: bool,
    pub peer: String,
    pub endpoint: String,
    pub mechanism: String,
    pub user_id: String,
    pub routing_id: String,
    counters: [u64; ConnectionCounter::COUNT],
    pub queues: Queues,
}

/// Messages between a socket and its peers, or one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    pub to_send: u64,
    /// The most that were found so far.
    pub to_send_max: u64,
    pub to_receive: u64,
    pub to_receive_max: u64,
}

impl Snapshot {
    /// Of one context's sockets, or of all. Errors: `ENOMEM`.
    pub fn take(context: Option<u64>) -> Result<Snapshot> {
        let time = now();
        let registry = registry().lock();
        let started = registry.started;
        let is_wanted = |number| context.is_none_or(|context| context == number);
        let contexts = copies(
            &registry.contexts,
            |cells: &ContextCells| is_wanted(cells.state.load(Ordering::Relaxed)),
            ContextCounts::of,
        )?;
        let io_threads = copies(
            &registry.io_threads,
            |cells: &IoThreadCells| is_wanted(value(&cells.context)),
            IoThreadCounts::of,
        )?;
        let sockets = sockets(&registry, |cells| is_wanted(value(&cells.context)))?;
        drop(registry);
        let (contexts, io_threads) = (contexts.into_values()?, io_threads.into_values()?);
        Ok(Snapshot { pid: std::process::id(), time, started, contexts, io_threads, sockets })
    }

    /// Of one socket; `None` where it is closed. Errors: `ENOMEM`.
    pub fn of_socket(number: u64) -> Result<Option<SocketCounts>> {
        let registry = registry().lock();
        let found = sockets(&registry, |cells| cells.state.load(Ordering::Relaxed) == number)?;
        drop(registry);
        Ok(found.into_iter().next())
    }
}

impl ContextCounts {
    fn of(cells: &ContextCells) -> ContextCounts {
        ContextCounts {
            number: cells.state.load(Ordering::Relaxed),
            counters: of_all(SocketCounter::ALL, |counter| cells.counter(counter)),
            dropped: of_all(Reason::ALL, |reason| cells.drops(reason)),
        }
    }

    pub fn counter(&self, counter: SocketCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }

    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or_default()
    }
}

impl IoThreadCounts {
    fn of(cells: &IoThreadCells) -> IoThreadCounts {
        IoThreadCounts {
            number: cells.state.load(Ordering::Relaxed),
            context: value(&cells.context),
            counters: of_all(IoThreadCounter::ALL, |counter| cells.counter(counter)),
        }
    }

    pub fn counter(&self, counter: IoThreadCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }
}

impl SocketCounts {
    fn of(cells: &SocketCells) -> SocketCounts {
        SocketCounts {
            number: cells.state.load(Ordering::Relaxed),
            context: value(&cells.context),
            socket_type: cells.socket_type.get(),
            endpoints: cells.endpoints.get(),
            counters: of_all(SocketCounter::ALL, |counter| cells.counter(counter)),
            dropped: of_all(Reason::ALL, |reason| cells.drops(reason)),
            handshakes: cells.handshakes(),
            qzmq_handshakes: cells.qzmq_handshakes().counts(),
            queues: Queues::default(),
            connections: Vec::new(),
        }
    }

    pub fn counter(&self, counter: SocketCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }

    pub fn dropped(&self, reason: Reason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or_default()
    }

    fn add(&mut self, counter: SocketCounter, count: u64) {
        if let Some(sum) = self.counters.get_mut(counter as usize) {
            *sum = sum.wrapping_add(count);
        }
    }

    fn drop_conflated(&mut self, lane: &LaneCells) {
        if let Some(sum) = self.dropped.get_mut(Reason::Conflate as usize) {
            *sum = sum.wrapping_add(value(&lane.conflated));
        }
    }
}

impl ConnectionCounts {
    fn of(cells: &ConnectionCells) -> ConnectionCounts {
        ConnectionCounts {
            number: cells.state.load(Ordering::Relaxed),
            accepted: value(&cells.accepted) != 0,
            peer: cells.peer.get(),
            endpoint: cells.endpoint.get(),
            mechanism: cells.mechanism.get(),
            user_id: cells.user_id.get(),
            routing_id: cells.routing_id.get(),
            counters: of_all(ConnectionCounter::ALL, |counter| cells.counter(counter)),
            queues: Queues::default(),
        }
    }

    pub fn counter(&self, counter: ConnectionCounter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }
}

impl Queues {
    /// Adds a lane that the socket writes to.
    fn add_to_send(&mut self, lane: &LaneCells) {
        let (depth, greatest) = depths(lane);
        self.to_send = self.to_send.saturating_add(depth);
        self.to_send_max = self.to_send_max.max(greatest);
    }

    /// Adds a lane that the socket reads from.
    fn add_to_receive(&mut self, lane: &LaneCells) {
        let (depth, greatest) = depths(lane);
        self.to_receive = self.to_receive.saturating_add(depth);
        self.to_receive_max = self.to_receive_max.max(greatest);
    }
}

/// Messages in a lane now, and the most that were found so far.
fn depths(lane: &LaneCells) -> (u64, u64) {
    let depth = lane.depth();
    (depth, depth.max(value(&lane.greatest_depth_read)).max(value(&lane.greatest_depth_written)))
}

fn of_all<T: Copy, const N: usize>(all: &[T], count: impl Fn(T) -> u64) -> [u64; N] {
    std::array::from_fn(|index| all.get(index).map_or(0, |counter| count(*counter)))
}

/// The sockets that are wanted, with their connections. Errors: `ENOMEM`.
fn sockets(registry: &Registry, wanted: impl Fn(&SocketCells) -> bool) -> Result<Vec<SocketCounts>> {
    let mut sockets = copies(&registry.sockets, wanted, SocketCounts::of)?;
    let mut connections = copies(
        &registry.connections,
        |cells| sockets.has(value(&cells.socket)),
        |cells| (value(&cells.socket), ConnectionCounts::of(cells)),
    )?;
    for kept in registry.lanes.values() {
        let lane: &LaneCells = kept;
        let (writer, reader) = (value(&lane.writer_socket), value(&lane.reader_socket));
        let mut connection = connections.get_mut(value(&lane.connection)).map(|(_, counts)| counts);
        if let Some(socket) = sockets.get_mut(writer) {
            add_sent(lane, |counter, count| socket.add(counter, count));
            socket.queues.add_to_send(lane);
            socket.drop_conflated(lane);
            if let Some(connection) = &mut connection {
                connection.queues.add_to_send(lane);
            }
        }
        if let Some(socket) = sockets.get_mut(reader) {
            add_received(lane, |counter, count| socket.add(counter, count));
            socket.queues.add_to_receive(lane);
            if writer == 0 {
                socket.drop_conflated(lane);
            }
            if let Some(connection) = &mut connection {
                connection.queues.add_to_receive(lane);
            }
        }
    }
    for (_, (socket, counts)) in connections.0 {
        if let Some(socket) = sockets.get_mut(socket) {
            let of_qzmq = OF_QZMQ.iter().filter(|_| counts.mechanism == QZMQ);
            of_qzmq.for_each(|(counted, sum)| socket.add(*sum, counts.counter(*counted)));
            let transported = [
                (SocketCounter::TransportMessagesSent, ConnectionCounter::MessagesSent),
                (SocketCounter::TransportMessagesReceived, ConnectionCounter::MessagesReceived),
            ];
            transported.iter().for_each(|(sum, part)| socket.add(*sum, counts.counter(*part)));
            socket.connections.try_reserve(1).map_err(|_| Errno::NOMEM)?;
            socket.connections.push(counts);
            memory::check()?;
        }
    }
    sockets.into_values()
}

/// Copies of records in the order of their numbers. There are as many as peers like.
struct Copies<T>(Vec<(u64, T)>);

impl<T> Copies<T> {
    fn has(&self, number: u64) -> bool {
        self.0.binary_search_by_key(&number, |(own, _)| *own).is_ok()
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let at = self.0.binary_search_by_key(&number, |(own, _)| *own).ok()?;
        self.0.get_mut(at).map(|(_, copy)| copy)
    }

    /// Errors: `ENOMEM`.
    fn into_values(self) -> Result<Vec<T>> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.0.len()).map_err(|_| Errno::NOMEM)?;
        values.extend(self.0.into_iter().map(|(_, copy)| copy));
        Ok(values)
    }
}

/// Copies of the records that are wanted. Errors: `ENOMEM`, before texts of the records have taken much of what the library has in reserve.
fn copies<R: Record, T>(
    shelf: &BTreeMap<u64, Kept<R>>,
    wanted: impl Fn(&R::Cells) -> bool,
    copy: impl Fn(&R::Cells) -> T,
) -> Result<Copies<T>> {
    let mut copies = Vec::new();
    for (number, kept) in shelf.iter().filter(|(_, kept)| wanted(kept)) {
        memory::check()?;
        copies.try_reserve(1).map_err(|_| Errno::NOMEM)?;
        copies.push((*number, copy(kept)));
    }
    Ok(Copies(copies))
}
