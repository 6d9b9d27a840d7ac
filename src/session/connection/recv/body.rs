//! Large bodies, received into memory of their own.

use super::{RecvForm, RecvHalf};
use crate::engine::Failure;
use crate::engine::zmtp::command::Command;
use crate::engine::zmtp::frame::Header;
use crate::errno::Errno;
use crate::message::{Body, BodyBuilder, COMMAND, MORE, Msg, OutFrame};

impl RecvHalf {
    /// Begins to receive a large body into memory of its own. Where there is none nothing has changed.
    pub(super) fn begin_body(&mut self, header: &Header) -> Result<(), Failure> {
        let len = usize::try_from(header.body_len).map_err(|_| Failure::TOO_LARGE)?;
        let mut builder = BodyBuilder::with_expected(len);
        builder.trust(self.last_body_bytes);
        if let Some(producer) = self.writer.blocks() {
            let begun = producer.received().get(header.header_len..).unwrap_or_default();
            builder.extend(begun).map_err(Failure::Errno)?;
            if !header.is_command() {
                producer.accept(header.header_len);
            }
            producer.discard_received();
        }
        self.body = Some((header.flags, builder));
        Ok(())
    }

    /// Puts a large body into the pipe once it is complete; `false` while it is not.
    pub(super) fn finish_body(&mut self) -> Result<bool, Failure> {
        if self.body.as_ref().is_some_and(|(_, builder)| builder.remaining() > 0) {
            return Ok(false);
        }
        if let Some((flags, builder)) = self.body.take() {
            let body = builder
                .finish()
                .inspect_err(|_| self.body = Some((flags, BodyBuilder::with_expected(0))))
                .map_err(Failure::Errno)?;
            self.last_body_bytes = body.len();
            self.whole_body = Some((flags, body));
        }
        let Some((flags, body)) = &self.whole_body else { return Ok(true) };
        let (flags, body) = (*flags, body.clone());
        self.append_whole_body(flags, body).map_err(Failure::Errno)?;
        // Before the pipe's reader sees it, which is to have it alone.
        self.whole_body = None;
        Ok(true)
    }

    /// Puts a body that is here whole into the pipe. Errors: `ENOMEM`, with nothing changed.
    fn append_whole_body(&mut self, flags: u8, body: Body) -> Result<(), Errno> {
        if flags & COMMAND != 0 {
            return self.finish_command(body.as_slice());
        }
        let more = flags & MORE != 0;
        match self.form {
            // Its header is not in the pipe yet.
            RecvForm::Ws(_) | RecvForm::Sealed(..) => {
                self.writer.append(&mut OutFrame::msg(&mut Msg::from_body(body), more))?;
            }
            _ => self.writer.append_body(more, body)?,
        }
        self.inside = more;
        self.content = true;
        Ok(())
    }

    /// A large command: of use only if it is a subscription.
    fn finish_command(&mut self, body: &[u8]) -> Result<(), Errno> {
        if !self.wants_subscriptions() {
            return Ok(());
        }
        if !Command::parse(body).is_subscription_request() {
            return Ok(());
        }
        self.writer.append_subscription_request(body, b"")?;
        self.content = true;
        Ok(())
    }
}
