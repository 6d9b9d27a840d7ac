//! How a connection ends, and a session.

use crate::engine::Failure;
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::draft_number::{ZMQ_NOTIFY_DISCONNECT, ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED};
use crate::pipe::{End, LaneOptions};
use crate::reactor::Cx;
use crate::session::connection::Connection;
use crate::session::connection::recv::RecvHalf;
use crate::session::lifecycle::connecter::Connecter;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::session::{Session, Stage};
use crate::session::lifecycle::timer;
use crate::session::monitor_events::{Endpoints, descriptor_value, event};
use crate::session::{Command, SessionHandle};
use crate::sys::log::Notice;
use std::sync::Arc;

impl Session {
    /// The stream has ended, in any stage.
    pub(in crate::session) fn disconnected(&mut self, cx: &mut Cx<'_>, reason: Reason) {
        for id in timer::OF_A_CONNECTION {
            cx.cancel_timer(id);
        }
        let (mut gives_up, mut for_good) = (false, false);
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Handshaking(handshaking) => {
                gives_up = self.options.reconnect_stop & ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED != 0;
                if handshaking.is_the_peers_fault(reason) {
                    self.count_failure(cx.now_ms());
                }
                match reason {
                    Reason::Stream(_) | Reason::Own(_) | Reason::Timeout if handshaking.denied => {}
                    Reason::Stream(errno) | Reason::Own(errno) => {
                        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
                    }
                    Reason::Timeout => {
                        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, Errno::TIMEDOUT.0.unsigned_abs().into());
                    }
                    Reason::Protocol(failure) => self.tell_failure(failure),
                }
                self.tell(event::DISCONNECTED, descriptor_value(handshaking.raw_fd()));
                let refused = handshaking.denied || matches!(reason, Reason::Protocol(_));
                if let Some(connecter) = self.connecter.as_mut().filter(|_| refused) {
                    connecter.refused();
                }
            }
            Stage::Connected(connection) => {
                match reason {
                    Reason::Protocol(failure) => self.tell_failure(failure),
                    // Programs know this from libzmq: where no mechanism was agreed on, the handshake counts as failed
                    // at the end.
                    Reason::Stream(errno) if !connection.has_mechanism => {
                        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
                    }
                    Reason::Stream(_) | Reason::Own(_) | Reason::Timeout => {}
                }
                self.tell(event::DISCONNECTED, descriptor_value(connection.raw_fd()));
                self.take_apart(&connection);
                for_good = matches!(reason, Reason::Protocol(_));
            }
            Stage::Waiting | Stage::Connecting(_) => {}
        }
        if gives_up || for_good {
            return self.end_for_good(cx);
        }
        self.lost(cx);
    }

    /// There will be no further attempt: the socket is told, and ends the session when it has heard of it. So the pipe goes at
    /// the socket's second look. Programs know that from libzmq, where the send that follows a refusal does not fail yet.
    fn end_for_good(&mut self, cx: &mut Cx<'_>) {
        match &mut self.connecter {
            Some(connecter) if self.end.is_some() && !self.closing => {
                connecter.end();
                let session = SessionHandle(Arc::clone(&self.remote));
                self.owner.mailbox.send(Command::Over { session, seen: false });
            }
            // Dropping our end of the pipe tells the socket.
            _ => cx.finish(),
        }
    }

    /// Lets go of the pipe, of which the socket is told. Another one may follow.
    pub(in crate::session) fn forget_pipe(&mut self) {
        self.remote.forget_pipe();
        self.lanes = None;
        self.end = None;
    }

    /// Counts a failed handshake against the address of a peer that has come to us.
    pub(in crate::session) fn count_failure(&self, now_ms: u64) {
        if self.connecter.is_none() {
            self.owner.ban_list.failed(&self.peer_address, now_ms);
        }
    }

    pub(in crate::session) fn tell_failure(&self, failure: Failure) {
        match failure {
            Failure::Protocol(code) => {
                self.tell(event::HANDSHAKE_FAILED_PROTOCOL, code.unsigned_abs().into());
            }
            Failure::Auth(status) => self.tell(event::HANDSHAKE_FAILED_AUTH, status.unsigned_abs().into()),
            Failure::NoDetail(errno) | Failure::Own(errno) => {
                self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
            }
            Failure::Errno(_) => {}
        }
    }

    /// Takes the lanes back from a connection that has ended.
    pub(in crate::session) fn take_apart(&mut self, connection: &Connection) {
        drop(self.withdraw());
        self.control.clear();
        if let (Some(send), Some(recv)) = connection.dismantle() {
            let mut writer = recv.into_writer();
            for message in self.last_words() {
                // Without memory the program does not get them.
                if writer.append(&mut OutFrame::bytes(message, false)).is_ok() {
                    writer.flush();
                }
            }
            self.lanes = Some((send.into_reader(), writer));
        }
    }

    /// The messages that the program receives when a connection has ended.
    fn last_words(&self) -> impl Iterator<Item = &[u8]> {
        let options = &*self.options;
        let notifies = if options.raw_socket {
            options.raw_notify
        } else {
            options.router_notify & ZMQ_NOTIFY_DISCONNECT != 0
        };
        let farewell = if self.connecter.is_none() { options.disconnect() } else { options.hiccup() };
        notifies.then_some(&b""[..]).into_iter().chain(farewell)
    }

    /// Drops the connection, if there is one, and its lanes. The socket's thread may hold its halves, and the lanes are to go
    /// before the pipe's end does.
    pub(in crate::session) fn let_go(&mut self) {
        if let Some(connection) = self.withdraw() {
            drop(connection.dismantle());
        }
    }

    /// The program's threads find no connection any more, and a thread that waits for it lets go of it.
    fn withdraw(&mut self) -> Option<Arc<Connection>> {
        let connection = self.remote.take_connection()?;
        self.owner.connections.remove(&connection);
        if connection.end_lending() {
            self.owner.mailbox.touch();
        }
        Some(connection)
    }

    /// There is no stream: connects again, or ends.
    pub(in crate::session) fn lost(&mut self, cx: &mut Cx<'_>) {
        if self.connecter.is_none() {
            // Dropping our end of the pipe tells the socket.
            return cx.finish();
        }
        // What may be left of a subscriber are subscriptions, of which a peer that comes later has no use.
        let lingers = !self.options.socket_type.sends_subscriptions_alone() && self.something_left();
        if self.closing && (self.is_refused() || !lingers) {
            return cx.finish();
        }
        if self.options.immediate {
            // The pipe goes with the connection; the next one brings its own.
            self.forget_pipe();
        }
        self.owes_hiccup =
            matches!(self.options.socket_type, SocketType::Sub | SocketType::Xsub | SocketType::Dish);
        self.hiccup();
        if let Some(connecter) = &mut self.connecter {
            connecter.lost();
            self.endpoints = Endpoints::connecting(connecter.endpoint());
        }
        self.connect_later(cx);
    }

    /// A subscriber's pipe begins anew before the next attempt to connect: what waits in it are subscriptions, and the socket
    /// tells the next peer of all. Where there is no memory for it the attempt waits too.
    pub(in crate::session) fn hiccup(&mut self) {
        if self.owes_hiccup
            && let (Some(end), Some((reader, _))) = (&self.end, &mut self.lanes)
        {
            let options = LaneOptions { hwm: self.options.sndhwm, conflate: false };
            let Ok(fresh) = end.hiccup(options) else { return };
            *reader = fresh;
        }
        self.owes_hiccup = false;
    }

    /// The socket has closed its end.
    pub(in crate::session) fn close(&mut self, cx: &mut Cx<'_>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        if let Some(errno) = self.end.as_ref().and_then(End::refusal) {
            self.tell_refusal(errno, cx.now_ms());
            return cx.finish();
        }
        if let Some(end) = &self.end {
            end.close();
        }
        if let Stage::Connected(connection) = &self.stage {
            // The program receives no more, but that the peer goes is to be noticed.
            connection.with_recv(RecvHalf::stop);
            connection.recall();
        }
        if self.is_refused() || self.connecter.as_ref().is_some_and(Connecter::is_over) {
            return cx.finish();
        }
        // What waits without a connection are subscriptions, of which a peer that comes later has no use.
        let connected = matches!(self.stage, Stage::Connected(_));
        if !connected && self.options.socket_type.sends_subscriptions_alone() {
            return cx.finish();
        }
        if timer::linger(cx, self.owner.linger_ms()) {
            self.send(cx);
        }
    }

    /// The socket drops a peer that subscribes to too much.
    fn tell_refusal(&self, errno: Errno, now_ms: u64) {
        static NOTICE: Notice = Notice::new();
        let limit = self.options.max_subscriptions_size;
        let peer = &self.peer_address;
        let line = format_args!(
            "a peer ({peer}) subscribes to more than {limit} bytes (ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE), or memory is short: it is cut off"
        );
        NOTICE.write(now_ms, line);
        self.tell(event::HANDSHAKE_FAILED_NO_DETAIL, errno.0.unsigned_abs().into());
        if let Stage::Connected(connection) = &self.stage {
            self.tell(event::DISCONNECTED, descriptor_value(connection.raw_fd()));
        }
    }

    /// Whether a peer that has refused us is the one that messages wait for: they do not outlive the socket, or a context whose
    /// client was turned away could never end.
    fn is_refused(&self) -> bool {
        self.connecter.as_ref().is_some_and(Connecter::is_refused)
    }

    /// While there is no connection.
    pub(in crate::session) fn close_if_nothing_is_left(&mut self, cx: &mut Cx<'_>) {
        if self.closing && !self.something_left() {
            cx.finish();
        }
    }

    pub(in crate::session) fn something_left(&mut self) -> bool {
        self.lanes.as_mut().is_some_and(|(reader, _)| reader.check_bytes())
    }
}
