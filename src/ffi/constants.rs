//! The numbers in `zmq.h` that are not options: socket types, flags, events, message properties.
//!
//! They are part of the C interface: a number, once published, never changes its meaning.

use std::ffi::c_int;

// Version of the interface; `zmq_version` gives the same.
pub const ZMQ_VERSION_MAJOR: c_int = 4;
pub const ZMQ_VERSION_MINOR: c_int = 3;
pub const ZMQ_VERSION_PATCH: c_int = 5;

// Socket types.
pub const ZMQ_PAIR: c_int = 0;
pub const ZMQ_PUB: c_int = 1;
pub const ZMQ_SUB: c_int = 2;
pub const ZMQ_REQ: c_int = 3;
pub const ZMQ_REP: c_int = 4;
pub const ZMQ_DEALER: c_int = 5;
pub const ZMQ_ROUTER: c_int = 6;
pub const ZMQ_PULL: c_int = 7;
pub const ZMQ_PUSH: c_int = 8;
pub const ZMQ_XPUB: c_int = 9;
pub const ZMQ_XSUB: c_int = 10;
pub const ZMQ_STREAM: c_int = 11;

// Older names of socket types.
pub const ZMQ_XREQ: c_int = ZMQ_DEALER;
pub const ZMQ_XREP: c_int = ZMQ_ROUTER;

// Message properties for zmq_msg_get and zmq_msg_set.
pub const ZMQ_MORE: c_int = 1;
pub const ZMQ_SHARED: c_int = 3;
pub const ZMQ_SRCFD: c_int = 2;

// Flags of sending and receiving.
pub const ZMQ_DONTWAIT: c_int = 1;
pub const ZMQ_SNDMORE: c_int = 2;
pub const ZMQ_NOBLOCK: c_int = ZMQ_DONTWAIT;

// Longest name of a group of RADIO and DISH, in bytes.
pub const ZMQ_GROUP_MAX_LENGTH: c_int = 255;

// Events that a socket's monitor reports.
pub const ZMQ_EVENT_CONNECTED: c_int = 0x0001;
pub const ZMQ_EVENT_CONNECT_DELAYED: c_int = 0x0002;
pub const ZMQ_EVENT_CONNECT_RETRIED: c_int = 0x0004;
pub const ZMQ_EVENT_LISTENING: c_int = 0x0008;
pub const ZMQ_EVENT_BIND_FAILED: c_int = 0x0010;
pub const ZMQ_EVENT_ACCEPTED: c_int = 0x0020;
pub const ZMQ_EVENT_ACCEPT_FAILED: c_int = 0x0040;
pub const ZMQ_EVENT_CLOSED: c_int = 0x0080;
pub const ZMQ_EVENT_CLOSE_FAILED: c_int = 0x0100;
pub const ZMQ_EVENT_DISCONNECTED: c_int = 0x0200;
pub const ZMQ_EVENT_MONITOR_STOPPED: c_int = 0x0400;
pub const ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: c_int = 0x0800;
pub const ZMQ_EVENT_HANDSHAKE_SUCCEEDED: c_int = 0x1000;
pub const ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: c_int = 0x2000;
pub const ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: c_int = 0x4000;
pub const ZMQ_EVENT_ALL: c_int = 0xFFFF;

/// The monitor tells what the audit trail would say (`FERROZMQ_AUDIT`), whether or not there is one.
///
/// An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it.
///
/// A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8000 there. The
/// value is the status. Four frames follow: the peer's address, the peer's routing id, its user id, and the record in JSON. The
/// first three may be empty.
pub const ZMQ_FERRO_EVENT_AUDIT: c_int = 0x4000_8000;

/// The monitor tells by name which peers arrive and leave.
///
/// An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it.
///
/// A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8001 there. The
/// value is 1 for a peer that has arrived, so that messages may pass, and 0 for one that has left. Four frames follow: the peer's
/// endpoint, the routing id that it has given itself, its user id, and the mechanism (`NULL`, `PLAIN`, `CURVE`, `QZMQ`,
/// `GSSAPI`). Each may be empty. Peers that were there before the monitor, and those over inproc, are not told of.
pub const ZMQ_FERRO_EVENT_PEER: c_int = 0x2000_8000;

/// The monitor tells what the socket has counted, again and again (`ZMQ_FERRO_STATS_IVL`).
///
/// An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it. A
/// context without I/O threads has none.
///
/// A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8002 there. The
/// value is the time between two such events, in milliseconds. One frame follows: the socket's object of what zmq_ferro_stats() says.
pub const ZMQ_FERRO_EVENT_STATS: c_int = 0x1000_8000;

// What ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL says: errors of ZMTP, ...
pub const ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED: c_int = 0x10000000;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND: c_int = 0x10000001;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE: c_int = 0x10000002;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE: c_int = 0x10000003;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED: c_int = 0x10000011;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE: c_int = 0x10000012;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO: c_int = 0x10000013;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE: c_int = 0x10000014;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR: c_int = 0x10000015;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY: c_int = 0x10000016;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME: c_int = 0x10000017;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA: c_int = 0x10000018;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: c_int = 0x11000001;
pub const ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: c_int = 0x11000002;

// ... of the ZAP handler's replies, and of WebSocket.
pub const ZMQ_PROTOCOL_ERROR_ZAP_UNSPECIFIED: c_int = 0x20000000;
pub const ZMQ_PROTOCOL_ERROR_ZAP_MALFORMED_REPLY: c_int = 0x20000001;
pub const ZMQ_PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID: c_int = 0x20000002;
pub const ZMQ_PROTOCOL_ERROR_ZAP_BAD_VERSION: c_int = 0x20000003;
pub const ZMQ_PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE: c_int = 0x20000004;
pub const ZMQ_PROTOCOL_ERROR_ZAP_INVALID_METADATA: c_int = 0x20000005;
pub const ZMQ_PROTOCOL_ERROR_WS_UNSPECIFIED: c_int = 0x30000000;

// Events of zmq_poll and the pollers.
pub const ZMQ_POLLIN: c_int = 1;
pub const ZMQ_POLLOUT: c_int = 2;
pub const ZMQ_POLLERR: c_int = 4;
pub const ZMQ_POLLPRI: c_int = 8;

// How many items an event loop may want to keep on its stack. Unused here.
pub const ZMQ_POLLITEMS_DFLT: c_int = 16;

// There is a function zmq_has.
pub const ZMQ_HAS_CAPABILITIES: c_int = 1;

// Kinds of zmq_device.
pub const ZMQ_STREAMER: c_int = 1;
pub const ZMQ_FORWARDER: c_int = 2;
pub const ZMQ_QUEUE: c_int = 3;
