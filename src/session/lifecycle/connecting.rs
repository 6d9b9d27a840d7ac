//! Attempts to connect, as they show in a session: registered, timed, told of, tried again.

use crate::errno::Errno;
use crate::options::draft_number::{ZMQ_RECONNECT_STOP_AFTER_DISCONNECT, ZMQ_RECONNECT_STOP_CONN_REFUSED};
use crate::reactor::{Cx, Interest};
use crate::session::lifecycle::connecter::Step;
use crate::session::lifecycle::session::{Session, Stage};
use crate::session::lifecycle::timer;
use crate::session::monitor_events::{Endpoints, NO_DESCRIPTOR, descriptor_value, event};
use crate::session::{Command, SessionHandle};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// For something to read, and for room. A stream that connects is watched for both.
pub(in crate::session) const READABLE_AND_WRITABLE: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl Session {
    pub(in crate::session) fn connect(&mut self, cx: &mut Cx<'_>) {
        self.hiccup();
        if self.owes_hiccup {
            return self.connect_later(cx);
        }
        let Some(connecter) = &mut self.connecter else { return cx.finish() };
        let step = connecter.begin(&cx.remote());
        self.follow(cx, step, false);
    }

    /// Acts on the outcome of a step of the connecter. `watched`: the reactor watches the attempt's descriptor already.
    fn follow(&mut self, cx: &mut Cx<'_>, step: Step, watched: bool) {
        match step {
            Step::Begun(attempt) => {
                if let Some(fd) = attempt.fd() {
                    self.tell(event::CONNECT_DELAYED, Errno::INPROGRESS.0.unsigned_abs().into());
                    if let Err(errno) = cx.register(fd, READABLE_AND_WRITABLE) {
                        return self.attempt_failed(cx, Some(fd), errno);
                    }
                    if self.options.connect_timeout_ms > 0 {
                        cx.set_timer(timer::CONNECT, timer::millis(self.options.connect_timeout_ms));
                    }
                }
                self.stage = Stage::Connecting(attempt);
            }
            Step::Unfinished(attempt) => {
                // A stream that was connected at once is not registered yet.
                if let Some(fd) = attempt.fd().filter(|_| !watched)
                    && let Err(errno) = cx.register(fd, READABLE_AND_WRITABLE)
                {
                    return self.attempt_failed(cx, Some(fd), errno);
                }
                self.stage = Stage::Connecting(attempt);
            }
            Step::Connected { fd, endpoints, peer_address } => {
                cx.cancel_timer(timer::CONNECT);
                self.endpoints = endpoints;
                self.peer_address = peer_address;
                self.tell(event::CONNECTED, descriptor_value(fd.as_raw_fd()));
                self.begin_handshake(cx, fd, watched);
            }
            Step::Failed { fd, errno } => self.attempt_failed(cx, fd, errno),
        }
    }

    pub(in crate::session) fn attempt_failed(&mut self, cx: &mut Cx<'_>, fd: Option<RawFd>, errno: Errno) {
        cx.cancel_timer(timer::CONNECT);
        self.stage = Stage::Waiting;
        if let Some(fd) = fd {
            self.tell(event::CLOSED, descriptor_value(fd));
        }
        let mut stop = ZMQ_RECONNECT_STOP_CONN_REFUSED;
        if self.closing {
            stop |= ZMQ_RECONNECT_STOP_AFTER_DISCONNECT;
        }
        if errno == Errno::CONNREFUSED && self.options.reconnect_stop & stop != 0 {
            return self.give_up(cx);
        }
        // Without another attempt the endpoint stays, and its pipe takes messages, until the program disconnects it: so
        // does libzmq, where only a connection that has been there ends its endpoint.
        self.set_reconnect_timer(cx);
    }

    /// Whether an endpoint that the program has disconnected is not to be tried again while it waits for that; tells of it.
    pub(in crate::session) fn stops_attempts(&self) -> bool {
        let stops = self.options.reconnect_stop & ZMQ_RECONNECT_STOP_AFTER_DISCONNECT != 0
            && self.connecter.is_some()
            && matches!(self.stage, Stage::Waiting);
        if stops {
            self.tell(event::CLOSED, NO_DESCRIPTOR);
        }
        stops
    }

    pub(in crate::session) fn connect_later(&mut self, cx: &mut Cx<'_>) {
        if !self.set_reconnect_timer(cx) {
            self.give_up(cx);
        }
    }

    /// Whether there is to be another attempt (`ZMQ_RECONNECT_IVL`).
    fn set_reconnect_timer(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(connecter) = &mut self.connecter else { return false };
        let Some(interval_ms) = connecter.backoff_ms() else { return false };
        let endpoints = Endpoints::connecting(connecter.endpoint());
        self.owner.monitor.tell(event::CONNECT_RETRIED, u64::from(interval_ms.unsigned_abs()), &endpoints);
        cx.set_timer(timer::RECONNECT, timer::millis(interval_ms));
        true
    }

    /// Never connects again.
    pub(in crate::session) fn give_up(&mut self, cx: &mut Cx<'_>) {
        self.owner.mailbox.send(Command::Gone(SessionHandle(Arc::clone(&self.remote))));
        cx.finish();
    }

    pub(in crate::session) fn attempt_ready(&mut self, cx: &mut Cx<'_>) {
        if let Stage::Connecting(_) = &self.stage
            && let Stage::Connecting(attempt) = std::mem::replace(&mut self.stage, Stage::Waiting)
            && let Some(connecter) = &mut self.connecter
        {
            let watched = attempt.fd().is_some();
            let step = connecter.proceed(attempt);
            self.follow(cx, step, watched);
        }
    }
}
