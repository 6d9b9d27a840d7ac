//! The socket behind a handle.

use super::endpoint_list::EndpointList;
use super::inproc_peers::Names;
use super::keys::Keys;
use super::own_security::OwnSecurity;
use crate::counters::{Reason, SocketRecord};
use crate::ctx::{Context, Mailbox, SocketTicket};
use crate::engine::zmtp::socket_type;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::{SocketOptions, SocketType};
use crate::pattern::{Origin, Pattern};
use crate::pipe::{Pipe, PipeEvent, PipeId, Pipes};
use crate::session::{Command, Endpoints, SocketEnd, SocketLink, event};
use crate::sys::retry::Patience;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Pipes, one pattern, a mailbox, and endpoints. Only ever touched under its handle's lock.
pub struct Socket {
    pub(super) options: SocketOptions,
    /// The same, as sessions and listeners have them; `None` once one has changed.
    pub(super) shared_options: Option<Arc<SocketOptions>>,
    pub(super) pattern: Pattern,
    pub(super) pipes: Pipes,
    pub(super) link: Arc<SocketLink>,
    /// That of `link`, at hand for each call.
    pub(super) mailbox: Arc<Mailbox<Command>>,
    pub(super) endpoints: EndpointList,
    /// `ZMQ_LAST_ENDPOINT`.
    pub(super) last_endpoint: String,
    /// `ZMQ_RCVMORE`.
    pub(super) rcvmore: bool,
    pub(super) names: Arc<Names>,
    pub(super) keys: Keys,
    pub(super) own_security: OwnSecurity,
    /// Emptied and filled again by [`process`](Socket::process), so that it need not allocate.
    commands: Vec<Command>,
    /// Commands that earlier calls have not come to.
    late: VecDeque<Command>,
    /// Calls in a row that have left work undone for want of memory.
    shortage: Patience,
    /// The pause that the caller is to make for it, once it has released the socket's lock.
    shortage_rest: Duration,
    /// A call of the program has said `ETERM`.
    has_heard_of_end: bool,
    /// Last: once it is dropped the context may end.
    pub(super) ticket: SocketTicket,
}

/// Commands that one call obeys at most: some milliseconds' worth. Peers that come and go while the program calls nothing leave
/// any number of them. A publisher is to know of its subscribers before it sends, so this is not less.
const MAX_COMMANDS: usize = 10_000;
/// The longest pause before work is tried again that there was no memory for.
const MAX_SHORTAGE_REST: Duration = Duration::from_millis(2);

impl Socket {
    pub fn new(context: &Context, socket_type: SocketType) -> Result<Socket> {
        let options = context.options().socket_options(socket_type);
        let record = SocketRecord::of(context.record(), socket_type::name(socket_type));
        let link = Arc::new(SocketLink::new(options.linger_ms, record.clone()));
        let stop: Weak<SocketLink> = Arc::downgrade(&link);
        let ticket = context.register_socket(stop)?;
        let names = context.extension::<Names>().ok_or(Errno::INVAL)?;
        Ok(Socket {
            pattern: Pattern::new(socket_type, &options),
            options,
            shared_options: None,
            pipes: Pipes::of(record),
            mailbox: Arc::clone(&link.mailbox),
            link,
            endpoints: EndpointList::default(),
            last_endpoint: String::new(),
            rcvmore: false,
            names,
            keys: Keys::default(),
            own_security: OwnSecurity::default(),
            commands: Vec::new(),
            late: VecDeque::new(),
            shortage: Patience::default(),
            shortage_rest: Duration::ZERO,
            has_heard_of_end: false,
            ticket,
        })
    }

    pub(super) fn context(&self) -> Context {
        self.ticket.context()
    }

    /// Errors: `ETERM` once a call that asks for events, sends or receives has said so. Until then options count, as with libzmq: a thread
    /// that sets `ZMQ_LINGER` to 0 and closes its socket while another ends the context must not wait for ever.
    pub fn alive(&self) -> Result<()> {
        if self.has_heard_of_end { Err(Errno::TERM) } else { Ok(()) }
    }

    /// Does what other threads asked for. Cheap when there is nothing. Errors: `ETERM`.
    #[inline(always)]
    pub fn process(&mut self) -> Result<()> {
        if self.mailbox.state().is_quiet() {
            return Ok(());
        }
        self.process_commands(MAX_COMMANDS, 0).inspect_err(|_| self.has_heard_of_end = true)
    }

    /// As [`process`](Socket::process), for a call that says nothing of a stop.
    pub fn look(&mut self) {
        if !self.mailbox.state().is_quiet() {
            let _ = self.process_commands(MAX_COMMANDS, 0);
        }
    }

    /// As [`process`](Socket::process), on a thread that has other sockets to look after: it obeys this many commands at most, and each is a
    /// unit of the budget.
    pub fn process_some(&mut self, most: usize) -> Result<()> {
        self.process_commands(most, 1)
    }

    #[cold]
    fn process_commands(&mut self, most: usize, units_each: u32) -> Result<()> {
        let mut commands = std::mem::take(&mut self.commands);
        self.link.mailbox.take(&mut commands);
        self.obey_all(&mut commands, most, units_each);
        self.commands = commands;
        self.pipes.budget.take_undone();
        self.pattern.go_on(&mut self.pipes);
        while self.pipes.any_closed() {
            self.drop_them();
            self.pattern.go_on(&mut self.pipes);
        }
        if !self.late.is_empty() {
            self.pipes.budget.leave_undone();
        }
        self.note_shortage();
        self.drop_closed();
        if self.link.mailbox.stopped() { Err(Errno::TERM) } else { Ok(()) }
    }

    /// Work that is left undone wakes the waiting thread at once. While memory is short that thread would try again without a pause.
    fn note_shortage(&mut self) {
        if self.pipes.budget.take_short_of_memory() {
            self.shortage_rest = self.shortage.refuse().min(MAX_SHORTAGE_REST);
        } else {
            self.shortage.reset();
        }
    }

    /// The pause that a caller which comes back by itself is to make without the socket's lock.
    #[inline]
    pub fn take_shortage_rest(&mut self) -> Duration {
        std::mem::take(&mut self.shortage_rest)
    }

    /// Obeys this many commands at most, in the order in which they came.
    fn obey_all(&mut self, commands: &mut Vec<Command>, most: usize, units_each: u32) {
        if self.late.is_empty() && commands.len() <= most && units_each == 0 {
            commands.drain(..).for_each(|command| self.obey(command));
            return;
        }
        self.late.extend(commands.drain(..));
        for _ in 0..most {
            let Some(command) = self.late.pop_front() else { break };
            self.pipes.budget.spend(units_each);
            self.obey(command);
        }
    }

    /// A message without a subscriber is dropped: a subscription that has come before it was sent must be heard first.
    #[inline(always)]
    pub fn receive_subscriptions(&self) {
        if matches!(self.pattern, Pattern::Pub(_) | Pattern::Xpub(_)) {
            self.link.connections.receive_pending();
        }
    }

    /// Whether a sender may be held up for a moment. Not by a subscriber, and not on thread-safe sockets: a connection whose
    /// flush one thread owns would leave the other threads waiting.
    pub fn may_drain_blocking(&self) -> bool {
        use SocketType::{Pub, Xpub};
        let socket_type = self.options.socket_type;
        !matches!(socket_type, Pub | Xpub) && !socket_type.is_thread_safe()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Pipe(id, _) if !self.pipes.contains(id) => {}
            Command::Pipe(id, PipeEvent::Readable) => self.pattern.read_activated(&mut self.pipes, id),
            Command::Pipe(id, PipeEvent::Writable) => self.pattern.write_activated(&mut self.pipes, id),
            Command::Pipe(id, PipeEvent::PeerClosed) => self.peer_closed(id),
            Command::Pipe(id, PipeEvent::MarksChanged) => self.pipes.heed_peer(id),
            Command::Pipe(id, PipeEvent::Hiccup(writer)) => {
                self.pipes.replace_writer(id, *writer);
                self.pattern.hiccuped(&mut self.pipes, id);
            }
            Command::Bind(pipe) if pipe.is_void() => {}
            Command::Bind(pipe) => {
                let origin = if pipe.is_of_connect { Origin::Reconnected } else { Origin::Accepted };
                self.take_in(*pipe, origin);
            }
            Command::Gone(session) => self.endpoints.forget_session(&session),
            Command::Over { session, seen: true } => session.terminate(self.options.linger_ms),
            // The call that first hears of it must not show it: the session ends at the next look.
            Command::Over { session, seen: false } => {
                self.link.mailbox.send(Command::Over { session, seen: true });
            }
        }
    }

    /// Takes a pipe in that another thread has made. Where there is no memory for it the peer is turned away, and may come again.
    pub(super) fn take_in(&mut self, pipe: Pipe, origin: Origin) {
        if self.pipes.make_room().is_err() {
            return pipe.refuse(Errno::NOMEM);
        }
        self.attach(pipe, origin);
    }

    /// Takes a pipe in for which there is room.
    pub(super) fn attach(&mut self, pipe: Pipe, origin: Origin) -> PipeId {
        let id = self.pipes.insert(pipe);
        let end = SocketEnd { owner: Arc::clone(&self.link), id };
        if let Some(pipe) = self.pipes.pipe(id) {
            pipe.set_owner(Arc::new(end));
        }
        // The peer may have set other marks before this end had an owner to tell. A limit may be known by then, from a first message.
        self.pipes.heed_peer(id);
        self.pattern.attach(&mut self.pipes, id, origin);
        // The peer may have closed before this end had an owner to tell.
        if self.pipes.pipe(id).is_some_and(|pipe| pipe.is_peer_closed()) {
            self.peer_closed(id);
        }
        id
    }

    /// The other end of a pipe is closed. Its messages are still read, unless the pattern never reads from it, or they are void. Of those
    /// the program gets what it has begun to take, or was told of.
    fn peer_closed(&mut self, id: PipeId) {
        self.pipes.heed_peer(id);
        if self.pipes.pipe(id).is_some_and(|pipe| pipe.is_void()) && !self.pattern.is_promised(id) {
            return self.pipes.terminate(id);
        }
        self.pattern.peer_closed(&mut self.pipes, id);
    }

    /// Lets go of pipes that have closed, and has work that was left undone resumed: a waiting thread looks again, and `ZMQ_FD`
    /// becomes readable.
    #[inline(always)]
    pub(super) fn drop_closed(&mut self) {
        if self.pipes.is_unsettled() {
            self.settle();
        }
    }

    #[cold]
    fn settle(&mut self) {
        self.drop_them();
        if self.pipes.budget.take_undone() {
            self.link.mailbox.touch();
        }
    }

    fn drop_them(&mut self) {
        while self.pipes.any_closed() {
            for id in self.pipes.take_closed() {
                self.pattern.terminated(&mut self.pipes, id);
                self.endpoints.pipe_closed(id);
                self.pipes.remove(id);
            }
        }
    }

    /// Sends a frame now. Errors: those of [`Pattern::send`], with nothing taken.
    #[inline(always)]
    pub fn try_send(&mut self, frame: &mut OutFrame<'_>) -> Result<()> {
        let outcome = self.pattern.send(&mut self.pipes, frame);
        self.drop_closed();
        outcome
    }

    /// Receives a frame now and gives it to `take`. Errors: `EAGAIN`, with `take` given back, and the pattern's own.
    ///
    /// The frame stays where the pattern has put it: to move it would mean to read back in other pieces what was written just
    /// now, for which a processor has to wait.
    #[inline(always)]
    pub fn try_recv<R, F: FnOnce(&mut Frame<'_>) -> Result<R>>(&mut self, take: &mut Option<F>) -> Result<R> {
        let outcome = match &mut self.pattern.recv(&mut self.pipes) {
            Ok(frame) => {
                self.rcvmore = frame.more();
                take.take().map_or(Err(Errno::INVAL), |take| take(frame))
            }
            Err(errno) => Err(*errno),
        };
        self.drop_closed();
        outcome
    }

    /// Whether a message can be sent now.
    #[inline]
    pub fn has_out(&mut self) -> bool {
        let writable = self.pattern.has_out(&mut self.pipes);
        self.drop_closed();
        writable
    }

    /// Joins a group, or leaves it.
    pub fn join(&mut self, join: bool, group: &[u8]) -> Result<()> {
        let outcome = self.pattern.join(&mut self.pipes, join, group);
        self.drop_closed();
        outcome
    }

    /// Ends the connection to one peer.
    pub fn disconnect_peer(&mut self, routing_id: u32) -> Result<()> {
        let outcome = self.pattern.disconnect_peer(&mut self.pipes, routing_id);
        self.drop_closed();
        outcome
    }

    /// Ends the connection to the peer with this routing id. What it has sent is still received. Errors: those of
    /// [`Pattern::find_peer`].
    pub fn disconnect_peer_by_id(&mut self, routing_id: &[u8]) -> Result<()> {
        let pipe = self.pattern.find_peer(&self.pipes, routing_id)?;
        self.pipes.disconnect(pipe);
        self.drop_closed();
        Ok(())
    }

    /// Has the monitor told how full each pipe is. Errors: `EINVAL` if it does not want to know, `EAGAIN` if there is no
    /// pipe.
    pub fn report_pipes(&mut self) -> Result<()> {
        if !self.link.monitor.wants(event::PIPES_STATS) {
            return Err(Errno::INVAL);
        }
        if self.pipes.is_empty() {
            return Err(Errno::AGAIN);
        }
        for id in self.pipes.ids() {
            let Some(pipe) = self.pipes.pipe(id) else { continue };
            let (outbound, inbound) = pipe.queued();
            let endpoints = Endpoints {
                local: pipe.local.clone(),
                remote: pipe.remote.clone(),
                bound: !pipe.local.is_empty(),
            };
            self.link.monitor.tell_all(event::PIPES_STATS, &[outbound, inbound], &endpoints);
        }
        Ok(())
    }

    /// Whether frames can be received and sent now, as `ZMQ_POLLIN` and `ZMQ_POLLOUT`.
    pub fn readiness(&mut self) -> i32 {
        let readable = self.pattern.has_in(&mut self.pipes);
        let writable = self.pattern.has_out(&mut self.pipes);
        self.drop_closed();
        (i32::from(readable) * super::POLLIN) | (i32::from(writable) * super::POLLOUT)
    }

    /// Ends everything but what lingers on I/O threads.
    pub fn close(mut self) {
        self.link.set_linger_ms(self.options.linger_ms);
        self.endpoints.terminate_all(self.options.linger_ms);
        for id in self.pipes.ids() {
            if let Some(pipe) = self.pipes.pipe(id) {
                pipe.bid_farewell();
                if self.options.linger_ms >= 0 {
                    pipe.lose_by(Reason::LingerOver);
                }
            }
        }
        // Closes every end: peers and sessions are told.
        self.pipes = Pipes::of(self.link.record.clone());
        self.names.leave(self.ticket.id());
        self.link.monitor.close();
        drop(self.link.mailbox.close());
    }
}
