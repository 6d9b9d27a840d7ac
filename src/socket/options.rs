//! `zmq_setsockopt` and `zmq_getsockopt`: the pattern's options, the socket's own, and those that all have.

#[cfg(feature = "qzmq")]
use super::certificates;
use super::state::Socket;
use crate::audit::Event;
use crate::errno::{Errno, Result};
use crate::options::number::{
    ZMQ_CURVE_SECRETKEY, ZMQ_EVENTS, ZMQ_FD, ZMQ_FERRO_CURVE_SERVER_KEY_ADD,
    ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, ZMQ_FERRO_MAX_FAILED_HANDSHAKES,
    ZMQ_FERRO_SECURITY, ZMQ_LAST_ENDPOINT, ZMQ_LINGER, ZMQ_RCVHWM, ZMQ_RCVMORE, ZMQ_SNDHWM, ZMQ_THREAD_SAFE,
};
#[cfg(feature = "qzmq")]
use crate::options::number::{ZMQ_FERRO_QZMQ_AUTHORITY, ZMQ_FERRO_QZMQ_CERTIFICATE, ZMQ_FERRO_QZMQ_REVOKED};
use crate::options::value;
use crate::pipe::budget::LOOK_UNITS;
use crate::session::trail;
use std::time::Instant;

/// Sets an option; `None` is a NULL pointer.
pub(super) fn set(socket: &mut Socket, option: i32, value: Option<&[u8]>) -> Result<()> {
    socket.alive()?;
    socket.shared_options = None;
    let bytes = value.unwrap_or_default();
    let by_pattern = socket.pattern.set_option(&mut socket.pipes, &mut socket.options, option, bytes);
    socket.drop_closed();
    if let Some(outcome) = by_pattern {
        return outcome;
    }
    match option {
        ZMQ_FERRO_CURVE_SERVER_KEY_ADD => return change_keys(socket, Event::KeyAdded, bytes),
        ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW => return change_keys(socket, Event::KeyWithdrawn, bytes),
        _ => {}
    }
    #[cfg(feature = "qzmq")]
    certificates::check_option(socket, option, value)?;
    match value {
        Some(value) => socket.options.set(option, value)?,
        None => socket.options.set_null(option)?,
    }
    match option {
        ZMQ_LINGER => socket.link.set_linger_ms(socket.options.linger_ms),
        ZMQ_SNDHWM | ZMQ_RCVHWM => set_marks(socket),
        ZMQ_FERRO_SECURITY => socket.own_security.name(&socket.options.security),
        ZMQ_CURVE_SECRETKEY => socket.keys.secret_changed(),
        #[cfg(feature = "qzmq")]
        ZMQ_FERRO_QZMQ_AUTHORITY | ZMQ_FERRO_QZMQ_REVOKED | ZMQ_FERRO_QZMQ_CERTIFICATE => {
            socket.keys.certificates_changed(&socket.options);
        }
        ZMQ_FERRO_MAX_FAILED_HANDSHAKES | ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL => {
            socket.link.ban_list.configure(&socket.options);
        }
        _ => {}
    }
    Ok(())
}

/// Has the pipes go by the marks of the options.
fn set_marks(socket: &mut Socket) {
    // The pipe of a peer may have come that the socket has not taken in yet. A stop is said by the next call that may say it.
    socket.pipes.budget.begin(LOOK_UNITS, Instant::now);
    socket.look();
    for id in socket.pipes.ids() {
        let (sndhwm, rcvhwm) = (socket.options.sndhwm, socket.options.rcvhwm);
        // A pipe that its mark has stopped waits for what the reader grants. The reader may have nothing left to read.
        if socket.pipes.pipe(id).is_some_and(|pipe| pipe.set_hwms(sndhwm, rcvhwm)) {
            socket.pattern.write_activated(&mut socket.pipes, id);
        }
    }
    // A thread that waits for room, or for the descriptor, is to look again. The descriptor may have told of what was done here.
    socket.link.mailbox.touch();
}

/// Adds a key of a server or withdraws one, which the audit trail has.
fn change_keys(socket: &mut Socket, event: Event, value: &[u8]) -> Result<()> {
    let outcome = match event {
        Event::KeyAdded => socket.keys.add(value, &socket.options),
        _ => socket.keys.withdraw(value, &socket.options),
    };
    tell_own_key(socket, &socket.last_endpoint.clone());
    let place = (event, socket.last_endpoint.as_str());
    trail::tell_key_change(&socket.link, &socket.options, place, outcome);
    outcome.map(drop)
}

/// The audit trail has the key of `ZMQ_CURVE_SECRETKEY`, once it counts.
pub(super) fn tell_own_key(socket: &mut Socket, endpoint: &str) {
    while let Some(own) = socket.keys.take_new_own(&socket.options) {
        let place = (Event::KeyAdded, endpoint);
        trail::tell_key_change(&socket.link, &socket.options, place, Ok(own));
    }
}

/// Writes an option's value to `out` and says how many bytes it took.
pub(super) fn get(socket: &mut Socket, option: i32, out: &mut [u8]) -> Result<usize> {
    socket.alive()?;
    if let Some(outcome) = socket.pattern.option(option, out) {
        return outcome;
    }
    match option {
        ZMQ_RCVMORE => value::put_int_padded(out, i32::from(socket.rcvmore)),
        // A thread-safe socket is waited for with a poller.
        ZMQ_FD if socket.options.socket_type.is_thread_safe() => Err(Errno::INVAL),
        ZMQ_FD => {
            let fd = socket.link.mailbox.fd()?;
            // No thread borrows them any more: a thread that watches the descriptor now must not be told late.
            socket.link.connections.recall();
            value::put_int_padded(out, fd)
        }
        ZMQ_EVENTS => {
            // Before the look: what comes later is told again. Sockets of other types have no such descriptor.
            if socket.options.socket_type.is_thread_safe() {
                socket.link.mailbox.hush();
            }
            socket.pipes.budget.begin(LOOK_UNITS, Instant::now);
            socket.process()?;
            let readiness = socket.readiness();
            value::put_int_padded(out, readiness)
        }
        ZMQ_LAST_ENDPOINT => value::put_c_str(out, socket.last_endpoint.as_bytes()),
        ZMQ_THREAD_SAFE => value::put_int_padded(out, i32::from(socket.options.socket_type.is_thread_safe())),
        _ => socket.options.get(option, out),
    }
}
