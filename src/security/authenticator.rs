//! The answer about one peer, where no ZAP handler of the program is bound. Pure.

use super::allowed::{Names, Owner};
use super::certificate::public_z85;
use super::passwords::{Comparison, Users};
use super::peer_network::PeerNetwork;
use super::verifier;
use crate::crypto::{KEY_BYTES, PublicKey, fingerprint};
use crate::engine::{ZapReply, ZapRequest, ZapStatus};
use crate::errno::Result;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The property that holds the key by which a client has proved itself.
pub const FINGERPRINT: &str = "Fingerprint";

/// The clients that are let in.
#[derive(Clone, Debug)]
pub enum Clients {
    Any,
    Named(Arc<Names>),
}

/// The answer about a client that has proved to have the key in the request.
pub fn curve(request: &ZapRequest, clients: &Clients) -> ZapReply {
    let [credential] = request.credentials.as_slice() else { return refuse(ZapStatus::InternalError) };
    let Ok(key) = <&[u8; KEY_BYTES]>::try_from(credential.as_slice()) else {
        return refuse(ZapStatus::InternalError);
    };
    let fingerprint = fingerprint(key);
    let owner = match clients {
        Clients::Any => Some(Owner::Unnamed),
        Clients::Named(names) => names.owner(&fingerprint),
    };
    let user_id = match owner {
        Some(Owner::Named(name)) => name.to_owned(),
        // As pyzmq's authenticator names it.
        Some(Owner::Unnamed) => public_z85(&PublicKey(*key)),
        None => return refuse(ZapStatus::AuthenticationFailure),
    };
    ZapReply {
        status: ZapStatus::Success,
        text: Vec::new(),
        user_id: user_id.into_bytes(),
        metadata: vec![(FINGERPRINT.to_owned(), fingerprint.into_bytes())],
    }
}

/// The answer about a client whose key an authority has signed under this name.
pub fn certified(request: &ZapRequest, name: &str) -> ZapReply {
    let metadata = request.key.map(|key| (FINGERPRINT.to_owned(), fingerprint(&key).into_bytes()));
    ZapReply {
        status: ZapStatus::Success,
        text: Vec::new(),
        user_id: name.as_bytes().to_vec(),
        metadata: metadata.into_iter().collect(),
    }
}

/// The answer, or what it takes to have one.
pub enum Answer {
    Now(ZapReply),
    /// A password is to be compared, which takes time.
    Later(Check),
}

/// A password that is to be compared with a hash.
pub struct Check {
    /// Of the peer.
    place: Option<PeerNetwork>,
    comparison: Comparison,
    password: Zeroizing<Vec<u8>>,
    user: Vec<u8>,
}

/// The answer about a client with a name and a password.
pub fn plain(request: &ZapRequest, users: &Users) -> Answer {
    let [user, password] = request.credentials.as_slice() else {
        return Answer::Now(refuse(ZapStatus::InternalError));
    };
    match users.comparison(user) {
        Some(comparison) => {
            let place = std::str::from_utf8(&request.address).ok().and_then(PeerNetwork::of);
            Answer::Later(Check { place, comparison, password: password.clone(), user: user.to_vec() })
        }
        None => Answer::Now(refuse(ZapStatus::AuthenticationFailure)),
    }
}

impl Check {
    /// Compares on a thread, which calls `deliver` with the answer, if `is_wanted` says that it is wanted still. Where the thread has too much to do the peer is to come again: then
    /// the answer is there at once.
    pub fn begin(
        self,
        is_wanted: impl Fn() -> bool + Send + 'static,
        deliver: impl FnOnce(ZapReply) + Send + 'static,
    ) -> Option<ZapReply> {
        let Check { place, comparison, password, user } = self;
        let done = move |outcome| deliver(after_comparison(comparison.is_known, outcome, user));
        let begun = verifier::compare(place, (comparison.hash, password), is_wanted, done);
        begun.err().map(|_| refuse(ZapStatus::TemporaryError))
    }
}

fn after_comparison(is_known: bool, outcome: Result<bool>, user: Vec<u8>) -> ZapReply {
    match (is_known, outcome) {
        (true, Ok(true)) => {
            ZapReply { status: ZapStatus::Success, text: Vec::new(), user_id: user, metadata: Vec::new() }
        }
        (_, Ok(_)) => refuse(ZapStatus::AuthenticationFailure),
        (_, Err(_)) => refuse(ZapStatus::TemporaryError),
    }
}

/// The answer that lets a peer not in.
pub fn refuse(status: ZapStatus) -> ZapReply {
    let text: &[u8] = match status {
        ZapStatus::AuthenticationFailure => b"not among those that the security file lets in",
        ZapStatus::TemporaryError => b"the security file is at fault, or too many passwords wait",
        _ => b"",
    };
    ZapReply { status, text: text.to_vec(), user_id: Vec::new(), metadata: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;

    fn request(credentials: &[&[u8]]) -> ZapRequest {
        ZapRequest {
            domain: Vec::new(),
            address: b"192.0.2.1".to_vec(),
            routing_id: Vec::new(),
            mechanism: "CURVE",
            credentials: credentials.iter().map(|bytes| Zeroizing::new(bytes.to_vec())).collect(),
            key: None,
            certified: None,
        }
    }

    #[test]
    fn known_keys_are_let_in_by_their_owners_names() {
        let known = fingerprint(&[7; KEY_BYTES]);
        let clients = Clients::Named(Arc::new([known.clone()].iter().collect()));
        let reply = curve(&request(&[&[7; KEY_BYTES]]), &clients);
        let user_id = public_z85(&PublicKey([7; KEY_BYTES])).into_bytes();
        assert_eq!((reply.status, reply.user_id), (ZapStatus::Success, user_id));
        assert_eq!(reply.metadata, [(FINGERPRINT.to_owned(), known.into_bytes())]);
        let reply = curve(&request(&[&[8; KEY_BYTES]]), &clients);
        assert_eq!((reply.status, reply.user_id), (ZapStatus::AuthenticationFailure, Vec::new()));
    }

    #[test]
    fn only_a_known_users_right_password_lets_in() {
        for is_known in [true, false] {
            for outcome in [Ok(true), Ok(false), Err(Errno::NOMEM)] {
                let reply = after_comparison(is_known, outcome, b"ann".to_vec());
                let status = match (is_known, outcome) {
                    (true, Ok(true)) => ZapStatus::Success,
                    (_, Err(_)) => ZapStatus::TemporaryError,
                    _ => ZapStatus::AuthenticationFailure,
                };
                assert_eq!(reply.status, status);
                assert_eq!(reply.user_id.is_empty(), status != ZapStatus::Success);
            }
        }
        let users = Users::default();
        assert!(
            matches!(plain(&request(&[b"ann", b"x"]), &users), Answer::Now(reply) if reply == refuse(ZapStatus::AuthenticationFailure))
        );
        assert!(
            matches!(plain(&request(&[b"ann"]), &users), Answer::Now(reply) if reply == refuse(ZapStatus::InternalError))
        );
    }

    #[test]
    fn any_key_is_let_in_by_its_own_name() {
        let reply = curve(&request(&[&[8; KEY_BYTES]]), &Clients::Any);
        assert_eq!(reply.status, ZapStatus::Success);
        assert_eq!(reply.user_id, public_z85(&PublicKey([8; KEY_BYTES])).into_bytes());
    }

    #[test]
    fn what_is_no_key_is_nobodys() {
        for credentials in [&[][..], &[&[7; 31][..]], &[&[7; 33]], &[b""], &[&[7; 32], &[7; 32]]] {
            assert_eq!(curve(&request(credentials), &Clients::Any).status, ZapStatus::InternalError);
        }
    }
}
