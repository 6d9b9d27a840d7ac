//! State that a socket and its sessions and listeners share.

use crate::counters::SocketRecord;
use crate::ctx::Mailbox;
use crate::pipe::{Notify, Pipe, PipeEvent, PipeId};
use crate::session::SessionHandle;
use crate::session::connection::send_rate::SendRate;
use crate::session::connections::Connections;
use crate::session::lifecycle::ban_list::BanList;
use crate::session::lifecycle::turned_away::TurnedAway;
use crate::session::monitor_events::Monitor;
use crate::session::unclaimed::Unclaimed;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Commands of other threads to a socket.
pub enum Command {
    /// Something happened on the other end of one of its pipes.
    Pipe(PipeId, PipeEvent),
    /// A pipe for the socket, from a session whose handshake is over or from an inproc peer.
    Bind(Box<Pipe>),
    /// A session that connects has given up for good: its endpoint is to be forgotten. Its pipe closes by itself, once what has come
    /// by it has been read.
    Gone(SessionHandle),
    /// A session has no connection and will have none: it is to be ended, once the socket has `seen` this.
    Over { session: SessionHandle, seen: bool },
}

impl Command {
    /// The pipe that it hands over.
    fn pipe(&mut self) -> Option<&mut Pipe> {
        match self {
            Command::Bind(pipe) => Some(pipe),
            Command::Pipe(..) | Command::Gone(_) | Command::Over { .. } => None,
        }
    }
}

/// The socket as its sessions and listeners see it.
pub struct SocketLink {
    pub mailbox: Arc<Mailbox<Command>>,
    /// What the socket counts.
    pub record: SocketRecord,
    pub monitor: Monitor,
    /// Where threads that wait for the socket may look for themselves.
    pub connections: Connections,
    pub ban_list: BanList,
    pub turned_away: TurnedAway,
    pub fallbacks: Fallbacks,
    unclaimed: Unclaimed,
    pub send_rate: Arc<SendRate>,
    /// `ZMQ_LINGER` in milliseconds, as it is now. The socket writes it, sessions read it when their pipe is closed,
    /// which the mailbox's or the pipe's own edges order; so Relaxed.
    linger_ms: AtomicI32,
}

impl SocketLink {
    pub fn new(linger_ms: i32, record: SocketRecord) -> SocketLink {
        SocketLink {
            mailbox: Arc::new(Mailbox::new()),
            record,
            monitor: Monitor::default(),
            connections: Connections::default(),
            ban_list: BanList::default(),
            turned_away: TurnedAway::default(),
            fallbacks: Fallbacks::default(),
            unclaimed: Unclaimed::default(),
            send_rate: Arc::default(),
            linger_ms: AtomicI32::new(linger_ms),
        }
    }

    /// See [`Unclaimed::note`].
    pub fn note_unclaimed(&self, never_reads: bool) {
        self.unclaimed.note(&self.mailbox, never_reads, Command::pipe);
    }

    /// See [`Unclaimed::are_many`].
    pub fn has_many_unclaimed(&self) -> bool {
        self.unclaimed.are_many(&self.mailbox)
    }

    pub fn linger_ms(&self) -> i32 {
        self.linger_ms.load(Ordering::Relaxed)
    }

    pub fn set_linger_ms(&self, linger_ms: i32) {
        self.linger_ms.store(linger_ms, Ordering::Relaxed);
    }
}

/// Whether a socket has let a peer in on less than it should ask of one.
#[derive(Default)]
pub struct Fallbacks {
    /// Any I/O thread sets and reads it. It orders nothing; so Relaxed.
    some: AtomicBool,
}

impl Fallbacks {
    /// Notes one. `true`: it is the socket's first.
    pub fn is_first(&self) -> bool {
        !self.some.swap(true, Ordering::Relaxed)
    }
}

impl crate::ctx::Stop for SocketLink {
    fn stop(&self) {
        self.mailbox.stop();
    }
}

/// The owner of a pipe's end that a socket holds.
pub struct SocketEnd {
    pub owner: Arc<SocketLink>,
    pub id: PipeId,
}

impl SocketEnd {
    /// The lane of one that the socket has not heard of yet is not read any more. A program that makes no call would be left one for each time
    /// that its peer comes and goes.
    #[cold]
    #[inline(never)]
    fn tell_of_hiccup(&self, event: PipeEvent) {
        let is_void = |command: &mut Command| matches!(command, Command::Pipe(id, PipeEvent::Hiccup(_)) if *id == self.id);
        drop(self.owner.mailbox.take_back(is_void));
        self.owner.mailbox.send(Command::Pipe(self.id, event));
    }
}

impl Notify for SocketEnd {
    fn notify(&self, event: PipeEvent) {
        if matches!(event, PipeEvent::Hiccup(_)) {
            return self.tell_of_hiccup(event);
        }
        self.owner.mailbox.send(Command::Pipe(self.id, event));
    }
}
