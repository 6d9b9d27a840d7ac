//! A listening socket on an I/O thread, and the sessions of its connections.

use crate::counters::SocketCounter;
use crate::ctx::{Context, Guard};
use crate::engine::Security;
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::reactor::{Handle, Interest, Ready, Remote, Source, SourceContext};
use crate::security::Protection;
use crate::session::SocketLink;
use crate::session::lifecycle::admission::{Admission, Arrival, Counted, Full, Tickets};
use crate::session::lifecycle::ban_list::EndpointNumber;
use crate::session::lifecycle::handshake_memory::{begins_with, note_stopped};
use crate::session::lifecycle::session::Session;
use crate::session::lifecycle::session_context::SessionContext;
use crate::session::lifecycle::turned_away::{Kind, WINDOW_MS};
use crate::session::lifecycle::zap::Authenticators;
use crate::session::monitor_events::{Endpoints, descriptor_value, event};
use crate::session::remote::SessionRemote;
use crate::session::trail;
use crate::session::unclaimed::MAX_KEPT_PIPES;
use crate::sys::lock::Lock;
use crate::sys::log::shortage::{self, What};
use crate::sys::log::{Level, Notice, Subsystem};
use crate::sys::memory;
use crate::sys::poll::{PollFd, poll};
use crate::sys::probes;
use crate::transport::{AcceptError, Accepted, Listener};
use std::fmt::Display;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Connections taken in one go, before others have their turn.
const LISTENER_TURN_ACCEPTS: usize = 64;
/// How long to wait when the system has no descriptors left: asking again at once would spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait after an error that the system gives only for a broken listener.
const HOPELESS_PAUSE: Duration = Duration::from_secs(1);
/// After this number of connections in a row that were lost before they were accepted, it may as well be the system's fault.
const MAX_LOST_ACCEPTS: u32 = 16;
const RETRY_TIMER: u8 = 1;
/// Set where a connection was turned away without a record.
const LEFT_OUT_TIMER: u8 = 2;

static ACCEPTED: Notice = Notice::new(Subsystem::Connection, Level::Debug);
static ACCEPT_FAILED: Notice = Notice::new(Subsystem::Connection, Level::Info);

/// A listener as its socket knows it. Dropped without [`close`](Listening::close), it goes on.
pub struct Listening {
    shared: Arc<Both>,
    remote: Remote,
    owner: Arc<SocketLink>,
    endpoints: Endpoints,
    /// Where the security file has limits for the endpoint.
    number: Option<EndpointNumber>,
}

/// What the socket and the I/O thread share of a listener.
struct Both {
    /// `None` once closed.
    listener: Lock<Option<Listener>>,
    /// The sessions of accepted connections. Those that have ended are forgotten from time to time.
    sessions: Lock<Vec<Weak<SessionRemote>>>,
}

/// Listens on an I/O thread.
pub fn listen(io_thread: &Handle, session_context: SessionContext, listener: Listener) -> Listening {
    let endpoints = Endpoints::bound(listener.last_endpoint());
    let owner = Arc::clone(&session_context.owner);
    let fd = descriptor_value(listener.fd().as_raw_fd());
    owner.monitor.tell(event::LISTENING, fd, &endpoints);
    let shared = Arc::new(Both { listener: Lock::new(Some(listener)), sessions: Lock::default() });
    let theirs = Arc::clone(&shared);
    let limits = session_context.protection.as_ref().map(|protection| protection.limits);
    let admission = limits.and_then(|limits| Admission::new(&limits));
    // No peer was accepted yet, and nothing fails from here on.
    let number = limits.map(|limits| owner.ban_list.add_endpoint(&session_context.options, &limits));
    let names = endpoints.clone();
    let remote = io_thread.add(Box::new(move |cx| {
        let acceptor = Acceptor {
            shared: theirs,
            owner: session_context.owner,
            options: session_context.options,
            security: session_context.security,
            protection: session_context.protection,
            authenticators: session_context.authenticators,
            guard: session_context.guard,
            admission,
            endpoints: names,
            registered: false,
            lost: 0,
            tidy_at: LISTENER_TURN_ACCEPTS,
        };
        acceptor.begin(cx)
    }));
    Listening { shared, remote, owner, endpoints, number }
}

impl Listening {
    /// Stops listening at once: when this returns the address is free, and nothing more arrives from connections that
    /// were accepted. The I/O thread ends those.
    pub fn close(&self) {
        let listener = self.shared.listener.lock().take();
        if let Some(listener) = listener {
            let fd = descriptor_value(listener.fd().as_raw_fd());
            match listener.close() {
                Ok(()) => self.owner.monitor.tell(event::CLOSED, fd, &self.endpoints),
                Err(errno) => {
                    let errno = u64::from(errno.0.unsigned_abs());
                    self.owner.monitor.tell(event::CLOSE_FAILED, errno, &self.endpoints);
                }
            }
        }
        if let Some(number) = self.number {
            self.owner.ban_list.remove_endpoint(number);
        }
        // The acceptor may be about to add one more; it looks at `listener` again after that.
        let sessions = self.shared.sessions.lock().clone();
        let linger_ms = self.owner.linger_ms();
        sessions.iter().filter_map(Weak::upgrade).for_each(|session| session.terminate(linger_ms));
        self.remote.wake();
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    poll(&mut fds, Some(Duration::ZERO)) == Ok(1)
}

/// The I/O thread's side.
struct Acceptor {
    shared: Arc<Both>,
    owner: Arc<SocketLink>,
    options: Arc<SocketOptions>,
    security: Security,
    protection: Option<Arc<Protection>>,
    authenticators: Arc<dyn Authenticators>,
    guard: Guard,
    /// `None`: the endpoint has no limits.
    admission: Option<Arc<Admission>>,
    endpoints: Endpoints,
    registered: bool,
    /// Connections lost in a row.
    lost: u32,
    /// How many sessions there may be in the list before those that have ended are taken out.
    tidy_at: usize,
}

impl Acceptor {
    fn begin(mut self, cx: &mut SourceContext<'_>) -> Box<dyn Source> {
        self.register(cx);
        cx.again();
        Box::new(self)
    }

    /// Has the reactor watch the listener; tried again later where the system has no place for it.
    fn register(&mut self, cx: &mut SourceContext<'_>) {
        let shared = Arc::clone(&self.shared);
        // Locked all along: closed meanwhile, the number could be another descriptor's already.
        let listener = shared.listener.lock();
        match listener.as_ref().map(|listener| cx.register(listener.fd().as_raw_fd(), Interest::READABLE)) {
            Some(Ok(())) => self.registered = true,
            Some(Err(errno)) => {
                self.tell(event::ACCEPT_FAILED, errno);
                cx.set_timer(RETRY_TIMER, EXHAUSTED_PAUSE);
            }
            // Closed meanwhile; the wake that says so is on its way.
            None => {}
        }
    }

    fn tell(&self, kind: u64, errno: Errno) {
        self.owner.monitor.tell(kind, errno.0.unsigned_abs().into(), &self.endpoints);
    }

    fn accept(&mut self, cx: &mut SourceContext<'_>) {
        let context = self.guard.context();
        let stops = context.handshakes().stops();
        for _ in 0..LISTENER_TURN_ACCEPTS {
            if memory::is_short() {
                // A peer that waits to be accepted costs us nothing.
                self.note_shortage();
                self.tell(event::ACCEPT_FAILED, Errno::NOMEM);
                return cx.set_timer(RETRY_TIMER, EXHAUSTED_PAUSE);
            }
            if self.owner.has_many_unclaimed() {
                self.note_unclaimed();
                return cx.set_timer(RETRY_TIMER, EXHAUSTED_PAUSE);
            }
            let (accepted, more) = match &*self.shared.listener.lock() {
                Some(listener) => {
                    let accepted = listener.accept();
                    // A peer that the system has told of, and then says that it does not have, is not told of again.
                    let more = matches!(accepted, Ok(None)) && is_readable(listener.fd());
                    (accepted, more)
                }
                None => return,
            };
            match accepted {
                Ok(None) if more => return cx.set_timer(RETRY_TIMER, EXHAUSTED_PAUSE),
                Ok(None) => return,
                Ok(Some(stream)) => {
                    self.lost = 0;
                    self.welcome(cx, stream);
                    if context.handshakes().stops() != stops {
                        // Those that have to end do so in the next turn, and hold their memory until then.
                        break;
                    }
                }
                Err(error) => {
                    self.tell(event::ACCEPT_FAILED, error.errno());
                    let (endpoint, why) = (&self.endpoints.local, trail::shown(error.errno()));
                    ACCEPT_FAILED.write(format_args!("{endpoint} could not accept a peer: {why}"));
                    shortage::tell(
                        What::Accept,
                        error.errno(),
                        format_args!("{endpoint} accepts no peers for now"),
                    );
                    if let Some(pause) = self.pause_after(error) {
                        return cx.set_timer(RETRY_TIMER, pause);
                    }
                }
            }
        }
        cx.again();
    }

    /// How long to wait before the next attempt; `None`: not at all.
    fn pause_after(&mut self, error: AcceptError) -> Option<Duration> {
        match error {
            AcceptError::Refused(_) => None,
            AcceptError::Transient(_) => {
                self.lost += 1;
                let pauses = self.lost >= MAX_LOST_ACCEPTS;
                if pauses {
                    self.lost = 0;
                }
                pauses.then_some(EXHAUSTED_PAUSE)
            }
            AcceptError::Exhausted(_) => Some(EXHAUSTED_PAUSE),
            AcceptError::Fatal(_) => Some(HOPELESS_PAUSE),
        }
    }

    fn welcome(&mut self, cx: &mut SourceContext<'_>, stream: Accepted) {
        let now_ms = cx.now_ms();
        let endpoints = Endpoints { local: stream.local.clone(), remote: stream.peer.clone(), bound: true };
        if self.protection.as_ref().is_some_and(|protection| !protection.admits(&stream.peer_address)) {
            let reason = "the security file keeps this address out";
            return self.turn_away(
                cx,
                &endpoints,
                (Kind::Network, &stream.peer_address),
                (Errno::ACCES, &reason),
            );
        }
        if self.owner.ban_list.refuse(&stream.peer_address, now_ms) {
            let reason = "too many failed handshakes";
            return self.turn_away(
                cx,
                &endpoints,
                (Kind::Ban, &stream.peer_address),
                (Errno::ACCES, &reason),
            );
        }
        let counted = match self.count(&stream.peer_address) {
            Ok(counted) => counted,
            Err(full) => {
                self.note_full(full);
                let peer = (Kind::Full, stream.peer_address.as_str());
                return self.turn_away(cx, &endpoints, peer, (Errno::NOBUFS, &full));
            }
        };
        self.security.note_connection(now_ms);
        let fd = descriptor_value(stream.fd.as_raw_fd());
        self.owner.monitor.tell(event::ACCEPTED, fd, &endpoints);
        self.owner.record.add(SocketCounter::Accepts, 1);
        probes::connect(endpoints.peer(), stream.fd.as_raw_fd());
        ACCEPTED.write(format_args!("{} has accepted {}", endpoints.local, stream.peer));
        let context: Context = self.guard.context();
        let Some(io_thread) = context.choose_io_thread(self.options.affinity) else { return };
        let shared = Arc::new(SessionRemote::default());
        let tickets = self.begin_handshake(&context, &shared, &stream);
        let arrival = Arrival { stream, tickets, counted };
        let mut sessions = self.shared.sessions.lock();
        if sessions.len() >= self.tidy_at {
            sessions.retain(|session| session.strong_count() > 0);
            self.tidy_at = sessions.len() * 2 + LISTENER_TURN_ACCEPTS;
        }
        sessions.push(Arc::downgrade(&shared));
        drop(sessions);
        let session_context = SessionContext {
            owner: Arc::clone(&self.owner),
            options: Arc::clone(&self.options),
            security: self.security.clone(),
            protection: self.protection.clone(),
            authenticators: Arc::clone(&self.authenticators),
            guard: self.guard.clone(),
        };
        let make = move |cx: &mut SourceContext<'_>| Session::accepted(cx, session_context, shared, arrival);
        if io_thread.same(&cx.remote().handle()) {
            // At once, so that the first peer's handshake is not overtaken by those of peers that have connected meanwhile:
            // programs count on REQ, PUSH and DEALER taking turns in the order in which peers came. Where there is no place
            // the stream is dropped, and so closed.
            drop(cx.spawn(make));
        } else {
            io_thread.add(Box::new(make));
        }
    }
}

impl Acceptor {
    /// Tells of a connection that is closed at once.
    fn turn_away(
        &self,
        cx: &mut SourceContext<'_>,
        endpoints: &Endpoints,
        peer: (Kind, &str),
        (errno, reason): (Errno, &dyn Display),
    ) {
        self.owner.record.add(peer.0.counter(), 1);
        let socket = (&*self.owner, &*self.options);
        if trail::tell_turned_away(socket, endpoints, peer, (errno, reason), cx.now_ms()) {
            cx.set_timer(LEFT_OUT_TIMER, Duration::from_millis(WINDOW_MS));
        }
        self.tell(event::ACCEPT_FAILED, errno);
    }

    /// Counts a connection, where the endpoint has limits.
    fn count(&self, peer_address: &str) -> Result<Option<Counted>, Full> {
        self.admission.as_ref().map(|admission| admission.admit(peer_address)).transpose()
    }

    fn note_full(&self, full: Full) {
        static NOTICE: Notice = Notice::new(Subsystem::Limits, Level::Warn);
        let endpoint = &self.endpoints.local;
        NOTICE.write(format_args!("{endpoint} closes connections as they come: {full}"));
    }

    fn note_shortage(&self) {
        static NOTICE: Notice = Notice::new(Subsystem::Memory, Level::Warn);
        NOTICE.write(format_args!("{} accepts no peers: memory is short", self.endpoints.local));
    }

    fn note_unclaimed(&self) {
        static NOTICE: Notice = Notice::new(Subsystem::Limits, Level::Warn);
        let endpoint = &self.endpoints.local;
        NOTICE.write(format_args!(
            "{endpoint} accepts no peers until the program makes a call: messages of {MAX_KEPT_PIPES} that have gone wait for it"
        ));
    }

    /// Counts a handshake that is about to begin, and tells others to make room for it.
    fn begin_handshake(&self, context: &Context, shared: &Arc<SessionRemote>, stream: &Accepted) -> Tickets {
        static ENDPOINTS_NOTICE: Notice = Notice::new(Subsystem::Limits, Level::Warn);
        let bytes = begins_with(&stream.layers);
        let limit = usize::try_from(context.options().max_handshakes_size).unwrap_or(0);
        let weak: Weak<SessionRemote> = Arc::downgrade(shared);
        let bounded = self.admission.as_ref().map(|admission| admission.begin_handshake(weak.clone()));
        let (of_endpoint, stopped) = bounded.unwrap_or_default();
        if stopped > 0 {
            let endpoint = &self.endpoints.local;
            ENDPOINTS_NOTICE.write(format_args!(
                "{endpoint} has too many handshakes (limits: handshakes_under_way): the oldest end"
            ));
        }
        let (ticket, stopped) = context.handshakes().begin(bytes, limit, weak);
        note_stopped(stopped, limit);
        [Some(ticket), of_endpoint]
    }
}

impl Source for Acceptor {
    fn ready(&mut self, cx: &mut SourceContext<'_>, _ready: Ready) {
        self.accept(cx);
    }

    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) {
        if id == LEFT_OUT_TIMER {
            return trail::tell_left_out(&self.owner, &self.endpoints, cx.now_ms(), false);
        }
        if !self.registered {
            self.register(cx);
        }
        self.accept(cx);
    }

    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        if self.shared.listener.lock().is_some() {
            return self.accept(cx);
        }
        trail::tell_left_out(&self.owner, &self.endpoints, cx.now_ms(), true);
        let linger_ms = self.owner.linger_ms();
        let sessions = std::mem::take(&mut *self.shared.sessions.lock());
        sessions.iter().filter_map(Weak::upgrade).for_each(|session| session.terminate(linger_ms));
        cx.finish();
    }

    fn panicked(&mut self, cx: &mut SourceContext<'_>) -> bool {
        // The connection that was being accepted is lost. The next attempt waits: a panic at each attempt must not spin.
        cx.set_timer(RETRY_TIMER, EXHAUSTED_PAUSE);
        true
    }
}
