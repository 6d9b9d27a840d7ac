//! The numbers of all options and of the values they take, as `zmq.h` gives them.
//!
//! They are part of the C interface: a number, once published, never changes its meaning.

use std::ffi::c_int;

// Context options. ZMQ_SOCKET_LIMIT is only ever read and ZMQ_THREAD_PRIORITY only ever written.
pub const ZMQ_IO_THREADS: c_int = 1;
pub const ZMQ_MAX_SOCKETS: c_int = 2;
pub const ZMQ_SOCKET_LIMIT: c_int = 3;
pub const ZMQ_THREAD_PRIORITY: c_int = 3;
pub const ZMQ_THREAD_SCHED_POLICY: c_int = 4;
pub const ZMQ_MAX_MSGSZ: c_int = 5;
pub const ZMQ_MSG_T_SIZE: c_int = 6;
pub const ZMQ_THREAD_AFFINITY_CPU_ADD: c_int = 7;
pub const ZMQ_THREAD_AFFINITY_CPU_REMOVE: c_int = 8;
pub const ZMQ_THREAD_NAME_PREFIX: c_int = 9;

// Defaults of context options.
pub const ZMQ_IO_THREADS_DFLT: c_int = 1;
pub const ZMQ_MAX_SOCKETS_DFLT: c_int = 1023;
pub const ZMQ_THREAD_PRIORITY_DFLT: c_int = -1;
pub const ZMQ_THREAD_SCHED_POLICY_DFLT: c_int = -1;

// Socket options. ZMQ_IPV6 is a context option as well; ZMQ_BLOCKY is one only.
pub const ZMQ_AFFINITY: c_int = 4;
pub const ZMQ_ROUTING_ID: c_int = 5;
pub const ZMQ_SUBSCRIBE: c_int = 6;
pub const ZMQ_UNSUBSCRIBE: c_int = 7;
pub const ZMQ_RATE: c_int = 8;
pub const ZMQ_RECOVERY_IVL: c_int = 9;
pub const ZMQ_SNDBUF: c_int = 11;
pub const ZMQ_RCVBUF: c_int = 12;
pub const ZMQ_RCVMORE: c_int = 13;
pub const ZMQ_FD: c_int = 14;
pub const ZMQ_EVENTS: c_int = 15;
pub const ZMQ_TYPE: c_int = 16;
pub const ZMQ_LINGER: c_int = 17;
pub const ZMQ_RECONNECT_IVL: c_int = 18;
pub const ZMQ_BACKLOG: c_int = 19;
pub const ZMQ_RECONNECT_IVL_MAX: c_int = 21;
pub const ZMQ_MAXMSGSIZE: c_int = 22;
pub const ZMQ_SNDHWM: c_int = 23;
pub const ZMQ_RCVHWM: c_int = 24;
pub const ZMQ_MULTICAST_HOPS: c_int = 25;
pub const ZMQ_RCVTIMEO: c_int = 27;
pub const ZMQ_SNDTIMEO: c_int = 28;
pub const ZMQ_LAST_ENDPOINT: c_int = 32;
pub const ZMQ_ROUTER_MANDATORY: c_int = 33;
pub const ZMQ_TCP_KEEPALIVE: c_int = 34;
pub const ZMQ_TCP_KEEPALIVE_CNT: c_int = 35;
pub const ZMQ_TCP_KEEPALIVE_IDLE: c_int = 36;
pub const ZMQ_TCP_KEEPALIVE_INTVL: c_int = 37;
pub const ZMQ_IMMEDIATE: c_int = 39;
pub const ZMQ_XPUB_VERBOSE: c_int = 40;
pub const ZMQ_ROUTER_RAW: c_int = 41;
pub const ZMQ_IPV6: c_int = 42;
pub const ZMQ_MECHANISM: c_int = 43;
pub const ZMQ_PLAIN_SERVER: c_int = 44;
pub const ZMQ_PLAIN_USERNAME: c_int = 45;
pub const ZMQ_PLAIN_PASSWORD: c_int = 46;
pub const ZMQ_CURVE_SERVER: c_int = 47;
pub const ZMQ_CURVE_PUBLICKEY: c_int = 48;
pub const ZMQ_CURVE_SECRETKEY: c_int = 49;
pub const ZMQ_CURVE_SERVERKEY: c_int = 50;
pub const ZMQ_PROBE_ROUTER: c_int = 51;
pub const ZMQ_REQ_CORRELATE: c_int = 52;
pub const ZMQ_REQ_RELAXED: c_int = 53;
pub const ZMQ_CONFLATE: c_int = 54;
pub const ZMQ_ZAP_DOMAIN: c_int = 55;
pub const ZMQ_ROUTER_HANDOVER: c_int = 56;
pub const ZMQ_TOS: c_int = 57;
pub const ZMQ_CONNECT_ROUTING_ID: c_int = 61;
pub const ZMQ_GSSAPI_SERVER: c_int = 62;
pub const ZMQ_GSSAPI_PRINCIPAL: c_int = 63;
pub const ZMQ_GSSAPI_SERVICE_PRINCIPAL: c_int = 64;
pub const ZMQ_GSSAPI_PLAINTEXT: c_int = 65;
pub const ZMQ_HANDSHAKE_IVL: c_int = 66;
pub const ZMQ_SOCKS_PROXY: c_int = 68;
pub const ZMQ_XPUB_NODROP: c_int = 69;
pub const ZMQ_BLOCKY: c_int = 70;
pub const ZMQ_XPUB_MANUAL: c_int = 71;
pub const ZMQ_XPUB_WELCOME_MSG: c_int = 72;
pub const ZMQ_STREAM_NOTIFY: c_int = 73;
pub const ZMQ_INVERT_MATCHING: c_int = 74;
pub const ZMQ_HEARTBEAT_IVL: c_int = 75;
pub const ZMQ_HEARTBEAT_TTL: c_int = 76;
pub const ZMQ_HEARTBEAT_TIMEOUT: c_int = 77;
pub const ZMQ_XPUB_VERBOSER: c_int = 78;
pub const ZMQ_CONNECT_TIMEOUT: c_int = 79;
pub const ZMQ_TCP_MAXRT: c_int = 80;
pub const ZMQ_THREAD_SAFE: c_int = 81;
pub const ZMQ_MULTICAST_MAXTPDU: c_int = 84;
pub const ZMQ_VMCI_BUFFER_SIZE: c_int = 85;
pub const ZMQ_VMCI_BUFFER_MIN_SIZE: c_int = 86;
pub const ZMQ_VMCI_BUFFER_MAX_SIZE: c_int = 87;
pub const ZMQ_VMCI_CONNECT_TIMEOUT: c_int = 88;
pub const ZMQ_USE_FD: c_int = 89;
pub const ZMQ_GSSAPI_PRINCIPAL_NAMETYPE: c_int = 90;
pub const ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE: c_int = 91;
pub const ZMQ_BINDTODEVICE: c_int = 92;

// Older options that newer ones have replaced.
pub const ZMQ_TCP_ACCEPT_FILTER: c_int = 38;
pub const ZMQ_IPC_FILTER_PID: c_int = 58;
pub const ZMQ_IPC_FILTER_UID: c_int = 59;
pub const ZMQ_IPC_FILTER_GID: c_int = 60;
pub const ZMQ_IPV4ONLY: c_int = 31;

// Older names.
pub const ZMQ_IDENTITY: c_int = ZMQ_ROUTING_ID;
pub const ZMQ_CONNECT_RID: c_int = ZMQ_CONNECT_ROUTING_ID;
pub const ZMQ_DELAY_ATTACH_ON_CONNECT: c_int = ZMQ_IMMEDIATE;
pub const ZMQ_FAIL_UNROUTABLE: c_int = ZMQ_ROUTER_MANDATORY;
pub const ZMQ_ROUTER_BEHAVIOR: c_int = ZMQ_ROUTER_MANDATORY;

// Values of ZMQ_MECHANISM.
pub const ZMQ_NULL: c_int = 0;
pub const ZMQ_PLAIN: c_int = 1;
pub const ZMQ_CURVE: c_int = 2;
pub const ZMQ_GSSAPI: c_int = 3;

// Values of the two ZMQ_GSSAPI_*_NAMETYPE.
pub const ZMQ_GSSAPI_NT_HOSTBASED: c_int = 0;
pub const ZMQ_GSSAPI_NT_USER_NAME: c_int = 1;
pub const ZMQ_GSSAPI_NT_KRB5_PRINCIPAL: c_int = 2;

// Options of this library alone, far above any number the original will ever use.

/// Limits the size of an incoming multipart message, as a multiple of `ZMQ_MAXMSGSIZE`.
///
/// Type int, at least 1, default 16; takes effect with `ZMQ_MAXMSGSIZE` alone. All frames of one message together may have this
/// many times as many bytes while the message is assembled. A peer that sends more is disconnected.
pub const ZMQ_FERRO_MAX_MULTIPART_FACTOR: c_int = 0x4600_0001;

/// Adds a further secret key to a CURVE server, or one of QZMQ. Clients that know the server by its public key get in as well.
///
/// 32 bytes, or 40 characters of Z85 with or without a NUL, or a key of QZMQ in its forms; write only. The key takes effect at once, also on endpoints that are
/// bound already. It is used by every handshake that begins from then on, while `ZMQ_CURVE_SERVER` is set. A key that the
/// server has already changes nothing.
///
/// Fails with `EINVAL` if the value is no key, or is one of another mechanism than the server's. Fails with `ENOBUFS` if the
/// socket has 8 keys, its own (`ZMQ_CURVE_SECRETKEY`)
/// among them.
pub const ZMQ_FERRO_CURVE_SERVER_KEY_ADD: c_int = 0x4600_0002;

/// Withdraws a key of a CURVE server or one of QZMQ, its own or an added one, named by its public key.
///
/// The same forms as above; write only. No handshake begins with the key from then on, on any endpoint. Connections that stand
/// are left alone. The socket's own key comes back for endpoints that are bound after `ZMQ_CURVE_SECRETKEY` was set anew.
///
/// Fails with `EINVAL` if the value is no key, and with `ENOENT` if the socket has no such key.
pub const ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW: c_int = 0x4600_0003;

/// Limits failed handshakes. An address with that many of them within a minute is refused for
/// `ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL`.
///
/// Type int, at least 0, default 0, which is no limit. The option takes effect at once, for all TCP endpoints of the socket
/// together. IPv6 addresses count by their first 64 bits. A refused connection is closed as soon as it is accepted, which the
/// monitor reports as `ZMQ_EVENT_ACCEPT_FAILED` with `EACCES`.
///
/// A handshake has failed in four cases: the peer broke the protocol, it had the wrong key or mechanism, the authenticator
/// denied it with status 400, or it did not finish. So a connection that is opened and closed to check the port counts too.
///
/// Some do not count. The time was over while the authenticator was asked. A peer hung up that had waited for it, for a quarter of a second
/// or longer. A client asked a server of CURVE alone for QZMQ, as one with `ZMQ_FERRO_CURVE_FALLBACK` does first. Or the handshake ended
/// to make room for others.
pub const ZMQ_FERRO_MAX_FAILED_HANDSHAKES: c_int = 0x4600_0004;

/// How long an address is refused after `ZMQ_FERRO_MAX_FAILED_HANDSHAKES` failures, in milliseconds.
///
/// Type int, at least 1, default 60,000.
pub const ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL: c_int = 0x4600_0005;

/// Has a bound `tls://` or `wss://` endpoint ask its clients for certificates, and says which it trusts.
///
/// PEM text: certificates of authorities, or of clients themselves; write only, default none. It counts for endpoints bound from
/// then on. A client without a certificate that leads to one of these gets in nowhere, unless `ZMQ_FERRO_TLS_CLIENT_OPTIONAL` is
/// set. A client shows the certificate that `ZMQ_WSS_CERT_PEM` and `ZMQ_WSS_KEY_PEM` give it.
///
/// The certificate's subject is the property `X-TLS-Subject` of each message from the client (`zmq_msg_gets`), and of each frame
/// of the request to the ZAP handler. `zmq_bind` fails with `EINVAL` if the value is no PEM.
pub const ZMQ_FERRO_TLS_CLIENT_TRUST_PEM: c_int = 0x4600_0020;

/// Lets clients in that show no certificate, where `ZMQ_FERRO_TLS_CLIENT_TRUST_PEM` asks for one.
///
/// Type int, 0 or 1, default 0. It counts for endpoints bound from then on. A certificate that is shown must be trusted all the
/// same. Messages of a client without one have no `X-TLS-Subject`.
pub const ZMQ_FERRO_TLS_CLIENT_OPTIONAL: c_int = 0x4600_0021;

/// Trusts an authority of QZMQ: what it has signed proves whose key the other side has.
///
/// A key that `ferrozmq cert authority` made, as bytes or as Z85 with or without a NUL; write only. Each value adds one, NULL removes
/// all. It counts at once, for all endpoints, from their next handshake on.
///
/// A server lets in clients that show a certificate, and asks its authenticator as ever, if one is bound. Without one it lets in no
/// client that shows none, also after NULL: one authority may be replaced by another while clients come. A client that knows its
/// server by name (`ZMQ_FERRO_QZMQ_SERVER_NAME`) needs at least one.
///
/// Fails with `EINVAL` if the value is no key of an authority, and with `ENOBUFS` for more than 64. It also fails with `EINVAL` while
/// an endpoint of the socket is open that speaks no QZMQ, and would let in peers without a certificate.
///
/// `zmq_bind` and `zmq_connect` fail with `EINVAL` where the endpoint would speak no QZMQ: the socket has no key of QZMQ, another
/// mechanism, or a transport without handshakes. That holds for the other options about certificates as well.
pub const ZMQ_FERRO_QZMQ_AUTHORITY: c_int = 0x4600_0040;

/// Shows a certificate of QZMQ: a client in place of its bare public key, a server to clients that ask for one.
///
/// A certificate that `ferrozmq cert sign` made, as bytes or as Z85 with or without a NUL; write only. It counts for endpoints connected
/// from then on. A server shows it at once, at all endpoints with its key. Endpoints with other keys
/// keep theirs, as all do if it is for clients alone. NULL removes it from all.
///
/// Fails with `EINVAL` if the value is no certificate. `zmq_bind` and `zmq_connect` fail with `EINVAL` if it is of another key than
/// `ZMQ_CURVE_SECRETKEY`, or for the other role.
pub const ZMQ_FERRO_QZMQ_CERTIFICATE: c_int = 0x4600_0041;

/// Revokes a key of QZMQ, or an authority's: neither is accepted, however long a certificate is valid.
///
/// A fingerprint: 32 bytes, or 40 characters of Z85 with or without a NUL; write only. Each value adds one, NULL removes all. It
/// counts at once, for all endpoints, from their next handshake on. Connections that stand go on. Between NULL and the next value
/// nothing is revoked, so a list is added to rather than replaced.
///
/// Fails with `EINVAL` for anything else, and as `ZMQ_FERRO_QZMQ_AUTHORITY` does where an endpoint would not heed it.
pub const ZMQ_FERRO_QZMQ_REVOKED: c_int = 0x4600_0042;

/// Lets a server's endpoints take clients of QZMQ and of CURVE, for the time of a migration; see docs/qzmq.md.
///
/// Type int, 0 or 1, default 0. It counts for endpoints bound from then on. With it `ZMQ_CURVE_SECRETKEY` and `ZMQ_CURVE_PUBLICKEY` hold
/// a key of either kind, so each is set twice. Without a key of both kinds the option changes nothing.
///
/// A client that speaks CURVE gets CURVE's security and no more. It has no certificate: with `ZMQ_FERRO_QZMQ_AUTHORITY` such a client
/// is let in by an authenticator alone.
pub const ZMQ_FERRO_CURVE_BESIDE_QZMQ: c_int = 0x4600_0050;

/// Lets a client connect with CURVE to a server that does not speak QZMQ, for the time of a migration; see docs/qzmq.md.
///
/// Type int, 0 or 1, default 0. It counts for endpoints connected from then on. With it `ZMQ_CURVE_SERVERKEY`, `ZMQ_CURVE_PUBLICKEY` and
/// `ZMQ_CURVE_SECRETKEY` hold a key of either kind, so each is set twice. Without keys of both kinds the option changes nothing.
///
/// Anyone on the path can have the client take CURVE, and then meets CURVE's security and no more. A monitor sees
/// `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` with `ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH` before each connection with CURVE, and
/// `ZMQ_FERRO_EVENT_AUDIT` has a record `fallback`.
pub const ZMQ_FERRO_CURVE_FALLBACK: c_int = 0x4600_0051;

/// Chooses the suites of QZMQ that the socket offers and accepts, and their order.
///
/// Up to 4 bytes, each the number of a suite: 1 XWING_AES256GCM_SHA256, 2 XWING_CHACHA20POLY1305_SHA256, 3 MLKEM1024_AES256GCM_SHA384,
/// 4 MLKEM1024_CHACHA20POLY1305_SHA384. Empty by default: all, in that order. A client offers them in this order. A server takes the
/// first of its own that the client offers. It counts for endpoints bound or connected from then on.
///
/// Fails with `EINVAL` for another number, and for one that is there twice. `zmq_bind` and `zmq_connect` fail with `EINVAL` if no
/// suite fits the endpoint's keys.
pub const ZMQ_FERRO_QZMQ_SUITES: c_int = 0x4600_0060;

/// Number of records after which a side of QZMQ replaces the keys.
///
/// Type int, 1 to 16,777,216, default 8,388,608. So it is never above what AES-GCM allows. A side replaces keys every 250 ms at most.
/// It counts for endpoints bound or connected from then on.
pub const ZMQ_FERRO_QZMQ_UPDATE_RECORDS: c_int = 0x4600_0061;

/// Number of bytes after which a side of QZMQ replaces the keys.
///
/// Type int64_t, 1 to 2^50, default 2^50. It counts for endpoints bound or connected from then on.
pub const ZMQ_FERRO_QZMQ_UPDATE_SIZE: c_int = 0x4600_0062;

/// Age at which a side of QZMQ replaces the keys, in milliseconds. It is looked at when the side sends.
///
/// Type int, at least 1, default 600,000. It counts for endpoints bound or connected from then on.
pub const ZMQ_FERRO_QZMQ_UPDATE_IVL: c_int = 0x4600_0063;

/// Pads what the socket sends with QZMQ, so that an observer learns less of the messages' sizes.
///
/// Type int, 0 to 16,384, default 0. Each record's content and its byte of type are padded with zeros to a multiple of that number of
/// bytes, at most 16,385; 0 pads nothing. It counts for endpoints bound or connected from then on.
pub const ZMQ_FERRO_QZMQ_PADDING: c_int = 0x4600_0064;

/// Life of the tickets by which clients of QZMQ resume, in seconds.
///
/// Type int, 0 to 86,400, default 7,200. A server gives tickets of that life, a client keeps none for longer. At 0 it gives and
/// keeps none. It counts for endpoints bound or connected from then on.
pub const ZMQ_FERRO_QZMQ_TICKET_LIFE: c_int = 0x4600_0065;

/// Makes a client of QZMQ, which knows its server by the name in the server's certificate and not by a key.
///
/// A text of at most 255 bytes; empty, the default, for none. It counts for endpoints connected from then on, in place of
/// `ZMQ_CURVE_SERVERKEY`, which wins where it is set too. The client trusts `ZMQ_FERRO_QZMQ_AUTHORITY`. It may have a key of its
/// own, whose KEM the server's certificate has to have. Without one that is the KEM of the first of `ZMQ_FERRO_QZMQ_SUITES`, X-Wing by
/// default. Setting a name makes the socket a client; setting an empty one leaves the role.
///
/// `zmq_connect` fails with `EINVAL` without an authority.
pub const ZMQ_FERRO_QZMQ_SERVER_NAME: c_int = 0x4600_0070;

/// Tells an authenticator of clients of QZMQ in the form of that mechanism.
///
/// Type int, 0 or 1, default 0. It counts for endpoints bound from then on. With 0 a request says `CURVE`, and has the fingerprint of the
/// client's key, 32 bytes. With 1 it says `QZMQ`. It has the whole key with its tag (`QP`), the certificate that the client has
/// shown (`QC`), or nothing for a client without a key.
pub const ZMQ_FERRO_QZMQ_ZAP: c_int = 0x4600_0071;

/// Names the file by which sockets are secured on which the program has set no mechanism; see docs/security.md.
///
/// An option of the context (`zmq_ctx_set_ext`) and of the socket. A path of at most 4,095 bytes, empty by default: the file is
/// then the one that the environment names in `FERROZMQ_SECURITY`. The context's file takes effect with the first `zmq_bind` or
/// `zmq_connect` of any of its sockets, the socket's with the next one. The socket's file comes before the context's. A relative path
/// counts from the folder in which the process works when the option is set.
///
/// Where the file is at fault, or refuses the endpoint, `zmq_bind` and `zmq_connect` fail with `EINVAL` or `EACCES`. A line on
/// stderr then says where the fault is, and what to do. Fails with `EINVAL` for a context whose file is in use already.
pub const ZMQ_FERRO_SECURITY: c_int = 0x4600_0006;

/// Limits the memory of all handshakes with peers that have connected to a context's endpoints, in bytes.
///
/// An option of the context (`zmq_ctx_set`). Type int, at least 0, default 67,108,864; 0 is no limit. The option takes effect
/// at once. Each handshake counts as 4,096 bytes until it is over, over `ws://` as 8,192, with TLS (`tls://`, `wss://`) as 65,536. Where a
/// peer has said more than 640 bytes, all that it has said counts besides. A question to an authenticator counts as 4,096 bytes and what is
/// in it. Where one that begins or grows would exceed the limit, the oldest handshake ends. It does so a moment later, and holds its memory until then. The monitor
/// reports it as `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS`.
pub const ZMQ_FERRO_MAX_HANDSHAKES_SIZE: c_int = 0x4600_0010;

/// Limits the subscriptions of one peer of a PUB or XPUB, and the groups that a peer of a RADIO has joined, in bytes.
///
/// Type int, at least 0, default 134,217,728; 0 is no limit. The option takes effect at once, for subscriptions to come. Each
/// topic or group counts as its length and 64 bytes more. The connection of a peer that wants more ends. The monitor reports
/// it as `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS`, then `ZMQ_EVENT_DISCONNECTED`.
pub const ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE: c_int = 0x4600_0011;

/// Time between two events `ZMQ_FERRO_EVENT_STATS` of the socket's monitor, in milliseconds.
///
/// Type int, at least 0, default 0: there are none. The option takes effect with the next monitor of the socket.
pub const ZMQ_FERRO_STATS_IVL: c_int = 0x4600_0012;

/// Keeps the last message of each topic, and sends it to peers that subscribe later (PUB, XPUB); see docs/last-value.md.
///
/// Type int, at least 0, default 0: nothing is kept. Otherwise the number of topics whose last messages are kept; where there are
/// more, those that were published longest ago are let go of. The option takes effect at once. The first frame of a message is
/// its topic, and all its frames are kept. A peer gets what is kept of the topics that begin with its subscription, in the order
/// of publication, as often as it subscribes.
pub const ZMQ_FERRO_LAST_VALUE: c_int = 0x4600_0030;

/// Limits the memory of the messages that `ZMQ_FERRO_LAST_VALUE` keeps, in bytes.
///
/// Type int, at least 0, default 67,108,864; 0 is no limit. The option takes effect at once. Each message counts as the length of
/// its frames, its topic once more, and 64 bytes for each frame. A message that is larger than the limit is not kept, and leaves
/// its topic without a last message.
pub const ZMQ_FERRO_LAST_VALUE_SIZE: c_int = 0x4600_0031;
