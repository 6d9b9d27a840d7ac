//! All records of the process, and their holders, which write them.
//!
//! A record lives as long as there is a [`Held`] of it. Its counts are then folded into the record above it, under the registry's lock.
//! So a snapshot, which takes that lock, has each count once.
#![forbid(unsafe_code)]

use super::arena::{Cells, Placed};
use super::cells::value;
use super::connection::ConnectionCells;
use super::context::ContextCells;
use super::file::StatsFile;
use super::io_thread::IoThreadCells;
use super::lane::LaneCells;
use super::rows::{ConnectionCounter, OF_QZMQ, QZMQ, Reason, SocketCounter};
use super::slot;
use super::socket::SocketCells;
use crate::queue::shim;
use crate::sys::fork::{Born, PerProcess};
use crate::sys::lock::Lock;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A forked child begins anew.
static REGISTRY: PerProcess<Lock<Registry>> = PerProcess::new();

/// The numbers given out so far, of records. Any thread adds to it. A number alone, so Relaxed.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The record of a context.
pub type ContextRecord = Held<Context>;
/// The record of an I/O thread.
pub type IoThreadRecord = Held<IoThread>;
/// The record of a socket.
pub type SocketRecord = Held<Socket>;
/// The record of a connection.
pub type ConnectionRecord = Held<Connection>;
/// The record of a lane.
pub type LaneRecord = Held<Lane>;

/// The records that can be found.
pub struct Registry {
    /// When it was made, which the first context does. Since 1970.
    pub started: Duration,
    pub contexts: BTreeMap<u64, Kept<Context>>,
    pub io_threads: BTreeMap<u64, Kept<IoThread>>,
    pub sockets: BTreeMap<u64, Kept<Socket>>,
    pub connections: BTreeMap<u64, Kept<Connection>>,
    pub lanes: BTreeMap<u64, Kept<Lane>>,
}

/// A kind of record: the part of it that no other process sees.
pub trait Record: Sized + Send + Sync + 'static {
    type Cells: Cells;

    fn state(cells: &Self::Cells) -> &shim::AtomicU64;

    /// Where its records are.
    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<Self>>;

    /// The record ends: its counts go to the record above it.
    fn fold(&self, _cells: &Self::Cells) {}
}

/// A record.
pub type Kept<R> = Placed<<R as Record>::Cells, Own<R>>;

/// A record that is in use. Cheap to clone. Its holder may add to the counts.
pub struct Held<R: Record>(Kept<R>);

/// A record's part on the heap.
pub struct Own<R> {
    record: R,
    /// How many [`Held`] there are. The last one ends the record. It is dropped after all others (AcqRel), so it sees their counts.
    users: AtomicUsize,
    born: Born,
}

/// What is known of a context beside its counts: nothing.
pub struct Context;

/// What is known of an I/O thread beside its counts: nothing.
pub struct IoThread;

/// What is known of a socket beside its counts.
pub struct Socket {
    /// `None` in tests of what a socket is made of.
    context: Option<ContextRecord>,
}

/// What is known of a connection beside its counts.
pub struct Connection {
    socket: SocketRecord,
}

/// What is known of a lane beside its counts. Each owner is set once.
#[derive(Default)]
pub struct Lane {
    pub writer: OnceLock<SocketRecord>,
    pub reader: OnceLock<SocketRecord>,
    /// The place among all [`Reason`]s, from 1 on, of the one for which messages are lost that are left at the end. Any owner writes it, the last one reads it, which
    /// `users` orders; so Relaxed.
    loss: AtomicU64,
    /// Subscriptions that were left. Written by the reader's end where it goes, read as `loss` is.
    requests_left: AtomicU64,
}

impl Default for Registry {
    fn default() -> Registry {
        let (contexts, io_threads, sockets, connections, lanes) = Default::default();
        Registry { started: now(), contexts, io_threads, sockets, connections, lanes }
    }
}

/// Since 1970.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number that no other record of the process has.
fn next_number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed) + 1
}

pub fn registry() -> &'static Lock<Registry> {
    REGISTRY.find_or_make(Lock::default)
}

impl<R: Record> Held<R> {
    fn make(record: R) -> Held<R> {
        Held(Placed::new(Own { record, users: AtomicUsize::new(1), born: Born::now() }))
    }

    /// Shows the record, if that was not done before.
    fn show(&self) {
        let mut registry = registry().lock();
        if self.number() == 0 {
            let number = next_number();
            changing(|| slot::show(R::state(&self.0), number));
            R::shelf(&mut registry).insert(number, self.0.clone());
        }
    }

    /// The record's number; 0: it is not shown.
    pub fn number(&self) -> u64 {
        R::state(&self.0).load(Ordering::Relaxed)
    }

    /// Takes the record out of sight. Nothing is dropped while the registry is locked.
    #[cold]
    fn end(&self) {
        let number = self.number();
        if number == 0 || self.0.own().born.forked() {
            return;
        }
        let mut registry = registry().lock();
        changing(|| {
            self.0.own().record.fold(&self.0);
            slot::withdraw(R::state(&self.0));
        });
        let shelf = R::shelf(&mut registry);
        let gone = shelf.remove(&number);
        // An empty map keeps its memory, which would look like a leak once the last context is gone.
        let emptied = shelf.is_empty().then(|| std::mem::take(shelf));
        drop(registry);
        drop((gone, emptied));
    }
}

/// Has readers in other processes try again that come meanwhile. The caller has the registry's lock.
fn changing(change: impl FnOnce()) {
    let file = StatsFile::current();
    if let Some(file) = &file {
        file.begin_change();
    }
    change();
    if let Some(file) = &file {
        file.end_change();
    }
}

impl<R: Record> Deref for Held<R> {
    type Target = R::Cells;

    #[inline(always)]
    fn deref(&self) -> &R::Cells {
        &self.0
    }
}

impl<R: Record> Clone for Held<R> {
    fn clone(&self) -> Held<R> {
        self.0.own().users.fetch_add(1, Ordering::Relaxed);
        Held(self.0.clone())
    }
}

impl<R: Record> Drop for Held<R> {
    fn drop(&mut self) {
        if self.0.own().users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
    }
}

impl<R: Record> fmt::Debug for Held<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.number())
    }
}

impl Record for Context {
    type Cells = ContextCells;

    fn state(cells: &ContextCells) -> &shim::AtomicU64 {
        &cells.state
    }

    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<Context>> {
        &mut registry.contexts
    }
}

impl Record for IoThread {
    type Cells = IoThreadCells;

    fn state(cells: &IoThreadCells) -> &shim::AtomicU64 {
        &cells.state
    }

    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<IoThread>> {
        &mut registry.io_threads
    }
}

impl Record for Socket {
    type Cells = SocketCells;

    fn state(cells: &SocketCells) -> &shim::AtomicU64 {
        &cells.state
    }

    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<Socket>> {
        &mut registry.sockets
    }

    fn fold(&self, cells: &SocketCells) {
        // The program can receive them no more.
        cells.dropped(Reason::Disconnected, cells.counter(SocketCounter::MessagesWaiting));
        if let Some(context) = &self.context {
            context.add(cells);
        }
    }
}

impl Record for Connection {
    type Cells = ConnectionCells;

    fn state(cells: &ConnectionCells) -> &shim::AtomicU64 {
        &cells.state
    }

    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<Connection>> {
        &mut registry.connections
    }

    fn fold(&self, cells: &ConnectionCells) {
        for (counted, sum) in OF_QZMQ.iter().filter(|_| cells.mechanism.is(QZMQ)) {
            self.socket.add(*sum, cells.counter(*counted));
        }
        add_transported(cells, |counter, count| self.socket.add(counter, count));
    }
}

impl Record for Lane {
    type Cells = LaneCells;

    fn state(cells: &LaneCells) -> &shim::AtomicU64 {
        &cells.state
    }

    fn shelf(registry: &mut Registry) -> &mut BTreeMap<u64, Kept<Lane>> {
        &mut registry.lanes
    }

    fn fold(&self, cells: &LaneCells) {
        if let Some(writer) = self.writer.get() {
            add_sent(cells, |counter, count| writer.add(counter, count));
        }
        if let Some(reader) = self.reader.get() {
            add_received(cells, |counter, count| reader.add(counter, count));
        }
        // A message is lost once, though two sockets may know of it.
        if let Some(loser) = self.writer.get().or(self.reader.get()) {
            loser.dropped(Reason::Conflate, value(&cells.conflated));
            let place = usize::try_from(value(&self.loss)).ok().and_then(|place| place.checked_sub(1));
            let loss = place.and_then(|place| Reason::ALL.get(place));
            let unread = cells.unread(self.requests_left(cells));
            loser.dropped(loss.copied().unwrap_or(Reason::Disconnected), unread);
        }
    }
}

impl Lane {
    /// Subscriptions that are left in it. A socket that reads has counted those that it has read. A session has looked when it went, and
    /// others may have been written since, to a lane that nothing was read from: a reconnect has replaced it before the socket knew.
    fn requests_left(&self, cells: &LaneCells) -> u64 {
        match self.reader.get() {
            Some(_) => value(&cells.requests_written).saturating_sub(value(&cells.requests_read)),
            None => cells.requests_left().unwrap_or_else(|| value(&self.requests_left)),
        }
    }
}

/// Adds what the writer of a lane has sent.
pub fn add_sent(cells: &LaneCells, mut add: impl FnMut(SocketCounter, u64)) {
    let messages = cells.messages_written();
    add(SocketCounter::MessagesSent, messages);
    add(SocketCounter::BytesSent, value(&cells.bytes_written));
    add(SocketCounter::FramesSent, messages.wrapping_add(value(&cells.continuation_frames_written)));
}

/// Adds what the reader of a lane has received.
pub fn add_received(cells: &LaneCells, mut add: impl FnMut(SocketCounter, u64)) {
    let messages = cells.messages_read();
    add(SocketCounter::MessagesReceived, messages);
    add(SocketCounter::BytesReceived, value(&cells.bytes_read));
    add(SocketCounter::FramesReceived, messages.wrapping_add(value(&cells.continuation_frames_read)));
}

/// Adds what a connection has passed to its stream and taken from it.
pub fn add_transported(cells: &ConnectionCells, mut add: impl FnMut(SocketCounter, u64)) {
    add(SocketCounter::TransportMessagesSent, cells.counter(ConnectionCounter::MessagesSent));
    add(SocketCounter::TransportMessagesReceived, cells.counter(ConnectionCounter::MessagesReceived));
}

impl Held<Context> {
    /// Of a context that begins.
    pub fn begin() -> ContextRecord {
        let record = Held::make(Context);
        record.show();
        record
    }
}

impl Held<IoThread> {
    /// Of an I/O thread of this context.
    pub fn of(context: &ContextRecord) -> IoThreadRecord {
        let record = IoThreadRecord::default();
        record.context.store(context.number(), Ordering::Relaxed);
        record.show();
        record
    }
}

impl Default for Held<IoThread> {
    /// One that is not shown.
    fn default() -> IoThreadRecord {
        Held::make(IoThread)
    }
}

impl Held<Socket> {
    /// Of a socket of this type, in this context.
    pub fn of(context: &ContextRecord, socket_type: &str) -> SocketRecord {
        let record = Held::make(Socket { context: Some(context.clone()) });
        record.context.store(context.number(), Ordering::Relaxed);
        record.socket_type.set(socket_type);
        record.show();
        record
    }
}

impl Default for Held<Socket> {
    /// One that is not shown.
    fn default() -> SocketRecord {
        Held::make(Socket { context: None })
    }
}

impl Held<Connection> {
    /// Of a connection of this socket. `describe` sets its texts before it is shown.
    pub fn of(socket: &SocketRecord, describe: impl FnOnce(&ConnectionCells)) -> ConnectionRecord {
        let record = Held::make(Connection { socket: socket.clone() });
        record.socket.store(socket.number(), Ordering::Relaxed);
        describe(&record);
        record.show();
        record
    }
}

impl Held<Lane> {
    /// Of a lane with this high-water mark; 0: none. It is not shown before a socket has an end.
    pub fn new(hwm: u64) -> LaneRecord {
        let record = Held::make(Lane::default());
        record.hwm.store(hwm, Ordering::Relaxed);
        record
    }

    /// The socket has the writer's end.
    pub fn written_by(&self, socket: &SocketRecord) {
        if self.0.own().record.writer.set(socket.clone()).is_ok() {
            self.writer_socket.store(socket.number(), Ordering::Relaxed);
            self.show();
        }
    }

    /// The socket has the reader's end.
    pub fn read_by(&self, socket: &SocketRecord) {
        if self.0.own().record.reader.set(socket.clone()).is_ok() {
            self.reader_socket.store(socket.number(), Ordering::Relaxed);
            self.show();
        }
    }

    /// The session's end belongs to this connection, for now.
    pub fn carried_by(&self, connection: &ConnectionRecord) {
        self.connection.store(connection.number(), Ordering::Relaxed);
    }

    /// Why messages are lost that will be left in it.
    pub fn lose_by(&self, reason: Reason) {
        self.0.own().record.loss.store(reason as u64 + 1, Ordering::Relaxed);
    }

    /// The reader's end goes, and this number of subscriptions is left.
    pub fn leave_requests(&self, requests: u64) {
        self.0.own().record.requests_left.store(requests, Ordering::Relaxed);
    }
}
