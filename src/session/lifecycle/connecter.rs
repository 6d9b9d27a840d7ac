//! Attempts to connect: names, addresses, proxies, and when to try again.

use crate::engine::Failure;
use crate::engine::socks::Socks5;
use crate::errno::{Errno, Result};
use crate::options::SocketOptions;
use crate::options::draft_number::ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED;
use crate::reactor::Remote;
use crate::session::connection::kept_buckets::KeptBuckets;
use crate::session::connection::rate::Rates;
use crate::session::lifecycle::backoff::{Backoff, Setback};
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::resolve::Lookup;
use crate::session::monitor_events::Endpoints;
use crate::sys::random::number_or_0;
use crate::sys::stream;
use crate::transport::{self, ConnectPlan, Connecting, Destination};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a session needs to connect, and to connect again.
pub struct Connecter {
    plan: ConnectPlan,
    options: Arc<SocketOptions>,
    backoff: Backoff,
    /// The socket's name for the peer (`ZMQ_CONNECT_ROUTING_ID`); empty: the peer's own.
    given_id: Vec<u8>,
    /// The last peer's own name.
    met: Option<Vec<u8>>,
    /// The session waits only for its socket to see that there is no connection and will be none.
    over: bool,
    /// There was an attempt.
    tried: bool,
    /// The last connection ended in a refusal: its handshake was broken off by what one side said.
    refused: bool,
    /// The last connection ended since the socket did not want the peer.
    unwanted: bool,
    /// The server has named CURVE, and the client may do with that: in the next connection it does.
    falls_back: bool,
    /// The present connection is that one.
    fell_back: bool,
    /// Of the peer, where it has a rate.
    buckets: Option<Arc<KeptBuckets>>,
    /// Places that the name stands for and that were not tried yet.
    untried: Vec<Destination>,
    /// The endpoint as events have it: as the program gave it, and once a connection is lost its address, as libzmq has it.
    endpoint: String,
    /// The place of the last attempt.
    resolved: String,
    /// The address of that place, as [`transport::peer_address`] has it of a stream that is still connected.
    address: String,
}

/// An attempt under way.
pub enum Attempt {
    /// A name is being resolved.
    Resolving(Lookup<Vec<Destination>>),
    /// The stream is not connected yet.
    Connecting(OwnedFd),
    /// The proxy is being asked.
    Asking(Asking),
}

/// The peer at the other end, compared with the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    First,
    /// The same peer, or one that has the same name.
    Again,
    /// One of another name: messages for the last peer are not for it.
    Stranger,
}

/// The outcome of a step of an attempt.
pub enum Step {
    /// The attempt has begun: its descriptor, or its name, is waited for.
    Begun(Attempt),
    /// The attempt goes on: the stream, the name or the proxy's answer is not there yet.
    Unfinished(Attempt),
    Connected {
        fd: OwnedFd,
        endpoints: Endpoints,
        peer_address: String,
    },
    /// The descriptor, if there was one, is closed already.
    Failed {
        fd: Option<RawFd>,
        errno: Errno,
    },
}

/// The exchange with the proxy.
pub struct Asking {
    fd: OwnedFd,
    socks: Box<Socks5>,
    /// The bytes that the stream has not taken yet.
    out: Zeroizing<Vec<u8>>,
    /// The proxy's bytes that the protocol has not taken yet.
    heard: Vec<u8>,
}

impl Attempt {
    pub fn fd(&self) -> Option<RawFd> {
        match self {
            Attempt::Resolving(_) => None,
            Attempt::Connecting(fd) | Attempt::Asking(Asking { fd, .. }) => Some(fd.as_raw_fd()),
        }
    }
}

impl Connecter {
    pub fn new(plan: ConnectPlan, options: Arc<SocketOptions>, given_id: Vec<u8>) -> Connecter {
        let endpoint = plan.endpoint().to_string();
        let (resolved, backoff) = (endpoint.clone(), Backoff::new(&options));
        Connecter {
            plan,
            options,
            backoff,
            given_id,
            met: None,
            over: false,
            tried: false,
            refused: false,
            unwanted: false,
            falls_back: false,
            fell_back: false,
            buckets: None,
            untried: Vec::new(),
            endpoint,
            resolved,
            address: String::new(),
        }
    }

    /// As events have it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A connection was lost: from now on events have the address.
    pub fn lost(&mut self) {
        self.endpoint.clone_from(&self.resolved);
        self.unwanted = false;
    }

    /// As [`lost`](Connecter::lost), since the socket does not want the peer. Attempts become rarer while that lasts, as after a refusal of
    /// the peer's.
    pub fn cut_off(&mut self) {
        self.lost();
        (self.refused, self.unwanted) = (true, true);
    }

    /// Those of the peer, of which there is one connection at a time. `None` without a rate.
    pub fn buckets(&mut self, rates: Rates) -> Option<&Arc<KeptBuckets>> {
        if self.buckets.is_none() {
            self.buckets = KeptBuckets::new(rates, 1);
        }
        self.buckets.as_ref()
    }

    /// The socket's name for the peer; empty: the peer's own.
    pub fn given_id(&self) -> &[u8] {
        &self.given_id
    }

    /// A peer has introduced itself by this routing id.
    pub fn meet(&mut self, routing_id: &[u8]) -> Met {
        let last = self.met.replace(routing_id.to_vec());
        match last {
            None => Met::First,
            Some(last) if last == routing_id || !self.given_id.is_empty() => Met::Again,
            Some(_) => Met::Stranger,
        }
    }

    /// There will be no further attempt.
    pub fn end(&mut self) {
        self.over = true;
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Notes an attempt. Whether there was one before.
    pub fn is_tried_again(&mut self) -> bool {
        std::mem::replace(&mut self.tried, true)
    }

    /// A handshake has ended without a connection. It takes another connection to go on with CURVE, once: the one behind that begins
    /// with QZMQ again. Where the server hangs up without a word, as it does while it refuses this address, nothing is known anew: the next
    /// goes on with CURVE as well. `heard`: the peer has said something. Returns whether there will be no further attempt.
    pub fn handshake_ended(&mut self, reason: Reason, denied: bool, heard: bool) -> bool {
        let is_fallback = reason == Reason::Protocol(Failure::Fallback);
        let is_unanswered = !heard && matches!(reason, Reason::Stream(_));
        self.falls_back = is_fallback || self.fell_back && is_unanswered;
        self.refused |= denied || matches!(reason, Reason::Protocol(_)) && !is_fallback;
        self.options.reconnect_stop & ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED != 0 && !is_fallback
    }

    /// Whether the handshake that begins is the one with CURVE.
    pub fn take_fallback(&mut self) -> bool {
        self.fell_back = std::mem::take(&mut self.falls_back);
        self.fell_back
    }

    /// Whether the last attempt that got as far as a connection ended in a refusal.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// A handshake has succeeded: the next time it begins to back off from the start, unless the socket may refuse the peer again. A connection alone is no success. A server
    /// that accepts us only to turn us away would else hear from us at the highest rate for ever.
    pub fn established(&mut self) {
        if !self.unwanted {
            self.backoff = Backoff::new(&self.options);
        }
    }

    /// Milliseconds until the next attempt; `None`: there is none (`ZMQ_RECONNECT_IVL`). `setback`: what the last one has met
    /// with; that it was refused counts for more.
    pub fn backoff_ms(&mut self, setback: Setback) -> Option<i32> {
        if !self.backoff.reconnects() {
            return None;
        }
        let setback = if self.refused { Setback::Refused } else { setback };
        // Without chance all peers of a server come back at once, which is no reason not to.
        Some(self.backoff.next_ms(setback, number_or_0()))
    }

    /// Begins an attempt. `remote` is woken when a name has been resolved.
    pub fn begin(&mut self, remote: &Remote) -> Step {
        if let Some(destination) = self.untried.pop() {
            return self.start(&destination);
        }
        match self.plan.resolve_literal(&self.options) {
            Some(Ok(destinations)) => self.start_first(destinations),
            Some(Err(errno)) => Step::Failed { fd: None, errno },
            None => {
                let (plan, options, remote) = (self.plan.clone(), Arc::clone(&self.options), remote.clone());
                match Lookup::start(move || plan.resolve(&options), move || remote.wake()) {
                    Ok(lookup) => Step::Begun(Attempt::Resolving(lookup)),
                    Err(errno) => Step::Failed { fd: None, errno },
                }
            }
        }
    }

    /// Goes on with an attempt whose descriptor is ready or whose name may be resolved.
    pub fn proceed(&mut self, attempt: Attempt) -> Step {
        match attempt {
            Attempt::Resolving(lookup) => match lookup.take() {
                None => Step::Unfinished(Attempt::Resolving(lookup)),
                Some(Ok(destinations)) => self.start_first(destinations),
                Some(Err(errno)) => Step::Failed { fd: None, errno },
            },
            Attempt::Connecting(fd) => {
                match transport::proceed(self.plan.scheme(), fd.as_fd(), &self.options) {
                    Ok(true) => self.connected(fd),
                    // Not writable yet: the wake was for something else.
                    Ok(false) => Step::Unfinished(Attempt::Connecting(fd)),
                    Err(errno) => Step::Failed { fd: Some(fd.as_raw_fd()), errno },
                }
            }
            Attempt::Asking(asking) => self.ask(asking),
        }
    }

    fn start_first(&mut self, mut destinations: Vec<Destination>) -> Step {
        destinations.reverse();
        self.untried = destinations;
        match self.untried.pop() {
            Some(destination) => self.start(&destination),
            None => Step::Failed { fd: None, errno: Errno::INVAL },
        }
    }

    fn start(&mut self, destination: &Destination) -> Step {
        self.resolved = self.plan.resolved_endpoint(destination);
        self.address = destination.address();
        match self.plan.start(destination, &self.options) {
            Ok(Connecting { fd, done: Ok(true) }) => self.connected(fd),
            Ok(Connecting { fd, done: Ok(false) }) => Step::Begun(Attempt::Connecting(fd)),
            Ok(Connecting { fd, done: Err(errno) }) => Step::Failed { fd: Some(fd.as_raw_fd()), errno },
            Err(errno) => Step::Failed { fd: None, errno },
        }
    }

    /// The stream is there; a proxy is asked first.
    fn connected(&mut self, fd: OwnedFd) -> Step {
        match self.plan.proxy() {
            Some(request) => match Socks5::new(&request.host, request.port, request.credentials.clone()) {
                Ok(socks) => {
                    let socks = Box::new(socks);
                    self.ask(Asking { fd, socks, out: Zeroizing::default(), heard: Vec::new() })
                }
                Err(errno) => Step::Failed { fd: Some(fd.as_raw_fd()), errno },
            },
            None => self.finished(fd),
        }
    }

    fn finished(&mut self, fd: OwnedFd) -> Step {
        self.untried = Vec::new();
        self.refused = false;
        let (local, _) = transport::endpoints_of(self.plan.scheme(), fd.as_fd());
        let mut peer_address = transport::peer_address(fd.as_fd());
        if peer_address.is_empty() {
            // The peer has reset the connection, and the system has forgotten its address.
            peer_address.clone_from(&self.address);
        }
        let endpoints = Endpoints { local, remote: self.endpoint.clone(), bound: false };
        Step::Connected { fd, endpoints, peer_address }
    }

    fn ask(&mut self, mut asking: Asking) -> Step {
        match asking.exchange() {
            Ok(true) => self.finished(asking.fd),
            Ok(false) => Step::Unfinished(Attempt::Asking(asking)),
            Err(errno) => Step::Failed { fd: Some(asking.fd.as_raw_fd()), errno },
        }
    }
}

impl Asking {
    /// Goes on with the exchange as far as the stream allows; `true` when the proxy has connected us.
    fn exchange(&mut self) -> Result<bool> {
        loop {
            self.socks.output(&mut self.out);
            while !self.out.is_empty() {
                match stream::write(&self.fd, &[IoSlice::new(&self.out)]) {
                    Ok(n) => drop(self.out.drain(..n)),
                    Err(errno) if errno.would_block() => break,
                    Err(errno) => return Err(errno),
                }
            }
            // One byte at a time: what comes behind the proxy's last answer is the peer's.
            let mut byte = [0];
            match stream::read(&self.fd, &mut byte) {
                Ok(0) => return Err(Errno::PIPE),
                Ok(_) => self.heard.extend_from_slice(&byte),
                Err(errno) if errno.would_block() => return Ok(false),
                Err(errno) => return Err(errno),
            }
            let (taken, done) = self.socks.input(&self.heard)?;
            self.heard.drain(..taken.min(self.heard.len()));
            if done {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::options::SocketType;
    use crate::sys::poll::{PollFd, poll};
    use crate::transport::Scheme;
    use socket2::SockRef;
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Duration;

    fn connecter(given_id: &[u8]) -> Connecter {
        let options = Arc::new(SocketOptions::new(SocketType::Router));
        let plan = transport::connect(Scheme::Tcp, "127.0.0.1:1", &options).unwrap();
        Connecter::new(plan, options, given_id.to_vec())
    }

    #[test]
    fn peer_of_another_name_is_a_stranger_unless_the_socket_names_it() {
        let meet_all = |given_id: &[u8]| {
            let mut connecter = connecter(given_id);
            [&b""[..], b"", b"a", b"a", b"b", b""].map(|name| connecter.meet(name))
        };
        use Met::{Again, First, Stranger};
        assert_eq!(meet_all(b""), [First, Again, Stranger, Again, Stranger, Stranger]);
        assert_eq!(meet_all(b"given"), [First, Again, Again, Again, Again, Again]);
    }

    #[test]
    fn a_client_goes_on_with_curve_until_the_server_has_said_something() {
        let (fallback, hangup) = (Reason::Protocol(Failure::Fallback), Reason::Stream(Errno::PIPE));
        let mismatch = Reason::Protocol(Failure::MECHANISM_MISMATCH);
        // Each handshake: whether it is one with CURVE, how it ends, and whether the server has said something.
        let mut connecter = connecter(b"");
        for (curve, reason, heard) in [
            // Nothing is known of a server that has said nothing.
            (false, hangup, false),
            (false, fallback, true),
            (true, hangup, false),
            (true, Reason::Stream(Errno::CONNRESET), false),
            (true, hangup, true),
            (false, hangup, false),
            (false, fallback, true),
            // The server has QZMQ by now.
            (true, mismatch, true),
            (false, fallback, true),
            // It is there, and has not the time to speak: the next attempt asks for the best again.
            (true, Reason::Timeout, false),
            (false, hangup, true),
            (false, fallback, true),
            (true, hangup, false),
        ] {
            assert_eq!(connecter.take_fallback(), curve, "{}", reason.code());
            connecter.handshake_ended(reason, false, heard);
        }
        // A connection comes about, which ends some time.
        assert!(connecter.take_fallback());
        connecter.lost();
        assert!(!connecter.take_fallback());
    }

    #[test]
    fn attempts_grow_rarer_while_the_socket_does_not_want_the_peer() {
        let mut connecter = connecter(b"");
        // Each attempt is a success until the socket has its say.
        let mut next_ms = |wanted: bool| {
            connecter.established();
            if wanted {
                connecter.lost()
            } else {
                connecter.cut_off()
            }
            connecter.backoff_ms(Setback::Failed).unwrap()
        };
        let waits = [false, false, false, true, true, false].map(&mut next_ms);
        // Each is longer by chance, by less than a tenth of a second.
        let least = [1250, 2500, 5000, 10_000, 1250, 1250];
        assert!(
            waits.iter().zip(least).all(|(wait, least)| (least..least + 100).contains(wait)),
            "{waits:?}"
        );
    }

    #[test]
    fn peer_that_has_reset_the_connection_has_an_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Arc::new(SocketOptions::new(SocketType::Dealer));
        let place = listener.local_addr().unwrap();
        let plan = transport::connect(Scheme::Tcp, &place.to_string(), &options).unwrap();
        let mut connecter = Connecter::new(plan, options, Vec::new());
        let Step::Begun(attempt) = connecter.start(&Destination::Ip(place)) else {
            panic!("it takes a while")
        };
        let fd = attempt.fd().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"said").unwrap();
        let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
        assert_eq!(poll(&mut fds, None), Ok(1));
        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let mut fds = [PollFd { fd, events: 0, revents: 0 }];
        assert_eq!(poll(&mut fds, None), Ok(1), "an error");
        let Step::Connected { fd, peer_address, .. } = connecter.proceed(attempt) else {
            panic!("it has spoken")
        };
        assert_eq!(transport::peer_address(fd.as_fd()), "");
        assert_eq!(peer_address, "127.0.0.1");
    }
}
