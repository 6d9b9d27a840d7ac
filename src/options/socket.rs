//! The options of a socket, typed.

/// `ZMQ_PAIR` and the like; the discriminant is the number in `zmq.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum SocketType {
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

/// `ZMQ_MECHANISM`; the discriminant is the number in `zmq.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Mechanism {
    Null = 0,
    Plain = 1,
    Curve = 2,
    Gssapi = 3,
}

/// Everything `zmq_setsockopt` can set that is not one pattern's alone. A connection keeps the copy that was in
/// force when its endpoint was bound or connected, as libzmq does.
#[derive(Clone, Debug)]
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
    pub linger_ms: i32,
    pub connect_timeout_ms: i32,
    pub tcp_maxrt_ms: i32,
    pub reconnect_stop: i32,
    pub reconnect_ivl_ms: i32,
    pub reconnect_ivl_max_ms: i32,
    pub backlog: i32,
    pub maxmsgsize: i64,
    pub rcvtimeo_ms: i32,
    pub sndtimeo_ms: i32,
    pub ipv6: bool,
    pub immediate: bool,
    /// Of SUB and XSUB: whether what arrives is matched against the subscriptions.
    pub filter: bool,
    pub invert_matching: bool,
    /// Of ROUTER, REP and the like: the peer's routing id comes first in the pipe.
    pub recv_routing_id: bool,
    pub raw_socket: bool,
    pub raw_notify: bool,
    pub socks_proxy_address: String,
    pub socks_proxy_username: String,
    pub socks_proxy_password: String,
    pub tcp_keepalive: i32,
    pub tcp_keepalive_cnt: i32,
    pub tcp_keepalive_idle_s: i32,
    pub tcp_keepalive_intvl_s: i32,
    /// `ZMQ_TCP_ACCEPT_FILTER`: networks in CIDR form, any of which lets a peer in; empty lets all in.
    pub tcp_accept_filters: Vec<(std::net::IpAddr, u8)>,
    pub ipc_uid_accept_filters: Vec<u32>,
    pub ipc_gid_accept_filters: Vec<u32>,
    pub ipc_pid_accept_filters: Vec<i32>,
    pub mechanism: Mechanism,
    pub as_server: bool,
    pub zap_domain: String,
    pub zap_enforce_domain: bool,
    pub plain_username: String,
    pub plain_password: String,
    pub curve_public_key: [u8; 32],
    pub curve_secret_key: [u8; 32],
    pub curve_server_key: [u8; 32],
    pub conflate: bool,
    pub handshake_ivl_ms: i32,
    pub heartbeat_ttl_ms: i32,
    pub heartbeat_ivl_ms: i32,
    pub heartbeat_timeout_ms: i32,
    pub use_fd: i32,
    pub bindtodevice: String,
    pub loopback_fastpath: bool,
    pub multicast_loop: bool,
    pub in_batch_size: i32,
    pub out_batch_size: i32,
    pub zero_copy: bool,
    pub router_notify: i32,
    pub app_metadata: std::collections::BTreeMap<String, String>,
    pub monitor_event_version: i32,
    pub hello_msg: Vec<u8>,
    pub disconnect_msg: Vec<u8>,
    pub hiccup_msg: Vec<u8>,
    pub busy_poll: i32,
    /// How many times `maxmsgsize` all frames of one incoming message may weigh together while it is assembled;
    /// only where `maxmsgsize` is set. An option of ours.
    pub max_multipart_factor: i32,
}
