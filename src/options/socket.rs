//! The options of a socket: their defaults, the calls that set and read them, and what patterns ask of them.

use std::ffi::c_int;

#[cfg(feature = "qzmq")]
use super::qzmq::QzmqKeys;
use super::row::{Owner, Row};
#[cfg(feature = "qzmq")]
use super::socket_values::Mechanism;
use super::socket_values::{BATCH_SIZE_DFLT, MAX_QZMQ_UPDATE_SIZE, SocketOptions, SocketType};
use super::table;
use crate::errno::{Errno, Result};

impl SocketOptions {
    /// The options that a new socket of this type starts with, before its context's defaults.
    pub fn new(socket_type: SocketType) -> SocketOptions {
        use SocketType::{Dgram, Dish, Rep, Router, Stream, Sub, Xsub};
        let mut options = SocketOptions {
            socket_type,
            filter: socket_type == Sub,
            recv_routing_id: matches!(socket_type, Router | Rep),
            probe_router: false,
            raw_socket: matches!(socket_type, Stream | Dgram),
            zero_copy: true,
            monitor_event_version: 1,
            qzmq_update_size: MAX_QZMQ_UPDATE_SIZE,
            ..SocketOptions::default()
        };
        for row in table::SOCKET {
            row.put_default(&mut options);
        }
        // A subscriber's unsent messages are subscriptions, useless to a publisher once the subscriber is
        // gone.
        if matches!(socket_type, Sub | Xsub | Dish) {
            options.linger_ms = 0;
        }
        options
    }

    /// `zmq_setsockopt` for the options that every socket type has. Pattern and socket are asked first.
    ///
    /// `value` is the memory behind the caller's pointer, possibly empty. For the NULL pointer, which most
    /// strings and lists treat differently, there is [`SocketOptions::set_null`].
    ///
    /// Errors: `EINVAL` for an option that is unknown, read-only, not built, or owned by a pattern or the socket, and for a
    /// wrong size or value; with nothing changed. Source: zmq_setsockopt(3).
    pub fn set(&mut self, option: c_int, value: &[u8]) -> Result<()> {
        self.set_value(option, Some(value))
    }

    /// `zmq_setsockopt` with the NULL pointer and size 0. It empties lists and strings, and takes PLAIN
    /// credentials out of use. Errors: as [`SocketOptions::set`]; `EINVAL` where the option has no empty
    /// state.
    pub fn set_null(&mut self, option: c_int) -> Result<()> {
        self.set_value(option, None)
    }

    /// `zmq_getsockopt` for the options that every socket type has. Pattern and socket are asked first.
    /// Writes the value into `out`, whose length is the caller's size, and returns the size to report.
    ///
    /// Errors: `EINVAL` for an unknown option, one that is kept elsewhere, write-only or not built, and for a
    /// wrong size of `out`. Source: zmq_getsockopt(3).
    pub fn get(&self, option: c_int, out: &mut [u8]) -> Result<usize> {
        table::row(option).ok_or(Errno::INVAL)?.read(self, out)
    }

    /// The keys for an endpoint that is bound or connected now; `None` where the socket's mechanism is another one.
    ///
    /// Errors: `EINVAL` in four cases: some keys are CURVE's and some QZMQ's, and the socket is not to have both; the role lacks its
    /// key; a public key is not that of the secret one; the client's keys are of another KEM than the server's.
    #[cfg(feature = "qzmq")]
    pub fn qzmq_keys(&self) -> Result<Option<QzmqKeys>> {
        if self.mechanism != Mechanism::Curve {
            return Ok(None);
        }
        let keys = self.qzmq.keys(self.as_server)?;
        let both = if self.as_server { self.curve_beside_qzmq } else { self.curve_fallback };
        if keys.is_some() && self.has_curve_keys() && !both {
            return Err(Errno::INVAL);
        }
        Ok(keys)
    }

    /// The first option about certificates that is set, where no endpoint would heed it: the socket has another mechanism, or no key of QZMQ.
    #[cfg(feature = "qzmq")]
    pub fn idle_certificate_option(&self) -> Option<&'static str> {
        let speaks_qzmq = self.mechanism == Mechanism::Curve && self.qzmq.has_keys();
        if speaks_qzmq { None } else { self.qzmq.certificate_option() }
    }

    /// Whether the socket has a key of CURVE.
    #[cfg(feature = "qzmq")]
    pub fn has_curve_keys(&self) -> bool {
        let keys = [&self.curve_public_key, &*self.curve_secret_key, &self.curve_server_key];
        keys.iter().any(|key| **key != [0; 32])
    }

    /// Whether only the latest outgoing message is kept (`ZMQ_CONFLATE`). Other types ignore the option.
    /// Subscriptions, which go the other way, must not replace one another.
    pub fn conflates_out(&self) -> bool {
        use SocketType::{Dealer, Pub, Push};
        self.conflate && matches!(self.socket_type, Dealer | Push | Pub)
    }

    /// Whether only the latest incoming message is kept; see [`conflates_out`](SocketOptions::conflates_out).
    pub fn conflates_in(&self) -> bool {
        use SocketType::{Dealer, Pull, Sub};
        self.conflate && matches!(self.socket_type, Dealer | Pull | Sub)
    }

    /// `ZMQ_HELLO_MSG`, the first message to every peer, for the types that support it.
    pub fn hello(&self) -> Option<&[u8]> {
        use SocketType::{Client, Dealer, Peer, Rep, Req, Router, Server};
        self.special(&self.hello_msg, &[Dealer, Req, Router, Rep, Server, Client, Peer])
    }

    /// `ZMQ_DISCONNECT_MSG`, received when a peer that had connected is gone, for the types that support it.
    pub fn disconnect(&self) -> Option<&[u8]> {
        use SocketType::{Peer, Rep, Router, Server};
        self.special(&self.disconnect_msg, &[Router, Rep, Server, Peer])
    }

    /// `ZMQ_HICCUP_MSG`, received when a connection made by this side is gone, for the types that support it.
    pub fn hiccup(&self) -> Option<&[u8]> {
        use SocketType::{Client, Dealer, Peer, Req};
        self.special(&self.hiccup_msg, &[Dealer, Req, Client, Peer])
    }

    /// `ZMQ_IN_BATCH_SIZE`: most bytes to receive at once. `None` at the default: the library chooses.
    pub fn in_batch(&self) -> Option<usize> {
        batch(self.in_batch_size)
    }

    /// `ZMQ_OUT_BATCH_SIZE`: most bytes to send at once. `None` at the default: the library chooses.
    pub fn out_batch(&self) -> Option<usize> {
        batch(self.out_batch_size)
    }

    fn special<'m>(&self, message: &'m [u8], types: &[SocketType]) -> Option<&'m [u8]> {
        (!message.is_empty() && types.contains(&self.socket_type)).then_some(message)
    }

    fn set_value(&mut self, option: c_int, value: Option<&[u8]>) -> Result<()> {
        let row: &Row = table::row(option).ok_or(Errno::INVAL)?;
        if row.owner == Owner::Common { row.write(self, value) } else { Err(Errno::INVAL) }
    }
}

fn batch(bytes: i32) -> Option<usize> {
    usize::try_from(bytes).ok().filter(|_| bytes != BATCH_SIZE_DFLT)
}
