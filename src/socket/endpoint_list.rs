//! The endpoints that a socket is bound and connected to.

use crate::pipe::PipeId;
use crate::session::{Listening, SessionHandle};

/// By endpoint; several connections may share one.
#[derive(Default)]
pub struct EndpointList {
    entries: Vec<Entry>,
}

pub struct Entry {
    uri: String,
    what: What,
    /// What the socket's options say of certificates counts there, or there are no handshakes.
    #[cfg_attr(not(feature = "qzmq"), expect(dead_code))]
    heeds_certificates: bool,
    /// The program has given a wildcard, which the security file has turned to loopback.
    is_turned: bool,
    /// The pipe that came with a connect.
    pub pipe: Option<PipeId>,
}

enum What {
    Bound(Listening),
    Connected(SessionHandle),
    /// An inproc connection: there is nothing but the pipe.
    Pipe,
}

impl EndpointList {
    pub fn add_pipe(&mut self, uri: &str, pipe: PipeId) {
        let (uri, what) = (uri.to_string(), What::Pipe);
        let (heeds_certificates, is_turned) = (true, false);
        self.entries.push(Entry { uri, what, heeds_certificates, is_turned, pipe: Some(pipe) });
    }

    pub fn add_bound(
        &mut self,
        (uri, is_turned): (String, bool),
        listening: Listening,
        heeds_certificates: bool,
    ) {
        let what = What::Bound(listening);
        self.entries.push(Entry { uri, what, heeds_certificates, is_turned, pipe: None });
    }

    pub fn add_connected(
        &mut self,
        uri: &str,
        session: SessionHandle,
        pipe: Option<PipeId>,
        heeds_certificates: bool,
    ) {
        let (uri, what) = (uri.to_string(), What::Connected(session));
        self.entries.push(Entry { uri, what, heeds_certificates, is_turned: false, pipe });
    }

    /// One whose datagrams come and go by a pipe that is there at once.
    pub fn add_datagrams(&mut self, (uri, is_turned): (String, bool), session: SessionHandle, pipe: PipeId) {
        let (what, heeds_certificates) = (What::Connected(session), false);
        self.entries.push(Entry { uri, what, heeds_certificates, is_turned, pipe: Some(pipe) });
    }

    /// The first endpoint where the socket's options about certificates count for nothing.
    #[cfg(feature = "qzmq")]
    pub fn first_without_qzmq(&self) -> Option<&str> {
        self.entries.iter().find(|entry| !entry.heeds_certificates).map(|entry| entry.uri.as_str())
    }

    pub fn contains(&self, uri: &str) -> bool {
        self.entries.iter().any(|entry| entry.uri == uri)
    }

    /// Whether it is one that the security file has turned to loopback.
    pub fn is_turned(&self, uri: &str) -> bool {
        self.entries.iter().any(|entry| entry.is_turned && entry.uri == uri)
    }

    /// Takes out everything under an endpoint.
    pub fn take(&mut self, uri: &str) -> Vec<Entry> {
        let (taken, kept) = std::mem::take(&mut self.entries).into_iter().partition(|entry| entry.uri == uri);
        self.entries = kept;
        taken
    }

    /// A pipe is gone; an inproc connection is nothing without.
    pub fn pipe_closed(&mut self, id: PipeId) {
        self.entries.retain_mut(|entry| {
            if entry.pipe == Some(id) {
                entry.pipe = None;
                return !matches!(entry.what, What::Pipe);
            }
            true
        });
    }

    /// A session has given up, unless the program was faster and has ended it.
    pub fn forget_session(&mut self, session: &SessionHandle) {
        self.entries.retain(|entry| !matches!(&entry.what, What::Connected(own) if own.is(session)));
    }

    /// `linger_ms`: the socket's, as it closes.
    pub fn terminate_all(&mut self, linger_ms: i32) {
        for entry in self.entries.drain(..) {
            entry.terminate(linger_ms);
        }
    }
}

impl Entry {
    /// The program disconnects or unbinds it; to be said before its pipe closes.
    pub fn disconnect(&self, linger_ms: i32) {
        if let What::Connected(session) = &self.what {
            session.disconnect(linger_ms);
        }
    }

    pub fn terminate(&self, linger_ms: i32) {
        match &self.what {
            What::Bound(listening) => listening.close(),
            What::Connected(session) => session.terminate(linger_ms),
            What::Pipe => {}
        }
    }
}
