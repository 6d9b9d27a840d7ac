//! `zmq_poller`: a set of sockets and descriptors that is kept from wait to wait.

use super::signal::Signal;
use super::{POLLERR, POLLIN, POLLOUT, POLLPRI, asked_of_system, told_by_system, with_waiter};
use crate::ctx::{Slot, SlotGuard, Slots};
use crate::errno::{Errno, Result};
use crate::socket::{Handle, SocketLink, unlocked};
use crate::sys::fork::Born;
use crate::sys::poll::PollFd;
use std::ffi::{c_int, c_long, c_short, c_void};
use std::ptr;
use std::sync::Arc;

static POLLERS: Slots<Poller> = Slots::new(0xcafe_babe);

/// A validated poller handle: whether the poller still exists shows on each call, which gives `EFAULT` if not.
///
/// A poller may be used from several threads. One that waits goes on with what the poller had when it began. A forked child goes on with its
/// parent's pollers; the sockets in them are `ENOTSOCK` there.
#[derive(Clone, Copy)]
pub struct PollerHandle(&'static Slot<Poller>);

/// A `zmq_poller_event_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PollerEvent {
    /// Null for a descriptor.
    pub socket: *mut c_void,
    /// -1 for a socket.
    pub fd: c_int,
    pub user_data: *mut c_void,
    /// `POLLIN` and its like.
    pub events: c_short,
}

/// What a poller can watch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The address of a socket.
    Socket(usize),
    Descriptor(c_int),
}

struct Poller {
    /// Shared with the threads that wait, and copied when it changes meanwhile.
    items: Arc<Vec<Item>>,
    /// Made for the first thread-safe socket, and shared as well.
    signal: Option<Arc<Signal>>,
    born: Born,
}

/// A poller as it was when a thread began to wait.
struct Waiting {
    items: Arc<Vec<Item>>,
    signal: Option<Arc<Signal>>,
}

#[derive(Clone)]
struct Item {
    subject: Subject,
    /// Of a socket: tells whether the socket is still the one that was added, since addresses come back.
    link: Option<Arc<SocketLink>>,
    /// Exposed; never followed here.
    user_data: usize,
    events: c_short,
}

impl PollerHandle {
    /// `zmq_poller_new`. Errors: `ENOMEM`.
    pub fn open() -> Result<PollerHandle> {
        let poller = Poller { items: Arc::default(), signal: None, born: Born::now() };
        PollerHandle::from_address(POLLERS.insert(poller)?)
    }

    /// Of the address a program gave us. Errors: `EFAULT`.
    pub fn from_address(address: usize) -> Result<PollerHandle> {
        POLLERS.lookup(address).map(PollerHandle).ok_or(Errno::FAULT)
    }

    pub fn address(self) -> usize {
        self.0.address()
    }

    /// `zmq_poller_destroy`.
    pub fn close(self) -> Result<()> {
        match self.0.lock_inherited() {
            Some(poller) => {
                // Dropped with the lock released, unless what it holds is the parent's of this process.
                let mut closed = POLLERS.remove(poller);
                // The child may have made one of its own.
                drop(closed.as_mut().and_then(|poller| poller.signal.take()));
                if closed.as_ref().is_some_and(|poller| poller.born.forked()) {
                    std::mem::forget(closed);
                }
                Ok(())
            }
            None if self.0.abandon() => Ok(()),
            None => Err(Errno::FAULT),
        }
    }

    /// `zmq_poller_size`: how many sockets and descriptors it has.
    pub fn size(self) -> Result<usize> {
        Ok(self.lock()?.items.len())
    }

    /// `zmq_poller_add` and `_add_fd`. Errors: `ENOTSOCK`, `EBADF`; `EINVAL` for events that there are not, and for what
    /// is in the set already; `EMFILE`.
    pub fn add(self, subject: Subject, user_data: *mut c_void, events: c_short) -> Result<()> {
        let mut poller = self.lock()?;
        let link = subject.link()?;
        check_events(events)?;
        if poller.position(subject).is_ok() {
            return Err(Errno::INVAL);
        }
        if let (Subject::Socket(address), Some(link)) = (subject, &link)
            && Handle::from_address(address)?.is_thread_safe(link)?
        {
            poller.signal()?.watch(link.mailbox.poller_fd()?)?;
            // As with `ZMQ_FD`: no thread borrows them any more.
            link.connections.recall();
        }
        let user_data = user_data.expose_provenance();
        Arc::make_mut(&mut poller.items).push(Item { subject, link, user_data, events });
        Ok(())
    }

    /// `zmq_poller_modify` and `_modify_fd`. Errors: `ENOTSOCK`, `EBADF`; `EINVAL` for events that there are not, and
    /// for what is not in the set.
    pub fn modify(self, subject: Subject, events: c_short) -> Result<()> {
        let mut poller = self.lock()?;
        subject.link()?;
        check_events(events)?;
        let index = poller.position(subject)?;
        if let Some(item) = Arc::make_mut(&mut poller.items).get_mut(index) {
            item.events = events;
        }
        Ok(())
    }

    /// `zmq_poller_remove` and `_remove_fd`. Errors: `EBADF`; `EINVAL` for what is not in the set; `ENOTSOCK` for what
    /// is no socket, or no longer: it is then not in the set any more either.
    pub fn remove(self, subject: Subject) -> Result<()> {
        let mut poller = self.lock()?;
        let alive = subject.link();
        if let Ok(index) = poller.position(subject) {
            let item = Arc::make_mut(&mut poller.items).remove(index);
            let watched = item.link.filter(|link| link.mailbox.state().has_fd());
            // What was watched before a fork the parent watches still.
            let watched = watched.and_then(|link| link.mailbox.poller_fd().ok());
            if let (Some(signal), Some(fd)) = (poller.own_signal(), watched) {
                signal.ignore(fd);
            }
            alive.map(|_| ())
        } else {
            alive.and(Err(Errno::INVAL))
        }
    }

    /// `zmq_poller_fd`: a descriptor that becomes readable when something comes for a thread-safe socket. It stays so until the next wait, or
    /// until the program asks for the socket's `ZMQ_EVENTS`. Errors: `EINVAL` if there was never a thread-safe socket in the set.
    pub fn fd(self) -> Result<c_int> {
        self.lock()?.own_signal().map(|signal| signal.fd()).ok_or(Errno::INVAL)
    }

    /// `zmq_poller_wait_all`: hands ready items to `put`, with their place from 0 to below `room`. It fills the other places with
    /// [`PollerEvent::NOTHING`], and returns the number of ready items. Waits for at most `timeout_ms` (0: not at all; negative:
    /// without end).
    ///
    /// Errors: `EAGAIN` when the time is over; `EFAULT` where it would wait for nothing without end; `EINTR`; `ETERM`;
    /// `ENOTSOCK` if a socket in the set was closed; `EMFILE`.
    pub fn wait(
        self,
        room: usize,
        timeout_ms: c_long,
        mut put: impl FnMut(usize, PollerEvent),
    ) -> Result<usize> {
        let waiting = self.lock()?.begin_wait();
        let items = &waiting.items;
        let nothing_to_find = room == 0 || items.iter().all(|item| item.events == 0);
        if nothing_to_find && timeout_ms < 0 {
            return Err(Errno::FAULT);
        }
        let found = with_waiter(|waiter| {
            // Of sockets that are asked for nothing the end of the context is told all the same.
            if room == 0 {
                waiting.take_signal();
                return waiter.until(timeout_ms, None, |_| Ok(0));
            }
            if items.iter().any(Item::is_raw) {
                waiter.ask(items.iter().map(Item::raw_fd), None)?;
            }
            let found = unlocked(|| waiting.look(waiter.told(), room, &mut put))?;
            if found > 0 {
                return Ok(found);
            }
            if timeout_ms == 0 {
                let sockets = items.iter().filter_map(Item::socket);
                let receive = sockets.filter(|(.., events)| events & POLLIN != 0);
                let came = waiter.receive_pending(
                    receive,
                    |(address, ..)| *address,
                    |(_, link, _)| Ok(Arc::clone(link)),
                )?;
                return if came { unlocked(|| waiting.look(waiter.told(), room, &mut put)) } else { Ok(0) };
            }
            for (address, link, events) in items.iter().filter_map(Item::socket) {
                waiter.attend(address, events & POLLIN != 0, || Ok(Arc::clone(link)))?;
            }
            waiter.until(timeout_ms, None, |told| waiting.look(told, room, &mut put))
        })?;
        if found == 0 {
            return Err(Errno::AGAIN);
        }
        (found..room).for_each(|place| put(place, PollerEvent::NOTHING));
        Ok(found)
    }

    fn lock(self) -> Result<SlotGuard<'static, Poller>> {
        self.0.lock_inherited().ok_or(Errno::FAULT)
    }
}

impl PollerEvent {
    /// Fills places of items that are not ready.
    pub const NOTHING: PollerEvent =
        PollerEvent { socket: ptr::null_mut(), fd: -1, user_data: ptr::null_mut(), events: 0 };
}

impl Subject {
    /// Checks that there is such a thing to watch. Errors: `ENOTSOCK`, `EBADF`.
    fn link(self) -> Result<Option<Arc<SocketLink>>> {
        match self {
            Subject::Socket(address) => Handle::from_address(address)?.link().map(Some),
            Subject::Descriptor(-1) => Err(Errno::BADF),
            Subject::Descriptor(_) => Ok(None),
        }
    }
}

impl Poller {
    fn position(&self, subject: Subject) -> Result<usize> {
        self.items.iter().position(|item| item.subject == subject).ok_or(Errno::INVAL)
    }

    /// Not the one that came through a fork: what the child did with it the parent would miss.
    fn own_signal(&self) -> Option<&Arc<Signal>> {
        self.signal.as_ref().filter(|signal| !signal.is_forked())
    }

    fn signal(&mut self) -> Result<&Signal> {
        if self.own_signal().is_none() {
            self.signal = Some(Arc::new(Signal::new()?));
        }
        self.own_signal().map(Arc::as_ref).ok_or(Errno::INVAL)
    }

    fn begin_wait(&self) -> Waiting {
        Waiting { items: Arc::clone(&self.items), signal: self.own_signal().cloned() }
    }
}

impl Waiting {
    /// What this thread is about to look at the descriptor need not tell any more.
    fn take_signal(&self) {
        if let Some(signal) = &self.signal {
            signal.drain();
        }
    }

    /// Hands ready items to `put`, in their order, for as long as there is room, and counts them. `told` is what the system said of
    /// each item; empty where all are sockets.
    fn look(&self, told: &[PollFd], room: usize, put: &mut impl FnMut(usize, PollerEvent)) -> Result<usize> {
        self.take_signal();
        let mut found = 0;
        for (index, item) in self.items.iter().enumerate() {
            if found == room {
                break;
            }
            let event = item.look(told.get(index))?;
            if event.events != 0 {
                put(found, event);
                found += 1;
            }
        }
        Ok(found)
    }
}

impl Item {
    fn is_raw(&self) -> bool {
        matches!(self.subject, Subject::Descriptor(_))
    }

    /// The address, the link and the events of a socket.
    fn socket(&self) -> Option<(usize, &Arc<SocketLink>, c_short)> {
        match (self.subject, &self.link) {
            (Subject::Socket(address), Some(link)) => Some((address, link, self.events)),
            _ => None,
        }
    }

    /// The system skips negative descriptors, and so the errors that it would tell of one that is not to be
    /// watched for now.
    fn raw_fd(&self) -> PollFd {
        let fd = match self.subject {
            Subject::Descriptor(fd) if self.events != 0 => fd,
            _ => -1,
        };
        PollFd { fd, events: asked_of_system(self.events), revents: 0 }
    }

    /// What the item has of what is asked for, `told` being what the system said of a descriptor.
    fn look(&self, told: Option<&PollFd>) -> Result<PollerEvent> {
        let nothing = PollerEvent {
            user_data: ptr::with_exposed_provenance_mut(self.user_data),
            ..PollerEvent::NOTHING
        };
        match self.subject {
            Subject::Socket(address) => {
                if self.link.as_ref().is_some_and(|link| link.mailbox.state().is_closed()) {
                    return Err(Errno::NOTSOCK);
                }
                // Both bits that a socket may have fit a short.
                let events = self.events & Handle::from_address(address)?.events()? as c_short;
                Ok(PollerEvent { socket: ptr::with_exposed_provenance_mut(address), events, ..nothing })
            }
            Subject::Descriptor(number) => {
                let events = told_by_system(told.map_or(0, |fd| fd.revents));
                Ok(PollerEvent { fd: number, events, ..nothing })
            }
        }
    }
}

fn check_events(events: c_short) -> Result<()> {
    if events & !(POLLIN | POLLOUT | POLLERR | POLLPRI) != 0 { Err(Errno::INVAL) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    /// The events that have come, at most `room` of them: descriptor, user data, events.
    fn wait(poller: PollerHandle, room: usize, timeout_ms: c_long) -> Result<Vec<(c_int, usize, c_short)>> {
        let mut out = vec![None; room];
        let found = poller.wait(room, timeout_ms, |place, event| {
            out[place] = Some((event.fd, event.user_data.addr(), event.events));
        })?;
        assert!(out.iter().skip(found).all(|event| *event == Some((-1, 0, 0))));
        Ok(out.into_iter().take(found).map(Option::unwrap).collect())
    }

    fn data(number: usize) -> *mut c_void {
        ptr::without_provenance_mut(number)
    }

    #[test]
    fn a_stale_poller_is_efault() {
        let poller = PollerHandle::open().unwrap();
        assert_eq!(PollerHandle::from_address(poller.address()).unwrap().size(), Ok(0));
        poller.close().unwrap();
        assert_eq!(poller.size(), Err(Errno::FAULT));
        assert_eq!(poller.close(), Err(Errno::FAULT));
        assert_eq!(poller.add(Subject::Descriptor(0), data(0), POLLIN), Err(Errno::FAULT));
        assert_eq!(wait(poller, 1, 0), Err(Errno::FAULT));
        assert!(PollerHandle::from_address(0).is_err());
        assert!(PollerHandle::from_address((&raw const poller).addr()).is_err());
    }

    #[test]
    fn poller_without_events_is_efault_without_timeout() {
        let poller = PollerHandle::open().unwrap();
        let (_here, there) = UnixStream::pair().unwrap();
        let start = Instant::now();
        for room in [0, 1] {
            assert_eq!(wait(poller, room, -1), Err(Errno::FAULT));
            assert_eq!(wait(poller, room, 0), Err(Errno::AGAIN));
            assert_eq!(wait(poller, room, 10), Err(Errno::AGAIN));
        }
        assert!(start.elapsed() >= Duration::from_millis(20));
        poller.add(Subject::Descriptor(there.as_raw_fd()), data(1), 0).unwrap();
        assert_eq!(wait(poller, 1, -1), Err(Errno::FAULT));
        assert_eq!(wait(poller, 1, 0), Err(Errno::AGAIN));
        poller.close().unwrap();
    }

    #[test]
    fn descriptors_are_added_changed_and_removed() {
        let poller = PollerHandle::open().unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        let fd = Subject::Descriptor(there.as_raw_fd());
        assert_eq!(poller.modify(fd, POLLIN), Err(Errno::INVAL));
        assert_eq!(poller.remove(fd), Err(Errno::INVAL));
        assert_eq!(poller.add(fd, data(7), c_short::MAX), Err(Errno::INVAL));
        poller.add(fd, data(7), POLLIN).unwrap();
        assert_eq!(poller.add(fd, data(8), POLLIN), Err(Errno::INVAL));
        assert_eq!((poller.size(), poller.fd()), (Ok(1), Err(Errno::INVAL)));
        assert_eq!(wait(poller, 2, 1), Err(Errno::AGAIN));
        poller.modify(fd, POLLIN | POLLOUT).unwrap();
        assert_eq!(wait(poller, 2, -1), Ok(vec![(there.as_raw_fd(), 7, POLLOUT)]));
        here.write_all(b"x").unwrap();
        poller.modify(fd, POLLIN).unwrap();
        assert_eq!(wait(poller, 2, -1), Ok(vec![(there.as_raw_fd(), 7, POLLIN)]));
        poller.modify(fd, 0).unwrap();
        assert_eq!(wait(poller, 2, 0), Err(Errno::AGAIN));
        poller.remove(fd).unwrap();
        assert_eq!(poller.size(), Ok(0));
        poller.close().unwrap();
    }

    #[test]
    fn poller_returns_no_more_events_than_there_is_room_for() {
        let poller = PollerHandle::open().unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        for (number, stream) in [&here, &there].into_iter().enumerate() {
            poller.add(Subject::Descriptor(stream.as_raw_fd()), data(number), POLLOUT).unwrap();
        }
        assert_eq!(wait(poller, 1, -1), Ok(vec![(here.as_raw_fd(), 0, POLLOUT)]));
        assert_eq!(wait(poller, 3, -1).unwrap().len(), 2);
        poller.close().unwrap();
    }

    #[test]
    fn poller_refuses_subjects_that_cannot_be_watched() {
        let poller = PollerHandle::open().unwrap();
        let none = Subject::Descriptor(-1);
        assert_eq!(poller.add(none, data(0), POLLIN), Err(Errno::BADF));
        assert_eq!(poller.modify(none, POLLIN), Err(Errno::BADF));
        assert_eq!(poller.remove(none), Err(Errno::BADF));
        let none = Subject::Socket(0);
        assert_eq!(poller.add(none, data(0), POLLIN), Err(Errno::NOTSOCK));
        assert_eq!(poller.modify(none, POLLIN), Err(Errno::NOTSOCK));
        assert_eq!(poller.remove(none), Err(Errno::NOTSOCK));
        poller.close().unwrap();
    }

    #[test]
    fn the_set_may_change_while_a_thread_waits() {
        let poller = PollerHandle::open().unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        let fd = there.as_raw_fd();
        poller.add(Subject::Descriptor(fd), data(1), POLLIN).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(poller, 1, -1));
            assert_eq!(poller.size(), Ok(1), "not locked while it waits");
            here.write_all(b"x").unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(vec![(fd, 1, POLLIN)]));
        });
        poller.close().unwrap();
    }
}
