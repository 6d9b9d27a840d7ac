//! MESSAGE, both ways: the frames of the data phase, sealed by the library, each behind its length.

use super::check_name;
use crate::engine::Failure;
use crate::engine::codec::OVERHEAD_BYTES;
use crate::engine::mechanism::curve::message::{flags, sealed_flags};
use crate::engine::zmtp::{Version, frame, subscription};
use crate::errno::Errno;
use crate::message::COMMAND;
use crate::sys::gssapi::Context;
use crate::sys::lock::Lock;
use std::fmt;
use std::sync::Arc;

const NAME: &[u8] = b"\x07MESSAGE";

/// The two directions of a connection, one for the send half and one for the receive half.
pub struct GssapiCodec {
    pub sealer: Sealer,
    pub opener: Opener,
}

/// Seals outgoing frames.
pub struct Sealer {
    /// The library has one context for both directions, so the halves of a connection share it under a lock.
    context: Arc<Lock<Context>>,
    version: Version,
}

/// Opens incoming frames.
pub struct Opener {
    context: Arc<Lock<Context>>,
}

impl GssapiCodec {
    pub(super) fn new(context: Context) -> GssapiCodec {
        let context = Arc::new(Lock::new(context));
        let opener = Opener { context: Arc::clone(&context) };
        GssapiCodec { sealer: Sealer { context, version: Version::V3_1 }, opener }
    }
}

impl Sealer {
    /// Sets the peer's version, which decides the form of subscriptions.
    pub(super) fn speaks_to(&mut self, version: Version) {
        self.version = version;
    }

    /// Appends a complete frame with header, for a frame in a pipe. Fails with `EPROTO` where the library
    /// fails.
    pub fn append_frame(&mut self, out: &mut Vec<u8>, flags: u8, body: &[u8]) -> Result<(), Failure> {
        if flags & COMMAND != 0
            && !self.version.takes_subscription_commands()
            && let Some((first, topic)) = subscription::message_form(flags, body)
        {
            return self.append(out, 0, 0, &[&[first], topic].concat());
        }
        self.append(out, 0, flags, body)
    }

    /// Appends a command of the handshake. The COMMAND flag is set outside and not inside, as in libzmq.
    pub(super) fn append_handshake(&mut self, out: &mut Vec<u8>, body: &[u8]) -> Result<(), Failure> {
        self.append(out, COMMAND, 0, body)
    }

    fn append(&mut self, out: &mut Vec<u8>, outside: u8, flags: u8, body: &[u8]) -> Result<(), Failure> {
        let text = [&[sealed_flags(flags)], body].concat();
        let wrapped = self.context.lock().wrap(&text).map_err(Failure::Errno)?;
        let length = u32::try_from(wrapped.len()).map_err(|_| Failure::TOO_LARGE)?;
        frame::append_header(out, outside, NAME.len() + 4 + wrapped.len());
        out.extend_from_slice(NAME);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&wrapped);
        Ok(())
    }
}

impl Opener {
    /// Opens the body of a frame. Returns its flags, MORE and COMMAND, and the body, which is written behind
    /// the first [`OVERHEAD_BYTES`] bytes. Fails with libzmq's code for the fault.
    pub fn open<'a>(&mut self, body: &'a mut [u8]) -> Result<(u8, &'a mut [u8]), Failure> {
        let text = self.unwrap(body)?;
        let (sealed_flags, text) = text.split_first().ok_or(Failure::MALFORMED_MESSAGE)?;
        // The library's own overhead is larger, so there is room.
        let room = body.get_mut(OVERHEAD_BYTES..).and_then(|room| room.get_mut(..text.len()));
        let room = room.ok_or(Failure::Errno(Errno::PROTO))?;
        room.copy_from_slice(text);
        Ok((flags(*sealed_flags), room))
    }

    /// Opens a command of the handshake.
    pub(super) fn open_handshake(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut text = self.unwrap(body)?;
        if text.is_empty() {
            return Err(Failure::MALFORMED_MESSAGE);
        }
        text.remove(0);
        Ok(text)
    }

    fn unwrap(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let Some(rest) = body.strip_prefix(NAME) else {
            check_name(body)?;
            return Err(Failure::UNEXPECTED_COMMAND);
        };
        let (length, wrapped) = rest.split_first_chunk::<4>().ok_or(Failure::MALFORMED_MESSAGE)?;
        if usize::try_from(u32::from_be_bytes(*length)) != Ok(wrapped.len()) {
            return Err(Failure::MALFORMED_MESSAGE);
        }
        self.context.lock().unwrap(wrapped).map_err(|_| Failure::CRYPTOGRAPHIC)
    }
}

impl fmt::Debug for GssapiCodec {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GssapiCodec(..)")
    }
}
