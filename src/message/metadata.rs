//! Properties of the connection that a message came from.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::Arc;

/// The peer's routing id (`ZMQ_MSG_PROPERTY_ROUTING_ID`).
const ROUTING_ID: &CStr = c"Routing-Id";
/// Its name before libzmq 4.3.
const IDENTITY: &CStr = c"Identity";

/// Properties by name, as `zmq_msg_gets` answers them; one per connection, shared by its messages.
#[derive(Debug, Default)]
pub struct Metadata {
    properties: Vec<(CString, CString)>,
}

impl Metadata {
    /// Values are cut at the first NUL: `zmq_msg_gets` hands out C strings. A property whose name holds a NUL
    /// is left out, since no caller could ask for it. Of a name that comes twice the first value counts.
    pub fn new(properties: impl IntoIterator<Item = (String, Vec<u8>)>) -> Metadata {
        let properties = properties
            .into_iter()
            .filter_map(|(name, value)| Some((CString::new(name).ok()?, cut_at_nul(value))))
            .collect();
        Metadata { properties }
    }

    /// The value of a property; "Identity" is an old name for "Routing-Id".
    pub fn property(&self, name: &CStr) -> Option<&CStr> {
        let found = self.properties.iter().find(|(known, _)| known.as_c_str() == name);
        match found {
            Some((_, value)) => Some(value),
            None if name == IDENTITY => self.property(ROUTING_ID),
            None => None,
        }
    }
}

/// A count of some properties that a message has given up, for the next message of the same connection. It spares most messages that a
/// thread receives two locked instructions. From `Arc::into_raw`, or null.
pub(super) struct KeptCount(Cell<*const Metadata>);

impl KeptCount {
    pub(super) const fn new() -> KeptCount {
        KeptCount(Cell::new(ptr::null()))
    }

    /// A count of the properties for a message, to be [given back](KeptCount::give_back).
    #[inline]
    pub(super) fn take(&self, metadata: &Arc<Metadata>) -> *const Metadata {
        if ptr::eq(self.0.get(), Arc::as_ptr(metadata)) {
            return self.0.replace(ptr::null());
        }
        Arc::into_raw(Arc::clone(metadata))
    }

    /// Keeps a count for the next message, if `keep`, and gives up what was kept before; else gives up this one.
    ///
    /// # Safety
    /// `metadata` is from `Arc::into_raw` or [`take`](KeptCount::take), with a count that the caller does not use any more.
    #[inline]
    pub(super) unsafe fn give_back(&self, metadata: *const Metadata, keep: bool) {
        let left = if keep { self.0.replace(metadata) } else { metadata };
        if !left.is_null() {
            // SAFETY: the caller's, or one that an earlier call has kept.
            drop(unsafe { Arc::from_raw(left) });
        }
    }

    /// Gives up what is kept.
    pub(super) fn give_up(&self) {
        // SAFETY: null is the count of nothing.
        unsafe { self.give_back(ptr::null(), true) };
    }
}

fn cut_at_nul(mut value: Vec<u8>) -> CString {
    let len = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    value.truncate(len);
    CString::new(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::Msg;

    fn metadata(properties: &[(&str, &[u8])]) -> Metadata {
        Metadata::new(properties.iter().map(|(name, value)| (name.to_string(), value.to_vec())))
    }

    #[test]
    fn by_exact_name() {
        let metadata = metadata(&[("Socket-Type", b"DEALER"), ("X-empty", b"")]);
        assert_eq!(metadata.property(c"Socket-Type"), Some(c"DEALER"));
        assert_eq!(metadata.property(c"X-empty"), Some(c""));
        assert_eq!(metadata.property(c"socket-type"), None);
        assert_eq!(metadata.property(c""), None);
    }

    #[test]
    fn nul_ends_a_value_and_forbids_a_name() {
        let metadata = metadata(&[("X-v", b"ab\0cd"), ("X\0n", b"v")]);
        assert_eq!(metadata.property(c"X-v"), Some(c"ab"));
        assert_eq!(metadata.property(c"X"), None);
    }

    #[test]
    fn identity_is_routing_id_unless_the_peer_sent_it() {
        assert_eq!(metadata(&[("Routing-Id", b"me")]).property(c"Identity"), Some(c"me"));
        assert_eq!(metadata(&[("Routing-Id", b"me"), ("Identity", b"I")]).property(c"Identity"), Some(c"I"));
        assert_eq!(metadata(&[]).property(c"Identity"), None);
    }

    #[test]
    fn a_count_of_properties_is_taken_over_and_none_is_lost() {
        let (one, two) = (Arc::new(Metadata::default()), Arc::new(Metadata::default()));
        let message = |metadata: &Arc<Metadata>| {
            let mut msg = Msg::new();
            msg.refill(b"x", false, Some(metadata)).unwrap();
            msg
        };
        let (a, b) = (message(&one), message(&one));
        assert_eq!(Arc::strong_count(&one), 3);
        drop(a);
        assert_eq!(Arc::strong_count(&one), 3, "kept");
        let c = message(&one);
        assert_eq!(Arc::strong_count(&one), 3, "taken over");
        drop((b, c));
        assert_eq!(Arc::strong_count(&one), 2);
        drop(message(&two));
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 2));
    }

    #[test]
    fn a_thread_that_ends_gives_up_the_count_that_it_keeps() {
        let metadata = Arc::new(Metadata::default());
        let theirs = Arc::clone(&metadata);
        let thread = std::thread::spawn(move || {
            let mut msg = Msg::new();
            msg.refill(b"x", false, Some(&theirs)).unwrap();
            drop(msg);
            assert_eq!(Arc::strong_count(&theirs), 3, "kept");
        });
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&metadata), 1);
    }
}
