//! Attempts to connect, as they show in a session: registered, timed, told of, tried again.

use crate::counters::SocketCounter;
use crate::errno::Errno;
use crate::options::SocketOptions;
use crate::options::draft_number::{ZMQ_RECONNECT_STOP_AFTER_DISCONNECT, ZMQ_RECONNECT_STOP_CONN_REFUSED};
use crate::reactor::{Interest, SourceContext};
use crate::session::lifecycle::backoff::Setback;
use crate::session::lifecycle::connecter::{Attempt, Connecter, Step};
use crate::session::lifecycle::events::SessionEvents;
use crate::session::lifecycle::timer;
use crate::session::monitor_events::{Endpoints, event};
use std::os::fd::{OwnedFd, RawFd};

/// For something to read, and for room. A stream that connects is watched for both.
pub const READABLE_AND_WRITABLE: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What a session lends for a step of an attempt.
pub struct Connecting<'a> {
    pub connecter: &'a mut Connecter,
    pub options: &'a SocketOptions,
    pub events: &'a SessionEvents,
    /// The socket has closed its end.
    pub closing: bool,
}

/// Where a step has led.
pub enum Next {
    /// The attempt is under way.
    Wait(Attempt),
    /// `watched`: the reactor watches the stream already.
    Connected { fd: OwnedFd, watched: bool, endpoints: Endpoints, peer_address: String },
    /// It has failed, and the timer for another one is set, unless there is to be none (`ZMQ_RECONNECT_IVL`). Without another
    /// attempt the endpoint stays, and its pipe takes messages, until the program disconnects it: so does libzmq, where only a
    /// connection that has been there ends its endpoint.
    Failed,
    /// The endpoint is to go.
    GiveUp,
}

impl Connecting<'_> {
    pub fn begin(&mut self, cx: &mut SourceContext<'_>) -> Next {
        if self.connecter.is_tried_again() {
            self.events.count(SocketCounter::Reconnects);
        }
        let step = self.connecter.begin(&cx.remote());
        self.follow(cx, step, false)
    }

    /// Goes on with an attempt of which the reactor tells, or whose name may be resolved.
    pub fn proceed(&mut self, cx: &mut SourceContext<'_>, attempt: Attempt) -> Next {
        let watched = attempt.fd().is_some();
        let step = self.connecter.proceed(attempt);
        self.follow(cx, step, watched)
    }

    /// `ZMQ_CONNECT_TIMEOUT` is over.
    pub fn time_out(&mut self, cx: &mut SourceContext<'_>, attempt: Attempt) -> Next {
        self.abandon(cx, attempt, Errno::TIMEDOUT)
    }

    /// Whether there is to be another attempt (`ZMQ_RECONNECT_IVL`), for which the timer is set then.
    pub fn try_later(&mut self, cx: &mut SourceContext<'_>, setback: Setback) -> bool {
        let Some(interval_ms) = self.connecter.backoff_ms(setback) else { return false };
        self.events.retried(interval_ms, self.connecter.endpoint());
        cx.set_timer(timer::RECONNECT, timer::millis(interval_ms));
        true
    }

    /// Acts on the outcome of a step of the connecter. `watched`: the reactor watches the attempt's descriptor already.
    fn follow(&mut self, cx: &mut SourceContext<'_>, step: Step, watched: bool) -> Next {
        match step {
            Step::Begun(attempt) => {
                let Some(fd) = attempt.fd() else { return Next::Wait(attempt) };
                self.events.tell(event::CONNECT_DELAYED, Errno::INPROGRESS.0.unsigned_abs().into());
                if let Err(errno) = cx.register(fd, READABLE_AND_WRITABLE) {
                    return self.abandon(cx, attempt, errno);
                }
                if self.options.connect_timeout_ms > 0 {
                    cx.set_timer(timer::CONNECT, timer::millis(self.options.connect_timeout_ms));
                }
                Next::Wait(attempt)
            }
            Step::Unfinished(attempt) => {
                // A stream that was connected at once is not registered yet.
                if let Some(fd) = attempt.fd().filter(|_| !watched)
                    && let Err(errno) = cx.register(fd, READABLE_AND_WRITABLE)
                {
                    return self.abandon(cx, attempt, errno);
                }
                Next::Wait(attempt)
            }
            Step::Connected { fd, endpoints, peer_address } => {
                cx.cancel_timer(timer::CONNECT);
                Next::Connected { fd, watched, endpoints, peer_address }
            }
            Step::Failed { fd, errno } => self.failed(cx, fd, errno),
        }
    }

    fn abandon(&mut self, cx: &mut SourceContext<'_>, attempt: Attempt, errno: Errno) -> Next {
        let fd = attempt.fd();
        drop(attempt);
        self.failed(cx, fd, errno)
    }

    /// `fd` is closed already.
    fn failed(&mut self, cx: &mut SourceContext<'_>, fd: Option<RawFd>, errno: Errno) -> Next {
        cx.cancel_timer(timer::CONNECT);
        if let Some(fd) = fd {
            self.events.closed(fd);
        }
        self.events.attempt_failed(self.connecter.endpoint(), errno);
        let mut stop = ZMQ_RECONNECT_STOP_CONN_REFUSED;
        if self.closing {
            stop |= ZMQ_RECONNECT_STOP_AFTER_DISCONNECT;
        }
        if errno == Errno::CONNREFUSED && self.options.reconnect_stop & stop != 0 {
            return Next::GiveUp;
        }
        self.try_later(cx, Setback::of(errno));
        Next::Failed
    }
}
