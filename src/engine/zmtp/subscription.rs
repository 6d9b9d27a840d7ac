//! Subscriptions for peers older than ZMTP 3.1: a message whose first byte is 1 (subscribe) or 0 (cancel),
//! followed by the topic (RFC 29). In pipes they are SUBSCRIBE and CANCEL commands.
use super::command::Command;
use crate::message::COMMAND;

/// First byte of the message form of a subscription.
pub const SUBSCRIBE: u8 = 1;
/// First byte of the message form of a cancellation.
pub const CANCEL: u8 = 0;

/// The first byte and the rest of the message form of a pipe's frame, if it is a SUBSCRIBE or CANCEL command.
pub fn message_form(flags: u8, body: &[u8]) -> Option<(u8, &[u8])> {
    if flags & COMMAND == 0 {
        return None;
    }
    match Command::parse(body) {
        Command::Subscribe(topic) => Some((SUBSCRIBE, topic)),
        Command::Cancel(topic) => Some((CANCEL, topic)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_subscription_commands_have_a_message_form() {
        assert_eq!(message_form(COMMAND, b"\x09SUBSCRIBEa"), Some((1, &b"a"[..])));
        assert_eq!(message_form(COMMAND, b"\x06CANCEL"), Some((0, &b""[..])));
        assert_eq!(message_form(0, b"\x09SUBSCRIBEa"), None);
        assert_eq!(message_form(COMMAND, b"\x04PING\0\0"), None);
        assert_eq!(message_form(COMMAND, b""), None);
    }
}
