//! What a pipe hands out and what it takes.
use super::{BODY_RING_MIN_BYTES, BY_REFERENCE_MIN_BYTES, Body, COMMAND, MORE, Metadata, Msg, ROUTING_ID};
use crate::errno::{Errno, Result};
use std::sync::Arc;

/// One frame read from a pipe. It borrows from the pipe until it is copied out or turned into a [`Msg`].
pub struct Frame<'a> {
    /// [`MORE`], [`COMMAND`], [`ROUTING_ID`]; never `LARGE`.
    pub flags: u8,
    pub body: FrameBody<'a>,
    /// Properties of the connection the frame came from.
    pub metadata: Option<&'a Arc<Metadata>>,
    /// What the pattern says of the frame's way.
    pub address: Address,
}

/// What a message of a thread-safe socket carries beside its body.
#[derive(Clone, Debug, Default)]
pub enum Address {
    #[default]
    None,
    /// Of the peer that it comes from (SERVER, PEER).
    RoutingId(u32),
    /// Which it was sent to, with a NUL after it (DISH); see [`group_body`](super::group_body).
    Group(Body),
}

/// Where a frame's bytes are.
pub enum FrameBody<'a> {
    /// In the pipe's own block.
    Slice(&'a [u8]),
    /// Behind a reference.
    Shared(Body),
    /// In a message that a pattern had kept or made itself. Boxed, as it is rare: every frame is passed on by value
    /// several times.
    Owned(Box<Msg>),
}

impl FrameBody<'_> {
    pub fn len(&self) -> usize {
        match self {
            FrameBody::Slice(data) => data.len(),
            FrameBody::Shared(body) => body.len(),
            FrameBody::Owned(message) => message.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a frame is for.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameKind<'f> {
    /// Part of a message.
    Message,
    /// The peer's routing id.
    RoutingId,
    /// SUBSCRIBE command (RFC 37) and its topic.
    Subscribe(&'f [u8]),
    /// CANCEL command (RFC 37) and its topic.
    Cancel(&'f [u8]),
    /// JOIN command (RFC 48) and the group.
    Join(&'f [u8]),
    /// LEAVE command (RFC 48) and the group.
    Leave(&'f [u8]),
    /// Any other command: nothing for a socket.
    OtherCommand,
}

impl<'a> Frame<'a> {
    /// A frame of a pattern's own making, such as a routing id.
    pub fn owned(msg: Msg) -> Frame<'static> {
        let flags = if msg.more() { MORE } else { 0 };
        Frame { flags, body: FrameBody::Owned(Box::new(msg)), metadata: None, address: Address::None }
    }

    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub fn data(&self) -> &[u8] {
        match &self.body {
            FrameBody::Slice(data) => data,
            FrameBody::Shared(body) => body.as_slice(),
            FrameBody::Owned(msg) => msg.data(),
        }
    }

    pub fn kind(&self) -> FrameKind<'_> {
        FrameKind::of(self.flags, self.data())
    }

    /// Copies small bodies, refers to large ones; carries MORE, the properties and the address over. Errors: `ENOMEM`.
    pub fn into_msg(mut self) -> Result<Msg> {
        self.take_msg()
    }

    /// As [`into_msg`](Frame::into_msg), for a caller that has the frame by reference: an empty one stays behind.
    #[inline]
    pub fn take_msg(&mut self) -> Result<Msg> {
        let mut msg = match &mut self.body {
            FrameBody::Slice(data) => Msg::copy_from(data)?,
            body => match std::mem::replace(body, FrameBody::Slice(&[])) {
                FrameBody::Slice(_) => Msg::new(),
                FrameBody::Shared(body) => Msg::from_body(body),
                FrameBody::Owned(msg) => *msg,
            },
        };
        msg.set_more(self.more());
        if let Some(metadata) = self.metadata {
            msg.set_metadata(Some(Arc::clone(metadata)));
        }
        match std::mem::take(&mut self.address) {
            Address::None => {}
            Address::RoutingId(routing_id) => msg.set_routing_id(routing_id),
            Address::Group(group) => msg.set_group_body(group),
        }
        Ok(msg)
    }
}

impl Frame<'_> {
    /// As [`take_msg`](Frame::take_msg), into a message whose old content is released. Errors: `ENOMEM`, and the message
    /// stays what it was.
    #[inline]
    pub fn take_into(&mut self, msg: &mut Msg) -> Result<()> {
        if let (FrameBody::Slice(data), Address::None) = (&self.body, &self.address) {
            return msg.refill(data, self.more(), self.metadata);
        }
        *msg = self.take_msg()?;
        Ok(())
    }

    /// For a frame that is sent on: where it has an address, that needs a message to lie in. Errors: `ENOMEM`.
    #[inline]
    pub fn for_sending(self) -> Result<Self> {
        match self.address {
            Address::None => Ok(self),
            _ => self.into_msg().map(Frame::owned),
        }
    }

    /// The frame as it is sent, to as many sockets as need be; its body stays where it lies. After
    /// [`for_sending`](Frame::for_sending).
    #[inline]
    pub fn out(&mut self) -> OutFrame<'_> {
        let more = self.more();
        match &mut self.body {
            FrameBody::Slice(data) => OutFrame::bytes(data, more),
            FrameBody::Shared(body) => {
                OutFrame { body: OutBody::Bytes(body.as_slice()), more, shared: Some(body.clone()) }
            }
            FrameBody::Owned(msg) => OutFrame::msg(msg, more),
        }
    }
}

impl Default for Frame<'_> {
    /// With nothing in it.
    fn default() -> Self {
        Frame { flags: 0, body: FrameBody::Slice(&[]), metadata: None, address: Address::None }
    }
}

impl<'f> FrameKind<'f> {
    /// Of a frame with these flags and this body.
    pub fn of(flags: u8, data: &'f [u8]) -> FrameKind<'f> {
        if flags & ROUTING_ID != 0 {
            return FrameKind::RoutingId;
        }
        if flags & COMMAND == 0 {
            return FrameKind::Message;
        }
        if let Some(topic) = data.strip_prefix(b"\x09SUBSCRIBE") {
            FrameKind::Subscribe(topic)
        } else if let Some(topic) = data.strip_prefix(b"\x06CANCEL") {
            FrameKind::Cancel(topic)
        } else if let Some(group) = data.strip_prefix(b"\x04JOIN") {
            FrameKind::Join(group)
        } else if let Some(group) = data.strip_prefix(b"\x05LEAVE") {
            FrameKind::Leave(group)
        } else {
            FrameKind::OtherCommand
        }
    }
}

/// A frame on its way into one pipe or many. Patterns may look at it and write it to any number of pipes; the
/// caller keeps what was not taken, so a send that fails with `EAGAIN` can be tried again with the same frame.
pub struct OutFrame<'a> {
    body: OutBody<'a>,
    more: bool,
    shared: Option<Body>,
}

enum OutBody<'a> {
    Bytes(&'a [u8]),
    Msg(&'a mut Msg),
}

impl<'a> OutFrame<'a> {
    /// From the caller's own buffer (`zmq_send`).
    pub fn bytes(data: &'a [u8], more: bool) -> OutFrame<'a> {
        OutFrame { body: OutBody::Bytes(data), more, shared: None }
    }

    /// From a message (`zmq_msg_send`). The caller empties the message once the send has succeeded.
    pub fn msg(msg: &'a mut Msg, more: bool) -> OutFrame<'a> {
        OutFrame { body: OutBody::Msg(msg), more, shared: None }
    }

    #[inline(always)]
    pub fn more(&self) -> bool {
        self.more
    }

    /// For a pattern whose messages are single frames: it overrules the caller.
    pub fn set_more(&mut self, more: bool) {
        self.more = more;
    }

    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        match &self.body {
            OutBody::Bytes(data) => data,
            OutBody::Msg(msg) => msg.data(),
        }
    }

    /// The message behind the frame, where there is one: for its routing id and group.
    pub fn as_msg(&self) -> Option<&Msg> {
        match &self.body {
            OutBody::Bytes(_) => None,
            OutBody::Msg(msg) => Some(msg),
        }
    }

    /// The body by reference, if it is large enough to travel so, or lent. A program takes the call of its free callback as
    /// word that the message has been sent. A copy would bring that call too early. Made once, then shared by every pipe.
    /// Errors: `ENOMEM`.
    #[inline]
    pub fn shared(&mut self) -> Result<Option<&Body>> {
        if self.is_copied() { Ok(None) } else { self.share().map(Some) }
    }

    /// Whether [`shared`](OutFrame::shared) has nothing to share.
    #[inline(always)]
    pub fn is_copied(&self) -> bool {
        self.data().len() < BY_REFERENCE_MIN_BYTES && !self.as_msg().is_some_and(Msg::is_lent)
    }

    /// Whether there is a body that is better handed over than copied, where both can be done.
    #[inline]
    pub fn has_body_to_hand_over(&self) -> bool {
        self.as_msg().is_some_and(|msg| msg.has_own_body() && msg.len() >= BODY_RING_MIN_BYTES)
    }

    /// The body by reference, even if it [`is_copied`](OutFrame::is_copied) elsewhere. Errors: `ENOMEM`.
    #[cold]
    pub fn share(&mut self) -> Result<&Body> {
        if self.shared.is_none() {
            self.shared = match &mut self.body {
                OutBody::Bytes(data) => Some(Body::copy_from(data)?),
                OutBody::Msg(msg) => match msg.share() {
                    Some(body) => Some(body),
                    // Never for want of size here, so for want of memory: that is the caller's to hear.
                    None => Some(Body::copy_from(msg.data())?),
                },
            };
        }
        self.shared.as_ref().ok_or(Errno::NOMEM)
    }

    /// The frame as a message of its own, for a pattern that has to keep it. Errors: `ENOMEM`.
    pub fn to_msg(&mut self) -> Result<Msg> {
        let mut msg = match &mut self.body {
            OutBody::Bytes(data) => Msg::copy_from(data)?,
            OutBody::Msg(msg) => msg.copy(),
        };
        msg.set_more(self.more);
        Ok(msg)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::message::group_body;

    #[test]
    fn commands_are_told_apart_by_their_names() {
        for (body, kind) in [
            (&b"\x09SUBSCRIBEt"[..], FrameKind::Subscribe(b"t")),
            (b"\x06CANCEL", FrameKind::Cancel(b"")),
            (b"\x04JOINgroup", FrameKind::Join(b"group")),
            (b"\x05LEAVEgroup", FrameKind::Leave(b"group")),
            (b"\x04PING\0\0", FrameKind::OtherCommand),
            (b"JOIN", FrameKind::OtherCommand),
        ] {
            assert_eq!(FrameKind::of(COMMAND, body), kind);
            assert_eq!(FrameKind::of(0, body), FrameKind::Message);
        }
    }

    #[test]
    fn a_message_has_the_address_of_its_frame() {
        let msg = |address| Frame { address, ..Frame::owned(Msg::new()) }.into_msg().unwrap();
        assert_eq!(msg(Address::RoutingId(7)).routing_id(), 7);
        assert_eq!(msg(Address::Group(group_body(b"group").unwrap())).group(), c"group");
        let plain = msg(Address::None);
        assert_eq!((plain.routing_id(), plain.group()), (0, c""));
    }
}
