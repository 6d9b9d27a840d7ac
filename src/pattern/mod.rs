//! The behaviour of each socket type towards its pipes.
//!
//! A pattern knows pipes by their ids and nothing of descriptors, mailboxes or waiting: every operation is done at
//! once or answers `EAGAIN`. The socket tells it what happens to the pipes and calls again when something has.
//!
//! Frames that the program never sees are handled as far as the [`Budget`](crate::pipe::Budget) of a call goes. So each loop over
//! them asks the budget first, and leaves the rest in the pipe.
//!
//! Semantics: RFC 28 (REQ, REP, DEALER, ROUTER), RFC 29 (PUB, SUB, XPUB, XSUB), RFC 30 (PUSH, PULL), RFC 31 (PAIR), RFC 41
//! (CLIENT, SERVER); RFC 48 (RADIO, DISH), RFC 49 (SCATTER, GATHER), RFC 52 (CHANNEL), RFC 51 (PEER), zmq_socket(3),
//! zmq_setsockopt(3).

#![forbid(unsafe_code)]

mod backlog;
mod channel;
mod client;
mod gather;
mod subscription_sizes;
mod scatter;
mod server;
mod dealer;
mod dgram;
mod dish;
mod distribution;
mod fair_queue;
mod last_values;
mod load_balance;
mod no_drop;
mod pair;
mod pending_announcements;
mod pipe_array;
mod pub_;
mod pull;
mod push;
mod radio;
mod rep;
mod req;
mod router;
mod routes;
mod single_peer;
mod stream;
mod sub;
mod subscribers;
mod subscriptions;
pub mod topic_tree;
mod turn;
mod xpub;
mod xpub_notifications;
mod xsub;

#[cfg(test)]
mod conservation_tests;
#[cfg(test)]
mod flood_tests;
#[cfg(test)]
mod mark_tests;
#[cfg(test)]
mod share_tests;
#[cfg(test)]
mod testing;

use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{PipeId, Pipes};
use channel::Channel;
use client::Client;
use dealer::Dealer;
use dgram::Dgram;
use dish::Dish;
use fair_queue::FairQueue;
use gather::Gather;
use load_balance::LoadBalancer;
use pair::Pair;
use pub_::Pub;
use pull::Pull;
use push::Push;
use radio::Radio;
use rep::Rep;
use req::Req;
use router::Router;
use scatter::Scatter;
use server::Server;
use stream::Stream;
use sub::Sub;
use xpub::Xpub;
use xsub::Xsub;

pub use xsub::Filter;

/// The pattern of a socket.
// With a tag of its own, and those types first that have ways in or out which nearly every call asks for: `inline_out` compares the tag with
// one number, `inline_queue` with two. The ways lie at the same place in each: `out` first, `queue` behind it or as much room.
#[repr(u8)]
pub enum Pattern {
    Push(Push),
    Dealer(Dealer),
    Pair(Pair),
    Pull(Pull),
    Xsub(Xsub),
    Pub(Box<Pub>),
    Sub(Sub),
    Req(Req),
    Rep(Rep),
    Router(Router),
    Xpub(Box<Xpub>),
    Stream(Stream),
    Dgram(Dgram),
    Radio(Radio),
    Dish(Dish),
    /// PEER, too.
    Server(Server),
    Client(Client),
    Scatter(Scatter),
    Gather(Gather),
    Channel(Channel),
}

/// Room for what others have there. It is never read.
type Room<T> = std::mem::MaybeUninit<T>;

/// How a pipe has come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By `zmq_connect` on this socket, for which `ZMQ_CONNECT_ROUTING_ID` is meant.
    Connected,
    /// By `zmq_bind` on this socket, to an inproc name for which the peer has waited.
    Awaited,
    /// By a connection that an earlier `zmq_connect` on this socket has led to (`ZMQ_IMMEDIATE`).
    Reconnected,
    /// A peer has connected to this socket.
    Accepted,
    /// By datagrams: the peer cannot subscribe, so it gets everything.
    Datagrams,
}

impl Origin {
    /// Whether the caller's own `zmq_connect` or `zmq_bind` has made the pipe.
    pub fn is_asked_for(self) -> bool {
        !matches!(self, Origin::Accepted | Origin::Reconnected)
    }
}

/// The behaviour of a socket type; a function that it leaves out does nothing, or is refused.
trait Behaviour {
    /// See [`Pattern::attach`].
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin);

    /// As [`attach`](Behaviour::attach), by `zmq_connect`, for a pipe from which nothing is to be read before the others, which
    /// have closed, are empty.
    fn attach_last(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.attach(pipes, pipe, Origin::Connected);
    }

    /// See [`Pattern::send`].
    fn send(&mut self, _pipes: &mut Pipes, _frame: &mut OutFrame<'_>) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// See [`Pattern::recv`].
    fn recv<'p>(&mut self, _pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        Err(Errno::NOTSUP)
    }

    /// See [`Pattern::has_in`].
    fn has_in(&mut self, _pipes: &mut Pipes) -> bool {
        false
    }

    /// See [`Pattern::has_out`].
    fn has_out(&mut self, _pipes: &mut Pipes) -> bool {
        false
    }

    /// See [`Pattern::only_source`].
    fn only_source(&self) -> Option<PipeId> {
        None
    }

    /// See [`Pattern::only_sink`].
    fn only_sink(&self) -> Option<PipeId> {
        None
    }

    /// See [`Pattern::read_activated`].
    fn read_activated(&mut self, _pipes: &mut Pipes, _pipe: PipeId) {}

    /// See [`Pattern::write_activated`].
    fn write_activated(&mut self, _pipes: &mut Pipes, _pipe: PipeId) {}

    /// See [`Pattern::hiccuped`].
    fn hiccuped(&mut self, _pipes: &mut Pipes, _pipe: PipeId) {}

    /// See [`Pattern::go_on`].
    fn go_on(&mut self, _pipes: &mut Pipes) {}

    /// See [`Pattern::peer_closed`].
    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.read_activated(pipes, pipe);
        // Finds out whether anything is left to read; if not, the pipe is put among the closed ones.
        pipes.check_read(pipe);
    }

    /// See [`Pattern::is_promised`].
    fn is_promised(&self, _pipe: PipeId) -> bool {
        true
    }

    /// See [`Pattern::terminated`].
    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId);

    /// See [`Pattern::set_option`].
    fn set_option(
        &mut self,
        _pipes: &mut Pipes,
        _options: &mut SocketOptions,
        _option: i32,
        _value: &[u8],
    ) -> Option<Result<()>> {
        None
    }

    /// See [`Pattern::option`].
    fn option(&self, _option: i32, _out: &mut [u8]) -> Option<Result<usize>> {
        None
    }

    /// See [`Pattern::join`].
    fn join(&mut self, _pipes: &mut Pipes, _join: bool, _group: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// See [`Pattern::routing_id`].
    fn routing_id(&self, _pipe: PipeId) -> Option<u32> {
        None
    }

    /// See [`Pattern::disconnect_peer`].
    fn disconnect_peer(&mut self, _pipes: &mut Pipes, _routing_id: u32) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// See [`Pattern::find_peer`].
    fn find_peer(&self, _pipes: &Pipes, _routing_id: &[u8]) -> Result<PipeId> {
        Err(Errno::NOTSUP)
    }

    /// See [`Pattern::take_connect_id`].
    fn take_connect_id(&mut self, _pipes: &Pipes) -> Option<Vec<u8>> {
        None
    }

    /// See [`Pattern::can_reach`].
    fn can_reach(&self, _pipes: &Pipes, _routing_id: &[u8]) -> Result<bool> {
        Err(Errno::NOTSUP)
    }
}

/// The same expression for each pattern.
macro_rules! each {
    ($pattern:expr, $name:ident => $call:expr) => {
        match $pattern {
            Pattern::Pair($name) => $call,
            Pattern::Pub($name) => $call,
            Pattern::Sub($name) => $call,
            Pattern::Req($name) => $call,
            Pattern::Rep($name) => $call,
            Pattern::Dealer($name) => $call,
            Pattern::Router($name) => $call,
            Pattern::Pull($name) => $call,
            Pattern::Push($name) => $call,
            Pattern::Xpub($name) => $call,
            Pattern::Xsub($name) => $call,
            Pattern::Stream($name) => $call,
            Pattern::Dgram($name) => $call,
            Pattern::Radio($name) => $call,
            Pattern::Dish($name) => $call,
            Pattern::Server($name) => $call,
            Pattern::Client($name) => $call,
            Pattern::Scatter($name) => $call,
            Pattern::Gather($name) => $call,
            Pattern::Channel($name) => $call,
        }
    };
}

impl Pattern {
    /// The pattern of a new socket.
    pub fn new(socket_type: SocketType, options: &SocketOptions) -> Pattern {
        match socket_type {
            SocketType::Pair => Pattern::Pair(Pair::default()),
            SocketType::Pub => Pattern::Pub(Box::new(Pub::new(options))),
            SocketType::Sub => Pattern::Sub(Sub::new(options)),
            SocketType::Req => Pattern::Req(Req::new()),
            SocketType::Rep => Pattern::Rep(Rep::new()),
            SocketType::Dealer => Pattern::Dealer(Dealer::default()),
            SocketType::Router => Pattern::Router(Router::new()),
            SocketType::Pull => Pattern::Pull(Pull::default()),
            SocketType::Push => Pattern::Push(Push::default()),
            SocketType::Xpub => Pattern::Xpub(Box::new(Xpub::new(options))),
            SocketType::Xsub => Pattern::Xsub(Xsub::new(options)),
            SocketType::Stream => Pattern::Stream(Stream::new()),
            SocketType::Dgram => Pattern::Dgram(Dgram::default()),
            SocketType::Radio => Pattern::Radio(Radio::new(options)),
            SocketType::Dish => Pattern::Dish(Dish::default()),
            SocketType::Server | SocketType::Peer => Pattern::Server(Server::new()),
            SocketType::Client => Pattern::Client(Client::default()),
            SocketType::Scatter => Pattern::Scatter(Scatter::default()),
            SocketType::Gather => Pattern::Gather(Gather::default()),
            SocketType::Channel => Pattern::Channel(Channel::default()),
        }
    }

    /// A pipe has joined the socket.
    pub fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        each!(self, pattern => pattern.attach(pipes, pipe, origin));
    }

    /// Sends one frame of a message. A message whose peer goes in the middle of it is dropped whole, without an error. Errors, with
    /// nothing taken: `EAGAIN` where it has to wait, of a first frame; `EFSM`; `EHOSTUNREACH`; `ENOTSUP` where the type does not
    /// send; `ENOMEM`.
    #[inline]
    pub fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        each!(self, pattern => pattern.send(pipes, frame))
    }

    /// Takes the next frame; all frames of a message come one after the other. Errors: `EAGAIN` if there is none;
    /// `EFSM`; `ENOTSUP` where the type does not receive; `ENOMEM`.
    #[inline]
    pub fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        each!(self, pattern => pattern.recv(pipes))
    }

    /// Whether [`recv`](Pattern::recv) would give a frame. `false`: a pipe will say when that may have changed.
    pub fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        each!(self, pattern => pattern.has_in(pipes))
    }

    /// Whether [`send`](Pattern::send) would take a frame. `false`: a pipe will say when that may have changed.
    pub fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        each!(self, pattern => pattern.has_out(pipes))
    }

    /// The pipe that the next message comes from, and all after it for as long as no other pipe is said to be
    /// readable; messages may be taken from it as they lie, without [`recv`](Pattern::recv). `None`: ask for each.
    pub fn only_source(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.only_source())
    }

    /// The pipe that the next message goes to, and all after it while the pipe has credit and no other pipe becomes writable.
    /// Whole messages may be written to it as they are, without [`send`](Pattern::send). `None`: ask for each.
    pub fn only_sink(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.only_sink())
    }

    /// Where [`recv`](Pattern::recv) does no more than to take a frame of the queue's.
    #[inline(always)]
    pub fn inline_queue(&mut self) -> Option<&mut FairQueue> {
        match self {
            Pattern::Pull(pull) => Some(&mut pull.queue),
            Pattern::Dealer(dealer) => Some(&mut dealer.queue),
            Pattern::Pair(pair) => Some(&mut pair.pattern.queue),
            Pattern::Xsub(xsub) => Some(&mut xsub.queue),
            _ => None,
        }
    }

    /// Where it does no more than that for messages that pass the filter; `None` also while one that does not is dropped.
    #[inline(always)]
    pub fn filtered_queue(&mut self) -> Option<(&mut FairQueue, Filter<'_>)> {
        match self {
            Pattern::Sub(sub) => sub.xsub.filtered_queue(),
            _ => None,
        }
    }

    /// Where [`send`](Pattern::send) does no more than to give the frame to the balancer.
    #[inline(always)]
    pub fn inline_out(&mut self) -> Option<&mut LoadBalancer> {
        match self {
            Pattern::Push(push) => Some(&mut push.out),
            Pattern::Dealer(dealer) => Some(&mut dealer.out),
            Pattern::Pair(pair) => Some(&mut pair.pattern.out),
            _ => None,
        }
    }

    /// `PipeEvent::Readable`.
    pub fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        each!(self, pattern => pattern.read_activated(pipes, pipe));
    }

    /// `PipeEvent::Writable`.
    pub fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        each!(self, pattern => pattern.write_activated(pipes, pipe));
    }

    /// Does what earlier calls have left undone, as far as the budget goes. To be called after what happened to the pipes was
    /// said, and again when pipes have been let go of.
    pub fn go_on(&mut self, pipes: &mut Pipes) {
        each!(self, pattern => pattern.go_on(pipes));
    }

    /// `PipeEvent::Hiccup`, after the pipe's writer has been replaced.
    pub fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        each!(self, pattern => pattern.hiccuped(pipes, pipe));
    }

    /// `PipeEvent::PeerClosed`. The pipe is put among the closed ones of `pipes`, now or when all that the peer wrote
    /// has been read.
    pub fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        each!(self, pattern => pattern.peer_closed(pipes, pipe));
    }

    /// Whether the program counts on the next message of the pipe: a frame of it was taken, or it was announced. A type that answers no
    /// authenticator's questions need not know.
    pub fn is_promised(&self, pipe: PipeId) -> bool {
        each!(self, pattern => pattern.is_promised(pipe))
    }

    /// The pipe is closed and will be taken out of `pipes` after this call.
    pub fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        each!(self, pattern => pattern.terminated(pipes, pipe));
    }

    /// `zmq_setsockopt` for this type's own options; `None`: the option is another's.
    pub fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        each!(self, pattern => pattern.set_option(pipes, options, option, value))
    }

    /// `zmq_getsockopt` for this type's own options; `None`: the option is another's. Answers how many bytes of `out` the value
    /// takes.
    pub fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        each!(self, pattern => pattern.option(option, out))
    }

    /// `zmq_join`, or `zmq_leave`. Errors: `EINVAL` for a group that is joined already, or not, or longer than
    /// `ZMQ_GROUP_MAX_LENGTH`; `ENOTSUP` for a type that has no groups; `ENOMEM`.
    pub fn join(&mut self, pipes: &mut Pipes, join: bool, group: &[u8]) -> Result<()> {
        each!(self, pattern => pattern.join(pipes, join, group))
    }

    /// The routing id that messages of the pipe's peer carry (SERVER, PEER).
    pub fn routing_id(&self, pipe: PipeId) -> Option<u32> {
        each!(self, pattern => pattern.routing_id(pipe))
    }

    /// `zmq_disconnect_peer`. Errors: `EHOSTUNREACH` for an unknown peer; `ENOTSUP` for a type without such peers.
    pub fn disconnect_peer(&mut self, pipes: &mut Pipes, routing_id: u32) -> Result<()> {
        each!(self, pattern => pattern.disconnect_peer(pipes, routing_id))
    }

    /// The pipe of the peer with this routing id, in the form that the type has it in: bytes, or a number of four bytes. Errors:
    /// `EHOSTUNREACH` for an unknown peer; `EINVAL` for what is no such id; `ENOTSUP` for a type without such peers.
    pub fn find_peer(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        each!(self, pattern => pattern.find_peer(pipes, routing_id))
    }

    /// `ZMQ_CONNECT_ROUTING_ID`, for the endpoint that is being connected to: given once. `None` where it was not set, or belongs to
    /// another peer already. The pipes of the endpoint bring it along as their routing id.
    pub fn take_connect_id(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        each!(self, pattern => pattern.take_connect_id(pipes))
    }

    /// Whether a message to this peer could be sent now: `ZMQ_POLLOUT` of `zmq_socket_get_peer_state`. Errors:
    /// `EHOSTUNREACH` for a peer that is unknown or has gone; `ENOTSUP` for a type that does not route.
    pub fn can_reach(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<bool> {
        each!(self, pattern => pattern.can_reach(pipes, routing_id))
    }
}

/// The value of an option that means yes or no to a socket type. Errors: `EINVAL`.
fn flag(value: &[u8]) -> Result<bool> {
    crate::options::value::flag(value, crate::options::FlagRule::NotNegative)
}

/// Refuses frames of longer messages, for types whose messages are one frame. Errors: `EINVAL`.
fn single(frame: &OutFrame<'_>) -> Result<()> {
    if frame.more() { Err(Errno::INVAL) } else { Ok(()) }
}

/// Sets an option whose value is kept among those that all types have. Errors: `EINVAL`.
fn set_common(options: &mut SocketOptions, option: i32, value: &[u8]) -> Result<()> {
    crate::options::row(option).ok_or(Errno::INVAL)?.write(options, Some(value))
}
