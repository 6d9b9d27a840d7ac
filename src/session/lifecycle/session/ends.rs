//! How a connection ends, and what becomes of its session then.
//!
//! | what has ended | the peer came to us | the program connects to it |
//! |---|---|---|
//! | the stream | the session ends | connects again after a while, unless the socket has closed and nothing lingers |
//! | the handshake, with a refusal | the session ends | as above, or not at all by `ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED` |
//! | the protocol, broken by the peer | the session ends | the session ends when the socket has heard of it |
//! | the pipe, since the socket does not want the peer | the session ends | connects again, with another pipe |
//! | the pipe, since the socket closes or disconnects | sends what lingers, and ends | sends what lingers, also by a later connection |

use super::{Session, Stage};
use crate::errno::Errno;
use crate::options::SocketType;
use crate::pipe;
use crate::reactor::SourceContext;
use crate::session::connection::Connection;
use crate::session::lifecycle::data_phase::DataPhase;
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::session_pipe::last_words;
use crate::session::lifecycle::{linger, timer};
use crate::session::monitor_events::Endpoints;
use crate::session::{Command, SessionHandle};
use std::sync::Arc;

impl Session {
    /// The stream has ended, in any stage.
    pub(super) fn disconnected(&mut self, cx: &mut SourceContext<'_>, reason: Reason) {
        timer::cancel_those_of_a_connection(cx);
        let mut for_good = false;
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::Handshaking(handshaking) => {
                if self.connecter.is_none() && handshaking.is_the_peers_fault(reason) {
                    self.socket.owner.ban_list.failed(&self.peer_address, cx.now_ms());
                }
                self.events.handshake_ended(reason, &handshaking);
                if let Some(connecter) = &mut self.connecter {
                    for_good = connecter.handshake_ended(reason, handshaking.denied);
                }
            }
            Stage::Connected(data_phase) => {
                let connection = data_phase.connection();
                self.events.connection_ended(reason, connection.has_mechanism, connection.raw_fd());
                drop(self.remote.withdraw(&self.socket.owner));
                self.pipe.take_back(connection, last_words(&self.socket.options, self.connecter.is_none()));
                for_good = matches!(reason, Reason::Protocol(_));
            }
            Stage::Waiting | Stage::Connecting(_) => {}
        }
        if for_good {
            return self.end_for_good(cx);
        }
        self.lost(cx);
    }

    /// There will be no further attempt: the socket is told, and ends the session when it has heard of it. So the pipe goes at
    /// the socket's second look. Programs know that from libzmq, where the send that follows a refusal does not fail yet.
    pub(super) fn end_for_good(&mut self, cx: &mut SourceContext<'_>) {
        match &mut self.connecter {
            Some(connecter) if self.pipe.exists() && !self.closing => {
                connecter.end();
                let session = SessionHandle(Arc::clone(&self.remote));
                self.socket.owner.mailbox.send(Command::Over { session, seen: false });
            }
            // Dropping our end of the pipe tells the socket.
            _ => cx.finish(),
        }
    }

    /// Drops the connection, if there is one, and its lanes. The socket's thread may hold its halves, and the lanes are to go
    /// before the pipe's end does.
    pub(super) fn let_go(&mut self) {
        if let Some(connection) = self.remote.withdraw(&self.socket.owner) {
            drop(connection.dismantle());
        }
    }

    /// There is no stream: connects again, or ends.
    pub(super) fn lost(&mut self, cx: &mut SourceContext<'_>) {
        let Some(connecter) = &mut self.connecter else {
            // Dropping our end of the pipe tells the socket.
            return cx.finish();
        };
        let (socket_type, immediate) = (self.socket.options.socket_type, self.socket.options.immediate);
        // What may be left of a subscriber are subscriptions, of which a peer that comes later has no use. With `ZMQ_IMMEDIATE`
        // messages are for this connection alone.
        let lingers = !socket_type.sends_subscriptions_alone() && !immediate && self.pipe.something_left();
        if self.closing && (connecter.is_refused() || !lingers) {
            return cx.finish();
        }
        if immediate {
            // The pipe goes with the connection; the next one brings its own.
            self.pipe.forget();
        }
        // Of a socket that closes the pipe holds messages, too, and nothing would tell the next peer of topics.
        if !self.closing && matches!(socket_type, SocketType::Sub | SocketType::Xsub | SocketType::Dish) {
            self.pipe.owe_hiccup();
            self.pipe.hiccup(self.socket.options.sndhwm);
        }
        connecter.lost();
        self.events.set_endpoints(Endpoints::connecting(connecter.endpoint()));
        self.connect_later(cx);
    }

    /// The socket has closed its end since it does not want the peer. An endpoint of the program's own is connected again, unless it is
    /// `over`: the reason may pass.
    pub(super) fn cut_off(&mut self, cx: &mut SourceContext<'_>, errno: Errno, over: bool) {
        let fd = self.connection().map(Connection::raw_fd);
        let limit = self.socket.options.max_subscriptions_size;
        self.events.cut_off(errno, limit, &self.peer_address, fd);
        let Some(connecter) = self.connecter.as_mut().filter(|_| !over && errno != pipe::DISCONNECTED) else {
            self.closing = true;
            return cx.finish();
        };
        if fd.is_none() {
            // The attempt goes on, and brings a pipe of its own.
            return self.pipe.forget();
        }
        timer::cancel_those_of_a_connection(cx);
        connecter.lost();
        self.events.set_endpoints(Endpoints::connecting(connecter.endpoint()));
        self.stage = Stage::Waiting;
        self.let_go();
        self.pipe.forget();
        self.connect_later(cx);
    }

    /// The socket has closed its end.
    pub(super) fn close(&mut self, cx: &mut SourceContext<'_>) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.pipe.close();
        let connected = if let Stage::Connected(data_phase) = &mut self.stage {
            data_phase.close(cx);
            true
        } else {
            false
        };
        // Messages for a peer that has refused us do not outlive the socket, or a context whose client was turned away could
        // never end.
        if self.connecter.as_ref().is_some_and(|connecter| connecter.is_refused() || connecter.is_over()) {
            return cx.finish();
        }
        // What waits without a connection are subscriptions, of which a peer that comes later has no use.
        if !connected && self.socket.options.socket_type.sends_subscriptions_alone() {
            return cx.finish();
        }
        if !linger::begin(cx, self.socket.owner.linger_ms()) {
            return;
        }
        if connected {
            self.in_data_phase(cx, DataPhase::send);
        } else if self.pipe.something_left() {
            // The wake may have been for a name that was found, or for the authenticator's answer, too.
            cx.again();
        } else {
            cx.finish();
        }
    }
}
