//! The system's NORM library 1.5: reliable multicast by negative acknowledgements (RFC 5740). It runs a
//! thread of its own for each socket and reports events through a descriptor.

mod headers;
mod instance;
mod settings;

use super::hash_map::HashMap;
use super::random;
use crate::errno::{Errno, Result};
use headers::*;
use instance::Instance;
use settings::{Sizes, tos};
use std::collections::VecDeque;
use std::ffi::{CString, c_uint};
use std::os::fd::RawFd;
use std::ptr;

pub use settings::{Mode, Settings};

/// Most streams kept at once. Any host can claim to be one more sender, and each takes buffers. The sender
/// least recently heard goes first.
const MAX_STREAMS: usize = if cfg!(test) { 4 } else { 256 };
/// The address of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// This socket's number, unique in the group; random if `None`.
    pub node: Option<u32>,
    /// The interface for a multicast address.
    pub interface: Option<&'a str>,
    /// A multicast group, or the receiver's address.
    pub address: &'a str,
    pub port: u16,
}

/// A session of NORM with an instance of its own; it ends when dropped.
pub struct NormSocket {
    instance: Instance,
    session: Handle,
    /// The stream that this socket sends.
    sending: Handle,
    receives: bool,
    /// The streams being received, each retained once, and the time each was last heard.
    streams: HashMap<Stream, u64>,
    clock: u64,
    /// Senders to forget, each retained once.
    leaving: Vec<Handle>,
    /// Events not reported yet.
    events: VecDeque<Event>,
}

/// The stream of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream(usize);

/// An event of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes can be [`read`](NormSocket::read), perhaps of a new stream.
    Readable(Stream),
    /// The stream has ended or its sender has gone. It has nothing more to read.
    Gone(Stream),
    /// Some written bytes have been sent, so there is room again.
    Room,
    /// All written bytes have been sent.
    Empty,
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Bytes(usize),
    /// No bytes before the next [`Event::Readable`].
    Nothing,
    /// Bytes are lost for good: the next ones do not follow on the last.
    Lost,
}

// SAFETY: NORM's calls lock its thread out and depend on no thread of the caller's; this value is the only
// owner of the handles.
unsafe impl Send for NormSocket {}

impl NormSocket {
    /// Opens a socket, which sends or receives at once. Blocks while a name server is asked if the address is
    /// a host name.
    ///
    /// Errors: `EINVAL` for all that NORM refuses, as it gives no reason; `EMFILE`; `ENOMEM`;
    /// `EPROTONOSUPPORT`.
    pub fn open(place: &Place<'_>, settings: &Settings) -> Result<NormSocket> {
        let sizes = Sizes::of(settings)?;
        let address = CString::new(place.address).map_err(|_| Errno::INVAL)?;
        let interface = place.interface.map(CString::new).transpose().map_err(|_| Errno::INVAL)?;
        let node = match place.node {
            Some(node) => node,
            None => random_node()?,
        };
        let mut socket = NormSocket {
            instance: Instance::start()?,
            session: ptr::null(),
            sending: ptr::null(),
            receives: settings.receives,
            streams: HashMap::default(),
            clock: 0,
            leaving: Vec::new(),
            events: VecDeque::new(),
        };
        // SAFETY: an instance of ours and a C string.
        socket.session =
            some(unsafe { NormCreateSession(socket.instance.handle(), address.as_ptr(), place.port, node) })?;
        // SAFETY: a C string.
        let unicast = unsafe { NormIsUnicastAddress(address.as_ptr()) };
        if !unicast {
            socket.prepare_multicast(interface.as_ref(), settings);
        }
        // SAFETY: a session of ours, not started yet.
        unsafe {
            if unicast || settings.unicast_nack {
                NormSetDefaultUnicastNack(socket.session, true);
            }
            NormSetTOS(socket.session, tos(settings));
        }
        if !settings.receives {
            sizes.check_memory()?;
        }
        match settings.receives {
            true => socket.start_receiving(&sizes)?,
            false => socket.start_sending(&sizes, settings)?,
        }
        Ok(socket)
    }

    /// Readable when there is an event. The socket still owns it.
    pub fn fd(&self) -> RawFd {
        self.instance.fd()
    }

    /// The next event. Call it until it returns `None`; only then does the descriptor become readable again.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.instance.next_event() {
                Some(raw) => {
                    self.take(&raw);
                    // At once: hosts of the network may see to it that there is always one more event.
                    if self.streams.len() > MAX_STREAMS {
                        self.dismiss();
                    }
                }
                None if self.leaving.is_empty() => return None,
                None => self.dismiss(),
            }
        }
    }

    /// Reads on in a stream. After `Bytes` and `Lost` there may be more.
    pub fn read(&mut self, stream: Stream, room: &mut [u8]) -> Read {
        if !self.streams.contains_key(&stream) {
            return Read::Nothing;
        }
        let mut length = room_of(room.len());
        // SAFETY: a stream that we retain, and a slice's pointer and length.
        let whole = unsafe { NormStreamRead(stream.handle(), room.as_mut_ptr().cast(), &raw mut length) };
        match (whole, length as usize) {
            (false, _) => Read::Lost,
            (true, 0) => Read::Nothing,
            (true, length) => Read::Bytes(length.min(room.len())),
        }
    }

    /// Goes on to the beginning of a message. `false`: there is none before the next [`Event::Readable`].
    pub fn seek(&mut self, stream: Stream) -> bool {
        // SAFETY: a stream that we retain.
        self.streams.contains_key(&stream) && unsafe { NormStreamSeekMsgStart(stream.handle()) }
    }

    /// Writes bytes of messages and returns how many there was room for. If it was not all, [`Event::Room`]
    /// or [`Event::Empty`] follows.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        if self.sending.is_null() {
            return bytes.len();
        }
        // SAFETY: a stream of ours, and a slice's pointer and at most its length.
        let written =
            unsafe { NormStreamWrite(self.sending, bytes.as_ptr().cast(), room_of(bytes.len())) } as usize;
        written.min(bytes.len())
    }

    /// Marks that the next bytes written begin a message: receivers may begin there.
    pub fn end_message(&mut self) {
        if !self.sending.is_null() {
            // SAFETY: a stream of ours.
            unsafe { NormStreamMarkEom(self.sending) };
        }
    }

    /// Ends a message that no other follows for now: also sends a packet that is not full.
    pub fn flush(&mut self) {
        if !self.sending.is_null() {
            // SAFETY: a stream of ours.
            unsafe { NormStreamFlush(self.sending, true, FLUSH_ACTIVE) };
        }
    }

    fn prepare_multicast(&mut self, interface: Option<&CString>, settings: &Settings) {
        // SAFETY: a session of ours, not started yet; a C string, null where an address may be left out. NORM
        // checks the interface only when the session starts.
        unsafe {
            NormSetTTL(self.session, settings.hops.clamp(0, 255).try_into().unwrap_or(1));
            NormSetRxPortReuse(self.session, true, ptr::null(), ptr::null(), 0);
            NormSetLoopback(self.session, true);
            if let Some(interface) = interface {
                NormSetMulticastInterface(self.session, interface.as_ptr());
            }
        }
    }

    fn start_receiving(&mut self, sizes: &Sizes) -> Result<()> {
        // SAFETY: a session of ours.
        let started = unsafe {
            // From the beginning of what the sender still has.
            NormSetDefaultSyncPolicy(self.session, SYNC_STREAM);
            NormStartReceiver(self.session, sizes.buffer)
        };
        if started { Ok(()) } else { Err(Errno::INVAL) }
    }

    fn start_sending(&mut self, sizes: &Sizes, settings: &Settings) -> Result<()> {
        let mut id = [0; 2];
        random::fill(&mut id)?;
        let (Sizes { buffer, segment, block, parity, auto_parity }, id) = (*sizes, u16::from_ne_bytes(id));
        // SAFETY: a session of ours.
        if !unsafe { NormStartSender(self.session, id, buffer, segment, block, parity, 0) } {
            return Err(Errno::INVAL);
        }
        // SAFETY: a session of ours that sends.
        unsafe {
            match settings.mode {
                Mode::Fixed => NormSetTxRate(self.session, f64::from(settings.rate_kbit) * 1000.0),
                _ => NormSetCongestionControl(self.session, true, true),
            }
            match settings.mode {
                Mode::Fixed | Mode::Congestion => {}
                Mode::Lossy => NormSetEcnSupport(self.session, false, false, true),
                Mode::Marked => NormSetEcnSupport(self.session, true, false, false),
                Mode::MarkedOnly => NormSetEcnSupport(self.session, true, true, false),
            }
            if auto_parity > 0 {
                NormSetAutoParity(self.session, auto_parity);
            }
        }
        // SAFETY: a session of ours that sends; no info precedes the stream.
        self.sending = some(unsafe { NormStreamOpen(self.session, buffer, ptr::null(), 0) })?;
        // SAFETY: a stream of ours.
        unsafe { NormStreamSetPushEnable(self.sending, settings.push) };
        Ok(())
    }

    /// Converts one of NORM's events. NORM keeps its handles valid until the next is asked for.
    fn take(&mut self, raw: &headers::Event) {
        match raw.kind {
            TX_QUEUE_VACANCY => self.events.push_back(Event::Room),
            TX_QUEUE_EMPTY => self.events.push_back(Event::Empty),
            RX_OBJECT_NEW | RX_OBJECT_UPDATED if !raw.object.is_null() => self.heard(raw.object),
            RX_OBJECT_COMPLETED | RX_OBJECT_ABORTED => self.release(Stream::of(raw.object)),
            REMOTE_SENDER_INACTIVE if !raw.sender.is_null() => self.leave(raw.sender),
            _ => {}
        }
    }

    /// `object`: of the current event.
    fn heard(&mut self, object: Handle) {
        let stream = Stream::of(object);
        self.clock += 1;
        if let Some(heard) = self.streams.get_mut(&stream) {
            *heard = self.clock;
            return self.events.push_back(Event::Readable(stream));
        }
        // SAFETY: the event's object, which NORM keeps until the next event is asked for.
        if unsafe { NormObjectGetType(object) } != OBJECT_STREAM {
            // Files and other objects come from no sender of this library; reading them as streams would fail.
            // SAFETY: as above; no reference of ours to it exists, and it is not used after this.
            return unsafe { NormObjectCancel(object) };
        }
        // SAFETY: the event's object, as above.
        unsafe { NormObjectRetain(object) };
        self.streams.insert(stream, self.clock);
        self.events.push_back(Event::Readable(stream));
    }

    /// Puts a sender on the list of those to forget once all of NORM's events have been read. `sender`: of
    /// the current event, or of a retained stream. NORM forgets senders only when told to. So it still knows
    /// this one, unless that is on the list already.
    fn leave(&mut self, sender: Handle) {
        if sender.is_null() || self.leaving.contains(&sender) {
            return;
        }
        // SAFETY: as told above.
        unsafe { NormNodeRetain(sender) };
        self.leaving.push(sender);
    }

    /// Lists the senders of the least recently heard streams, one for each stream above the limit.
    fn leave_least_recently_heard(&mut self) {
        let mut streams: Vec<_> = self.streams.iter().map(|(stream, heard)| (*heard, *stream)).collect();
        streams.sort_unstable_by_key(|(heard, _)| *heard);
        for (_, stream) in streams.iter().take(streams.len().saturating_sub(MAX_STREAMS)) {
            // SAFETY: a stream that we retain, and with it its sender.
            self.leave(unsafe { NormObjectGetSender(stream.handle()) });
        }
    }

    /// Forgets the listed senders and their streams. NORM loses track of the objects that its events name
    /// when it deletes their sender, and of those that go with it. So no events and no streams of the sender
    /// may be left.
    fn dismiss(&mut self) {
        self.instance.suspend();
        while let Some(raw) = self.instance.next_event() {
            self.take(&raw);
        }
        self.leave_least_recently_heard();
        for sender in std::mem::take(&mut self.leaving) {
            // SAFETY: streams that we retain.
            let theirs = |stream: &Stream| unsafe { NormObjectGetSender(stream.handle()) } == sender;
            let streams: Vec<_> = self.streams.keys().copied().filter(theirs).collect();
            for stream in streams {
                // SAFETY: a stream that we retain, of a sender that NORM knows.
                unsafe { NormObjectCancel(stream.handle()) };
                self.release(stream);
            }
            // SAFETY: a sender that NORM knows, as `leave` explains, and that was retained once; after this
            // it is gone.
            unsafe {
                NormNodeDelete(sender);
                NormNodeRelease(sender);
            }
        }
        self.instance.resume();
    }

    fn release(&mut self, stream: Stream) {
        if self.streams.remove(&stream).is_some() {
            // SAFETY: a stream that we retained, once.
            unsafe { NormObjectRelease(stream.handle()) };
            self.events.push_back(Event::Gone(stream));
        }
    }
}

impl Drop for NormSocket {
    fn drop(&mut self) {
        let streams: Vec<_> = self.streams.keys().copied().collect();
        streams.into_iter().for_each(|stream| self.release(stream));
        for sender in self.leaving.drain(..) {
            // SAFETY: a sender that we have retained once.
            unsafe { NormNodeRelease(sender) };
        }
        if self.session.is_null() {
            return;
        }
        // SAFETY: a session of ours, not used after this. The events go first, as they refer to it.
        unsafe {
            match self.receives {
                true => NormStopReceiver(self.session),
                false => NormStopSender(self.session),
            }
            while self.instance.next_event().is_some() {}
            NormDestroySession(self.session);
        }
    }
}

impl Stream {
    fn of(object: Handle) -> Stream {
        Stream(object.expose_provenance())
    }

    fn handle(self) -> Handle {
        ptr::with_exposed_provenance(self.0)
    }
}

/// Neither of the two reserved numbers, `NORM_NODE_NONE` and `NORM_NODE_ANY`.
fn random_node() -> Result<u32> {
    let mut node = [0; 4];
    random::fill(&mut node)?;
    Ok(u32::from_ne_bytes(node).clamp(1, u32::MAX - 1))
}

fn some(handle: Handle) -> Result<Handle> {
    if handle.is_null() { Err(Errno::INVAL) } else { Ok(handle) }
}

fn room_of(length: usize) -> c_uint {
    length.try_into().unwrap_or(c_uint::MAX)
}

#[cfg(test)]
mod tests;
