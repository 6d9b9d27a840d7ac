//! Frames taken apart where they lie: in the blocks of the pipe that they are for.

use super::{Parsed, RecvHalf, obey};
use crate::engine::Failure;
use crate::engine::zmtp::Version;
use crate::engine::zmtp::command::Command;
use crate::engine::zmtp::frame::{self, Header};
use crate::message::{BY_REFERENCE_MIN_BYTES, LARGE, MORE};

/// Bodies shorter than this are received into the pipe's blocks, several at a time, and cut out of there. That begins once the
/// peer has sent one as long. That takes fewer system calls than to read each into memory of its own. Not before: for a length
/// that is only announced no room is made.
const IN_BLOCKS_MAX_BYTES: usize = 32 * 1024;

impl RecvHalf {
    /// As [`parse`](RecvHalf::parse), of what lies in the pipe's blocks.
    pub(super) fn parse_blocks(
        &mut self,
        version: Version,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<Parsed, Failure> {
        loop {
            if !self.inside {
                self.accept_run();
            }
            let Some(producer) = self.writer.blocks() else { return Ok(Parsed::NoCredit) };
            let pending = producer.received();
            if let Some(first) = pending.first_mut() {
                frame::clear_reserved_flags(first);
            }
            let Some(header) = frame::parse_header(pending)? else {
                return Ok(Parsed::Needs(frame::MAX_HEADER));
            };
            frame::check_size(header.body_len, self.limits.frame)?;
            let (have, len) = (pending.len(), header.frame_len());
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
            if len > have && len - header.header_len < self.in_blocks() {
                return Ok(Parsed::Needs(len - have));
            }
            if header.is_command() {
                let wanted = self.wants_subscriptions() && (len > have || self.wish_is_here(&header));
                if wanted && !self.writer.check() {
                    return Ok(Parsed::NoCredit);
                }
                if len > have {
                    if !self.inside {
                        self.show_whole_messages();
                    }
                    self.begin_body(&header)?;
                    return Ok(Parsed::Needs(1));
                }
                self.accept_command(&header, version, now_ms, control)?;
                continue;
            }
            let weight = self.weight;
            if !self.begin_frame(&header)? {
                return Ok(Parsed::NoCredit);
            }
            if len <= have {
                self.accept_frame(&header);
            } else {
                // A frame that is tried again is not to be weighed twice.
                self.begin_body(&header).inspect_err(|_| self.weight = weight)?;
                return Ok(Parsed::Needs(1));
            }
        }
    }

    /// The fast path: accepts whole messages one after the other, as far as the credit goes. An incomplete or unusual frame, or
    /// one that may be too large, is left to the path that goes frame by frame.
    fn accept_run(&mut self) {
        let credit = self.writer.credit();
        let most_frame = u64::try_from(self.limits.frame).unwrap_or(u64::MAX);
        let most_message = self.limits.message;
        let Some(producer) = self.writer.blocks() else { return };
        let pending = &*producer.received();
        // `at`: where the last whole message ends; `end`: where the last frame does.
        let (mut at, mut end, mut messages) = (0usize, 0usize, 0u32);
        while u64::from(messages) < credit {
            let (flags, len) = match pending.get(end..) {
                Some([flags @ (0 | MORE), short, ..]) => (*flags, 2 + usize::from(*short)),
                Some([flags, rest @ ..]) if flags & !MORE == LARGE => match rest.first_chunk::<8>() {
                    Some(long) => match usize::try_from(u64::from_be_bytes(*long)) {
                        Ok(body) => (*flags, body.saturating_add(9)),
                        Err(_) => break,
                    },
                    None => break,
                },
                _ => break,
            };
            if len > pending.len() - end || len as u64 > most_frame || (end - at + len) as u64 > most_message
            {
                break;
            }
            end += len;
            if flags & MORE == 0 {
                at = end;
                messages += 1;
            }
        }
        if messages > 0 {
            producer.accept(at);
            self.writer.count_messages(messages);
            self.content = true;
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.on_received();
            }
        }
    }

    /// Whether the frame may enter the pipe. At the beginning of a message that asks for credit, and flushes all complete
    /// messages. So the message can show whole or not at all.
    fn begin_frame(&mut self, header: &Header) -> Result<bool, Failure> {
        let mut weight = header.body_len;
        if self.inside {
            weight = weight.saturating_add(header.header_len as u64);
        } else {
            if !self.writer.check() {
                return Ok(false);
            }
            self.weight = 0;
            if !self.message_is_here() {
                self.show_whole_messages();
            }
        }
        self.weigh(weight)?;
        Ok(true)
    }

    /// Makes all messages visible that came before an incomplete message or command.
    fn show_whole_messages(&mut self) {
        if self.content {
            self.content = false;
            self.writer.flush();
        } else if let Some(producer) = self.writer.blocks() {
            producer.drop_unpublished();
        }
    }

    /// Whether all frames of the message that begins with the received bytes have been received, and none is more than the
    /// peer may send: nothing can end the connection inside it.
    fn message_is_here(&mut self) -> bool {
        let limits = self.limits;
        let Some(producer) = self.writer.blocks() else { return true };
        let (mut rest, mut weight) = (&*producer.received(), 0u64);
        loop {
            let Ok(Some(header)) = frame::parse_header(rest) else { return false };
            let Some(next) = rest.get(header.frame_len()..) else { return false };
            weight = weight.saturating_add(header.frame_len() as u64);
            if frame::check_size(header.body_len, limits.frame).is_err() || weight > limits.message {
                return false;
            }
            if !header.more() && !header.is_command() {
                return true;
            }
            rest = next;
        }
    }

    /// Bodies shorter than this are waited for where their first bytes lie.
    fn in_blocks(&self) -> usize {
        self.last_body_bytes.saturating_mul(2).clamp(BY_REFERENCE_MIN_BYTES, IN_BLOCKS_MAX_BYTES)
    }

    fn accept_frame(&mut self, header: &Header) {
        if let Some(producer) = self.writer.blocks() {
            producer.accept(header.frame_len());
        }
        self.inside = header.more();
        self.content = true;
        if !header.more() {
            self.writer.count_messages(1);
        }
    }

    /// Whether the command with this header, which has been received, is a subscription. Other commands cost no credit.
    fn wish_is_here(&mut self, header: &Header) -> bool {
        let Some(producer) = self.writer.blocks() else { return false };
        let body = producer.received().get(header.header_len..header.frame_len()).unwrap_or_default();
        Command::parse(body).is_subscription_request()
    }

    /// A command stays where it lies. An unwanted command, of any kind and from anywhere, is made into one that the pipe's reader
    /// passes over.
    fn accept_command(
        &mut self,
        header: &Header,
        version: Version,
        now_ms: u64,
        control: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let len = header.frame_len();
        self.commands += 1;
        let wanted = self.wants_subscriptions();
        if self.inside {
            self.weigh(len as u64)?;
        }
        let Some(producer) = self.writer.blocks() else { return Ok(()) };
        let frame = producer.received().get_mut(..len).unwrap_or_default();
        let (head, body) = frame.split_at_mut(header.header_len.min(frame.len()));
        let subscription = obey(body, version, now_ms, &mut self.heartbeat, control) && wanted;
        if let Some(flags) = head.first_mut() {
            *flags &= !MORE;
        }
        if !subscription && let Some(name_len) = body.first_mut() {
            *name_len = 0;
        }
        producer.accept(len);
        if subscription {
            self.writer.count_messages(1);
            self.content = true;
        } else if !self.inside {
            producer.end_aside();
        }
        Ok(())
    }
}
