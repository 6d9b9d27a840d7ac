//! What a socket is bound and connected to.

use super::state::{Origin, Socket};
use crate::errno::{Errno, Result};
use crate::options::SocketType;
use crate::pipe::{self, LaneOptions, PipeId};
use crate::session::{self, Listening, SessionContext, SessionHandle, event};
use crate::transport::{self, Role, Scheme};
use std::sync::Arc;

/// By endpoint; several connections may share one.
#[derive(Default)]
pub struct Endpoints {
    entries: Vec<Entry>,
}

struct Entry {
    uri: String,
    what: What,
    /// The pipe that came with a connect.
    pipe: Option<PipeId>,
}

enum What {
    Bound(Listening),
    Connected(SessionHandle),
    /// An inproc connection: there is nothing but the pipe.
    Pipe,
}

impl Endpoints {
    pub(super) fn add_pipe(&mut self, uri: &str, pipe: PipeId) {
        self.entries.push(Entry { uri: uri.to_string(), what: What::Pipe, pipe: Some(pipe) });
    }

    fn contains(&self, uri: &str) -> bool {
        self.entries.iter().any(|entry| entry.uri == uri)
    }

    /// Takes out everything under an endpoint.
    fn take(&mut self, uri: &str) -> Vec<Entry> {
        let (taken, kept) = std::mem::take(&mut self.entries).into_iter().partition(|entry| entry.uri == uri);
        self.entries = kept;
        taken
    }

    /// A pipe is gone; an inproc connection is nothing without.
    pub(super) fn pipe_closed(&mut self, id: PipeId) {
        self.entries.retain_mut(|entry| {
            if entry.pipe == Some(id) {
                entry.pipe = None;
                return !matches!(entry.what, What::Pipe);
            }
            true
        });
    }

    /// A session has given up, unless the program was faster and has ended it.
    pub(super) fn forget_session(&mut self, session: &SessionHandle) {
        self.entries.retain(|entry| !matches!(&entry.what, What::Connected(own) if own.is(session)));
    }

    pub(super) fn terminate_all(&mut self) {
        for entry in self.entries.drain(..) {
            entry.terminate();
        }
    }
}

impl Entry {
    /// The program disconnects or unbinds it; to be said before its pipe closes.
    fn disconnect(&self) {
        if let What::Connected(session) = &self.what {
            session.disconnect();
        }
    }

    fn terminate(&self) {
        match &self.what {
            What::Bound(listening) => listening.close(),
            What::Connected(session) => session.terminate(),
            What::Pipe => {}
        }
    }
}

impl Socket {
    /// `zmq_bind`.
    pub fn bind(&mut self, endpoint: &str) -> Result<()> {
        self.process()?;
        let (scheme, address) = transport::parse(endpoint)?;
        transport::compatible(scheme, self.options.socket_type)?;
        if scheme == Scheme::Inproc {
            self.bind_inproc(endpoint)?;
            self.last_endpoint = endpoint.to_string();
            return Ok(());
        }
        if scheme.has_datagrams() {
            // Where binding and connecting are the same, a second time is none, either.
            return if self.has_connected(endpoint) {
                Ok(())
            } else {
                self.open_datagrams(scheme, address, Role::Binds).map(drop)
            };
        }
        let io_thread = self.context().choose_io_thread(self.options.affinity).ok_or(Errno::MTHREAD)?;
        let listener = match transport::bind(scheme, address, &self.options) {
            Ok(listener) => listener,
            Err(errno) => {
                let endpoints = session::Endpoints::bound(address);
                self.owner.monitor.tell(event::BIND_FAILED, errno.0.unsigned_abs().into(), &endpoints);
                return Err(errno);
            }
        };
        self.last_endpoint = listener.last_endpoint().to_string();
        let listening = session::listen(&io_thread, self.session_context(), listener);
        // A TIPC listener has a name besides the one that it was bound to; it goes by the latter.
        let uri = if scheme == Scheme::Tipc { endpoint } else { &self.last_endpoint }.to_string();
        self.endpoints.entries.push(Entry { uri, what: What::Bound(listening), pipe: None });
        // As in `connect`.
        self.owner.mailbox.touch();
        Ok(())
    }

    /// `zmq_connect_peer`: the routing id of the peer. Errors: `ENOTSUP` for a socket that is no PEER, `EFAULT` where there
    /// is no pipe before there is a connection (`ZMQ_IMMEDIATE`), and as `zmq_connect`.
    pub fn connect_peer(&mut self, endpoint: &str) -> Result<u32> {
        self.alive()?;
        if self.options.socket_type != SocketType::Peer {
            return Err(Errno::NOTSUP);
        }
        if self.options.immediate {
            return Err(Errno::FAULT);
        }
        let pipe = self.connect(endpoint)?;
        pipe.and_then(|pipe| self.pattern.routing_id(pipe)).ok_or(Errno::HOSTUNREACH)
    }

    /// `zmq_connect`; answers the pipe, if there is a new one already.
    pub fn connect(&mut self, endpoint: &str) -> Result<Option<PipeId>> {
        self.process()?;
        let (scheme, address) = transport::parse(endpoint)?;
        transport::compatible(scheme, self.options.socket_type)?;
        if scheme == Scheme::Inproc {
            let pipe = self.connect_inproc(endpoint)?;
            self.last_endpoint = endpoint.to_string();
            return Ok(Some(pipe));
        }
        if self.has_connected(endpoint) {
            return Ok(None);
        }
        if scheme.has_datagrams() {
            return self.open_datagrams(scheme, address, Role::Connects).map(Some);
        }
        let io_thread = self.context().choose_io_thread(self.options.affinity).ok_or(Errno::MTHREAD)?;
        let plan = transport::connect(scheme, address, &self.options)?;
        let last_endpoint = plan.endpoint().to_string();
        let routing_id = self.pattern.take_connect_id().unwrap_or_default();
        let (ours, theirs) = if self.options.immediate {
            (None, None)
        } else {
            let out = LaneOptions { hwm: self.options.sndhwm, conflate: self.options.conflates_out() };
            let back = LaneOptions { hwm: self.options.rcvhwm, conflate: self.options.conflates_in() };
            let (mut ours, theirs) = pipe::pair(out, back)?;
            ours.remote = endpoint.to_string();
            ours.routing_id.clone_from(&routing_id);
            (Some(ours), Some(theirs))
        };
        let session_context = self.session_context();
        let pipe = ours.map(|pipe| self.attach(pipe, Origin::Local));
        let session = session::connect(&io_thread, session_context, plan, theirs, routing_id);
        self.last_endpoint = last_endpoint;
        let what = What::Connected(session);
        self.endpoints.entries.push(Entry { uri: endpoint.to_string(), what, pipe });
        self.drop_closed();
        // Programs may count on a new endpoint making `ZMQ_FD` readable, as it does in libzmq.
        self.owner.mailbox.touch();
        Ok(pipe)
    }

    /// Whether there is a connection and another would make no sense; libzmq makes none for these.
    fn has_connected(&self, endpoint: &str) -> bool {
        use SocketType::{Dealer, Pub, Req, Sub};
        matches!(self.options.socket_type, Dealer | Sub | Pub | Req) && self.endpoints.contains(endpoint)
    }

    /// Binds or connects where there are no connections: what can go wrong goes wrong at once.
    fn open_datagrams(&mut self, scheme: Scheme, address: &str, role: Role) -> Result<PipeId> {
        let io_thread = self.context().choose_io_thread(self.options.affinity).ok_or(Errno::MTHREAD)?;
        let socket = transport::datagrams(scheme, address, role, &self.options)?;
        let out = LaneOptions { hwm: self.options.sndhwm, conflate: self.options.conflates_out() };
        let back = LaneOptions { hwm: self.options.rcvhwm, conflate: self.options.conflates_in() };
        let (mut ours, theirs) = pipe::pair(out, back)?;
        let endpoint = socket.last_endpoint().to_string();
        match role {
            Role::Binds => ours.local.clone_from(&endpoint),
            Role::Connects => ours.remote.clone_from(&endpoint),
        }
        let session = session::exchange(&io_thread, self.session_context(), socket, theirs)?;
        let pipe = self.attach(ours, Origin::Datagrams);
        self.last_endpoint.clone_from(&endpoint);
        self.endpoints.entries.push(Entry {
            uri: endpoint,
            what: What::Connected(session),
            pipe: Some(pipe),
        });
        self.drop_closed();
        // As in `connect`.
        self.owner.mailbox.touch();
        Ok(pipe)
    }

    /// `zmq_unbind` and `zmq_disconnect`.
    pub fn terminate_endpoint(&mut self, endpoint: &str) -> Result<()> {
        self.process()?;
        let (scheme, address) = transport::parse(endpoint)?;
        transport::compatible(scheme, self.options.socket_type)?;
        if scheme == Scheme::Inproc && self.unbind_inproc(endpoint) {
            return Ok(());
        }
        let found = match self.forget_endpoint(endpoint) {
            Ok(()) => Ok(()),
            // The program may know it by a name that was resolved since.
            Err(errno) if scheme == Scheme::Tcp => {
                let known = transport::other_names(scheme, address, &self.options)
                    .find(|name| self.endpoints.contains(name));
                known.map_or(Err(errno), |name| self.forget_endpoint(&name))
            }
            Err(errno) => Err(errno),
        };
        self.drop_closed();
        found
    }

    /// Ends everything under an endpoint. Errors: `ENOENT`.
    fn forget_endpoint(&mut self, endpoint: &str) -> Result<()> {
        let entries = self.endpoints.take(endpoint);
        if entries.is_empty() {
            return Err(Errno::NOENT);
        }
        for entry in entries {
            entry.disconnect();
            if let Some(id) = entry.pipe {
                if let Some(pipe) = self.pipes.pipe(id) {
                    pipe.bid_farewell();
                }
                self.pipes.terminate(id);
            }
            entry.terminate();
        }
        Ok(())
    }

    fn session_context(&mut self) -> SessionContext {
        SessionContext {
            owner: Arc::clone(&self.owner),
            security: self.security(),
            options: Arc::clone(self.shared_options.get_or_insert_with(|| Arc::new(self.options.clone()))),
            authenticators: Arc::clone(&self.names) as Arc<dyn session::Authenticators>,
            guard: self.context().guard(),
        }
    }
}
