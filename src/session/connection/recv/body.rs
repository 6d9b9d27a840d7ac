//! Large bodies, received into memory of their own.

use super::messages::Messages;
use crate::engine::Failure;
use crate::engine::zmtp::command::Command;
use crate::engine::zmtp::frame::FrameHeader;
use crate::errno::Errno;
use crate::message::{Body, BodyBuilder, COMMAND, MORE};

/// The large body that is under way, if there is one.
#[derive(Default)]
pub struct LargeBody {
    /// One on its way in, and the flags of its frame.
    growing: Option<(u8, BodyBuilder)>,
    /// One that is here whole, and the flags of its frame: the pipe had no memory for it.
    whole: Option<(u8, Body)>,
    /// How long the last one was.
    last_bytes: usize,
}

impl LargeBody {
    pub fn is_under_way(&self) -> bool {
        self.growing.is_some() || self.whole.is_some()
    }

    /// How long the last one was.
    pub fn last_bytes(&self) -> usize {
        self.last_bytes
    }

    /// The memory that received bytes belong in, while one is on its way in.
    pub fn growing(&mut self) -> Option<&mut BodyBuilder> {
        self.growing.as_mut().map(|(_, builder)| builder)
    }

    /// Begins with the body of the frame whose first bytes lie in the pipe's blocks. Where there is no memory nothing has changed.
    pub fn begin_in_blocks(&mut self, header: &FrameHeader, messages: &mut Messages) -> Result<(), Failure> {
        let len = usize::try_from(header.body_len).map_err(|_| Failure::TOO_LARGE)?;
        let mut builder = BodyBuilder::with_expected(len);
        builder.trust(self.last_bytes);
        if let Some(producer) = messages.blocks() {
            let begun = producer.received().get(header.header_len..).unwrap_or_default();
            builder.extend(begun).map_err(Failure::Errno)?;
            if !header.is_command() {
                producer.accept(header.header_len);
            }
            producer.discard_received();
        }
        self.begin(header.flags, builder);
        Ok(())
    }

    /// Begins with a body whose first bytes, or all of them, are in `builder`.
    pub fn begin(&mut self, flags: u8, builder: BodyBuilder) {
        self.growing = Some((flags, builder));
    }

    /// Puts it into the pipe once it is complete; `false` while it is not. `header_is_there`: its header is in the pipe already.
    pub fn finish(&mut self, messages: &mut Messages, header_is_there: bool) -> Result<bool, Failure> {
        if self.growing.as_ref().is_some_and(|(_, builder)| builder.remaining() > 0) {
            return Ok(false);
        }
        if let Some((flags, builder)) = self.growing.take() {
            let body = builder
                .finish()
                .inspect_err(|_| self.growing = Some((flags, BodyBuilder::with_expected(0))))
                .map_err(Failure::Errno)?;
            self.last_bytes = body.len();
            self.whole = Some((flags, body));
        }
        let Some((flags, body)) = &self.whole else { return Ok(true) };
        let (flags, body) = (*flags, body.clone());
        let appended = if flags & COMMAND != 0 {
            append_command(body.as_slice(), messages)
        } else {
            messages.append_body(body, flags & MORE != 0, header_is_there)
        };
        appended.map_err(Failure::Errno)?;
        // Before the pipe's reader sees it, which is to have it alone.
        self.whole = None;
        Ok(true)
    }
}

/// A large command: of use only if it is a subscription.
fn append_command(body: &[u8], messages: &mut Messages) -> Result<(), Errno> {
    if messages.wants_subscriptions() && Command::parse(body).is_subscription_request() {
        messages.append_subscription(body)?;
    }
    Ok(())
}
