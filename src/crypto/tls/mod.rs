//! TLS 1.2 and 1.3: a connection that does no I/O of its own; its caller transports the bytes.

mod settings;
mod trust;

#[cfg(test)]
mod tests;

pub use settings::Settings;

use crate::errno::{Errno, Result};
use rustls::{ClientConnection, Connection, ServerConnection};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

/// One side of a connection. It reads and writes ciphertext where its caller says, and never blocks.
pub struct Tls {
    connection: Connection,
}

impl Tls {
    /// Errors: `EINVAL` for an invalid name, `ENOMEM`.
    pub fn new(settings: &Settings) -> Result<Tls> {
        let connection = match settings {
            Settings::Client { config, name } => {
                ClientConnection::new(Arc::clone(config), name.clone()).map(Connection::from)
            }
            Settings::Server(config) => ServerConnection::new(Arc::clone(config)).map(Connection::from),
        };
        let mut connection = connection.map_err(|_| Errno::INVAL)?;
        // The caller bounds its own writes, and must never be told that there is no room.
        connection.set_buffer_limit(None);
        Ok(Tls { connection })
    }

    /// Whether nothing can be written yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Reads bytes already decrypted; 0 at the end of the stream, `None` if there are none.
    pub fn read(&mut self, room: &mut [u8]) -> Option<usize> {
        match self.connection.reader().read(room) {
            Ok(n) => Some(n),
            // The stream ended without TLS's close_notify, so bytes may be missing. Messages cut off are
            // dropped anyway.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Some(0),
            Err(_) => None,
        }
    }

    /// Takes ciphertext from the stream, once; call it only where [`read`](Tls::read) has nothing.
    ///
    /// Errors: the stream's; `EPROTO` if the peer broke the protocol or is not trusted.
    /// [`transmit`](Tls::transmit) then sends it the reason.
    pub fn receive(&mut self, stream: &mut dyn Read) -> Result<()> {
        self.connection.read_tls(stream)?;
        match self.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(_) => Err(Errno::PROTO),
        }
    }

    /// Writes pending ciphertext to the stream. Errors: the stream's; `EAGAIN` if it does not take all of it.
    pub fn transmit(&mut self, stream: &mut dyn Write) -> Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(stream)?;
        }
        Ok(())
    }

    /// Encrypts all of `bytes`, for [`transmit`](Tls::transmit). Errors: `EIO`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(self.connection.writer().write(bytes)?)
    }

    /// Queues close_notify, which the next [`transmit`](Tls::transmit) sends.
    pub fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
