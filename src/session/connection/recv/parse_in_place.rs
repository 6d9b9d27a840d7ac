//! Frames taken apart where they lie: in the blocks of the pipe that they are for.

use super::body::LargeBody;
use super::commands::PeerCommands;
use super::messages::Messages;
use super::{Intake, Parsed};
use crate::engine::Failure;
use crate::engine::zmtp::Version;
use crate::engine::zmtp::command::Command;
use crate::engine::zmtp::frame::{self, FrameHeader};
use crate::message::{BY_REFERENCE_MIN_BYTES, LARGE, MORE};

/// Bodies shorter than this are received into the pipe's blocks, several at a time, and cut out of there. That begins once the
/// peer has sent one as long. That takes fewer system calls than to read each into memory of its own. Not before: for a length
/// that is only announced no room is made.
const IN_BLOCKS_MAX_BYTES: usize = 32 * 1024;

/// Takes apart what lies in the pipe's blocks.
pub fn parse(
    intake: &mut Intake,
    version: Version,
    now_ms: u64,
    control: &mut Vec<u8>,
) -> Result<Parsed, Failure> {
    let Intake { messages, large, commands, .. } = intake;
    loop {
        if !messages.is_inside() {
            accept_run(messages, commands);
        }
        let Some(producer) = messages.blocks() else { return Ok(Parsed::NoCredit) };
        let pending = producer.received();
        if let Some(first) = pending.first_mut() {
            frame::clear_reserved_flags(first);
        }
        let Some(header) = frame::parse_header(pending)? else {
            return Ok(Parsed::Needs(frame::MAX_HEADER_BYTES));
        };
        let (have, len) = (pending.len(), header.frame_len());
        messages.check_size(header.body_len)?;
        commands.note_frame();
        if len > have && len - header.header_len < in_blocks(large) {
            return Ok(Parsed::Needs(len - have));
        }
        if header.is_command() {
            let wanted = messages.wants_subscriptions() && (len > have || wish_is_here(&header, messages));
            if wanted && !messages.check_credit() {
                return Ok(Parsed::NoCredit);
            }
            if len > have {
                messages.flush();
                large.begin_in_blocks(&header, messages)?;
                return Ok(Parsed::Needs(1));
            }
            accept_command(&header, messages, |body| commands.obey(body, version, now_ms, control))?;
            continue;
        }
        let weight = messages.weight();
        if !begin_frame(&header, messages)? {
            return Ok(Parsed::NoCredit);
        }
        if len <= have {
            accept_frame(&header, messages);
        } else {
            // A frame that is tried again is not to be weighed twice.
            large.begin_in_blocks(&header, messages).inspect_err(|_| messages.set_weight(weight))?;
            return Ok(Parsed::Needs(1));
        }
    }
}

/// The fast path: accepts whole messages one after the other, as far as the credit goes. An incomplete or unusual frame, or
/// one that may be too large, is left to the path that goes frame by frame.
fn accept_run(messages: &mut Messages, commands: &mut PeerCommands) {
    let (credit, limits) = (messages.credit(), messages.limits());
    let most_frame = u64::try_from(limits.frame).unwrap_or(u64::MAX);
    let Some(producer) = messages.blocks() else { return };
    let pending = &*producer.received();
    // `at`: where the last whole message ends; `end`: where the last frame does.
    let (mut at, mut end, mut whole) = (0usize, 0usize, 0u32);
    // Of the frames, and of those of whole messages: their number, and the bytes of their headers.
    let (mut frames, mut headers) = (0u32, 0u64);
    let (mut whole_frames, mut whole_headers) = (0, 0);
    while u64::from(whole) < credit {
        let (flags, header, len) = match pending.get(end..) {
            Some([flags @ (0 | MORE), short, ..]) => (*flags, 2, 2 + usize::from(*short)),
            Some([flags, rest @ ..]) if flags & !MORE == LARGE => match rest.first_chunk::<8>() {
                Some(long) => match usize::try_from(u64::from_be_bytes(*long)) {
                    Ok(body) => (*flags, 9, body.saturating_add(9)),
                    Err(_) => break,
                },
                None => break,
            },
            _ => break,
        };
        if len > pending.len() - end || len as u64 > most_frame || (end - at + len) as u64 > limits.message {
            break;
        }
        end += len;
        frames += 1;
        headers += header;
        if flags & MORE == 0 {
            at = end;
            whole += 1;
            (whole_frames, whole_headers) = (frames, headers);
        }
    }
    if whole > 0 {
        producer.accept(at);
        let continuations = whole_frames.saturating_sub(whole);
        messages.note_messages(whole, (at as u64).saturating_sub(whole_headers), continuations);
        commands.note_frame();
    }
}

/// Whether the frame may enter the pipe. At the beginning of a message that asks for credit, and flushes all complete
/// messages. So the message can show whole or not at all.
fn begin_frame(header: &FrameHeader, messages: &mut Messages) -> Result<bool, Failure> {
    if !messages.takes_frame() {
        return Ok(false);
    }
    if !messages.is_inside() && !message_is_here(messages) {
        messages.flush();
    }
    messages.weigh_frame(header.header_len, header.body_len)?;
    Ok(true)
}

/// Whether all frames of the message that begins with the received bytes have been received, and none is more than the
/// peer may send: nothing can end the connection inside it.
fn message_is_here(messages: &mut Messages) -> bool {
    let limits = messages.limits();
    let Some(producer) = messages.blocks() else { return true };
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
fn in_blocks(large: &LargeBody) -> usize {
    large.last_bytes().saturating_mul(2).clamp(BY_REFERENCE_MIN_BYTES, IN_BLOCKS_MAX_BYTES)
}

fn accept_frame(header: &FrameHeader, messages: &mut Messages) {
    if let Some(producer) = messages.blocks() {
        producer.accept(header.frame_len());
    }
    messages.note_frame(header.body_len, header.more());
}

/// Whether the command with this header, which has been received, is a subscription. Other commands cost no credit.
fn wish_is_here(header: &FrameHeader, messages: &mut Messages) -> bool {
    let Some(producer) = messages.blocks() else { return false };
    let body = producer.received().get(header.header_len..header.frame_len()).unwrap_or_default();
    Command::parse(body).is_subscription_request()
}

/// A subscription that is wanted stays where it lies. Any other command, of any kind and from anywhere, is left out of the pipe: its
/// reader would pass over all that a peer has sent since the last message, at once. `obey` says whether it is a subscription.
fn accept_command(
    header: &FrameHeader,
    messages: &mut Messages,
    obey: impl FnOnce(&[u8]) -> bool,
) -> Result<(), Failure> {
    let len = header.frame_len();
    let wanted = messages.wants_subscriptions();
    messages.weigh_command(len)?;
    let Some(producer) = messages.blocks() else { return Ok(()) };
    let frame = producer.received().get_mut(..len).unwrap_or_default();
    let (head, body) = frame.split_at_mut(header.header_len.min(frame.len()));
    if !obey(body) || !wanted {
        producer.skip(len);
        return Ok(());
    }
    if let Some(flags) = head.first_mut() {
        *flags &= !MORE;
    }
    producer.accept(len);
    messages.note_subscription();
    Ok(())
}
