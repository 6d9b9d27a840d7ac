//! The options of a socket, typed, and those with a read or write function of their own.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fmt;
use std::net::IpAddr;

use super::text::Text;
use super::value;
use crate::errno::{Errno, Result};
use zeroize::Zeroizing;

/// Default of `ZMQ_IN_BATCH_SIZE` and `ZMQ_OUT_BATCH_SIZE`, in bytes.
pub(super) const BATCH_SIZE_DFLT: i32 = 8192;

/// `ZMQ_PAIR` and the like; the discriminant is the number in `zmq.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SocketType {
    #[default]
    Pair = 0,
    Pub = 1,
    Sub = 2,
    Req = 3,
    Rep = 4,
    Dealer = 5,
    Router = 6,
    Pull = 7,
    Push = 8,
    Xpub = 9,
    Xsub = 10,
    Stream = 11,
    Server = 12,
    Client = 13,
    Radio = 14,
    Dish = 15,
    Gather = 16,
    Scatter = 17,
    Dgram = 18,
    Peer = 19,
    Channel = 20,
}

impl SocketType {
    pub const ALL: [SocketType; 21] = {
        use SocketType::{
            Channel, Client, Dealer, Dgram, Dish, Gather, Pair, Peer, Pub, Pull, Push, Radio, Rep, Req,
            Router, Scatter, Server, Stream, Sub, Xpub, Xsub,
        };
        [
            Pair, Pub, Sub, Req, Rep, Dealer, Router, Pull, Push, Xpub, Xsub, Stream, Server, Client, Radio,
            Dish, Gather, Scatter, Dgram, Peer, Channel,
        ]
    };

    /// Whether a socket of this type sends only subscriptions, or groups that it joins.
    pub fn sends_subscriptions_alone(self) -> bool {
        matches!(self, SocketType::Sub | SocketType::Dish)
    }

    /// Whether a socket of this type sends, and receives no messages.
    pub fn sends_alone(self) -> bool {
        matches!(self, SocketType::Push | SocketType::Pub | SocketType::Radio | SocketType::Scatter)
    }

    /// Whether several threads may use a socket of this type at once (`ZMQ_THREAD_SAFE`).
    pub fn is_thread_safe(self) -> bool {
        use SocketType::{Channel, Client, Dish, Gather, Peer, Radio, Scatter, Server};
        matches!(self, Server | Client | Radio | Dish | Gather | Scatter | Peer | Channel)
    }
}

impl TryFrom<c_int> for SocketType {
    type Error = Errno;

    /// The type with this number in `zmq.h`. Errors: `EINVAL` if there is none.
    fn try_from(number: c_int) -> Result<SocketType> {
        SocketType::ALL.into_iter().find(|socket_type| *socket_type as c_int == number).ok_or(Errno::INVAL)
    }
}

/// `ZMQ_MECHANISM`; the discriminant is the number in `zmq.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Mechanism {
    #[default]
    Null = 0,
    Plain = 1,
    Curve = 2,
    Gssapi = 3,
    /// CURVE's options with QZMQ's keys. Programs see `ZMQ_CURVE`, so that those that look for it go on; connections see this.
    Qzmq = 1000,
}

/// Most bytes under one key of QZMQ, and the default.
pub(super) const MAX_QZMQ_UPDATE_SIZE: i64 = 1 << 50;

/// All values that `zmq_setsockopt` can set and that are not one pattern's alone. A connection keeps a copy
/// from when its endpoint was bound or connected, as in libzmq.
///
/// `Default` only serves [`SocketOptions::new`], which writes the table's defaults into it.
#[derive(Clone, Default)]
pub struct SocketOptions {
    pub socket_type: SocketType,
    pub sndhwm: i32,
    pub rcvhwm: i32,
    pub affinity: u64,
    pub routing_id: Vec<u8>,
    pub rate_kbit: i32,
    pub recovery_ivl_ms: i32,
    pub multicast_hops: i32,
    pub multicast_maxtpdu: i32,
    pub sndbuf: i32,
    pub rcvbuf: i32,
    pub tos: i32,
    pub priority: i32,
    /// -1 lingers for ever.
    pub linger_ms: i32,
    pub connect_timeout_ms: i32,
    pub tcp_maxrt_ms: i32,
    pub reconnect_stop: i32,
    pub reconnect_ivl_ms: i32,
    pub reconnect_ivl_max_ms: i32,
    pub backlog: i32,
    /// Bytes of one frame; negative is no limit.
    pub maxmsgsize: i64,
    pub rcvtimeo_ms: i32,
    pub sndtimeo_ms: i32,
    pub ipv6: bool,
    pub immediate: bool,
    /// Of SUB and XSUB: whether incoming messages are matched against the subscriptions.
    pub filter: bool,
    pub invert_matching: bool,
    /// Of ROUTER, REP and the like: the peer's routing id comes first in the pipe.
    pub recv_routing_id: bool,
    /// `ZMQ_PROBE_ROUTER`, of ROUTER, DEALER and REQ.
    pub probe_router: bool,
    pub raw_socket: bool,
    pub raw_notify: bool,
    pub socks_proxy_address: Text,
    pub socks_proxy_username: Text,
    pub socks_proxy_password: Text,
    pub tcp_keepalive: i32,
    pub tcp_keepalive_cnt: i32,
    pub tcp_keepalive_idle_s: i32,
    pub tcp_keepalive_intvl_s: i32,
    /// `ZMQ_TCP_ACCEPT_FILTER`: networks in CIDR form, each of which accepts its peers; an empty list accepts
    /// all.
    pub tcp_accept_filters: Vec<(IpAddr, u8)>,
    pub ipc_uid_accept_filters: Vec<u32>,
    pub ipc_gid_accept_filters: Vec<u32>,
    pub ipc_pid_accept_filters: Vec<i32>,
    pub mechanism: Mechanism,
    pub as_server: bool,
    pub zap_domain: Text,
    pub zap_enforce_domain: bool,
    pub plain_username: Text,
    pub plain_password: Text,
    pub curve_public_key: [u8; 32],
    pub curve_secret_key: Zeroizing<[u8; 32]>,
    pub curve_server_key: [u8; 32],
    /// Keys that the same three options were given, but of QZMQ.
    #[cfg(feature = "qzmq")]
    pub qzmq: super::qzmq::QzmqValues,
    /// `ZMQ_FERRO_CURVE_BESIDE_QZMQ` and `ZMQ_FERRO_CURVE_FALLBACK`.
    #[cfg(feature = "qzmq")]
    pub curve_beside_qzmq: bool,
    #[cfg(feature = "qzmq")]
    pub curve_fallback: bool,
    /// Records, bytes and milliseconds after which keys of QZMQ are replaced.
    pub qzmq_update_records: i32,
    pub qzmq_update_size: i64,
    pub qzmq_update_ivl_ms: i32,
    /// What records of QZMQ are padded to a multiple of. `ZMQ_FERRO_QZMQ_PADDING`.
    pub qzmq_padding: i32,
    /// Of QZMQ's tickets; 0: there are none. `ZMQ_FERRO_QZMQ_TICKET_LIFE`.
    pub qzmq_ticket_life_s: i32,
    /// Authenticators are told of clients of QZMQ in its own form.
    #[cfg(feature = "qzmq")]
    pub asks_as_qzmq: bool,
    pub gss_principal: Text,
    pub gss_service_principal: Text,
    pub gss_plaintext: bool,
    pub gss_principal_nt: i32,
    pub gss_service_principal_nt: i32,
    pub conflate: bool,
    pub handshake_ivl_ms: i32,
    /// A multiple of 100, since the wire counts tenths of a second; at most 6,553,500.
    pub heartbeat_ttl_ms: i32,
    pub heartbeat_ivl_ms: i32,
    /// -1 means the value of `heartbeat_ivl_ms`.
    pub heartbeat_timeout_ms: i32,
    pub use_fd: i32,
    pub bindtodevice: Text,
    pub loopback_fastpath: bool,
    pub multicast_loop: bool,
    pub in_batch_size: i32,
    pub out_batch_size: i32,
    pub zero_copy: bool,
    pub router_notify: i32,
    pub app_metadata: BTreeMap<Text, Text>,
    pub monitor_event_version: i32,
    /// One of the values of `ZMQ_NORM_MODE`.
    pub norm_mode: i32,
    pub norm_unicast_nack: bool,
    pub norm_buffer_size_kib: i32,
    pub norm_segment_size: i32,
    pub norm_block_size: i32,
    pub norm_num_parity: i32,
    pub norm_num_autoparity: i32,
    pub norm_push: bool,
    pub hello_msg: Vec<u8>,
    pub disconnect_msg: Vec<u8>,
    pub hiccup_msg: Vec<u8>,
    pub busy_poll: i32,
    pub wss_key_pem: Text,
    pub wss_cert_pem: Text,
    pub wss_trust_pem: Text,
    pub wss_hostname: Text,
    pub wss_trust_system: bool,
    /// How many times `maxmsgsize` the frames of one incoming message may take together while it is
    /// assembled. Only where `maxmsgsize` is set. `ZMQ_FERRO_MAX_MULTIPART_FACTOR`.
    pub max_multipart_factor: i32,
    /// Failed handshakes within a minute after which an address is refused; 0: never.
    /// `ZMQ_FERRO_MAX_FAILED_HANDSHAKES`.
    pub max_failed_handshakes: i32,
    pub failed_handshake_ban_ivl_ms: i32,
    /// Bytes that the topics of one peer may take; 0: no limit. `ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE`.
    pub max_subscriptions_size: i32,
    /// Milliseconds between two events of the socket's counts; 0: there are none. `ZMQ_FERRO_STATS_IVL`.
    pub stats_ivl_ms: i32,
    /// Topics whose last message is kept; 0: none. `ZMQ_FERRO_LAST_VALUE`.
    pub last_value: i32,
    /// Bytes that those messages may take; 0: no limit. `ZMQ_FERRO_LAST_VALUE_SIZE`.
    pub last_value_size: i32,
    /// Certificates in PEM that clients are trusted by; empty: they are not asked for any. `ZMQ_FERRO_TLS_CLIENT_TRUST_PEM`.
    pub tls_client_trust_pem: Text,
    /// They may also show none. `ZMQ_FERRO_TLS_CLIENT_OPTIONAL`.
    pub tls_client_optional: bool,
    /// The path of the file that secures the socket; empty: the context's. `ZMQ_FERRO_SECURITY`.
    pub security: Text,
}

impl fmt::Debug for SocketOptions {
    /// Shows only the type: other fields hold passwords and secret keys, which belong in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketOptions").field("socket_type", &self.socket_type).finish_non_exhaustive()
    }
}

pub(super) fn socket_type(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, options.socket_type as i32)
}

/// The older, inverse spelling of `ZMQ_IPV6`.
pub(super) fn set_ipv4only(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.ipv6 = !value::flag(value.unwrap_or_default(), value::FlagRule::ZeroOrOne)?;
    Ok(())
}

pub(super) fn ipv4only(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, i32::from(!options.ipv6))
}

/// Milliseconds, rounded towards 0 to the tenths of a second that the wire carries in 16 bits (RFC 37). So
/// -99 is valid and means 0.
pub(super) fn set_heartbeat_ttl(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let deciseconds = value::int(value.unwrap_or_default())? / 100;
    let deciseconds = u16::try_from(deciseconds).map_err(|_| Errno::INVAL)?;
    options.heartbeat_ttl_ms = i32::from(deciseconds) * 100;
    Ok(())
}

pub(super) fn heartbeat_ttl(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, options.heartbeat_ttl_ms)
}

/// One property, `X-name:value`, for the metadata of each connection. The first value of a name stays. A
/// value of four bytes is refused: it could be an int by mistake.
pub(super) fn add_metadata(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    /// The length of a name is one byte on the wire (RFC 37).
    const NAME_MAX: usize = 255;
    let property = value.unwrap_or_default();
    let colon = property.iter().position(|&byte| byte == b':').ok_or(Errno::INVAL)?;
    let (name, rest) = property.split_at_checked(colon).ok_or(Errno::INVAL)?;
    let content = rest.get(1..).unwrap_or_default();
    let misread = property.len() == size_of::<c_int>();
    if misread || !name.starts_with(b"X-") || name.len() > NAME_MAX || content.is_empty() {
        return Err(Errno::INVAL);
    }
    options.app_metadata.entry(Text::from(name)).or_insert_with(|| Text::from(content));
    Ok(())
}
