/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What ferrozmq has beyond libzmq. Include it after zmq.h; with any other library the options here are EINVAL, and the
   functions are missing.
   Made from the Rust source by `make header`: do not edit. */

#ifndef ZMQ_FERRO_H_INCLUDED
#define ZMQ_FERRO_H_INCLUDED

#include <stddef.h>

/* Stands before every function. */
#if defined __GNUC__ && !defined _WIN32
#define ZMQ_FERRO_EXPORT __attribute__((visibility("default")))
#else
#define ZMQ_FERRO_EXPORT
#endif

/*
 The monitor tells what the audit trail would say (`FERROZMQ_AUDIT`), whether or not there is one.

 An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it.

 A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8000 there. The
 value is the status. Four frames follow: the peer's address, the peer's routing id, its user id, and the record in JSON. The
 first three may be empty.
 */
#define ZMQ_FERRO_EVENT_AUDIT 1073774592

/*
 The monitor tells by name which peers arrive and leave.

 An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it.

 A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8001 there. The
 value is 1 for a peer that has arrived, so that messages may pass, and 0 for one that has left. Four frames follow: the peer's
 endpoint, the routing id that it has given itself, its user id, and the mechanism (`NULL`, `PLAIN`, `CURVE`, `QZMQ`,
 `GSSAPI`). Each may be empty. Peers that were there before the monitor, and those over inproc, are not told of.
 */
#define ZMQ_FERRO_EVENT_PEER 536903680

/*
 The monitor tells what the socket has counted, again and again (`ZMQ_FERRO_STATS_IVL`).

 An event of zmq_socket_monitor() and zmq_socket_monitor_versioned(). Add it to `ZMQ_EVENT_ALL`, which does not contain it. A
 context without I/O threads has none.

 A message begins with the frames of any event. The first version has 16 bits for the event: its number is 0x8002 there. The
 value is the time between two such events, in milliseconds. One frame follows: the socket's object of what zmq_ferro_stats() says.
 */
#define ZMQ_FERRO_EVENT_STATS 268468224

/*
 A pair of keys for X-Wing, which is X25519 and ML-KEM-768: for `zmq_ferro_keypair`.

 The public key has 1,525 characters, the secret one 45.
 */
#define ZMQ_FERRO_XWING 1174437889

/*
 A pair of keys for ML-KEM-1024 alone: for `zmq_ferro_keypair`.

 The public key has 1,965 characters, the secret one 85.
 */
#define ZMQ_FERRO_MLKEM1024 1174437890

/*
 Limits the size of an incoming multipart message, as a multiple of `ZMQ_MAXMSGSIZE`.

 Type int, at least 1, default 16; takes effect with `ZMQ_MAXMSGSIZE` alone. All frames of one message together may have this
 many times as many bytes while the message is assembled. A peer that sends more is disconnected.
 */
#define ZMQ_FERRO_MAX_MULTIPART_FACTOR 1174405121

/*
 Adds a further secret key to a CURVE server, or one of QZMQ. Clients that know the server by its public key get in as well.

 32 bytes, or 40 characters of Z85 with or without a NUL, or a key of QZMQ in its forms; write only. The key takes effect at once, also on endpoints that are
 bound already. It is used by every handshake that begins from then on, while `ZMQ_CURVE_SERVER` is set. A key that the
 server has already changes nothing.

 Fails with `EINVAL` if the value is no key, or is one of another mechanism than the server's. Fails with `ENOBUFS` if the
 socket has 8 keys, its own (`ZMQ_CURVE_SECRETKEY`)
 among them.
 */
#define ZMQ_FERRO_CURVE_SERVER_KEY_ADD 1174405122

/*
 Withdraws a key of a CURVE server or one of QZMQ, its own or an added one, named by its public key.

 The same forms as above; write only. No handshake begins with the key from then on, on any endpoint. Connections that stand
 are left alone. The socket's own key comes back for endpoints that are bound after `ZMQ_CURVE_SECRETKEY` was set anew.

 Fails with `EINVAL` if the value is no key, and with `ENOENT` if the socket has no such key.
 */
#define ZMQ_FERRO_CURVE_SERVER_KEY_WITHDRAW 1174405123

/*
 Limits failed handshakes. An address with that many of them within a minute is refused for
 `ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL`.

 Type int, at least 0, default 0, which is no limit. The option takes effect at once, for all TCP endpoints of the socket
 together. IPv6 addresses count by their first 64 bits. A refused connection is closed as soon as it is accepted, which the
 monitor reports as `ZMQ_EVENT_ACCEPT_FAILED` with `EACCES`.

 A handshake has failed in four cases: the peer broke the protocol, it had the wrong key or mechanism, the authenticator
 denied it with status 400, or it did not finish. So a connection that is opened and closed to check the port counts too.

 Some do not count. The time was over while the authenticator was asked. A peer hung up that had waited for it, for a quarter of a second
 or longer. A client asked a server of CURVE alone for QZMQ, as one with `ZMQ_FERRO_CURVE_FALLBACK` does first. Or the handshake ended
 to make room for others.
 */
#define ZMQ_FERRO_MAX_FAILED_HANDSHAKES 1174405124

/*
 How long an address is refused after `ZMQ_FERRO_MAX_FAILED_HANDSHAKES` failures, in milliseconds.

 Type int, at least 1, default 60,000.
 */
#define ZMQ_FERRO_FAILED_HANDSHAKE_BAN_IVL 1174405125

/*
 Has a bound `tls://` or `wss://` endpoint ask its clients for certificates, and says which it trusts.

 PEM text: certificates of authorities, or of clients themselves; write only, default none. It counts for endpoints bound from
 then on. A client without a certificate that leads to one of these gets in nowhere, unless `ZMQ_FERRO_TLS_CLIENT_OPTIONAL` is
 set. A client shows the certificate that `ZMQ_WSS_CERT_PEM` and `ZMQ_WSS_KEY_PEM` give it.

 The certificate's subject is the property `X-TLS-Subject` of each message from the client (`zmq_msg_gets`), and of each frame
 of the request to the ZAP handler. `zmq_bind` fails with `EINVAL` if the value is no PEM.
 */
#define ZMQ_FERRO_TLS_CLIENT_TRUST_PEM 1174405152

/*
 Lets clients in that show no certificate, where `ZMQ_FERRO_TLS_CLIENT_TRUST_PEM` asks for one.

 Type int, 0 or 1, default 0. It counts for endpoints bound from then on. A certificate that is shown must be trusted all the
 same. Messages of a client without one have no `X-TLS-Subject`.
 */
#define ZMQ_FERRO_TLS_CLIENT_OPTIONAL 1174405153

/*
 Trusts an authority of QZMQ: what it has signed proves whose key the other side has.

 A key that `ferrozmq cert authority` made, as bytes or as Z85 with or without a NUL; write only. Each value adds one, NULL removes
 all. It counts at once, for all endpoints, from their next handshake on.

 A server lets in clients that show a certificate, and asks its authenticator as ever, if one is bound. Without one it lets in no
 client that shows none, also after NULL: one authority may be replaced by another while clients come. A client that knows its
 server by name (`ZMQ_FERRO_QZMQ_SERVER_NAME`) needs at least one.

 Fails with `EINVAL` if the value is no key of an authority, and with `ENOBUFS` for more than 64. It also fails with `EINVAL` while
 an endpoint of the socket is open that speaks no QZMQ, and would let in peers without a certificate.

 `zmq_bind` and `zmq_connect` fail with `EINVAL` where the endpoint would speak no QZMQ: the socket has no key of QZMQ, another
 mechanism, or a transport without handshakes. That holds for the other options about certificates as well.
 */
#define ZMQ_FERRO_QZMQ_AUTHORITY 1174405184

/*
 Shows a certificate of QZMQ: a client in place of its bare public key, a server to clients that ask for one.

 A certificate that `ferrozmq cert sign` made, as bytes or as Z85 with or without a NUL; write only. It counts for endpoints connected
 from then on. A server shows it at once, at all endpoints with its key. Endpoints with other keys
 keep theirs, as all do if it is for clients alone. NULL removes it from all.

 Fails with `EINVAL` if the value is no certificate. `zmq_bind` and `zmq_connect` fail with `EINVAL` if it is of another key than
 `ZMQ_CURVE_SECRETKEY`, or for the other role.
 */
#define ZMQ_FERRO_QZMQ_CERTIFICATE 1174405185

/*
 Revokes a key of QZMQ, or an authority's: neither is accepted, however long a certificate is valid.

 A fingerprint: 32 bytes, or 40 characters of Z85 with or without a NUL; write only. Each value adds one, NULL removes all. It
 counts at once, for all endpoints, from their next handshake on. Connections that stand go on. Between NULL and the next value
 nothing is revoked, so a list is added to rather than replaced.

 Fails with `EINVAL` for anything else, and as `ZMQ_FERRO_QZMQ_AUTHORITY` does where an endpoint would not heed it.
 */
#define ZMQ_FERRO_QZMQ_REVOKED 1174405186

/*
 Lets a server's endpoints take clients of QZMQ and of CURVE, for the time of a migration; see docs/qzmq.md.

 Type int, 0 or 1, default 0. It counts for endpoints bound from then on. With it `ZMQ_CURVE_SECRETKEY` and `ZMQ_CURVE_PUBLICKEY` hold
 a key of either kind, so each is set twice. Without a key of both kinds the option changes nothing.

 A client that speaks CURVE gets CURVE's security and no more. It has no certificate: with `ZMQ_FERRO_QZMQ_AUTHORITY` such a client
 is let in by an authenticator alone.
 */
#define ZMQ_FERRO_CURVE_BESIDE_QZMQ 1174405200

/*
 Lets a client connect with CURVE to a server that does not speak QZMQ, for the time of a migration; see docs/qzmq.md.

 Type int, 0 or 1, default 0. It counts for endpoints connected from then on. With it `ZMQ_CURVE_SERVERKEY`, `ZMQ_CURVE_PUBLICKEY` and
 `ZMQ_CURVE_SECRETKEY` hold a key of either kind, so each is set twice. Without keys of both kinds the option changes nothing.

 Anyone on the path can have the client take CURVE, and then meets CURVE's security and no more. A monitor sees
 `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` with `ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH` before each connection with CURVE, and
 `ZMQ_FERRO_EVENT_AUDIT` has a record `fallback`.
 */
#define ZMQ_FERRO_CURVE_FALLBACK 1174405201

/*
 Chooses the suites of QZMQ that the socket offers and accepts, and their order.

 Up to 4 bytes, each the number of a suite: 1 XWING_AES256GCM_SHA256, 2 XWING_CHACHA20POLY1305_SHA256, 3 MLKEM1024_AES256GCM_SHA384,
 4 MLKEM1024_CHACHA20POLY1305_SHA384. Empty by default: all, in that order. A client offers them in this order. A server takes the
 first of its own that the client offers. It counts for endpoints bound or connected from then on.

 Fails with `EINVAL` for another number, and for one that is there twice. `zmq_bind` and `zmq_connect` fail with `EINVAL` if no
 suite fits the endpoint's keys.
 */
#define ZMQ_FERRO_QZMQ_SUITES 1174405216

/*
 Number of records after which a side of QZMQ replaces the keys.

 Type int, 1 to 16,777,216, default 8,388,608. So it is never above what AES-GCM allows. A side replaces keys every 250 ms at most.
 It counts for endpoints bound or connected from then on.
 */
#define ZMQ_FERRO_QZMQ_UPDATE_RECORDS 1174405217

/*
 Number of bytes after which a side of QZMQ replaces the keys.

 Type int64_t, 1 to 2^50, default 2^50. It counts for endpoints bound or connected from then on.
 */
#define ZMQ_FERRO_QZMQ_UPDATE_SIZE 1174405218

/*
 Age at which a side of QZMQ replaces the keys, in milliseconds. It is looked at when the side sends.

 Type int, at least 1, default 600,000. It counts for endpoints bound or connected from then on.
 */
#define ZMQ_FERRO_QZMQ_UPDATE_IVL 1174405219

/*
 Pads what the socket sends with QZMQ, so that an observer learns less of the messages' sizes.

 Type int, 0 to 16,384, default 0. Each record's content and its byte of type are padded with zeros to a multiple of that number of
 bytes, at most 16,385; 0 pads nothing. It counts for endpoints bound or connected from then on.
 */
#define ZMQ_FERRO_QZMQ_PADDING 1174405220

/*
 Life of the tickets by which clients of QZMQ resume, in seconds.

 Type int, 0 to 86,400, default 7,200. A server gives tickets of that life, a client keeps none for longer. At 0 it gives and
 keeps none. It counts for endpoints bound or connected from then on.
 */
#define ZMQ_FERRO_QZMQ_TICKET_LIFE 1174405221

/*
 Makes a client of QZMQ, which knows its server by the name in the server's certificate and not by a key.

 A text of at most 255 bytes; empty, the default, for none. It counts for endpoints connected from then on, in place of
 `ZMQ_CURVE_SERVERKEY`, which wins where it is set too. The client trusts `ZMQ_FERRO_QZMQ_AUTHORITY`. It may have a key of its
 own, whose KEM the server's certificate has to have. Without one that is the KEM of the first of `ZMQ_FERRO_QZMQ_SUITES`, X-Wing by
 default. Setting a name makes the socket a client; setting an empty one leaves the role.

 `zmq_connect` fails with `EINVAL` without an authority.
 */
#define ZMQ_FERRO_QZMQ_SERVER_NAME 1174405232

/*
 Tells an authenticator of clients of QZMQ in the form of that mechanism.

 Type int, 0 or 1, default 0. It counts for endpoints bound from then on. With 0 a request says `CURVE`, and has the fingerprint of the
 client's key, 32 bytes. With 1 it says `QZMQ`. It has the whole key with its tag (`QP`), the certificate that the client has
 shown (`QC`), or nothing for a client without a key.
 */
#define ZMQ_FERRO_QZMQ_ZAP 1174405233

/*
 Names the file by which sockets are secured on which the program has set no mechanism; see docs/security.md.

 An option of the context (`zmq_ctx_set_ext`) and of the socket. A path of at most 4,095 bytes, empty by default: the file is
 then the one that the environment names in `FERROZMQ_SECURITY`. The context's file takes effect with the first `zmq_bind` or
 `zmq_connect` of any of its sockets, the socket's with the next one. The socket's file comes before the context's. A relative path
 counts from the folder in which the process works when the option is set.

 Where the file is at fault, or refuses the endpoint, `zmq_bind` and `zmq_connect` fail with `EINVAL` or `EACCES`. A line on
 stderr then says where the fault is, and what to do. Fails with `EINVAL` for a context whose file is in use already.
 */
#define ZMQ_FERRO_SECURITY 1174405126

/*
 Limits the memory of all handshakes with peers that have connected to a context's endpoints, in bytes.

 An option of the context (`zmq_ctx_set`). Type int, at least 0, default 67,108,864; 0 is no limit. The option takes effect
 at once. Each handshake counts as 4,096 bytes until it is over, over `ws://` as 8,192, with TLS (`tls://`, `wss://`) as 65,536. Where a
 peer has said more than 640 bytes, all that it has said counts besides. A question to an authenticator counts as 4,096 bytes and what is
 in it. Where one that begins or grows would exceed the limit, the oldest handshake ends. It does so a moment later, and holds its memory until then. The monitor
 reports it as `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS`.
 */
#define ZMQ_FERRO_MAX_HANDSHAKES_SIZE 1174405136

/*
 Limits the subscriptions of one peer of a PUB or XPUB, and the groups that a peer of a RADIO has joined, in bytes.

 Type int, at least 0, default 134,217,728; 0 is no limit. The option takes effect at once, for subscriptions to come. Each
 topic or group counts as its length and 64 bytes more. The connection of a peer that wants more ends. The monitor reports
 it as `ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL` with `ENOBUFS`, then `ZMQ_EVENT_DISCONNECTED`.
 */
#define ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE 1174405137

/*
 Time between two events `ZMQ_FERRO_EVENT_STATS` of the socket's monitor, in milliseconds.

 Type int, at least 0, default 0: there are none. The option takes effect with the next monitor of the socket.
 */
#define ZMQ_FERRO_STATS_IVL 1174405138

/*
 Keeps the last message of each topic, and sends it to peers that subscribe later (PUB, XPUB); see docs/last-value.md.

 Type int, at least 0, default 0: nothing is kept. Otherwise the number of topics whose last messages are kept; where there are
 more, those that were published longest ago are let go of. The option takes effect at once. The first frame of a message is
 its topic, and all its frames are kept. A peer gets what is kept of the topics that begin with its subscription, in the order
 of publication, as often as it subscribes.
 */
#define ZMQ_FERRO_LAST_VALUE 1174405168

/*
 Limits the memory of the messages that `ZMQ_FERRO_LAST_VALUE` keeps, in bytes.

 Type int, at least 0, default 67,108,864; 0 is no limit. The option takes effect at once. Each message counts as the length of
 its frames, its topic once more, and 64 bytes for each frame. A message that is larger than the limit is not kept, and leaves
 its topic without a last message.
 */
#define ZMQ_FERRO_LAST_VALUE_SIZE 1174405169

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Makes a new key pair of QZMQ, of the kind `ZMQ_FERRO_XWING` or `ZMQ_FERRO_MLKEM1024`.

 The keys are text in Z85 with a NUL behind it. The options `ZMQ_CURVE_SERVERKEY`, `ZMQ_CURVE_PUBLICKEY` and
 `ZMQ_CURVE_SECRETKEY` take them. Buffers of 2,048 bytes for the public key and 128 for the secret one suffice for each kind.

 Returns 0, or -1 with an errno and neither buffer written to. It is `EINVAL` for another kind or a buffer that is too small, and
 `EFAULT` for NULL. It is `ENOTSUP` in a library built without QZMQ. Else it is what the system's random generator failed with.

 The caller must ensure that `z85_public_key` has room for `public_size` bytes and `z85_secret_key` for
 `secret_size` bytes.
 */
ZMQ_FERRO_EXPORT
int zmq_ferro_keypair(int kind,
                      char *z85_public_key,
                      size_t public_size,
                      char *z85_secret_key,
                      size_t secret_size);

/*
 Derives the public key of QZMQ from a secret one; both are text in Z85 with a NUL behind it.

 `zmq_curve_public` does not take such keys: the buffers that programs give it have no room for them.

 Returns 0, or -1 with an errno and the buffer not written to. It is `EINVAL` if the text is no secret key of QZMQ or the buffer
 is too small. It is `EFAULT` for NULL, and `ENOTSUP` in a library built without QZMQ.

 The caller must ensure that `z85_public_key` has room for `public_size` bytes; `z85_secret_key` is a NUL-terminated
 string.
 */
ZMQ_FERRO_EXPORT
int zmq_ferro_public_key(char *z85_public_key,
                         size_t public_size,
                         const char *z85_secret_key);

/*
 Writes the fingerprint of a public key of QZMQ, 40 characters of Z85 with a NUL behind them.

 It stands where CURVE has its 32-byte public key: in the request to the ZAP handler, as the User-Id of messages, and in the
 certificate files of allowed clients.

 Returns 0, or -1 with an errno. It is `EINVAL` if the text is no public key of QZMQ, `EFAULT` for NULL, `ENOTSUP` in a library
 built without QZMQ. The buffer is not written to then.

 The caller must ensure that `z85_fingerprint` has room for 41 bytes; `z85_public_key` is a NUL-terminated string.
 */
ZMQ_FERRO_EXPORT
int zmq_ferro_fingerprint(char *z85_fingerprint,
                          const char *z85_public_key);

/*
 Ends the connection to one peer of a ROUTER, STREAM, SERVER or PEER socket, named by its routing id.

 `routing_id` points at `size` bytes: those of the frame that names the peer in messages of a ROUTER or STREAM. For a SERVER or
 PEER it is a `uint32_t`, the number of zmq_msg_routing_id(). The caller keeps them. Like the other calls on a socket it is for
 one thread at a time, unless the type is thread-safe.

 What the peer has sent and this side has received can still be received. What was not sent to it is dropped,
 without regard to `ZMQ_LINGER`. The peer sees the end of the stream, and may connect again. An endpoint that this socket has connected itself
 is not connected again.

 Returns 0, or -1 with errno: `EHOSTUNREACH` if there is no such peer; `EINVAL` if a SERVER's or PEER's id has not four bytes;
 `ENOTSUP` if the socket's type has no such peers; `ENOTSOCK` if `socket` is none; `EFAULT` for NULL; `ETERM`.

 The caller must ensure that `routing_id` is readable for `size` bytes.
 */
ZMQ_FERRO_EXPORT
int zmq_ferro_disconnect_peer(void *socket,
                              const void *routing_id,
                              size_t size);

/*
 Writes what the sockets of a context have counted to `buffer`, as one JSON text that ends in a NUL: messages and bytes each way,
 messages dropped by reason, what is queued, handshakes, and the same for each connection. With NULL for `context` they are all
 sockets of the process. Any thread may call it, at any time.

 `size` points at the bytes that there is room for at `buffer`, and gets the bytes that the text takes, with the NUL. A text
 that does not fit is not written. Ask with a size of 0, and allow for some more: the next text may be longer.

 Returns 0, or -1 with errno: `ENOBUFS` if the text does not fit, and `*size` says what it takes; `EFAULT` if `context` is none, if
 `size` is NULL, or if `buffer` is NULL and `*size` is not 0; `ETERM` for a context from before a fork; `ENOMEM`.

 The caller must ensure that `size` is NULL or points at a number, and `buffer` is writable for `*size` bytes.
 */
ZMQ_FERRO_EXPORT
int zmq_ferro_stats(void *context,
                    char *buffer,
                    size_t *size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ZMQ_FERRO_H_INCLUDED */

#undef ZMQ_FERRO_EXPORT
