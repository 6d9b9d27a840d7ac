/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What ferrozmq has beyond libzmq. Include it after zmq.h; with any other library the options here are EINVAL.
   Made from the Rust source by `make header`: do not edit. */

#ifndef ZMQ_FERRO_H_INCLUDED
#define ZMQ_FERRO_H_INCLUDED

/*
 How many times `ZMQ_MAXMSGSIZE` the frames of one incoming message may weigh together while it is
 assembled (int, at least 1, default 16). It has no effect where `ZMQ_MAXMSGSIZE` is not set.
 */
#define ZMQ_FERRO_MAX_MULTIPART_FACTOR 1174405121

/*
 A further secret key of a CURVE server (32 bytes, or 40 characters of Z85 with or without a NUL; write only):
 clients that know the server by its public key get in too. It counts at once, on endpoints that are bound already
 as well, for every handshake that begins from then on, and for as long as `ZMQ_CURVE_SERVER` is set. A key that is
 there already changes nothing. Errors: `EINVAL` if it is no key; `ENOBUFS` if the socket has 8 keys, its own
 (`ZMQ_CURVE_SECRETKEY`) among them.
 */
#define ZMQ_FERRO_CURVE_SERVER_KEY_ADD 1174405122

/*
 The public key (in the same forms; write only) of a key that a CURVE server is no longer to be known by, be it one
 that was added or its own. No handshake begins with it from then on, on any endpoint; connections that stand are
 left alone. The socket's own key comes back for endpoints that are bound after `ZMQ_CURVE_SECRETKEY` was set anew.
 Errors: `EINVAL` if it is no key; `ENOENT` if the socket has no such key.
 */
#define ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW 1174405123

/*
 How many handshakes may fail within a minute with peers from one address before connections from there are
 refused for `ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL` (int, at least 0; 0, the default, is no limit). They are
 closed as soon as they are accepted, which shows as `ZMQ_EVENT_ACCEPT_FAILED` with `EACCES`. It counts at once,
 for all TCP endpoints of the socket together; IPv6 addresses count by their first 64 bits.

 A handshake has failed if the peer broke the protocol, had the wrong key or mechanism, was denied by the
 authenticator with status 400, or did not get to the end of it: connections that are opened and closed to see
 whether the port is open count too.
 */
#define ZMQ_FERRO_MAX_FAILED_HANDSHAKES 1174405124

/*
 For how long an address is refused after `ZMQ_FERRO_MAX_FAILED_HANDSHAKES` failures, in milliseconds (int, at
 least 1, default 60,000).
 */
#define ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL 1174405125

/*
 What the handshakes of all peers that have come to the endpoints of a context may hold together, in bytes (int, at least
 0, default 67,108,864; 0 is no limit; an option of the context, zmq_ctx_set()). It counts at once. Each handshake counts
 as 4,096 bytes, with TLS (wss://) as 65,536, until it is over. Where one more would hold too much, the one that has been
 under way for the longest ends: it shows as `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS`.
 */
#define ZMQ_FERRO_MAX_HANDSHAKES_SIZE 1174405136

/*
 What the subscriptions of one peer may weigh together on a PUB or XPUB, and the groups it has joined on a RADIO, in bytes
 (int, at least 0, default 134,217,728; 0 is no limit). It counts at once, for subscriptions to come. Each topic or group
 counts with its length and 64 bytes more. The connection of a peer that wants more ends, which shows as
 `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS` and `ZMQ_EVENT_DISCONNECTED`.
 */
#define ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE 1174405137

#endif  /* ZMQ_FERRO_H_INCLUDED */
