//! What a message carries beside its bytes: the MORE flag, the properties of its connection, a routing id, a group.

use super::{Body, MORE, Metadata, Msg, pool};
use crate::errno::{Errno, Result};
use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

/// `ZMQ_GROUP_MAX_LENGTH`, in bytes.
pub const GROUP_MAX_LENGTH: usize = 255;

impl Msg {
    pub fn more(&self) -> bool {
        self.flags & MORE != 0
    }

    pub fn set_more(&mut self, more: bool) {
        self.flags = if more { self.flags | MORE } else { self.flags & !MORE };
    }

    pub fn metadata(&self) -> Option<&Metadata> {
        // SAFETY: not null means a count of a live `Arc`, held until the message drops or takes another.
        unsafe { self.metadata.as_ref() }
    }

    /// The properties, to be shared with another message.
    pub fn metadata_arc(&self) -> Option<Arc<Metadata>> {
        let metadata = self.metadata()?;
        // SAFETY: the pointer is from `Arc::into_raw` (`set_metadata`) and this message holds a count, so there is
        // one to add to; the count added here is the one the new `Arc` owns.
        unsafe {
            Arc::increment_strong_count(ptr::from_ref(metadata));
            Some(Arc::from_raw(self.metadata))
        }
    }

    pub fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        let new = metadata.map_or(ptr::null(), Arc::into_raw);
        let old = std::mem::replace(&mut self.metadata, new);
        if !old.is_null() {
            // SAFETY: from `Arc::into_raw`, with the count that this message held and now gives up.
            unsafe { pool::here().give_back(old) };
        }
    }

    /// The peer's routing id on SERVER and PEER sockets; 0 for none.
    pub fn routing_id(&self) -> u32 {
        self.routing_id
    }

    pub fn set_routing_id(&mut self, routing_id: u32) {
        self.routing_id = routing_id;
    }

    /// The RADIO/DISH group; empty for none.
    pub fn group(&self) -> &CStr {
        let group = self.group.as_ref().map_or(&b"\0"[..], Body::as_slice);
        CStr::from_bytes_until_nul(group).unwrap_or_default()
    }

    /// A NUL ends the group early, and so does [`GROUP_MAX_LENGTH`]. Errors: `ENOMEM`. The old group stays then.
    pub fn set_group(&mut self, group: &[u8]) -> Result<()> {
        let group = group.get(..GROUP_MAX_LENGTH).unwrap_or(group);
        self.group = if group.is_empty() { None } else { Some(Msg::group_body(group)?) };
        Ok(())
    }

    /// A group for [`set_group_body`](Msg::set_group_body), to be shared by many messages. Errors: `EINVAL` for more than
    /// [`GROUP_MAX_LENGTH`] bytes; `ENOMEM`.
    pub fn group_body(group: &[u8]) -> Result<Body> {
        let mut with_nul = [0; GROUP_MAX_LENGTH + 1];
        let place = with_nul.get_mut(..group.len()).filter(|place| place.len() <= GROUP_MAX_LENGTH);
        place.ok_or(Errno::INVAL)?.copy_from_slice(group);
        Body::copy_from(with_nul.get(..=group.len()).unwrap_or_default())
    }

    /// A group that [`group_body`](Msg::group_body) has made.
    pub fn set_group_body(&mut self, group: Body) {
        self.group = Some(group);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn groups() {
        let mut msg = Msg::new();
        assert_eq!(msg.group(), c"");
        for len in [1, 15, 16, 254, 255] {
            msg.set_group(&vec![b'g'; len]).unwrap();
            assert_eq!(msg.group().to_bytes(), vec![b'g'; len]);
        }
        msg.set_group(&[b'h'; 256]).unwrap();
        assert_eq!(msg.group().count_bytes(), 255);
        msg.set_group(b"ab\0cd").unwrap();
        assert_eq!(msg.group(), c"ab");
        msg.set_group(b"").unwrap();
        assert_eq!(msg.group(), c"");
    }
}
