//! Properties: the name-value pairs in READY and INITIATE (RFC 37), and in ZAP replies.
use super::Turn;
use crate::engine::Config;
use crate::engine::codec::Codec;
use crate::engine::zmtp::peer::Peer;
use crate::engine::zmtp::socket_type;
use crate::errno::{Errno, Result};
use crate::options::SocketType;

/// The authenticator's statements about an accepted peer.
#[derive(Debug, Default)]
pub(in crate::engine) struct Authenticated {
    /// The user id and the metadata; the first of a name counts.
    pub properties: Vec<(String, Vec<u8>)>,
}

impl Authenticated {
    /// A peer that an authority names, and no authenticator.
    #[cfg(feature = "qzmq")]
    pub fn of_name(name: Option<&str>) -> Authenticated {
        let user = name.map(|name| (USER_ID.to_owned(), name.as_bytes().to_vec()));
        Authenticated { properties: user.into_iter().collect() }
    }

    /// What an authenticator has told of it; where it gives no user, that is the name by the authority.
    #[cfg(feature = "qzmq")]
    pub fn or_name(mut self, name: Option<&str>) -> Authenticated {
        if let (Some((_, user)), Some(name)) =
            (self.properties.iter_mut().find(|(property, _)| property == USER_ID), name)
            && user.is_empty()
        {
            *user = name.as_bytes().to_vec();
        }
        self
    }
}

/// Most properties of one peer; more break the protocol. A property of five bytes takes far more memory than
/// that here, so the limit on the command's length alone is no bound.
pub const MAX_PROPERTIES: usize = 256;

const SOCKET_TYPE: &[u8] = b"Socket-Type";
const IDENTITY: &[u8] = b"Identity";

/// The peer's user, by the authenticator's reply (`ZMQ_MSG_PROPERTY_USER_ID`).
pub const USER_ID: &str = "User-Id";
/// The subject of the certificate that the peer has shown below ZMTP, where there is TLS.
pub const TLS_SUBJECT: &str = "X-TLS-Subject";
/// Properties that only this side may set. A peer that set them could pass for another.
const OURS_TO_TELL: [&str; 4] = [USER_ID, TLS_SUBJECT, "Peer-Address", "__fd"];

/// The pairs of a run of properties, in order; ends after the first error. Errors: `EPROTO`.
pub struct Properties<'a> {
    rest: &'a [u8],
}

impl<'a> Properties<'a> {
    pub fn new(bytes: &'a [u8]) -> Properties<'a> {
        Properties { rest: bytes }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<(&'a [u8], &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match split_property(self.rest) {
            Some((name, value, rest)) => {
                self.rest = rest;
                Some(Ok((name, value)))
            }
            None => {
                self.rest = &[];
                Some(Err(Errno::PROTO))
            }
        }
    }
}

/// The properties that a peer sent.
#[derive(Debug, Default)]
pub struct PeerProperties {
    routing_id: Vec<u8>,
    socket_type: Option<String>,
    all: Vec<(String, Vec<u8>)>,
}

impl PeerProperties {
    /// Reads and checks them. Names are case sensitive, against RFC 37 but as in libzmq. Of several
    /// properties of one name the first is kept, except that the last routing id counts. Names that are no
    /// UTF-8 are dropped: the RFC allows only ASCII, and no program could ask for them. Names that only this
    /// side may set are dropped as well.
    ///
    /// Errors: `EPROTO` if malformed or too many, `EINVAL` if the socket type does not match ours.
    pub fn parse(bytes: &[u8], config: &Config) -> Result<PeerProperties> {
        let mut peer = PeerProperties::default();
        for (index, property) in Properties::new(bytes).enumerate() {
            let (name, value) = property?;
            if index >= MAX_PROPERTIES {
                return Err(Errno::PROTO);
            }
            if name == SOCKET_TYPE && !socket_type::compatible(config.socket_type, value) {
                return Err(Errno::INVAL);
            }
            if name == IDENTITY && config.recv_routing_id {
                peer.routing_id = value.to_vec();
            }
            peer.keep(name, value);
        }
        Ok(peer)
    }

    /// Memory that they take beyond the bytes that the peer has sent: much, where they are many and short.
    pub fn held_beside(&self) -> usize {
        /// Of the two allocations of a property, what the allocator rounds them up to and keeps beside them.
        const ALLOCATED_BESIDE: usize = 64;
        let places = self.all.capacity().saturating_mul(size_of::<(String, Vec<u8>)>());
        places.saturating_add(self.all.len().saturating_mul(ALLOCATED_BESIDE))
    }

    /// The result of a handshake that ended with these properties. The authenticator's properties (`known`)
    /// come first and take precedence, including a routing id.
    pub(super) fn into_peer(self, turn: &Turn<'_>, known: Authenticated, codec: Codec) -> Peer {
        let mut peer = Peer {
            version: turn.version,
            routing_id: self.routing_id,
            socket_type: self.socket_type,
            properties: known.properties,
            public_key: None,
            phantom_subscription: false,
            codec,
        };
        if turn.config.recv_routing_id
            && let Some((_, id)) = peer.properties.iter().find(|(name, _)| name.as_bytes() == IDENTITY)
        {
            peer.routing_id = id.clone();
        }
        for (name, value) in self.all {
            keep_first(&mut peer.properties, name, value);
        }
        peer
    }

    fn keep(&mut self, name: &[u8], value: &[u8]) {
        let Ok(text) = std::str::from_utf8(name) else { return };
        if OURS_TO_TELL.contains(&text) {
            return;
        }
        if name == SOCKET_TYPE && self.socket_type.is_none() {
            self.socket_type = Some(String::from_utf8_lossy(value).into_owned());
        }
        keep_first(&mut self.all, text.to_owned(), value.to_vec());
    }
}

/// All properties of a run, the first of each name. Names that are no UTF-8 are dropped. Errors: `EPROTO` if
/// malformed or too many.
pub fn collect(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for (index, property) in Properties::new(bytes).enumerate() {
        let (name, value) = property?;
        if index >= MAX_PROPERTIES {
            return Err(Errno::PROTO);
        }
        if let Ok(name) = std::str::from_utf8(name) {
            keep_first(&mut all, name.to_owned(), value.to_vec());
        }
    }
    Ok(all)
}

/// Appends one property. Leaves out one that cannot be encoded: a name over 255 bytes, a value over 2 GiB.
pub fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (Ok(name_len), Ok(value_len)) = (u8::try_from(name.len()), i32::try_from(value.len())) else {
        return;
    };
    out.push(name_len);
    out.extend_from_slice(name);
    out.extend_from_slice(&value_len.to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends our own properties: type, routing id where the type sends one, and those that the application
/// added.
pub fn append_ours(out: &mut Vec<u8>, config: &Config) {
    append(out, SOCKET_TYPE, socket_type::name(config.socket_type).as_bytes());
    if matches!(config.socket_type, SocketType::Req | SocketType::Dealer | SocketType::Router) {
        append(out, IDENTITY, &config.routing_id);
    }
    for (name, value) in &config.app_metadata {
        // libzmq sends them as C strings.
        append(out, name.as_c_bytes(), value.as_c_bytes());
    }
}

fn keep_first(all: &mut Vec<(String, Vec<u8>)>, name: String, value: Vec<u8>) {
    if !all.iter().any(|(known, _)| *known == name) {
        all.push((name, value));
    }
}

/// Splits off one property: name, value, and the rest.
fn split_property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_len, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_len))?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let value_len = usize::try_from(u32::from_be_bytes(*value_len)).ok()?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::mechanism::tests::turn;
    use crate::engine::zmtp::tests::config;

    fn encoded(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in pairs {
            append(&mut out, name, value);
        }
        out
    }

    #[test]
    fn appended_properties_are_read_back() {
        let pairs: [(&[u8], &[u8]); 4] =
            [(b"a", b""), (b"", b"x"), (&[b'n'; 255], &[7; 1000]), (b"b", b"\0")];
        let bytes = encoded(&pairs);
        let read: Result<Vec<_>> = Properties::new(&bytes).collect();
        assert_eq!(read.unwrap(), pairs);
    }

    #[test]
    fn every_cut_inside_a_property_is_an_error() {
        let first = encoded(&[(b"name", b"value")]).len();
        let bytes = encoded(&[(b"name", b"value"), (b"next", b"thing")]);
        for cut in 0..bytes.len() {
            let whole = cut == 0 || cut == first;
            assert_eq!(Properties::new(&bytes[..cut]).all(|one| one.is_ok()), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        assert_eq!(Properties::new(b"\x01a\xff\xff\xff\xffx").next(), Some(Err(Errno::PROTO)));
        assert_eq!(Properties::new(b"\xffa").next(), Some(Err(Errno::PROTO)));
    }

    #[test]
    fn many_short_properties_take_more_than_their_bytes() {
        let names: Vec<String> = (0..MAX_PROPERTIES).map(|number| format!("{number:02x}")).collect();
        let pairs: Vec<_> = names.iter().map(|name| (name.as_bytes(), &b""[..])).collect();
        let bytes = encoded(&pairs);
        let held =
            |bytes: &[u8]| PeerProperties::parse(bytes, &config(SocketType::Pull)).unwrap().held_beside();
        assert!(held(&bytes) > 10 * bytes.len(), "{} for {}", held(&bytes), bytes.len());
        assert!(held(&encoded(&[(b"name", &[7; 1000])])) < 1000);
        assert_eq!(held(b""), 0);
    }

    #[test]
    fn too_long_names_are_left_out() {
        assert!(encoded(&[(&[b'n'; 256], b"x")]).is_empty());
    }

    #[test]
    fn the_first_of_a_name_is_kept_and_the_last_routing_id_counts() {
        let config = config(SocketType::Router);
        let bytes = encoded(&[(b"Identity", b"one"), (b"X-a", b"1"), (b"Identity", b"two"), (b"X-a", b"2")]);
        let peer = PeerProperties::parse(&bytes, &config).unwrap();
        let peer = peer.into_peer(&turn(&config, &mut Vec::new()), Authenticated::default(), Codec::Clear);
        assert_eq!(peer.routing_id, b"two");
        assert_eq!(
            peer.properties,
            [("Identity".to_owned(), b"one".to_vec()), ("X-a".to_owned(), b"1".to_vec())]
        );
    }

    #[test]
    fn the_routing_id_is_kept_only_where_the_socket_uses_it() {
        let config = config(SocketType::Dealer);
        let peer = PeerProperties::parse(&encoded(&[(b"Identity", b"one")]), &config).unwrap();
        assert_eq!(peer.routing_id, b"");
        assert_eq!(peer.all.len(), 1);
    }

    #[test]
    fn names_are_compared_with_regard_to_case_and_odd_ones_dropped() {
        let config = config(SocketType::Dealer);
        let bytes = encoded(&[(b"socket-type", b"PUB"), (b"\xff", b"x")]);
        let peer = PeerProperties::parse(&bytes, &config).unwrap();
        assert_eq!(peer.all, [("socket-type".to_owned(), b"PUB".to_vec())]);
    }

    #[test]
    fn properties_of_this_side_are_not_taken_from_peers() {
        let config = config(SocketType::Dealer);
        let bytes =
            encoded(&[(b"User-Id", b"root"), (b"Peer-Address", b"::1"), (b"__fd", b"0"), (b"a", b"b")]);
        let peer = PeerProperties::parse(&bytes, &config).unwrap();
        assert_eq!(peer.all, [("a".to_owned(), b"b".to_vec())]);
    }

    #[test]
    fn the_authenticators_properties_take_precedence() {
        let config = config(SocketType::Router);
        let bytes = encoded(&[(b"Identity", b"eve"), (b"X-a", b"1"), (b"X-b", b"2")]);
        let known =
            collect(&encoded(&[(b"X-a", b"known"), (b"Identity", b"ann"), (b"X-a", b"again")])).unwrap();
        let peer = PeerProperties::parse(&bytes, &config).unwrap();
        let known = Authenticated { properties: known };
        let peer = peer.into_peer(&turn(&config, &mut Vec::new()), known, Codec::Clear);
        assert_eq!(peer.routing_id, b"ann");
        let seen = [("X-a", &b"known"[..]), ("Identity", b"ann"), ("X-b", b"2")];
        assert_eq!(peer.properties, seen.map(|(name, value)| (name.to_owned(), value.to_vec())));
    }

    #[test]
    fn the_number_of_properties_is_bounded() {
        let config = config(SocketType::Dealer);
        let one = encoded(&[(b"a", b"")]);
        assert!(PeerProperties::parse(&one.repeat(MAX_PROPERTIES), &config).is_ok());
        let failure = PeerProperties::parse(&one.repeat(MAX_PROPERTIES + 1), &config).unwrap_err();
        assert_eq!(failure, Errno::PROTO);
    }

    #[test]
    fn application_properties_end_at_nul() {
        let mut config = config(SocketType::Push);
        config.app_metadata.insert("X-k\0y".into(), "v\0w".into());
        let mut out = Vec::new();
        append_ours(&mut out, &config);
        assert_eq!(out, encoded(&[(b"Socket-Type", b"PUSH"), (b"X-k", b"v")]));
    }
}
