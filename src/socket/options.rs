//! `zmq_setsockopt` and `zmq_getsockopt`: the pattern's options, the socket's own, and those that all have.

use super::state::Socket;
use crate::errno::{Errno, Result};
use crate::options::number::{
    ZMQ_CURVE_SECRETKEY, ZMQ_EVENTS, ZMQ_FD, ZMQ_FERRO_CURVE_SERVER_KEY_ADD,
    ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, ZMQ_FERRO_MAX_FAILED_HANDSHAKES,
    ZMQ_LAST_ENDPOINT, ZMQ_LINGER, ZMQ_RCVHWM, ZMQ_RCVMORE, ZMQ_SNDHWM, ZMQ_THREAD_SAFE,
};
use crate::options::value;
use crate::pipe::budget::LOOK_UNITS;
use std::time::Instant;

impl Socket {
    /// Sets an option; `None` is a NULL pointer.
    pub fn set_option(&mut self, option: i32, value: Option<&[u8]>) -> Result<()> {
        self.alive()?;
        self.shared_options = None;
        let bytes = value.unwrap_or_default();
        let by_pattern = self.pattern.set_option(&mut self.pipes, &mut self.options, option, bytes);
        self.drop_closed();
        if let Some(outcome) = by_pattern {
            return outcome;
        }
        match option {
            ZMQ_FERRO_CURVE_SERVER_KEY_ADD => return self.keys.add(bytes),
            ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW => return self.keys.withdraw(bytes, &self.options),
            _ => {}
        }
        match value {
            Some(value) => self.options.set(option, value)?,
            None => self.options.set_null(option)?,
        }
        match option {
            ZMQ_LINGER => self.owner.set_linger_ms(self.options.linger_ms),
            ZMQ_SNDHWM | ZMQ_RCVHWM => {
                for id in self.pipes.ids() {
                    if let Some(pipe) = self.pipes.pipe(id) {
                        pipe.set_hwms(self.options.sndhwm, self.options.rcvhwm);
                    }
                }
            }
            ZMQ_CURVE_SECRETKEY => self.keys.secret_changed(),
            ZMQ_FERRO_MAX_FAILED_HANDSHAKES | ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL => {
                self.owner.ban_list.configure(&self.options);
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes an option's value to `out` and says how many bytes it took.
    pub fn option(&mut self, option: i32, out: &mut [u8]) -> Result<usize> {
        self.alive()?;
        if let Some(outcome) = self.pattern.option(option, out) {
            return outcome;
        }
        match option {
            ZMQ_RCVMORE => value::put_int_padded(out, i32::from(self.rcvmore)),
            // A thread-safe socket is waited for with a poller.
            ZMQ_FD if self.options.socket_type.is_thread_safe() => Err(Errno::INVAL),
            ZMQ_FD => {
                let fd = self.owner.mailbox.fd()?;
                // Nobody borrows them any more; none is to be late for who watches the descriptor now.
                self.owner.connections.recall();
                value::put_int_padded(out, fd)
            }
            ZMQ_EVENTS => {
                self.pipes.budget.begin(LOOK_UNITS, Instant::now);
                self.process()?;
                let readiness = self.readiness();
                value::put_int_padded(out, readiness)
            }
            ZMQ_LAST_ENDPOINT => value::put_c_str(out, self.last_endpoint.as_bytes()),
            ZMQ_THREAD_SAFE => {
                value::put_int_padded(out, i32::from(self.options.socket_type.is_thread_safe()))
            }
            _ => self.options.get(option, out),
        }
    }

    /// Errors: `ETERM` once the context is terminating.
    pub(super) fn alive(&self) -> Result<()> {
        if self.owner.mailbox.stopped() { Err(Errno::TERM) } else { Ok(()) }
    }
}
