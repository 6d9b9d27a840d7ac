//! The table of socket options: one row each, in the order of their numbers.
//!
//! The `row!` macro explains the columns.

use std::ffi::c_int;

use super::filter::{set_ipc_gid, set_ipc_pid, set_ipc_uid, set_tcp_accept};
use super::row::{Row, refuse_get, refuse_set, row};
use super::security::*;
use super::socket_values::*;
use super::{draft_number::*, number::*};

pub(super) const MIN: i32 = i32::MIN;
pub(super) const MAX: i32 = i32::MAX;
/// Most bytes of a string or routing id: the length is one byte on the wire.
const ONE_BYTE_MAX: usize = 255;
/// `IFNAMSIZ`, the size of an interface's name with its NUL.
const INTERFACE_BYTES: usize = 16;
/// Bytes of a path, without its NUL (limits.h).
pub(super) const PATH_MAX: usize = 4095;
const ANY_SIZE: usize = usize::MAX;

/// The row of an option, whichever layer owns it; `None` where there is no such option.
pub fn row(option: c_int) -> Option<&'static Row> {
    let index = SOCKET.binary_search_by_key(&option, |row| row.number).ok()?;
    SOCKET.get(index)
}

/// All rows, in the order of their numbers.
pub fn rows() -> &'static [Row] {
    SOCKET
}

pub(super) static SOCKET: &[Row] = &[
    row!(ZMQ_AFFINITY, Both, NextEndpoint, uint64(0) in affinity),
    row!(ZMQ_ROUTING_ID, Both, NextEndpoint, binary(1, ONE_BYTE_MAX) in routing_id),
    row!(ZMQ_SUBSCRIBE, Set, AtOnce, binary(0, ANY_SIZE) of Pattern),
    row!(ZMQ_UNSUBSCRIBE, Set, AtOnce, binary(0, ANY_SIZE) of Pattern),
    row!(ZMQ_RATE, Both, NextEndpoint, int(100, 1, MAX) in rate_kbit),
    row!(ZMQ_RECOVERY_IVL, Both, NextEndpoint, int(10_000, 0, MAX) in recovery_ivl_ms),
    row!(ZMQ_SNDBUF, Both, NextEndpoint, int(-1, -1, MAX) in sndbuf),
    row!(ZMQ_RCVBUF, Both, NextEndpoint, int(-1, -1, MAX) in rcvbuf),
    row!(ZMQ_RCVMORE, Get, AtOnce, int(0, 0, 1) of Socket),
    row!(ZMQ_FD, Get, AtOnce, int(-1, 0, MAX) of Socket),
    row!(ZMQ_EVENTS, Get, AtOnce, int(0, 0, 3) of Socket),
    row!(ZMQ_TYPE, Get, AtOnce, int(0, 0, 20) by refuse_set, socket_type),
    row!(ZMQ_LINGER, Both, AtOnce, int(-1, -1, MAX) in linger_ms),
    row!(ZMQ_RECONNECT_IVL, Both, NextEndpoint, int(100, -1, MAX) in reconnect_ivl_ms),
    row!(ZMQ_BACKLOG, Both, NextEndpoint, int(100, 0, MAX) in backlog),
    row!(ZMQ_RECONNECT_IVL_MAX, Both, NextEndpoint, int(0, 0, MAX) in reconnect_ivl_max_ms),
    row!(ZMQ_MAXMSGSIZE, Both, NextEndpoint, int64(-1) in maxmsgsize),
    row!(ZMQ_SNDHWM, Both, AtOnce, int(1000, 0, MAX) in sndhwm),
    row!(ZMQ_RCVHWM, Both, AtOnce, int(1000, 0, MAX) in rcvhwm),
    row!(ZMQ_MULTICAST_HOPS, Both, NextEndpoint, int(1, 1, MAX) in multicast_hops),
    row!(ZMQ_RCVTIMEO, Both, AtOnce, int(-1, -1, MAX) in rcvtimeo_ms),
    row!(ZMQ_SNDTIMEO, Both, AtOnce, int(-1, -1, MAX) in sndtimeo_ms),
    row!(ZMQ_IPV4ONLY, Both, NextEndpoint, flag(true, ZeroOrOne) by set_ipv4only, ipv4only),
    row!(ZMQ_LAST_ENDPOINT, Get, AtOnce, text(ANY_SIZE, Never) of Socket),
    row!(ZMQ_ROUTER_MANDATORY, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_TCP_KEEPALIVE, Both, NextEndpoint, int(-1, -1, 1) in tcp_keepalive),
    row!(ZMQ_TCP_KEEPALIVE_CNT, Both, NextEndpoint, int(-1, -1, MAX) in tcp_keepalive_cnt),
    row!(ZMQ_TCP_KEEPALIVE_IDLE, Both, NextEndpoint, int(-1, -1, MAX) in tcp_keepalive_idle_s),
    row!(ZMQ_TCP_KEEPALIVE_INTVL, Both, NextEndpoint, int(-1, -1, MAX) in tcp_keepalive_intvl_s),
    row!(ZMQ_TCP_ACCEPT_FILTER, Set, NextEndpoint, list() by set_tcp_accept, refuse_get),
    row!(ZMQ_IMMEDIATE, Both, NextEndpoint, flag(false, ZeroOrOne) in immediate),
    row!(ZMQ_XPUB_VERBOSE, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_ROUTER_RAW, Set, NextEndpoint, flag(false, NotNegative) of Pattern),
    row!(ZMQ_IPV6, Both, NextEndpoint, flag(false, ZeroOrOne) in ipv6),
    row!(ZMQ_MECHANISM, Get, AtOnce, int(ZMQ_NULL, ZMQ_NULL, ZMQ_GSSAPI) by refuse_set, mechanism),
    row!(ZMQ_PLAIN_SERVER, Both, NextEndpoint, flag(false, ZeroOrOne) by set_plain_server, plain_server),
    row!(ZMQ_PLAIN_USERNAME, Both, NextEndpoint, text(ONE_BYTE_MAX, ByNull) by set_plain_username, plain_username),
    row!(ZMQ_PLAIN_PASSWORD, Both, NextEndpoint, text(ONE_BYTE_MAX, ByNull) by set_plain_password, plain_password),
    row!(ZMQ_CURVE_SERVER, Both, NextEndpoint, flag(false, ZeroOrOne) by set_curve_server, curve_server),
    row!(ZMQ_CURVE_PUBLICKEY, Both, NextEndpoint, key() by set_curve_publickey, curve_publickey),
    row!(ZMQ_CURVE_SECRETKEY, Both, NextEndpoint, key() by set_curve_secretkey, curve_secretkey),
    row!(ZMQ_CURVE_SERVERKEY, Both, NextEndpoint, key() by set_curve_serverkey, curve_serverkey),
    row!(ZMQ_PROBE_ROUTER, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_REQ_CORRELATE, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_REQ_RELAXED, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_CONFLATE, Both, NextEndpoint, flag(false, ZeroOrOne) in conflate),
    row!(ZMQ_ZAP_DOMAIN, Both, NextEndpoint, text(ONE_BYTE_MAX, Never) in zap_domain),
    row!(ZMQ_ROUTER_HANDOVER, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_TOS, Both, NextEndpoint, int(0, 0, MAX) in tos),
    row!(ZMQ_IPC_FILTER_PID, Set, NextEndpoint, list() by set_ipc_pid, refuse_get),
    row!(ZMQ_IPC_FILTER_UID, Set, NextEndpoint, list() by set_ipc_uid, refuse_get),
    row!(ZMQ_IPC_FILTER_GID, Set, NextEndpoint, list() by set_ipc_gid, refuse_get),
    row!(ZMQ_CONNECT_ROUTING_ID, Set, NextEndpoint, binary(1, ANY_SIZE) of Pattern),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_SERVER, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_SERVER, Both, NextEndpoint, flag(false, ZeroOrOne) by set_gssapi_server, gssapi_server),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_PRINCIPAL, Both, NextEndpoint, text(ONE_BYTE_MAX, Never) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_PRINCIPAL, Both, NextEndpoint, text(ONE_BYTE_MAX, Never) by set_gssapi_principal, gssapi_principal),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_SERVICE_PRINCIPAL, Both, NextEndpoint, text(ONE_BYTE_MAX, Never) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_SERVICE_PRINCIPAL, Both, NextEndpoint, text(ONE_BYTE_MAX, Never) by set_gssapi_service_principal, gssapi_service_principal),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_PLAINTEXT, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_PLAINTEXT, Both, NextEndpoint, flag(false, ZeroOrOne) in gss_plaintext),
    row!(ZMQ_HANDSHAKE_IVL, Both, NextEndpoint, int(30_000, 0, MAX) in handshake_ivl_ms),
    row!(ZMQ_SOCKS_PROXY, Both, NextEndpoint, text(ANY_SIZE, ByNull) in socks_proxy_address),
    row!(ZMQ_XPUB_NODROP, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_XPUB_MANUAL, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_XPUB_WELCOME_MSG, Set, AtOnce, binary(0, ANY_SIZE) of Pattern),
    row!(ZMQ_STREAM_NOTIFY, Set, NextEndpoint, flag(true, ZeroOrOne) in raw_notify of Pattern),
    row!(ZMQ_INVERT_MATCHING, Both, AtOnce, flag(false, Any) in invert_matching),
    row!(ZMQ_HEARTBEAT_IVL, Both, NextEndpoint, int(0, 0, MAX) in heartbeat_ivl_ms),
    row!(ZMQ_HEARTBEAT_TTL, Both, NextEndpoint, int(0, -99, 6_553_599) by set_heartbeat_ttl, heartbeat_ttl),
    row!(ZMQ_HEARTBEAT_TIMEOUT, Both, NextEndpoint, int(-1, 0, MAX) in heartbeat_timeout_ms),
    row!(ZMQ_XPUB_VERBOSER, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_CONNECT_TIMEOUT, Both, NextEndpoint, int(0, 0, MAX) in connect_timeout_ms),
    row!(ZMQ_TCP_MAXRT, Both, NextEndpoint, int(0, 0, MAX) in tcp_maxrt_ms),
    row!(ZMQ_THREAD_SAFE, Get, AtOnce, int(0, 0, 1) of Socket),
    row!(ZMQ_MULTICAST_MAXTPDU, Both, NextEndpoint, int(1500, 1, MAX) in multicast_maxtpdu),
    row!(ZMQ_VMCI_BUFFER_SIZE, Both, NextEndpoint, uint64(0) not built),
    row!(ZMQ_VMCI_BUFFER_MIN_SIZE, Both, NextEndpoint, uint64(0) not built),
    row!(ZMQ_VMCI_BUFFER_MAX_SIZE, Both, NextEndpoint, uint64(0) not built),
    row!(ZMQ_VMCI_CONNECT_TIMEOUT, Both, NextEndpoint, int(-1, MIN, MAX) not built),
    row!(ZMQ_USE_FD, Both, NextEndpoint, int(-1, -1, MAX) in use_fd),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, Both, NextEndpoint, int(0, 0, 2) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_PRINCIPAL_NAMETYPE, Both, NextEndpoint, int(0, 0, 2) in gss_principal_nt),
    #[cfg(not(feature = "gssapi"))]
    row!(ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, Both, NextEndpoint, int(0, 0, 2) not built),
    #[cfg(feature = "gssapi")]
    row!(ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE, Both, NextEndpoint, int(0, 0, 2) in gss_service_principal_nt),
    // The kernel checks that the interface exists when a socket is bound to it, at the next bind or connect.
    row!(ZMQ_BINDTODEVICE, Both, NextEndpoint, text(INTERFACE_BYTES, ByNull) in bindtodevice),
    row!(ZMQ_ZAP_ENFORCE_DOMAIN, Both, NextEndpoint, flag(false, Any) in zap_enforce_domain),
    row!(ZMQ_LOOPBACK_FASTPATH, Both, NextEndpoint, flag(false, Any) in loopback_fastpath),
    row!(ZMQ_METADATA, Set, NextEndpoint, list() by add_metadata, refuse_get),
    row!(ZMQ_MULTICAST_LOOP, Both, NextEndpoint, flag(true, Any) in multicast_loop),
    row!(ZMQ_ROUTER_NOTIFY, Both, NextEndpoint, int(0, 0, 3) in router_notify of Pattern),
    row!(ZMQ_XPUB_MANUAL_LAST_VALUE, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_SOCKS_USERNAME, Both, NextEndpoint, text(ONE_BYTE_MAX, BySize) in socks_proxy_username),
    row!(ZMQ_SOCKS_PASSWORD, Both, NextEndpoint, text(ONE_BYTE_MAX, BySize) in socks_proxy_password),
    row!(ZMQ_IN_BATCH_SIZE, Both, NextEndpoint, int(BATCH_SIZE_DFLT, 1, MAX) in in_batch_size),
    row!(ZMQ_OUT_BATCH_SIZE, Both, NextEndpoint, int(BATCH_SIZE_DFLT, 1, MAX) in out_batch_size),
    row!(ZMQ_WSS_KEY_PEM, Set, NextEndpoint, text(ANY_SIZE, BySize) in wss_key_pem),
    row!(ZMQ_WSS_CERT_PEM, Set, NextEndpoint, text(ANY_SIZE, BySize) in wss_cert_pem),
    row!(ZMQ_WSS_TRUST_PEM, Set, NextEndpoint, text(ANY_SIZE, BySize) in wss_trust_pem),
    row!(ZMQ_WSS_HOSTNAME, Set, NextEndpoint, text(ANY_SIZE, BySize) in wss_hostname),
    row!(ZMQ_WSS_TRUST_SYSTEM, Set, NextEndpoint, flag(false, ZeroOrOne) in wss_trust_system),
    row!(ZMQ_ONLY_FIRST_SUBSCRIBE, Set, AtOnce, flag(false, NotNegative) of Pattern),
    row!(ZMQ_RECONNECT_STOP, Both, NextEndpoint, int(0, MIN, MAX) in reconnect_stop),
    row!(ZMQ_HELLO_MSG, Set, NextEndpoint, binary(0, ANY_SIZE) in hello_msg),
    row!(ZMQ_DISCONNECT_MSG, Set, NextEndpoint, binary(0, ANY_SIZE) in disconnect_msg),
    row!(ZMQ_PRIORITY, Both, NextEndpoint, int(0, 0, MAX) in priority),
    row!(ZMQ_BUSY_POLL, Set, NextEndpoint, int(0, MIN, MAX) in busy_poll),
    row!(ZMQ_HICCUP_MSG, Set, NextEndpoint, binary(0, ANY_SIZE) in hiccup_msg),
    row!(ZMQ_XSUB_VERBOSE_UNSUBSCRIBE, Set, AtOnce, flag(false, Any) of Pattern),
    row!(ZMQ_TOPICS_COUNT, Get, AtOnce, int(0, 0, MAX) of Pattern),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_MODE, Both, NextEndpoint, int(ZMQ_NORM_CC, ZMQ_NORM_FIXED, ZMQ_NORM_CCE_ECNONLY) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_MODE, Both, NextEndpoint, int(ZMQ_NORM_CC, ZMQ_NORM_FIXED, ZMQ_NORM_CCE_ECNONLY) in norm_mode),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_UNICAST_NACK, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_UNICAST_NACK, Both, NextEndpoint, flag(false, ZeroOrOne) in norm_unicast_nack),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_BUFFER_SIZE, Both, NextEndpoint, int(2048, 1, MAX) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_BUFFER_SIZE, Both, NextEndpoint, int(2048, 1, MAX) in norm_buffer_size_kib),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_SEGMENT_SIZE, Both, NextEndpoint, int(1400, 1, MAX) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_SEGMENT_SIZE, Both, NextEndpoint, int(1400, 1, MAX) in norm_segment_size),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_BLOCK_SIZE, Both, NextEndpoint, int(16, 1, 255) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_BLOCK_SIZE, Both, NextEndpoint, int(16, 1, 255) in norm_block_size),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_NUM_PARITY, Both, NextEndpoint, int(4, 0, 254) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_NUM_PARITY, Both, NextEndpoint, int(4, 0, 254) in norm_num_parity),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_NUM_AUTOPARITY, Both, NextEndpoint, int(0, 0, 254) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_NUM_AUTOPARITY, Both, NextEndpoint, int(0, 0, 254) in norm_num_autoparity),
    #[cfg(not(feature = "norm"))]
    row!(ZMQ_NORM_PUSH, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "norm")]
    row!(ZMQ_NORM_PUSH, Both, NextEndpoint, flag(false, ZeroOrOne) in norm_push),
    row!(ZMQ_FERRO_MAX_MULTIPART_FACTOR, Both, NextEndpoint, int(16, 1, MAX) in max_multipart_factor),
    row!(ZMQ_FERRO_CURVE_SERVER_KEY_ADD, Set, AtOnce, key() of Socket),
    row!(ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW, Set, AtOnce, key() of Socket),
    row!(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, Both, AtOnce, int(0, 0, MAX) in max_failed_handshakes),
    row!(ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL, Both, AtOnce, int(60_000, 1, MAX) in failed_handshake_ban_ivl_ms),
    row!(ZMQ_FERRO_SECURITY, Both, NextEndpoint, text(PATH_MAX, BySize) in security),
    row!(ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, Both, AtOnce, int(128 << 20, 0, MAX) in max_subscriptions_size),
    row!(ZMQ_FERRO_STATS_IVL, Both, NextEndpoint, int(0, 0, MAX) in stats_ivl_ms),
    row!(ZMQ_FERRO_TLS_CLIENT_TRUST_PEM, Set, NextEndpoint, text(ANY_SIZE, BySize) in tls_client_trust_pem),
    row!(ZMQ_FERRO_TLS_CLIENT_OPTIONAL, Both, NextEndpoint, flag(false, ZeroOrOne) in tls_client_optional),
    row!(ZMQ_FERRO_LAST_VALUE, Both, AtOnce, int(0, 0, MAX) in last_value of Pattern),
    row!(ZMQ_FERRO_LAST_VALUE_SIZE, Both, AtOnce, int(64 << 20, 0, MAX) in last_value_size of Pattern),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_AUTHORITY, Set, AtOnce, list() by set_authority, refuse_get),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_AUTHORITY, Set, AtOnce, list() not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_CERTIFICATE, Set, AtOnce, list() by set_certificate, refuse_get),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_CERTIFICATE, Set, AtOnce, list() not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_REVOKED, Set, AtOnce, list() by set_revoked, refuse_get),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_REVOKED, Set, AtOnce, list() not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_CURVE_BESIDE_QZMQ, Both, NextEndpoint, flag(false, ZeroOrOne) in curve_beside_qzmq),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_CURVE_BESIDE_QZMQ, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_CURVE_FALLBACK, Both, NextEndpoint, flag(false, ZeroOrOne) in curve_fallback),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_CURVE_FALLBACK, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_SUITES, Both, NextEndpoint, binary(0, 4) by set_suites, suites),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_SUITES, Both, NextEndpoint, binary(0, 4) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_UPDATE_RECORDS, Both, NextEndpoint, int(8_388_608, 1, 16_777_216) in qzmq_update_records),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_UPDATE_RECORDS, Both, NextEndpoint, int(8_388_608, 1, 16_777_216) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_UPDATE_SIZE, Both, NextEndpoint, int64(MAX_QZMQ_UPDATE_SIZE) by set_update_size, update_size),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_UPDATE_SIZE, Both, NextEndpoint, int64(MAX_QZMQ_UPDATE_SIZE) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_UPDATE_IVL, Both, NextEndpoint, int(600_000, 1, MAX) in qzmq_update_ivl_ms),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_UPDATE_IVL, Both, NextEndpoint, int(600_000, 1, MAX) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_PADDING, Both, NextEndpoint, int(0, 0, 16_384) in qzmq_padding),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_PADDING, Both, NextEndpoint, int(0, 0, 16_384) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_TICKET_LIFE, Both, NextEndpoint, int(7_200, 0, 86_400) in qzmq_ticket_life_s),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_TICKET_LIFE, Both, NextEndpoint, int(7_200, 0, 86_400) not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_SERVER_NAME, Set, NextEndpoint, list() by set_server_name, refuse_get),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_SERVER_NAME, Set, NextEndpoint, list() not built),
    #[cfg(feature = "qzmq")]
    row!(ZMQ_FERRO_QZMQ_ZAP, Both, NextEndpoint, flag(false, ZeroOrOne) in asks_as_qzmq),
    #[cfg(not(feature = "qzmq"))]
    row!(ZMQ_FERRO_QZMQ_ZAP, Both, NextEndpoint, flag(false, ZeroOrOne) not built),
];
