//! Properties of the connection that a message came from.

use std::ffi::{CStr, CString};

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
    /// is left out, since nobody could ask for it. Of a name that comes twice the first value counts.
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

fn cut_at_nul(mut value: Vec<u8>) -> CString {
    let len = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
    value.truncate(len);
    CString::new(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
