//! TLS 1.2 and 1.3: a connection that does no I/O of its own; its caller transports the bytes.

#[cfg(feature = "qzmq")]
mod hybrid;
mod settings;
mod system;
mod trust;

#[cfg(test)]
mod tests;

pub use settings::{Clients, Identity, Servers, Settings, Versions};

use crate::errno::{Errno, Result};
use rustls::{ClientConnection, Connection, ServerConnection};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// A subject with more bytes than this is none: what is known of a peer stays as long as its connection.
const MAX_SUBJECT_BYTES: usize = 1024;

/// One side of a connection. It reads and writes ciphertext where its caller says, and never blocks.
pub struct Tls {
    connection: Connection,
    /// Ciphertext has come since [`take_arrival`](Tls::take_arrival) and since the last bytes were read.
    arrived: bool,
    /// Bytes of ciphertext that have come before the handshake was over.
    handshake_bytes: usize,
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
        Ok(Tls { connection, arrived: false, handshake_bytes: 0 })
    }

    /// Whether nothing can be written yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The subject of the certificate that the peer has shown, once the handshake is over: in the form of RFC 4514, with control
    /// characters escaped. `None` if it has shown none, or one whose subject is too long or cannot be read.
    pub fn peer_subject(&self) -> Option<String> {
        if self.is_handshaking() {
            return None;
        }
        let shown = self.connection.peer_certificates()?.first()?;
        let subject = Certificate::from_der(shown).ok()?.tbs_certificate().subject().to_string();
        (subject.len() <= MAX_SUBJECT_BYTES).then_some(subject)
    }

    /// Reads bytes already decrypted; 0 at the end of the stream, `None` if there are none.
    pub fn read(&mut self, room: &mut [u8]) -> Option<usize> {
        match self.connection.reader().read(room) {
            Ok(n) => {
                self.arrived = false;
                Some(n)
            }
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
        let received = self.connection.read_tls(stream)?;
        self.arrived |= received > 0;
        if self.connection.is_handshaking() {
            self.handshake_bytes = self.handshake_bytes.saturating_add(received);
        }
        match self.connection.process_new_packets() {
            Ok(_) => Ok(()),
            Err(_) => Err(Errno::PROTO),
        }
    }

    /// Bytes of ciphertext that have come before the handshake was over. Twice as much memory may be held for them: what waits for the rest
    /// of a message, and what is kept to check a signature over all that was said.
    pub fn handshake_bytes(&self) -> usize {
        self.handshake_bytes
    }

    /// Whether ciphertext has come since this was asked last, but for that of records that have been read. An unfinished record is at
    /// most 16 KiB long, and has to be the peer's when it is whole.
    pub fn take_arrival(&mut self) -> bool {
        std::mem::take(&mut self.arrived)
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
