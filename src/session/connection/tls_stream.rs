//! Reading and writing a connection's stream, through TLS and QZMQ's records where those lie in between.

use crate::crypto::tls::{Settings, Tls};
use crate::errno::{Errno, Result};
#[cfg(feature = "qzmq")]
use crate::session::connection::records::{Lower, MAX_RECORD_BYTES, Records};
#[cfg(feature = "qzmq")]
use crate::session::connection::ws_records::WsRecords;
use crate::sys::lock::Lock;
use crate::sys::stream;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
#[cfg(feature = "qzmq")]
use std::sync::Arc;

/// Bytes encrypted in one go. They are held until the stream has taken them all.
const MAX_HELD_BYTES: usize = 64 * 1024;
/// Reads of the stream that may bring no byte of data, one after the other. A handshake takes a few; a peer that makes no end of
/// tickets or keys is cut off, for no turn of the thread would end either.
const MAX_FRUITLESS_READS: u32 = 256;
/// A block's end shorter than this is not worth a read.
pub const MIN_READ_BYTES: usize = 4096;
/// Bytes decrypted in one go, where they cannot go where they belong directly.
const DECRYPTED_BYTES: usize = 16 * 1024;

/// What lies between a stream and a connection, whose halves share it.
pub enum Tunnel {
    Tls(Box<Lock<Tls>>),
    /// QZMQ's records, and the tunnel that they go through.
    #[cfg(feature = "qzmq")]
    Records(Box<Records>, Option<Arc<Tunnel>>),
    /// What has QZMQ's records in frames of WebSocket, and the tunnel that those go through.
    #[cfg(feature = "qzmq")]
    WsRecords(Box<WsRecords>, Option<Arc<Tunnel>>),
}

impl Tunnel {
    pub fn new(settings: &Settings) -> Result<Tunnel> {
        Ok(Tunnel::Tls(Box::new(Lock::new(Tls::new(settings)?))))
    }

    /// See [`Tls::peer_subject`].
    pub fn peer_subject(&self) -> Option<String> {
        match self {
            Tunnel::Tls(tls) => tls.lock().peer_subject(),
            #[cfg(feature = "qzmq")]
            Tunnel::Records(_, below) | Tunnel::WsRecords(_, below) => {
                below.as_deref().and_then(Tunnel::peer_subject)
            }
        }
    }

    /// See [`Tls::handshake_bytes`].
    pub fn handshake_bytes(&self) -> usize {
        match self {
            Tunnel::Tls(tls) => tls.lock().handshake_bytes(),
            // There are no records before the handshake is over.
            #[cfg(feature = "qzmq")]
            Tunnel::Records(..) | Tunnel::WsRecords(..) => 0,
        }
    }

    /// Sends TLS's close_notify and WebSocket's closing frame, if the stream takes them.
    pub fn close(&self, fd: BorrowedFd<'_>) {
        match self {
            Tunnel::Tls(tls) => {
                let mut tls = tls.lock();
                tls.close();
                let _ = tls.transmit(&mut Stream(fd));
            }
            #[cfg(feature = "qzmq")]
            Tunnel::Records(_, below) => {
                if let Some(below) = below {
                    below.close(fd);
                }
            }
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(frames, below) => {
                let below = below.as_deref();
                frames.close(&mut |bytes| write(fd, below, &[IoSlice::new(bytes)]));
                if let Some(below) = below {
                    below.close(fd);
                }
            }
        }
    }

    /// Whether the calling thread may wait until the stream has taken what the tunnel holds. TLS holds everything back until its
    /// handshake is over.
    pub fn is_drainable(&self) -> bool {
        match self {
            Tunnel::Tls(_) => false,
            #[cfg(feature = "qzmq")]
            Tunnel::Records(_, below) => below.is_none(),
            // It lies below records.
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(..) => false,
        }
    }

    /// Whether something that the stream had may wait here. Of TLS that is not known.
    pub fn may_hide_bytes(&self) -> bool {
        match self {
            Tunnel::Tls(_) => true,
            #[cfg(feature = "qzmq")]
            Tunnel::Records(records, below) => below.is_some() || records.has_received(),
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(..) => true,
        }
    }

    /// Whether a part of a record has come since this was asked last. To the connection it is nothing before it is whole.
    pub fn take_arrival(&self) -> bool {
        match self {
            Tunnel::Tls(tls) => tls.lock().take_arrival(),
            #[cfg(feature = "qzmq")]
            Tunnel::Records(records, below) => {
                let below = below.as_deref().is_some_and(Tunnel::take_arrival);
                records.take_arrival() || below
            }
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(frames, below) => {
                let below = below.as_deref().is_some_and(Tunnel::take_arrival);
                frames.take_arrival() || below
            }
        }
    }

    fn flush(&self, fd: BorrowedFd<'_>) -> Result<()> {
        match self {
            Tunnel::Tls(tls) => tls.lock().transmit(&mut Stream(fd)),
            #[cfg(feature = "qzmq")]
            Tunnel::Records(records, below) => {
                let below = below.as_deref();
                records.flush(&mut Below(fd, below))?;
                flush(fd, below)
            }
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(frames, below) => {
                let below = below.as_deref();
                frames.flush(&mut |bytes| write(fd, below, &[IoSlice::new(bytes)]))?;
                flush(fd, below)
            }
        }
    }

    fn read(&self, fd: BorrowedFd<'_>, room: &mut [u8]) -> Result<usize> {
        match self {
            Tunnel::Tls(tls) => Tunnel::read_tls(tls, fd, room),
            #[cfg(feature = "qzmq")]
            Tunnel::Records(..) => {
                // Only the handshake reads into such room, and no records are there before it is over.
                let mut bytes = [MaybeUninit::uninit(); DECRYPTED_BYTES];
                let len = room.len().min(DECRYPTED_BYTES);
                let bytes = self.read_uninit(fd, bytes.get_mut(..len).unwrap_or_default())?;
                room.get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(bytes);
                Ok(bytes.len())
            }
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(frames, below) => {
                let below = below.as_deref();
                frames.read(room, &mut |room| read(fd, below, room), &mut |bytes| {
                    write(fd, below, &[IoSlice::new(bytes)])
                })
            }
        }
    }

    fn read_uninit<'r>(&self, fd: BorrowedFd<'_>, room: &'r mut [MaybeUninit<u8>]) -> Result<&'r mut [u8]> {
        match self {
            #[cfg(feature = "qzmq")]
            Tunnel::Records(records, below) => records.read(room, &mut Below(fd, below.as_deref())),
            other => {
                let mut bytes = [0; DECRYPTED_BYTES];
                let len = room.len().min(DECRYPTED_BYTES);
                let n = other.read(fd, bytes.get_mut(..len).unwrap_or_default())?;
                let bytes = bytes.get(..n).unwrap_or_default();
                Ok(room.get_mut(..bytes.len()).unwrap_or_default().write_copy_of_slice(bytes))
            }
        }
    }

    fn write(&self, fd: BorrowedFd<'_>, ranges: &[IoSlice<'_>]) -> Result<usize> {
        match self {
            Tunnel::Tls(tls) => Tunnel::write_tls(tls, fd, ranges),
            #[cfg(feature = "qzmq")]
            Tunnel::Records(records, below) => records.write(ranges, &mut Below(fd, below.as_deref())),
            #[cfg(feature = "qzmq")]
            Tunnel::WsRecords(frames, below) => {
                let below = below.as_deref();
                // Records come in one range.
                let records = ranges.first().map_or(&[][..], |range| range);
                frames.write(records, &mut |bytes| write(fd, below, &[IoSlice::new(bytes)]))
            }
        }
    }

    fn read_tls(tls: &Lock<Tls>, fd: BorrowedFd<'_>, room: &mut [u8]) -> Result<usize> {
        let mut tls = tls.lock();
        for _ in 0..MAX_FRUITLESS_READS {
            if let Some(n) = tls.read(room) {
                return Ok(n);
            }
            let received = tls.receive(&mut Stream(fd));
            // What the peer has said may want an answer; so may what it should not have said. If the stream does not take it, the
            // rest of the peer's bytes is to be received all the same: the next write fails with that error.
            let _ = tls.transmit(&mut Stream(fd));
            received?;
        }
        tls.read(room).ok_or(Errno::PROTO)
    }

    fn write_tls(tls: &Lock<Tls>, fd: BorrowedFd<'_>, ranges: &[IoSlice<'_>]) -> Result<usize> {
        let mut tls = tls.lock();
        tls.transmit(&mut Stream(fd))?;
        if tls.is_handshaking() {
            return Err(Errno::AGAIN);
        }
        let mut written = 0;
        for range in ranges {
            let piece = range.get(..MAX_HELD_BYTES - written).unwrap_or(range);
            written += tls.write(piece)?;
            if written >= MAX_HELD_BYTES {
                break;
            }
        }
        match tls.transmit(&mut Stream(fd)) {
            // The tunnel holds the bytes from here on. The next write begins with them, maybe on a thread that is permitted to.
            Err(errno) if errno.would_block() || errno.is_denial() || errno.is_shortage() => Ok(written),
            outcome => outcome.map(|()| written),
        }
    }
}

/// As [`stream::read`].
pub fn read(fd: BorrowedFd<'_>, tunnel: Option<&Tunnel>, room: &mut [u8]) -> Result<usize> {
    match tunnel {
        None => stream::read(fd, room),
        Some(tunnel) => tunnel.read(fd, room),
    }
}

/// As [`stream::read_uninit`].
pub fn read_uninit<'r>(
    fd: BorrowedFd<'_>,
    tunnel: Option<&Tunnel>,
    room: &'r mut [MaybeUninit<u8>],
) -> Result<&'r mut [u8]> {
    match tunnel {
        None => stream::read_uninit(fd, room),
        Some(tunnel) => tunnel.read_uninit(fd, room),
    }
}

/// Whether the stream has no more for now, after a read that was `short` of its room or not. Of TLS that is not known: a record of
/// it may have ended. Nor is it of WebSocket.
pub fn is_drained(tunnel: Option<&Tunnel>, short: bool) -> bool {
    match tunnel {
        None => short,
        #[cfg(feature = "qzmq")]
        Some(Tunnel::Records(records, below)) => below.is_none() && records.is_drained(),
        Some(_) => false,
    }
}

/// Room that a read had better have where much comes, at least.
pub fn least_room(tunnel: Option<&Tunnel>) -> usize {
    match tunnel {
        // Else the record is opened in a buffer.
        #[cfg(feature = "qzmq")]
        Some(Tunnel::Records(..)) => MAX_RECORD_BYTES,
        _ => MIN_READ_BYTES,
    }
}

/// As [`stream::write`]. That not all of it was taken means that the stream is full only where there is no tunnel.
pub fn write(fd: BorrowedFd<'_>, tunnel: Option<&Tunnel>, ranges: &[IoSlice<'_>]) -> Result<usize> {
    match tunnel {
        None => stream::write(fd, ranges),
        Some(tunnel) => tunnel.write(fd, ranges),
    }
}

/// Sends what the tunnel holds back. Errors: those of [`stream::write`], `EAGAIN` if it still holds something.
pub fn flush(fd: BorrowedFd<'_>, tunnel: Option<&Tunnel>) -> Result<()> {
    match tunnel {
        None => Ok(()),
        Some(tunnel) => tunnel.flush(fd),
    }
}

/// What records go through.
#[cfg(feature = "qzmq")]
struct Below<'a>(BorrowedFd<'a>, Option<&'a Tunnel>);

#[cfg(feature = "qzmq")]
impl Lower for Below<'_> {
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        read(self.0, self.1, room)
    }

    fn read_behind<'r>(&mut self, front: &[u8], room: &'r mut [MaybeUninit<u8>]) -> Result<&'r mut [u8]> {
        stream::read_behind(front, room, |rest| read_uninit(self.0, self.1, rest))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        write(self.0, self.1, &[IoSlice::new(bytes)])
    }
}

/// The stream underneath.
struct Stream<'a>(BorrowedFd<'a>);

impl io::Read for Stream<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        stream::read(self.0, room).map_err(error)
    }
}

impl io::Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stream::write(self.0, &[IoSlice::new(bytes)]).map_err(error)
    }

    fn write_vectored(&mut self, ranges: &[IoSlice<'_>]) -> io::Result<usize> {
        stream::write(self.0, ranges).map_err(error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}
