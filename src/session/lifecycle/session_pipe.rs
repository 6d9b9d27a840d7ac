//! A session's end of the pipe to its socket. It outlasts connections: what waits in it is for the next one.

use crate::errno::{Errno, Result};
use crate::message::{Metadata, OutFrame};
use crate::options::SocketOptions;
use crate::options::draft_number::ZMQ_NOTIFY_DISCONNECT;
use crate::pipe::{self, End, LaneOptions, LaneReader, LaneWriter, Pipe};
use crate::session::connection::Connection;
use crate::session::letterbox::Flags;
use crate::session::monitor_events::Endpoints;
use crate::session::remote::SessionRemote;
use crate::session::socket_link::SocketLink;
use std::sync::Arc;

pub struct SessionPipe {
    owner: Arc<SocketLink>,
    /// The socket never reads.
    sends_alone: bool,
    remote: Arc<SessionRemote>,
    /// While no connection has them.
    lanes: Option<(LaneReader, LaneWriter)>,
    /// While there is a pipe. Dropped, it tells the socket, for which the lanes are to be gone.
    end: Option<End>,
    /// There was no memory for the hiccup that is to come before the next attempt.
    owes_hiccup: bool,
    /// Of the connection that has the lanes: its last words have them, too, where it has said nothing else.
    pub properties: Option<Arc<Metadata>>,
}

impl SessionPipe {
    pub fn new(remote: &Arc<SessionRemote>, owner: &Arc<SocketLink>, options: &SocketOptions) -> SessionPipe {
        let (remote, owner) = (Arc::clone(remote), Arc::clone(owner));
        let sends_alone = options.socket_type.sends_alone();
        SessionPipe {
            owner,
            sends_alone,
            remote,
            lanes: None,
            end: None,
            owes_hiccup: false,
            properties: None,
        }
    }

    /// Takes a pipe's end that the socket has made.
    pub fn set(&mut self, pipe: Pipe) {
        self.lanes = Some(self.own(pipe));
    }

    fn own(&mut self, pipe: Pipe) -> (LaneReader, LaneWriter) {
        pipe.set_owner(self.remote.next_end());
        let (reader, writer, end) = pipe.into_parts();
        self.end = Some(end);
        (reader, writer)
    }

    /// The lanes, for a connection. Where there is no pipe they are those of a new one, and its other end comes with them, under
    /// these names. Errors: `ENOMEM`.
    pub fn lanes(
        &mut self,
        options: &SocketOptions,
        endpoints: &Endpoints,
        routing_id: &[u8],
    ) -> Result<(LaneReader, LaneWriter, Option<Pipe>)> {
        if let Some((reader, writer)) = self.lanes.take() {
            return Ok((reader, writer, None));
        }
        let to_socket = LaneOptions { hwm: options.rcvhwm, conflate: options.conflates_in() };
        let from_socket = LaneOptions { hwm: options.sndhwm, conflate: options.conflates_out() };
        let (ours, mut theirs) = pipe::pair(to_socket, from_socket)?;
        theirs.local.clone_from(&endpoints.local);
        theirs.remote.clone_from(&endpoints.remote);
        theirs.routing_id = routing_id.to_vec();
        let (reader, writer) = self.own(ours);
        Ok((reader, writer, Some(theirs)))
    }

    /// Takes the lanes back from a connection that has ended, and puts `last_words` into the one to the socket.
    pub fn take_back<'a>(&mut self, connection: &Connection, last_words: impl Iterator<Item = &'a [u8]>) {
        let mut properties = self.properties.take();
        if let (Some(send), Some(recv)) = connection.dismantle() {
            let mut writer = recv.into_writer();
            for message in last_words {
                if !writer.takes_notice() {
                    break;
                }
                let attached = properties.take().map_or(Ok(()), |of| writer.append_properties(of));
                // Without memory the program does not get them.
                if attached.and_then(|()| writer.append(&mut OutFrame::bytes(message, false))).is_ok() {
                    writer.flush();
                }
            }
            self.lanes = Some((send.into_reader(), writer));
        }
    }

    /// Lets go of the pipe, of which the socket is told. Another one may follow.
    pub fn forget(&mut self) {
        self.remote.forget_pipe();
        self.let_go();
    }

    /// Drops this end. A socket that has not taken its end in hears nothing of that, so its end may be taken back.
    fn let_go(&mut self) {
        self.lanes = None;
        let Some(end) = self.end.take() else { return };
        let is_claimed = end.is_peer_owned();
        drop(end);
        if !is_claimed {
            self.owner.note_unclaimed(self.sends_alone);
        }
    }

    /// Whether there is a pipe.
    pub fn exists(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the socket has sent something that is not in a connection's hands.
    pub fn something_left(&mut self) -> bool {
        self.lanes.as_mut().is_some_and(|(reader, _)| reader.check_bytes())
    }

    /// The session was woken. Where the socket has set other marks, a connection that has the lanes [heeds them](Connection::heed_mark).
    pub fn wake(&mut self, flags: Flags) {
        if flags.has(Flags::MARKS_CHANGED)
            && let Some((reader, _)) = &mut self.lanes
        {
            reader.heed_mark();
        }
    }

    /// Whether the socket has closed its end.
    pub fn is_left(&self) -> bool {
        self.end.as_ref().is_some_and(End::is_peer_closed)
    }

    /// Why the socket drops the peer, if it does.
    pub fn refusal(&self) -> Option<Errno> {
        self.end.as_ref().and_then(End::refusal)
    }

    /// The socket has closed its end.
    pub fn close(&self) {
        if let Some(end) = &self.end {
            end.close();
        }
    }

    /// A subscriber's pipe is to begin anew before the next attempt to connect: what waits in it are subscriptions, and the
    /// socket tells the next peer of all.
    pub fn owe_hiccup(&mut self) {
        self.owes_hiccup = true;
    }

    /// Makes a hiccup that is owed. `false`: there was no memory for it, and the attempt to connect is to wait too.
    pub fn hiccup(&mut self, hwm: i32) -> bool {
        if self.owes_hiccup
            && let (Some(end), Some((reader, _))) = (&self.end, &mut self.lanes)
        {
            let Ok(fresh) = end.hiccup(LaneOptions { hwm, conflate: false }) else { return false };
            *reader = fresh;
        }
        self.owes_hiccup = false;
        true
    }
}

impl Drop for SessionPipe {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// The messages that the program receives when a connection has ended. `accepted`: the peer had come to us.
pub fn last_words(options: &SocketOptions, accepted: bool) -> impl Iterator<Item = &[u8]> {
    let notifies = if options.raw_socket {
        options.raw_notify
    } else {
        options.router_notify & ZMQ_NOTIFY_DISCONNECT != 0
    };
    let farewell = if accepted { options.disconnect() } else { options.hiccup() };
    notifies.then_some(&b""[..]).into_iter().chain(farewell)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::counters::SocketRecord;
    use crate::options::SocketType;

    #[test]
    fn another_mark_is_heeded_between_two_connections() {
        let options = LaneOptions { hwm: 1000, conflate: false };
        let (mut socket, session) = pipe::pair(options, options).unwrap();
        let remote = Arc::new(SessionRemote::default());
        let owner = Arc::new(SocketLink::new(0, SocketRecord::default()));
        let mut pipe = SessionPipe::new(&remote, &owner, &SocketOptions::new(SocketType::Pull));
        pipe.set(session);
        for _ in 0..3 {
            assert!(socket.write(&mut OutFrame::bytes(b"x", false)).unwrap());
            socket.flush();
            assert!(pipe.lanes.as_mut().unwrap().0.read().is_some());
        }
        assert_eq!(socket.granted(), 0, "half of the mark is not read");
        socket.set_hwms(2, 0);
        pipe.wake(remote.letterbox.take().flags);
        assert_eq!(socket.granted(), 3);
    }
}
