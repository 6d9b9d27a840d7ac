//! ZAP, the ZeroMQ Authentication Protocol (RFC 27): a server's request to the authenticator about a peer,
//! and the reply. The session carries the frames to `inproc://zeromq.zap.01` and back.
use super::Failure;
use super::config::Zap;
use super::mechanism::properties::{self, Authenticated};
use std::fmt;
use zeroize::Zeroizing;

const VERSION: &[u8] = b"1.0";
/// One connection sends one request, so one number is enough; replies are told apart by their pipe.
const REQUEST_ID: &[u8] = b"1";

/// A request about one peer.
#[derive(Clone, PartialEq, Eq)]
pub struct ZapRequest {
    /// The server's `ZMQ_ZAP_DOMAIN`.
    pub domain: Vec<u8>,
    /// The peer's address, without a port.
    pub address: Vec<u8>,
    /// The server's own `ZMQ_ROUTING_ID`.
    pub routing_id: Vec<u8>,
    /// "NULL", "PLAIN", "CURVE" or "QZMQ".
    pub mechanism: &'static str,
    /// None; user name and password; or the client's public key, of 32 bytes for CURVE.
    pub credentials: Vec<Zeroizing<Vec<u8>>>,
    /// The fingerprint of a client's key of QZMQ. Not sent.
    pub key: Option<[u8; 32]>,
    /// The name in the certificate that the client has shown, which was accepted. Not sent.
    pub certified: Option<String>,
}

impl ZapRequest {
    pub(super) fn new(
        zap: &Zap,
        routing_id: &[u8],
        mechanism: &'static str,
        credentials: Vec<Zeroizing<Vec<u8>>>,
    ) -> ZapRequest {
        ZapRequest {
            domain: zap.domain.clone(),
            address: zap.peer_address.clone(),
            routing_id: routing_id.to_vec(),
            mechanism,
            credentials,
            key: None,
            certified: None,
        }
    }

    /// The frames of the request. They include the empty one in front, which a REP socket takes for the end
    /// of the addresses.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let fixed = [
            &[][..],
            VERSION,
            REQUEST_ID,
            &self.domain,
            &self.address,
            &self.routing_id,
            self.mechanism.as_bytes(),
        ];
        fixed.into_iter().chain(self.credentials.iter().map(|credential| credential.as_slice()))
    }
}

impl fmt::Debug for ZapRequest {
    /// Without the credentials, one of which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ZapRequest");
        shown.field("mechanism", &self.mechanism).field("domain", &self.domain.escape_ascii().to_string());
        shown.field("address", &self.address.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

/// The authenticator's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZapReply {
    pub status: ZapStatus,
    /// For people.
    pub text: Vec<u8>,
    /// `zmq_msg_gets` calls it "User-Id".
    pub user_id: Vec<u8>,
    /// Further properties of the peer; their names differ.
    pub metadata: Vec<(String, Vec<u8>)>,
}

/// The authenticator's decision on the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZapStatus {
    Success = 200,
    /// Try again later: the peer is not told.
    TemporaryError = 300,
    AuthenticationFailure = 400,
    InternalError = 500,
}

impl ZapReply {
    /// Reads the seven frames of a reply: the empty one, version, request id, status code, status text, user
    /// id, metadata. Fails with the `ZMQ_PROTOCOL_ERROR_ZAP_*` that libzmq uses.
    pub fn parse(frames: &[impl AsRef<[u8]>]) -> Result<ZapReply, Failure> {
        let [empty, version, request_id, status, text, user_id, metadata] = frames else {
            return Err(Failure::ZAP_MALFORMED_REPLY);
        };
        if !empty.as_ref().is_empty() {
            return Err(Failure::ZAP_UNSPECIFIED);
        }
        if version.as_ref() != VERSION {
            return Err(Failure::ZAP_BAD_VERSION);
        }
        if request_id.as_ref() != REQUEST_ID {
            return Err(Failure::ZAP_BAD_REQUEST_ID);
        }
        let status = ZapStatus::parse(status.as_ref()).ok_or(Failure::ZAP_INVALID_STATUS_CODE)?;
        let metadata = properties::collect(metadata.as_ref()).map_err(|_| Failure::ZAP_INVALID_METADATA)?;
        let (text, user_id) = (text.as_ref().to_vec(), user_id.as_ref().to_vec());
        Ok(ZapReply { status, text, user_id, metadata })
    }

    /// The properties of an accepted peer, or the status with which it is refused.
    pub(super) fn admit(self) -> Result<Authenticated, ZapStatus> {
        match self.status {
            ZapStatus::Success => {
                let mut properties = vec![(properties::USER_ID.to_owned(), self.user_id)];
                properties.extend(self.metadata.into_iter().filter(|(name, _)| name != properties::USER_ID));
                Ok(Authenticated { properties })
            }
            refusal => Err(refusal),
        }
    }
}

impl ZapStatus {
    /// The number, as in an event's value.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The reason in the ERROR command to the peer; `None` where the peer is told nothing.
    pub(super) fn reason(self) -> Option<&'static [u8]> {
        match self {
            ZapStatus::Success | ZapStatus::TemporaryError => None,
            ZapStatus::AuthenticationFailure => Some(b"400"),
            ZapStatus::InternalError => Some(b"500"),
        }
    }

    /// The status for three digits, in a reply or as the reason of an ERROR command.
    pub(super) fn parse(digits: &[u8]) -> Option<ZapStatus> {
        match digits {
            b"200" => Some(ZapStatus::Success),
            b"300" => Some(ZapStatus::TemporaryError),
            b"400" => Some(ZapStatus::AuthenticationFailure),
            b"500" => Some(ZapStatus::InternalError),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const GOOD: [&[u8]; 7] = [b"", b"1.0", b"1", b"200", b"OK", b"ann", b"\x05Hello\0\0\0\x05World"];

    /// A good reply with one frame changed.
    fn with(at: usize, frame: &'static [u8]) -> Result<ZapReply, Failure> {
        let mut frames = GOOD;
        frames[at] = frame;
        ZapReply::parse(&frames)
    }

    #[test]
    fn a_request_is_framed_as_libzmq_frames_it() {
        let zap = Zap { domain: b"dom".to_vec(), enforce: false, peer_address: b"127.0.0.1".to_vec() };
        let null = ZapRequest::new(&zap, b"IDENT", "NULL", Vec::new());
        let seen: Vec<&[u8]> = null.frames().collect();
        assert_eq!(seen, [&b""[..], b"1.0", b"1", b"dom", b"127.0.0.1", b"IDENT", b"NULL"]);
        let credentials = vec![Zeroizing::new(b"ann".to_vec()), Zeroizing::new(b"secret".to_vec())];
        let plain = ZapRequest::new(&zap, b"", "PLAIN", credentials);
        let seen: Vec<&[u8]> = plain.frames().skip(6).collect();
        assert_eq!(seen, [&b"PLAIN"[..], b"ann", b"secret"]);
        assert!(!format!("{plain:?}").contains("secret"));
    }

    #[test]
    fn a_reply_is_read() {
        let reply = ZapReply::parse(&GOOD).unwrap();
        assert_eq!(reply.status, ZapStatus::Success);
        assert_eq!((reply.text.as_slice(), reply.user_id.as_slice()), (&b"OK"[..], &b"ann"[..]));
        assert_eq!(reply.metadata, [("Hello".to_owned(), b"World".to_vec())]);
    }

    #[test]
    fn every_fault_of_a_reply_has_its_code() {
        assert_eq!(with(0, b"x"), Err(Failure::ZAP_UNSPECIFIED));
        assert_eq!(with(1, b"invalid_version"), Err(Failure::ZAP_BAD_VERSION));
        assert_eq!(with(1, b"1."), Err(Failure::ZAP_BAD_VERSION));
        assert_eq!(with(2, b"2"), Err(Failure::ZAP_BAD_REQUEST_ID));
        for status in [&b""[..], b"100", b"600", b"210", b"201", b"20", b"2000", b"invalid_status"] {
            assert_eq!(with(3, status), Err(Failure::ZAP_INVALID_STATUS_CODE));
        }
        for metadata in [&b"\x05"[..], b"\x05Hello\0\0\0\x06World", b"\x05Hello\0\0\0\x05World!"] {
            assert_eq!(with(6, metadata), Err(Failure::ZAP_INVALID_METADATA));
        }
        for count in 0..7 {
            assert_eq!(ZapReply::parse(&GOOD[..count]), Err(Failure::ZAP_MALFORMED_REPLY));
        }
        let many = [&GOOD[..], &[b""]].concat();
        assert_eq!(ZapReply::parse(&many), Err(Failure::ZAP_MALFORMED_REPLY));
    }

    #[test]
    fn a_refusal_is_checked_as_strictly_as_an_admission() {
        let mut frames = GOOD;
        frames[3] = b"400";
        assert_eq!(ZapReply::parse(&frames).unwrap().status, ZapStatus::AuthenticationFailure);
        frames[6] = b"junk";
        assert_eq!(ZapReply::parse(&frames), Err(Failure::ZAP_INVALID_METADATA));
    }

    #[test]
    fn the_user_id_frame_counts_and_not_a_property_of_that_name() {
        let reply = with(6, b"\x07User-Id\0\0\0\x03eve\x01a\0\0\0\x01b").unwrap();
        let known = reply.admit().unwrap().properties;
        assert_eq!(known, [("User-Id".to_owned(), b"ann".to_vec()), ("a".to_owned(), b"b".to_vec())]);
    }

    #[test]
    fn only_lasting_refusals_are_told_to_the_peer() {
        assert_eq!(ZapStatus::TemporaryError.reason(), None);
        assert_eq!(ZapStatus::AuthenticationFailure.reason(), Some(&b"400"[..]));
        assert_eq!(ZapStatus::InternalError.reason(), Some(&b"500"[..]));
        assert_eq!(ZapStatus::InternalError.code(), 500);
    }
}
