//! Binding and connecting a socket, and undoing both.

#[cfg(feature = "qzmq")]
use super::certificates;
use super::protection::Refusal;
use super::state::Socket;
use super::{inproc, options, protection};
use crate::audit::Event;
use crate::counters::Reason;
use crate::engine::zmtp::socket_type;
use crate::errno::{Errno, Result};
use crate::options::SocketType;
use crate::pattern::Origin;
use crate::pipe::{self, LaneOptions, PipeId};
use crate::security::{Protection, rules::on_loopback};
use crate::session::{self, SessionContext, event, trail};
use crate::sys::log::{Level, Notice, Subsystem};
use crate::transport::{self, Role, Scheme};
use std::sync::Arc;

static OPENED: Notice = Notice::new(Subsystem::Connection, Level::Info);

/// `zmq_bind`.
pub(super) fn bind(socket: &mut Socket, endpoint: &str) -> Result<()> {
    socket.process()?;
    let bound = open_bound(socket, endpoint);
    if bound.is_ok() {
        OPENED.write(format_args!("{} is bound to {}", name(socket), socket.last_endpoint));
        socket.link.record.add_endpoint(&socket.last_endpoint);
    }
    bound.map_err(|refusal| told(socket, Event::BindRefused, endpoint, &refusal))
}

fn open_bound(socket: &mut Socket, endpoint: &str) -> Result<(), Refusal> {
    let (scheme, address) = transport::parse(endpoint)?;
    transport::compatible(scheme, socket.options.socket_type)?;
    if scheme == Scheme::Inproc {
        inproc::bind(socket, endpoint)?;
        socket.last_endpoint = endpoint.to_string();
        return Ok(());
    }
    #[cfg(feature = "qzmq")]
    certificates::check(socket, scheme, endpoint)?;
    if scheme.has_datagrams() {
        // Where binding and connecting are the same, a second time is none, either.
        return if has_connected(socket, endpoint) {
            Ok(())
        } else {
            open_datagrams(socket, scheme, address, Role::Binds).map(drop)
        };
    }
    let io_thread = socket.context().choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
    let bound = protection::of(socket, scheme, address, Role::Binds)
        .and_then(|protection| protection::listener(socket, scheme, address, protection));
    let (listener, protection) = match bound {
        Ok(bound) => bound,
        Err(refusal) => {
            let endpoints = session::Endpoints::bound(address);
            socket.link.monitor.tell(event::BIND_FAILED, refusal.errno.0.unsigned_abs().into(), &endpoints);
            return Err(refusal);
        }
    };
    let session_context = session_context(socket, protection)?;
    socket.last_endpoint = listener.last_endpoint().to_string();
    tell_keys(socket, &session_context, &socket.last_endpoint.clone());
    let heeds = heeds_certificates(&session_context, scheme);
    let listening = session::listen(&io_thread, session_context, listener);
    // A TIPC listener has a name besides the one that it was bound to; it goes by the latter.
    let uri = if scheme == Scheme::Tipc { endpoint } else { &socket.last_endpoint }.to_string();
    let is_turned = on_loopback(address).is_some() && !is_wildcard(&socket.last_endpoint);
    socket.endpoints.add_bound((uri, is_turned), listening, heeds);
    // As in `connect`.
    socket.link.mailbox.touch();
    Ok(())
}

/// `zmq_connect_peer`: the routing id of the peer. Errors: `ENOTSUP` for a socket that is no PEER, `EFAULT` where there
/// is no pipe before there is a connection (`ZMQ_IMMEDIATE`), and as `zmq_connect`.
pub(super) fn connect_peer(socket: &mut Socket, endpoint: &str) -> Result<u32> {
    socket.alive()?;
    if socket.options.socket_type != SocketType::Peer {
        return Err(Errno::NOTSUP);
    }
    if socket.options.immediate {
        return Err(Errno::FAULT);
    }
    let pipe = connect(socket, endpoint)?;
    pipe.and_then(|pipe| socket.pattern.routing_id(pipe)).ok_or(Errno::HOSTUNREACH)
}

/// `zmq_connect`; answers the pipe, if there is a new one already.
pub(super) fn connect(socket: &mut Socket, endpoint: &str) -> Result<Option<PipeId>> {
    socket.process()?;
    let connected = open_connected(socket, endpoint);
    if connected.is_ok() {
        OPENED.write(format_args!("{} connects to {endpoint}", name(socket)));
        socket.link.record.add_endpoint(endpoint);
    }
    connected.map_err(|refusal| told(socket, Event::ConnectRefused, endpoint, &refusal))
}

/// The socket, for people.
fn name(socket: &Socket) -> &'static str {
    socket_type::name(socket.options.socket_type)
}

/// The audit trail has what the program was refused, and so has the log. The program gets the errno alone.
fn told(socket: &Socket, event: Event, endpoint: &str, refusal: &Refusal) -> Errno {
    // Other reasons were told of where they were found.
    if refusal.why.is_none() {
        let act = if event == Event::BindRefused { "be bound" } else { "connect" };
        let why = trail::shown(refusal.errno);
        OPENED.write(format_args!("{} cannot {act} to {endpoint}: {why}", name(socket)));
    }
    trail::tell_refusal(&socket.link, &socket.options, (event, endpoint), refusal.errno, refusal.why.clone());
    refusal.errno
}

fn open_connected(socket: &mut Socket, endpoint: &str) -> Result<Option<PipeId>, Refusal> {
    let (scheme, address) = transport::parse(endpoint)?;
    transport::compatible(scheme, socket.options.socket_type)?;
    if scheme == Scheme::Inproc {
        let pipe = inproc::connect(socket, endpoint)?;
        socket.last_endpoint = endpoint.to_string();
        return Ok(Some(pipe));
    }
    #[cfg(feature = "qzmq")]
    certificates::check(socket, scheme, endpoint)?;
    if has_connected(socket, endpoint) {
        return Ok(None);
    }
    if scheme.has_datagrams() {
        return open_datagrams(socket, scheme, address, Role::Connects).map(Some);
    }
    let io_thread = socket.context().choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
    let plan = transport::connect(scheme, address, &socket.options)?;
    let protection = protection::of(socket, scheme, address, Role::Connects)?.map(Arc::new);
    let last_endpoint = plan.endpoint().to_string();
    let routing_id = socket.pattern.take_connect_id(&socket.pipes).unwrap_or_default();
    let (ours, theirs) = if socket.options.immediate {
        (None, None)
    } else {
        let out = LaneOptions { hwm: socket.options.sndhwm, conflate: socket.options.conflates_out() };
        let back = LaneOptions { hwm: socket.options.rcvhwm, conflate: socket.options.conflates_in() };
        socket.pipes.make_room()?;
        let (mut ours, theirs) = pipe::pair(out, back)?;
        ours.remote = endpoint.to_string();
        ours.routing_id.clone_from(&routing_id);
        (Some(ours), Some(theirs))
    };
    let session_context = session_context(socket, protection)?;
    tell_keys(socket, &session_context, &last_endpoint);
    let pipe = ours.map(|pipe| socket.attach(pipe, Origin::Connected));
    let heeds = heeds_certificates(&session_context, scheme);
    let session = session::connect(&io_thread, session_context, plan, theirs, routing_id);
    socket.last_endpoint = last_endpoint;
    socket.endpoints.add_connected(endpoint, session, pipe, heeds);
    socket.drop_closed();
    // Programs may count on a new endpoint making `ZMQ_FD` readable, as it does in libzmq.
    socket.link.mailbox.touch();
    Ok(pipe)
}

/// Whether there is a connection and another would make no sense; libzmq makes none for these.
fn has_connected(socket: &Socket, endpoint: &str) -> bool {
    use SocketType::{Dealer, Pub, Req, Sub};
    matches!(socket.options.socket_type, Dealer | Sub | Pub | Req) && socket.endpoints.contains(endpoint)
}

/// Binds or connects where there are no connections: what can go wrong goes wrong at once.
fn open_datagrams(socket: &mut Socket, scheme: Scheme, address: &str, role: Role) -> Result<PipeId, Refusal> {
    let io_thread = socket.context().choose_io_thread(socket.options.affinity).ok_or(Errno::MTHREAD)?;
    let protection = protection::of(socket, scheme, address, role)?;
    let datagrams = protection::datagrams(socket, scheme, address, role, protection)?;
    let out = LaneOptions { hwm: socket.options.sndhwm, conflate: socket.options.conflates_out() };
    let back = LaneOptions { hwm: socket.options.rcvhwm, conflate: socket.options.conflates_in() };
    socket.pipes.make_room()?;
    let (mut ours, theirs) = pipe::pair(out, back)?;
    let endpoint = datagrams.last_endpoint().to_string();
    match role {
        Role::Binds => ours.local.clone_from(&endpoint),
        Role::Connects => ours.remote.clone_from(&endpoint),
    }
    let session = session::exchange(&io_thread, session_context(socket, None)?, datagrams, theirs)?;
    let pipe = socket.attach(ours, Origin::Datagrams);
    socket.last_endpoint.clone_from(&endpoint);
    let is_turned = on_loopback(address).is_some() && !is_wildcard(&endpoint);
    socket.endpoints.add_datagrams((endpoint, is_turned), session, pipe);
    socket.drop_closed();
    // As in `connect`.
    socket.link.mailbox.touch();
    Ok(pipe)
}

/// `zmq_unbind` and `zmq_disconnect`.
pub(super) fn terminate_endpoint(socket: &mut Socket, endpoint: &str) -> Result<()> {
    socket.process()?;
    let (scheme, address) = transport::parse(endpoint)?;
    transport::compatible(scheme, socket.options.socket_type)?;
    if scheme == Scheme::Inproc && inproc::unbind(socket, endpoint) {
        return Ok(());
    }
    OPENED.write(format_args!("{} leaves {endpoint}", name(socket)));
    let found = match forget_endpoint(socket, endpoint) {
        Ok(()) => Ok(()),
        // The program may know it by a name that was resolved since, or by a wildcard that the security file has turned to loopback.
        Err(errno) => {
            let turned = on_loopback(address)
                .map(|address| format!("{}://{address}", scheme.name()))
                .filter(|name| socket.endpoints.is_turned(name));
            let known = transport::other_names(scheme, address, &socket.options)
                .find(|name| socket.endpoints.contains(name))
                .or(turned);
            known.map_or(Err(errno), |name| forget_endpoint(socket, &name))
        }
    };
    socket.drop_closed();
    found
}

/// Whether all addresses of this host are meant.
fn is_wildcard(endpoint: &str) -> bool {
    transport::parse(endpoint).is_ok_and(|(_, address)| on_loopback(address).is_some())
}

/// Ends everything under an endpoint. Errors: `ENOENT`.
fn forget_endpoint(socket: &mut Socket, endpoint: &str) -> Result<()> {
    let entries = socket.endpoints.take(endpoint);
    if entries.is_empty() {
        return Err(Errno::NOENT);
    }
    let linger_ms = socket.options.linger_ms;
    for entry in entries {
        entry.disconnect(linger_ms);
        if let Some(id) = entry.pipe {
            let lingers = linger_ms >= 0;
            if let Some(pipe) = socket.pipes.pipe(id) {
                pipe.bid_farewell();
                if lingers {
                    pipe.lose_by(Reason::LingerOver);
                }
            }
            socket.pipes.terminate(id);
        }
        entry.terminate(linger_ms);
    }
    Ok(())
}

/// The audit trail has the keys by which a CURVE server is known from now on.
fn tell_keys(socket: &mut Socket, session_context: &SessionContext, endpoint: &str) {
    options::tell_own_key(socket, endpoint);
    if let Some(protection) = &session_context.protection {
        trail::tell_key_news(&socket.link, &socket.options, endpoint, protection.take_key_news());
    }
}

/// Whether handshakes heed what the program's options say of certificates.
#[cfg(feature = "qzmq")]
fn heeds_certificates(session_context: &SessionContext, scheme: Scheme) -> bool {
    let SessionContext { options, security, protection, .. } = session_context;
    certificates::are_heeded(options, scheme, security, protection.is_some())
}

/// Whether they do. There are none without QZMQ.
#[cfg(not(feature = "qzmq"))]
fn heeds_certificates(_session_context: &SessionContext, _scheme: Scheme) -> bool {
    false
}

/// Errors: as of [`Keys::security`](super::keys::Keys::security).
fn session_context(socket: &mut Socket, protection: Option<Arc<Protection>>) -> Result<SessionContext> {
    Ok(SessionContext {
        owner: Arc::clone(&socket.link),
        security: socket.keys.security(&socket.options)?,
        options: Arc::clone(socket.shared_options.get_or_insert_with(|| Arc::new(socket.options.clone()))),
        protection,
        authenticators: Arc::clone(&socket.names) as Arc<dyn session::Authenticators>,
        guard: socket.context().guard(),
    })
}
