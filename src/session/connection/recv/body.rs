//! Large bodies, received into memory of their own.

use super::{RecvForm, RecvHalf};
use crate::engine::Failure;
use crate::engine::zmtp::command::Command;
use crate::engine::zmtp::frame::Header;
use crate::errno::Errno;
use crate::message::{BodyBuilder, COMMAND, MORE, Msg, OutFrame};

impl RecvHalf {
    /// Begins to receive a large body into memory of its own.
    pub(super) fn begin_body(&mut self, header: &Header) -> Result<(), Failure> {
        let len = usize::try_from(header.body_len).map_err(|_| Failure::TOO_LARGE)?;
        let mut builder = BodyBuilder::with_expected(len);
        builder.trust(self.last_body_bytes);
        if let Some(producer) = self.writer.blocks() {
            if !header.is_command() {
                producer.accept(header.header_len);
            }
            let skip = if header.is_command() { header.header_len } else { 0 };
            let begun = producer.received().get(skip..).unwrap_or_default();
            builder.extend(begun).map_err(Failure::Errno)?;
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
        let Some((flags, builder)) = self.body.take() else { return Ok(true) };
        let body = builder.finish().map_err(Failure::Errno)?;
        self.last_body_bytes = body.len();
        if flags & COMMAND != 0 {
            self.finish_command(body.as_slice()).map_err(Failure::Errno)?;
            return Ok(true);
        }
        let more = flags & MORE != 0;
        let appended = match self.form {
            // Its header is not in the pipe yet.
            RecvForm::Ws(_) | RecvForm::Sealed(..) => {
                self.writer.append(&mut OutFrame::msg(&mut Msg::from_body(body), more))
            }
            _ => self.writer.append_body(more, body),
        };
        appended.map_err(Failure::Errno)?;
        self.inside = more;
        self.content = true;
        Ok(true)
    }

    /// A large command: of any use only where it says what the peer wants.
    fn finish_command(&mut self, body: &[u8]) -> Result<(), Errno> {
        if !self.wants_subscriptions() {
            return Ok(());
        }
        if !Command::parse(body).is_wish() {
            return Ok(());
        }
        self.writer.append_wish(body, b"")?;
        self.content = true;
        Ok(())
    }
}
