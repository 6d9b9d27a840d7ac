//! Why the engine gave a connection up.
#[cfg(feature = "qzmq")]
use crate::crypto::certificate::Refusal;
use crate::errno::Errno;

/// The end of a connection, caused by bytes of the peer, or by an authenticator (ZAP) that is missing or
/// breaks its protocol.
///
/// The session closes the stream, raises the monitor event named here, and then `ZMQ_EVENT_DISCONNECTED`. In
/// the data phase a connecter does not reconnect after any of these except [`Own`](Failure::Own), as in
/// libzmq: the peer would only fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Raises `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` with this `ZMQ_PROTOCOL_ERROR_*` value.
    Protocol(i32),
    /// The peer refused this side with this ZAP status, 300, 400 or 500: raises
    /// `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH`.
    Auth(i32),
    /// Raises `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with this errno.
    NoDetail(Errno),
    /// The system refused a resource for the handshake. Raises the same event, and is worth another attempt:
    /// the peer is not at fault.
    Own(Errno),
    /// The peer's key or certificate is not accepted. Raises the same event as [`Failure::CRYPTOGRAPHIC`].
    #[cfg(feature = "qzmq")]
    Uncertified(Refusal),
    /// Raises no event about the handshake: libzmq drops such peers without one.
    Errno(Errno),
    /// The server has named CURVE, and this side may connect anew with that. Raises the event of
    /// [`MECHANISM_MISMATCH`](Failure::MECHANISM_MISMATCH).
    Fallback,
}

impl Failure {
    /// A frame or a command is longer than allowed.
    pub const TOO_LARGE: Failure = Failure::Errno(Errno::MSGSIZE);
    /// The peer broke the protocol in a way that raises no event.
    pub const SILENT: Failure = Failure::Errno(Errno::PROTO);
    /// The peer has to be authenticated, and there is no authenticator.
    pub const NO_AUTHENTICATOR: Failure = Failure::NoDetail(Errno::FAULT);
    /// A client asks for a certificate, and this side has none that fits. The client is not at fault.
    #[cfg(feature = "qzmq")]
    pub const NOTHING_TO_SHOW: Failure = Failure::NoDetail(Errno::NOENT);

    /// A command while the peer had to wait.
    pub const UNSPECIFIED: Failure = Failure::Protocol(0x1000_0000);
    /// A command that is not valid at this point.
    pub const UNEXPECTED_COMMAND: Failure = Failure::Protocol(0x1000_0001);
    /// A nonce that does not rise: a command came twice, or in the wrong order.
    pub const INVALID_SEQUENCE: Failure = Failure::Protocol(0x1000_0002);
    /// A client vouched for another key than the one it uses.
    pub const KEY_EXCHANGE: Failure = Failure::Protocol(0x1000_0003);
    /// A command without a whole name.
    pub const MALFORMED_COMMAND: Failure = Failure::Protocol(0x1000_0011);
    pub const MALFORMED_MESSAGE: Failure = Failure::Protocol(0x1000_0012);
    pub const MALFORMED_HELLO: Failure = Failure::Protocol(0x1000_0013);
    pub const MALFORMED_INITIATE: Failure = Failure::Protocol(0x1000_0014);
    /// ERROR without a well-formed reason.
    pub const MALFORMED_ERROR: Failure = Failure::Protocol(0x1000_0015);
    pub const MALFORMED_READY: Failure = Failure::Protocol(0x1000_0016);
    pub const MALFORMED_WELCOME: Failure = Failure::Protocol(0x1000_0017);
    /// Properties that are malformed or do not match this side, where libzmq raises an event.
    pub const INVALID_METADATA: Failure = Failure::Protocol(0x1000_0018);
    /// A box that does not open: it was changed on the way, or a key is wrong.
    pub const CRYPTOGRAPHIC: Failure = Failure::Protocol(0x1100_0001);
    /// The peer speaks another mechanism than the socket.
    pub const MECHANISM_MISMATCH: Failure = Failure::Protocol(0x1100_0002);

    /// First code about the authenticator.
    const ZAP: i32 = 0x2000_0000;
    /// First code about WebSocket.
    const WS: i32 = 0x3000_0000;
    /// A ZAP reply without the empty frame in front.
    pub const ZAP_UNSPECIFIED: Failure = Failure::Protocol(Failure::ZAP);
    /// Too many frames or too few.
    pub const ZAP_MALFORMED_REPLY: Failure = Failure::Protocol(0x2000_0001);
    pub const ZAP_BAD_REQUEST_ID: Failure = Failure::Protocol(0x2000_0002);
    pub const ZAP_BAD_VERSION: Failure = Failure::Protocol(0x2000_0003);
    pub const ZAP_INVALID_STATUS_CODE: Failure = Failure::Protocol(0x2000_0004);
    pub const ZAP_INVALID_METADATA: Failure = Failure::Protocol(0x2000_0005);

    /// The upgrade to WebSocket has failed.
    pub const WS_UNSPECIFIED: Failure = Failure::Protocol(Failure::WS);

    /// The `ZMQ_PROTOCOL_ERROR_*` of a key or certificate that is not accepted.
    pub const UNCERTIFIED_CODE: i32 = 0x1100_0001;

    /// Whether the peer caused it, rather than an authenticator or a lack of resources here.
    pub fn is_the_peers(self) -> bool {
        match self {
            Failure::Protocol(code) => !(Failure::ZAP..Failure::WS).contains(&code),
            Failure::Errno(errno) => errno != Errno::NOMEM,
            #[cfg(feature = "qzmq")]
            Failure::Uncertified(_) => true,
            Failure::Auth(_) | Failure::NoDetail(_) | Failure::Own(_) | Failure::Fallback => false,
        }
    }
}
