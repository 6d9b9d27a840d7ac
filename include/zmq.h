/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The C interface of libzmq, as ferrozmq provides it. Made from the Rust source by `make header`: do not edit. */

#ifndef __ZMQ_H_INCLUDED__
#define __ZMQ_H_INCLUDED__

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>

/* Numbers that grow with the version, for comparing. */
#define ZMQ_MAKE_VERSION(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define ZMQ_VERSION ZMQ_MAKE_VERSION(ZMQ_VERSION_MAJOR, ZMQ_VERSION_MINOR, ZMQ_VERSION_PATCH)

/* Stands before every function. It is empty with ZMQ_NO_EXPORT or ZMQ_STATIC. DLL_EXPORT is for building the library. */
#if defined ZMQ_NO_EXPORT
#define ZMQ_EXPORT
#elif defined _WIN32
#if defined ZMQ_STATIC
#define ZMQ_EXPORT
#elif defined DLL_EXPORT
#define ZMQ_EXPORT __declspec(dllexport)
#else
#define ZMQ_EXPORT __declspec(dllimport)
#endif
#elif defined __SUNPRO_C || defined __SUNPRO_CC
#define ZMQ_EXPORT __global
#elif (defined __GNUC__ && __GNUC__ >= 4) || defined __INTEL_COMPILER
#define ZMQ_EXPORT __attribute__((visibility("default")))
#else
#define ZMQ_EXPORT
#endif

/* This header includes the types of <stdint.h>. */
#define ZMQ_DEFINED_STDINT 1

/* libzmq's own error numbers start here, above those of any system. */
#define ZMQ_HAUSNUMERO 156384712

/* System errors that some systems lack. */
#ifndef ENOTSUP
#define ENOTSUP (ZMQ_HAUSNUMERO + 1)
#endif
#ifndef EPROTONOSUPPORT
#define EPROTONOSUPPORT (ZMQ_HAUSNUMERO + 2)
#endif
#ifndef ENOBUFS
#define ENOBUFS (ZMQ_HAUSNUMERO + 3)
#endif
#ifndef ENETDOWN
#define ENETDOWN (ZMQ_HAUSNUMERO + 4)
#endif
#ifndef EADDRINUSE
#define EADDRINUSE (ZMQ_HAUSNUMERO + 5)
#endif
#ifndef EADDRNOTAVAIL
#define EADDRNOTAVAIL (ZMQ_HAUSNUMERO + 6)
#endif
#ifndef ECONNREFUSED
#define ECONNREFUSED (ZMQ_HAUSNUMERO + 7)
#endif
#ifndef EINPROGRESS
#define EINPROGRESS (ZMQ_HAUSNUMERO + 8)
#endif
#ifndef ENOTSOCK
#define ENOTSOCK (ZMQ_HAUSNUMERO + 9)
#endif
#ifndef EMSGSIZE
#define EMSGSIZE (ZMQ_HAUSNUMERO + 10)
#endif
#ifndef EAFNOSUPPORT
#define EAFNOSUPPORT (ZMQ_HAUSNUMERO + 11)
#endif
#ifndef ENETUNREACH
#define ENETUNREACH (ZMQ_HAUSNUMERO + 12)
#endif
#ifndef ECONNABORTED
#define ECONNABORTED (ZMQ_HAUSNUMERO + 13)
#endif
#ifndef ECONNRESET
#define ECONNRESET (ZMQ_HAUSNUMERO + 14)
#endif
#ifndef ENOTCONN
#define ENOTCONN (ZMQ_HAUSNUMERO + 15)
#endif
#ifndef ETIMEDOUT
#define ETIMEDOUT (ZMQ_HAUSNUMERO + 16)
#endif
#ifndef EHOSTUNREACH
#define EHOSTUNREACH (ZMQ_HAUSNUMERO + 17)
#endif
#ifndef ENETRESET
#define ENETRESET (ZMQ_HAUSNUMERO + 18)
#endif

/* The operation does not fit the socket's current state. */
#define EFSM (ZMQ_HAUSNUMERO + 51)
/* The transport does not fit the socket type. */
#define ENOCOMPATPROTO (ZMQ_HAUSNUMERO + 52)
/* The context was terminated. */
#define ETERM (ZMQ_HAUSNUMERO + 53)
/* The context has no I/O thread. */
#define EMTHREAD (ZMQ_HAUSNUMERO + 54)

#ifdef __cplusplus
extern "C" {
#endif

/* A message: 64 bytes, aligned as a pointer. Only the functions zmq_msg_... may read or write them. */
typedef struct zmq_msg_t
{
#if defined _MSC_VER && (defined _M_X64 || defined _M_ARM64)
    __declspec(align(8)) unsigned char _[64];
#elif defined _MSC_VER
    __declspec(align(4)) unsigned char _[64];
#elif defined __GNUC__ || defined __INTEL_COMPILER || defined __SUNPRO_C || defined __SUNPRO_CC
    unsigned char _[64] __attribute__((aligned(sizeof(void *))));
#else
    unsigned char _[64];
#endif
} zmq_msg_t;

/* A descriptor that the system's own poll takes. */
#if defined _WIN64
typedef unsigned __int64 zmq_fd_t;
#elif defined _WIN32
typedef unsigned int zmq_fd_t;
#else
typedef int zmq_fd_t;
#endif

/* Called once, on any thread, when the last message that holds `data` is gone. */
typedef void(zmq_free_fn)(void *data, void *hint);
/* Called by zmq_timers_execute. */
typedef void(zmq_timer_fn)(int timer_id, void *arg);
/* What zmq_threadstart runs. */
typedef void(zmq_thread_fn)(void *arg);

#ifdef __cplusplus
}
#endif

/* There are zmq_timers_... functions. */
#define ZMQ_HAVE_TIMERS

#if defined ZMQ_BUILD_DRAFT_API
/* There are zmq_poller_... functions. */
#define ZMQ_HAVE_POLLER

/* Names for zmq_msg_gets. */
#define ZMQ_MSG_PROPERTY_ROUTING_ID "Routing-Id"
#define ZMQ_MSG_PROPERTY_SOCKET_TYPE "Socket-Type"
#define ZMQ_MSG_PROPERTY_USER_ID "User-Id"
#define ZMQ_MSG_PROPERTY_PEER_ADDRESS "Peer-Address"

#if !defined _WIN32
/* Defines sigset_t, also where a strict language mode keeps it out of <signal.h>. */
#include <sys/select.h>
#endif
#endif

/* Defined in <sys/uio.h>. */
struct iovec;

#define ZMQ_VERSION_MAJOR 4

#define ZMQ_VERSION_MINOR 3

#define ZMQ_VERSION_PATCH 5

#define ZMQ_PAIR 0

#define ZMQ_PUB 1

#define ZMQ_SUB 2

#define ZMQ_REQ 3

#define ZMQ_REP 4

#define ZMQ_DEALER 5

#define ZMQ_ROUTER 6

#define ZMQ_PULL 7

#define ZMQ_PUSH 8

#define ZMQ_XPUB 9

#define ZMQ_XSUB 10

#define ZMQ_STREAM 11

#define ZMQ_XREQ ZMQ_DEALER

#define ZMQ_XREP ZMQ_ROUTER

#define ZMQ_MORE 1

#define ZMQ_SHARED 3

#define ZMQ_SRCFD 2

#define ZMQ_DONTWAIT 1

#define ZMQ_SNDMORE 2

#define ZMQ_NOBLOCK ZMQ_DONTWAIT

#define ZMQ_GROUP_MAX_LENGTH 255

#define ZMQ_EVENT_CONNECTED 1

#define ZMQ_EVENT_CONNECT_DELAYED 2

#define ZMQ_EVENT_CONNECT_RETRIED 4

#define ZMQ_EVENT_LISTENING 8

#define ZMQ_EVENT_BIND_FAILED 16

#define ZMQ_EVENT_ACCEPTED 32

#define ZMQ_EVENT_ACCEPT_FAILED 64

#define ZMQ_EVENT_CLOSED 128

#define ZMQ_EVENT_CLOSE_FAILED 256

#define ZMQ_EVENT_DISCONNECTED 512

#define ZMQ_EVENT_MONITOR_STOPPED 1024

#define ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL 2048

#define ZMQ_EVENT_HANDSHAKE_SUCCEEDED 4096

#define ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL 8192

#define ZMQ_EVENT_HANDSHAKE_FAILED_AUTH 16384

#define ZMQ_EVENT_ALL 65535

#define ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED 268435456

#define ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND 268435457

#define ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE 268435458

#define ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE 268435459

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED 268435473

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE 268435474

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO 268435475

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE 268435476

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR 268435477

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY 268435478

#define ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME 268435479

#define ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA 268435480

#define ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC 285212673

#define ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH 285212674

#define ZMQ_PROTOCOL_ERROR_ZAP_UNSPECIFIED 536870912

#define ZMQ_PROTOCOL_ERROR_ZAP_MALFORMED_REPLY 536870913

#define ZMQ_PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID 536870914

#define ZMQ_PROTOCOL_ERROR_ZAP_BAD_VERSION 536870915

#define ZMQ_PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE 536870916

#define ZMQ_PROTOCOL_ERROR_ZAP_INVALID_METADATA 536870917

#define ZMQ_PROTOCOL_ERROR_WS_UNSPECIFIED 805306368

#define ZMQ_POLLIN 1

#define ZMQ_POLLOUT 2

#define ZMQ_POLLERR 4

#define ZMQ_POLLPRI 8

#define ZMQ_POLLITEMS_DFLT 16

#define ZMQ_HAS_CAPABILITIES 1

#define ZMQ_STREAMER 1

#define ZMQ_FORWARDER 2

#define ZMQ_QUEUE 3

#if defined(ZMQ_BUILD_DRAFT_API)
#define ZMQ_SERVER 12

#define ZMQ_CLIENT 13

#define ZMQ_RADIO 14

#define ZMQ_DISH 15

#define ZMQ_GATHER 16

#define ZMQ_SCATTER 17

#define ZMQ_DGRAM 18

#define ZMQ_PEER 19

#define ZMQ_CHANNEL 20

#define ZMQ_EVENT_PIPES_STATS 65536

#define ZMQ_CURRENT_EVENT_VERSION 1

#define ZMQ_CURRENT_EVENT_VERSION_DRAFT 2

#define ZMQ_EVENT_ALL_V1 ZMQ_EVENT_ALL

#define ZMQ_EVENT_ALL_V2 (ZMQ_EVENT_ALL_V1 | ZMQ_EVENT_PIPES_STATS)

#define ZMQ_ZAP_ENFORCE_DOMAIN 93

#define ZMQ_LOOPBACK_FASTPATH 94

#define ZMQ_METADATA 95

#define ZMQ_MULTICAST_LOOP 96

#define ZMQ_ROUTER_NOTIFY 97

#define ZMQ_XPUB_MANUAL_LAST_VALUE 98

#define ZMQ_SOCKS_USERNAME 99

#define ZMQ_SOCKS_PASSWORD 100

#define ZMQ_IN_BATCH_SIZE 101

#define ZMQ_OUT_BATCH_SIZE 102

#define ZMQ_WSS_KEY_PEM 103

#define ZMQ_WSS_CERT_PEM 104

#define ZMQ_WSS_TRUST_PEM 105

#define ZMQ_WSS_HOSTNAME 106

#define ZMQ_WSS_TRUST_SYSTEM 107

#define ZMQ_ONLY_FIRST_SUBSCRIBE 108

#define ZMQ_RECONNECT_STOP 109

#define ZMQ_HELLO_MSG 110

#define ZMQ_DISCONNECT_MSG 111

#define ZMQ_PRIORITY 112

#define ZMQ_BUSY_POLL 113

#define ZMQ_HICCUP_MSG 114

#define ZMQ_XSUB_VERBOSE_UNSUBSCRIBE 115

#define ZMQ_TOPICS_COUNT 116

#define ZMQ_NORM_MODE 117

#define ZMQ_NORM_UNICAST_NACK 118

#define ZMQ_NORM_BUFFER_SIZE 119

#define ZMQ_NORM_SEGMENT_SIZE 120

#define ZMQ_NORM_BLOCK_SIZE 121

#define ZMQ_NORM_NUM_PARITY 122

#define ZMQ_NORM_NUM_AUTOPARITY 123

#define ZMQ_NORM_PUSH 124

#define ZMQ_ZERO_COPY_RECV 10

#define ZMQ_NORM_FIXED 0

#define ZMQ_NORM_CC 1

#define ZMQ_NORM_CCL 2

#define ZMQ_NORM_CCE 3

#define ZMQ_NORM_CCE_ECNONLY 4

#define ZMQ_RECONNECT_STOP_CONN_REFUSED 1

#define ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED 2

#define ZMQ_RECONNECT_STOP_AFTER_DISCONNECT 4

#define ZMQ_NOTIFY_CONNECT 1

#define ZMQ_NOTIFY_DISCONNECT 2
#endif

#define ZMQ_IO_THREADS 1

#define ZMQ_MAX_SOCKETS 2

#define ZMQ_SOCKET_LIMIT 3

#define ZMQ_THREAD_PRIORITY 3

#define ZMQ_THREAD_SCHED_POLICY 4

#define ZMQ_MAX_MSGSZ 5

#define ZMQ_MSG_T_SIZE 6

#define ZMQ_THREAD_AFFINITY_CPU_ADD 7

#define ZMQ_THREAD_AFFINITY_CPU_REMOVE 8

#define ZMQ_THREAD_NAME_PREFIX 9

#define ZMQ_IO_THREADS_DFLT 1

#define ZMQ_MAX_SOCKETS_DFLT 1023

#define ZMQ_THREAD_PRIORITY_DFLT -1

#define ZMQ_THREAD_SCHED_POLICY_DFLT -1

#define ZMQ_AFFINITY 4

#define ZMQ_ROUTING_ID 5

#define ZMQ_SUBSCRIBE 6

#define ZMQ_UNSUBSCRIBE 7

#define ZMQ_RATE 8

#define ZMQ_RECOVERY_IVL 9

#define ZMQ_SNDBUF 11

#define ZMQ_RCVBUF 12

#define ZMQ_RCVMORE 13

#define ZMQ_FD 14

#define ZMQ_EVENTS 15

#define ZMQ_TYPE 16

#define ZMQ_LINGER 17

#define ZMQ_RECONNECT_IVL 18

#define ZMQ_BACKLOG 19

#define ZMQ_RECONNECT_IVL_MAX 21

#define ZMQ_MAXMSGSIZE 22

#define ZMQ_SNDHWM 23

#define ZMQ_RCVHWM 24

#define ZMQ_MULTICAST_HOPS 25

#define ZMQ_RCVTIMEO 27

#define ZMQ_SNDTIMEO 28

#define ZMQ_LAST_ENDPOINT 32

#define ZMQ_ROUTER_MANDATORY 33

#define ZMQ_TCP_KEEPALIVE 34

#define ZMQ_TCP_KEEPALIVE_CNT 35

#define ZMQ_TCP_KEEPALIVE_IDLE 36

#define ZMQ_TCP_KEEPALIVE_INTVL 37

#define ZMQ_IMMEDIATE 39

#define ZMQ_XPUB_VERBOSE 40

#define ZMQ_ROUTER_RAW 41

#define ZMQ_IPV6 42

#define ZMQ_MECHANISM 43

#define ZMQ_PLAIN_SERVER 44

#define ZMQ_PLAIN_USERNAME 45

#define ZMQ_PLAIN_PASSWORD 46

#define ZMQ_CURVE_SERVER 47

#define ZMQ_CURVE_PUBLICKEY 48

#define ZMQ_CURVE_SECRETKEY 49

#define ZMQ_CURVE_SERVERKEY 50

#define ZMQ_PROBE_ROUTER 51

#define ZMQ_REQ_CORRELATE 52

#define ZMQ_REQ_RELAXED 53

#define ZMQ_CONFLATE 54

#define ZMQ_ZAP_DOMAIN 55

#define ZMQ_ROUTER_HANDOVER 56

#define ZMQ_TOS 57

#define ZMQ_CONNECT_ROUTING_ID 61

#define ZMQ_GSSAPI_SERVER 62

#define ZMQ_GSSAPI_PRINCIPAL 63

#define ZMQ_GSSAPI_SERVICE_PRINCIPAL 64

#define ZMQ_GSSAPI_PLAINTEXT 65

#define ZMQ_HANDSHAKE_IVL 66

#define ZMQ_SOCKS_PROXY 68

#define ZMQ_XPUB_NODROP 69

#define ZMQ_BLOCKY 70

#define ZMQ_XPUB_MANUAL 71

#define ZMQ_XPUB_WELCOME_MSG 72

#define ZMQ_STREAM_NOTIFY 73

#define ZMQ_INVERT_MATCHING 74

#define ZMQ_HEARTBEAT_IVL 75

#define ZMQ_HEARTBEAT_TTL 76

#define ZMQ_HEARTBEAT_TIMEOUT 77

#define ZMQ_XPUB_VERBOSER 78

#define ZMQ_CONNECT_TIMEOUT 79

#define ZMQ_TCP_MAXRT 80

#define ZMQ_THREAD_SAFE 81

#define ZMQ_MULTICAST_MAXTPDU 84

#define ZMQ_VMCI_BUFFER_SIZE 85

#define ZMQ_VMCI_BUFFER_MIN_SIZE 86

#define ZMQ_VMCI_BUFFER_MAX_SIZE 87

#define ZMQ_VMCI_CONNECT_TIMEOUT 88

#define ZMQ_USE_FD 89

#define ZMQ_GSSAPI_PRINCIPAL_NAMETYPE 90

#define ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE 91

#define ZMQ_BINDTODEVICE 92

#define ZMQ_TCP_ACCEPT_FILTER 38

#define ZMQ_IPC_FILTER_PID 58

#define ZMQ_IPC_FILTER_UID 59

#define ZMQ_IPC_FILTER_GID 60

#define ZMQ_IPV4ONLY 31

#define ZMQ_IDENTITY ZMQ_ROUTING_ID

#define ZMQ_CONNECT_RID ZMQ_CONNECT_ROUTING_ID

#define ZMQ_DELAY_ATTACH_ON_CONNECT ZMQ_IMMEDIATE

#define ZMQ_FAIL_UNROUTABLE ZMQ_ROUTER_MANDATORY

#define ZMQ_ROUTER_BEHAVIOR ZMQ_ROUTER_MANDATORY

#define ZMQ_NULL 0

#define ZMQ_PLAIN 1

#define ZMQ_CURVE 2

#define ZMQ_GSSAPI 3

#define ZMQ_GSSAPI_NT_HOSTBASED 0

#define ZMQ_GSSAPI_NT_USER_NAME 1

#define ZMQ_GSSAPI_NT_KRB5_PRINCIPAL 2

/*
 What to wait for: a socket or, if that is NULL, a descriptor.
 */
typedef struct zmq_pollitem_t {
    void *socket;
    zmq_fd_t fd;
    /*
     What is asked for: a sum of `ZMQ_POLL...`.
     */
    short events;
    /*
     Those of `events` that have come; for a descriptor also ZMQ_POLLERR.
     */
    short revents;
} zmq_pollitem_t;

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 What is ready: a socket or, if that is NULL, a descriptor.
 */
typedef struct zmq_poller_event_t {
    void *socket;
    zmq_fd_t fd;
    /*
     As given to zmq_poller_add().
     */
    void *user_data;
    /*
     A sum of `ZMQ_POLL...`.
     */
    short events;
} zmq_poller_event_t;
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Creates an atomic counter set to zero; free it with zmq_atomic_counter_destroy().

 Returns the counter, or NULL with errno `ENOMEM`.
 */
ZMQ_EXPORT void *zmq_atomic_counter_new(void);

/*
 Sets an atomic counter. Without effect (errno `EFAULT`) on NULL.

 The caller must ensure that `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
 */
ZMQ_EXPORT void zmq_atomic_counter_set(void *counter, int value);

/*
 Adds one to an atomic counter and returns the value from before (-1 with errno `EFAULT` on NULL).

 The caller must ensure that `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
 */
ZMQ_EXPORT int zmq_atomic_counter_inc(void *counter);

/*
 Takes one from an atomic counter. Returns 0 if that made it zero, else 1 (-1 with errno `EFAULT` on NULL).

 The caller must ensure that `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
 */
ZMQ_EXPORT
int zmq_atomic_counter_dec(void *counter);

/*
 The value of an atomic counter (-1 with errno `EFAULT` on NULL).

 The caller must ensure that `counter` is NULL or from zmq_atomic_counter_new() and not destroyed.
 */
ZMQ_EXPORT int zmq_atomic_counter_value(void *counter);

/*
 Destroys an atomic counter and sets the pointer to it to NULL. NULL, or a pointer to NULL, is left alone.

 The caller must ensure that `counter_p` is NULL or points at NULL or at a counter that no thread uses any more.
 */
ZMQ_EXPORT
void zmq_atomic_counter_destroy(void **counter_p);

/*
 Starts a stopwatch; free it with zmq_stopwatch_stop().

 Returns the stopwatch, or NULL with errno `ENOMEM`.
 */
ZMQ_EXPORT void *zmq_stopwatch_start(void);

/*
 The microseconds since the stopwatch was started; it runs on. 0 with errno `EFAULT` on NULL.

 The caller must ensure that `watch` is NULL or from zmq_stopwatch_start() and not stopped.
 */
ZMQ_EXPORT unsigned long zmq_stopwatch_intermediate(void *watch);

/*
 Stops and frees a stopwatch. Returns the microseconds since it was started; 0 with errno `EFAULT` on NULL.

 The caller must ensure that `watch` is NULL or from zmq_stopwatch_start(), not stopped, and not used afterwards.
 */
ZMQ_EXPORT
unsigned long zmq_stopwatch_stop(void *watch);

/*
 Sleeps for some seconds, or until the calling thread handles a signal. Does not sleep for negative numbers.
 */
ZMQ_EXPORT
void zmq_sleep(int seconds);

/*
 Creates a context. End it with zmq_ctx_term().

 Returns NULL with errno `ENOMEM` if there is no memory for it.
 */
ZMQ_EXPORT void *zmq_ctx_new(void);

/*
 Ends a context. From then on its sockets can only be closed. The call waits until all sockets are closed, and their
 messages are sent or ZMQ_LINGER is over. The handle is invalid afterwards.

 Returns 0, or -1 with errno `EFAULT` if `context` is none, `EINTR` if a signal came; call it again then.
 */
ZMQ_EXPORT
int zmq_ctx_term(void *context);

/*
 Makes all calls on the context's sockets fail with `ETERM`, those that wait too. The caller then closes the sockets.

 Returns 0, or -1 with errno `EFAULT` if `context` is none.
 */
ZMQ_EXPORT
int zmq_ctx_shutdown(void *context);

/*
 Sets an option of a context to a number.

 Returns 0, or -1 with errno `EINVAL` if there is no such option or it cannot have this value, `EFAULT` if `context` is
 none.
 */
ZMQ_EXPORT
int zmq_ctx_set(void *context,
                int option,
                int optval);

/*
 Returns the value of a context's option that is a number.

 Returns -1 with errno `EINVAL` if there is no such option, `EFAULT` if `context` is none.
 */
ZMQ_EXPORT int zmq_ctx_get(void *context, int option);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Sets an option of a context, of any type, to the `optvallen` bytes at `optval`.

 Returns 0, or -1 with errno `EINVAL` if there is no such option or it cannot have this value, `EFAULT` if `context` is
 none.

 The caller must ensure that `optval` is readable for `optvallen` bytes.
 */
ZMQ_EXPORT
int zmq_ctx_set_ext(void *context,
                    int option,
                    const void *optval,
                    size_t optvallen);

/*
 Writes the value of a context's option, of any type, to `optval`, which has room for `*optvallen` bytes.

 Returns 0, or -1 with errno: `EINVAL` if there is no such option or not the room for it; `EFAULT` if `context` is none or a
 pointer is NULL.

 The caller must ensure that `optvallen` is NULL or points at a number, and `optval` is writable for `*optvallen`
 bytes.
 */
ZMQ_EXPORT
int zmq_ctx_get_ext(void *context,
                    int option,
                    void *optval,
                    size_t *optvallen);
#endif

/*
 Creates a context with `io_threads` I/O threads. Older than zmq_ctx_new() and zmq_ctx_set().

 Returns NULL with errno `EINVAL` for a negative number, `ENOMEM` if there is no memory for it.
 */
ZMQ_EXPORT void *zmq_init(int io_threads);

/*
 Older name of zmq_ctx_term().
 */
ZMQ_EXPORT int zmq_term(void *context);

/*
 Older name of zmq_ctx_term().
 */
ZMQ_EXPORT int zmq_ctx_destroy(void *context);

/*
 Makes a new CURVE key pair. The public and the secret key are 40 characters of Z85 and a NUL each.

 Returns 0, or -1 with errno `EFAULT` for NULL, or what the system's random generator failed with; neither buffer
 is written to then.

 The caller must ensure that both pointers have room for 41 bytes.
 */
ZMQ_EXPORT
int zmq_curve_keypair(char *z85_public_key,
                      char *z85_secret_key);

/*
 Derives the public CURVE key from a secret one; both are 40 characters of Z85 and a NUL.

 Returns 0, or -1 with errno `EINVAL` if the secret key is anything but 40 characters of Z85, `EFAULT` for NULL; the
 buffer is not written to then.

 The caller must ensure that `z85_public_key` has room for 41 bytes; `z85_secret_key` is a NUL-terminated string.
 */
ZMQ_EXPORT
int zmq_curve_public(char *z85_public_key,
                     const char *z85_secret_key);

/*
 The error number of the last failed zmq_*() call on the calling thread.

 The same as C's `errno`; for programs whose `errno` is not the library's (another C run-time library).
 */
ZMQ_EXPORT
int zmq_errno(void);

/*
 Returns the text for an error number, the system's or libzmq's own.

 The string must not be freed or changed. For unknown numbers it may be overwritten by the thread's next
 call.
 */
ZMQ_EXPORT
const char *zmq_strerror(int errnum);

/*
 Sends the `len` bytes at `buf`. They are a whole message or, with ZMQ_SNDMORE in `flags`, a part of one. The call
 waits until that is possible, unless ZMQ_DONTWAIT is in `flags`.

 Returns `len`, or -1 with errno: `EAGAIN` if it is not possible now (or within ZMQ_SNDTIMEO); `ENOTSUP` if sockets of this
 type do not send; `EFSM` if it is not this one's turn to; `EFAULT` for NULL; `EHOSTUNREACH`, `EINVAL`, `ENOMEM`, `ETERM`,
 `ENOTSOCK`, `EINTR`.

 The caller must ensure that `buf` is readable for `len` bytes.
 */
ZMQ_EXPORT
int zmq_send(void *socket,
             const void *buf,
             size_t len,
             int flags);

/*
 Sends `len` bytes at `buf` that never change and are never freed. The library does not copy them.

 Returns as zmq_send() does.

 The caller must ensure that `buf` is readable for `len` bytes for as long as the process lives.
 */
ZMQ_EXPORT int zmq_send_const(void *socket, const void *buf, size_t len, int flags);

/*
 Sends `msg`. On success the library takes its content and `msg` becomes empty. After a failure the content is
 unchanged, but zmq_msg_more() says whether it was to be a part.

 Returns the size of the message, or -1 as zmq_send() does; `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT
int zmq_msg_send(zmq_msg_t *msg,
                 void *socket,
                 int flags);

/*
 Older name of zmq_msg_send(), with another order of arguments.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT int zmq_sendmsg(void *socket, zmq_msg_t *msg, int flags);

/*
 Sends `count` buffers. With ZMQ_SNDMORE in `flags` they are the parts of one message, without it each is a message.

 Returns the size of the last one, or -1 as zmq_send() does, and then some may have been sent; `EINVAL` if there are no
 buffers.

 The caller must ensure that `iov` is NULL or points at `count` buffers, each readable for its length.
 */
ZMQ_EXPORT
int zmq_sendiov(void *socket,
                struct iovec *iov,
                size_t count,
                int flags);

/*
 Receives a message, or a part of one (see ZMQ_RCVMORE), into the `len` bytes at `buf`. Bytes beyond `len` are
 discarded. The call waits until a message is there, unless ZMQ_DONTWAIT is in `flags`.

 Returns the size of the message, which may be more than `len`, or -1 with errno: `EAGAIN` if there is nothing now (or within
 ZMQ_RCVTIMEO); `ENOTSUP` if sockets of this type do not receive; `EFSM` if it is not this one's turn to; `EFAULT` for NULL;
 `ETERM`, `ENOTSOCK`, `EINTR`.

 The caller must ensure that `buf` is writable for `len` bytes.
 */
ZMQ_EXPORT
int zmq_recv(void *socket,
             void *buf,
             size_t len,
             int flags);

/*
 Receives a message, or a part of one, into `msg`, which gets the right size. The old content of `msg` is released,
 also where there is nothing to receive. It stays where the socket may not receive at all.

 Returns the size of the message, or -1 as zmq_recv() does; `EFAULT` if there is no message, `ENOMEM`.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT
int zmq_msg_recv(zmq_msg_t *msg,
                 void *socket,
                 int flags);

/*
 Older name of zmq_msg_recv(), with another order of arguments.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT int zmq_recvmsg(void *socket, zmq_msg_t *msg, int flags);

/*
 Receives the parts of one message, at most `*count`, each into memory that the caller frees with free(). Sets
 `*count` to the number of parts.

 Returns how many there are, or -1 as zmq_recv() does, and then `*count` says how many were received before; `EINVAL` if there
 are no buffers, `ENOMEM`.

 The caller must ensure that `count` is NULL or points at a number, and `iov` is NULL or points at `*count` buffers.
 */
ZMQ_EXPORT
int zmq_recviov(void *socket,
                struct iovec *iov,
                size_t *count,
                int flags);

/*
 Monitors `socket`: binds a PAIR socket to `addr` (`inproc://...`) that sends its events. `events` is a sum of
 `ZMQ_EVENT_...`. NULL for `addr` ends the monitor.

 Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT` for other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK`.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_socket_monitor(void *socket,
                       const char *addr,
                       int events);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Monitors `socket` as zmq_socket_monitor() does, with more events, messages of `event_version`, and a socket of
 `type_` (`ZMQ_PAIR`, `ZMQ_PUB` or `ZMQ_PUSH`).

 Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT` for other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK`.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_socket_monitor_versioned(void *socket,
                                 const char *addr,
                                 uint64_t events,
                                 int event_version,
                                 int type);

/*
 Makes the monitor of a socket send `ZMQ_EVENT_PIPES_STATS` for each peer: how many messages wait for the peer, and
 how many of the peer's wait to be received.

 Returns 0, or -1 with errno `EINVAL` if no monitor wants that event, `EAGAIN` if there is no peer, `ENOTSOCK`.
 */
ZMQ_EXPORT
int zmq_socket_monitor_pipes_stats(void *socket);
#endif

/*
 Makes an empty message. The caller closes every message with zmq_msg_close() in the end.

 Returns 0, or -1 with errno `EFAULT` for NULL.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that holds no message.
 */
ZMQ_EXPORT int zmq_msg_init(zmq_msg_t *msg);

/*
 Makes a message with room for `size` bytes. The caller writes them through zmq_msg_data() before it sends the
 message.

 Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` for NULL.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that holds no message. The bytes are written
 before they are read.
 */
ZMQ_EXPORT
int zmq_msg_init_size(zmq_msg_t *msg,
                      size_t size);

/*
 Makes a message of the `size` bytes at `data` without copying them. When the library no longer needs them, it calls
 `ffn(data, hint)` once, on any thread. Without `ffn` the data counts as constant and is never freed.

 Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if `msg` is NULL, or `data` is although `size` is not 0. After a failure
 the data is still the caller's.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that holds no message. The data stays readable
 and unchanged until `ffn` is called (without `ffn`, for good), and `ffn` may be called on any thread.
 */
ZMQ_EXPORT
int zmq_msg_init_data(zmq_msg_t *msg,
                      void *data,
                      size_t size,
                      zmq_free_fn *ffn,
                      void *hint);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Makes a message of a copy of the `size` bytes at `buf`, which may be NULL if `size` is 0.

 Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if `msg` is NULL, or `buf` is although `size` is not 0.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that holds no message; `buf` is readable for
 `size` bytes.
 */
ZMQ_EXPORT
int zmq_msg_init_buffer(zmq_msg_t *msg,
                        const void *buf,
                        size_t size);
#endif

/*
 Closes a message. Its data is freed unless another message shares it. The zmq_msg_t may be made a message again.

 Returns 0, or -1 with errno `EFAULT` if there is no message (it was closed already, or never made).

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT
int zmq_msg_close(zmq_msg_t *msg);

/*
 Moves a message from `src` to `dest`, whose old content is released. `src` becomes empty.

 Returns 0, or -1 with errno `EFAULT` if either is no message; both are unchanged then.

 The caller must ensure that `dest` and `src` are NULL or point at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT int zmq_msg_move(zmq_msg_t *dest, zmq_msg_t *src);

/*
 Makes `dest` a copy of `src`, and releases the old content of `dest`. The two messages share large data, so the
 caller must not write to it from now on.

 Returns 0, or -1 with errno `EFAULT` if either is no message; both are unchanged then.

 The caller must ensure that `dest` and `src` are NULL or point at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT
int zmq_msg_copy(zmq_msg_t *dest,
                 zmq_msg_t *src);

/*
 Returns the address of a message's data. It is valid until the message is closed, moved, sent or received into.

 Returns NULL with errno `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT
void *zmq_msg_data(zmq_msg_t *msg);

/*
 Returns the number of bytes of a message; 0 with errno `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT size_t zmq_msg_size(const zmq_msg_t *msg);

/*
 Returns 1 if more parts of the same message follow, else 0; also for a message that has been closed.

 Returns -1 with errno `EFAULT` if there never was a message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT
int zmq_msg_more(const zmq_msg_t *msg);

/*
 Reads a property of a message: `ZMQ_MORE`, `ZMQ_SRCFD` or `ZMQ_SHARED`.

 Returns the value, or -1 with errno `EINVAL` for other properties and where the descriptor is not known, `EFAULT` if there
 is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT
int zmq_msg_get(const zmq_msg_t *msg,
                int property);

/*
 Sets a property of a message. There is none that can be set: always -1 with errno `EINVAL`.
 */
ZMQ_EXPORT int zmq_msg_set(zmq_msg_t *msg, int property, int optval);

/*
 Reads a property of the connection that a message came from, by name: "Socket-Type", "Routing-Id", "Peer-Address",
 "User-Id", the peer's own "X-..." and those that the authenticator added.

 Returns a string that the message owns, or NULL with errno: `EINVAL` if there is no such property; `EFAULT` if there is no
 message or no name.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t; `property` is NULL or a NUL-terminated string.
 */
ZMQ_EXPORT
const char *zmq_msg_gets(const zmq_msg_t *msg,
                         const char *property);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 The routing id of the peer that a message came from or is to go to (SERVER and PEER sockets); 0 if there is none, also
 with errno `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT
uint32_t zmq_msg_routing_id(zmq_msg_t *msg);

/*
 Sets the peer that a message goes to (SERVER and PEER sockets), by the routing id of a message from that peer.

 Returns 0, or -1 with errno `EINVAL` for routing id 0, `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses.
 */
ZMQ_EXPORT
int zmq_msg_set_routing_id(zmq_msg_t *msg,
                           uint32_t routing_id);

/*
 The group of a message (RADIO and DISH sockets), a string that the message owns; empty if it has none.

 Returns NULL with errno `EFAULT` if there is no message.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t.
 */
ZMQ_EXPORT
const char *zmq_msg_group(zmq_msg_t *msg);

/*
 Sets the group of a message (RADIO and DISH sockets). Bytes after the 255th are left off.

 Returns 0, or -1 with errno `ENOMEM`, or `EFAULT` if there is no message or no group.

 The caller must ensure that `msg` is NULL or points at a zmq_msg_t that no other thread uses; `group` is NULL or a
 NUL-terminated string.
 */
ZMQ_EXPORT
int zmq_msg_set_group(zmq_msg_t *msg,
                      const char *group);
#endif

/*
 Waits until one of the items is ready, for at most `timeout` milliseconds (0: not at all; -1: without end).

 Returns the number of ready items, 0 if the time is over, or -1 with errno: `ETERM` if the context of a socket was ended;
 `ENOTSOCK` if one is none; `EINVAL` for a negative number of items; `EFAULT` for NULL; `EINTR`, `EMFILE`.

 The caller must ensure that `items` is NULL or points at `nitems` items.
 */
ZMQ_EXPORT
int zmq_poll(struct zmq_pollitem_t *items,
             int nitems,
             long timeout);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Waits as zmq_poll() does. Unless `sigmask` is NULL, exactly its signals are blocked during the wait.

 The caller must ensure that `items` is NULL or points at `nitems` items, `sigmask` is NULL or points at a mask.
 */
ZMQ_EXPORT
int zmq_ppoll(struct zmq_pollitem_t *items,
              int nitems,
              long timeout,
              const sigset_t *sigmask);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Creates a set of sockets and descriptors to wait for. Destroy it with zmq_poller_destroy().

 Returns NULL with errno `ENOMEM`.
 */
ZMQ_EXPORT void *zmq_poller_new(void);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Destroys a poller and sets the pointer to it to NULL.

 Returns 0, or -1 with errno `EFAULT` if there is none.

 The caller must ensure that `poller_p` is NULL or points at a pointer variable.
 */
ZMQ_EXPORT int zmq_poller_destroy(void **poller_p);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Returns the number of sockets and descriptors of a poller.

 Returns -1 with errno `EFAULT` if `poller` is none.
 */
ZMQ_EXPORT int zmq_poller_size(void *poller);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Adds a socket. The poller reports its `events` (a sum of `ZMQ_POLL...`, or 0 for none yet) along with `user_data`.

 Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `ENOTSOCK` if `socket` is none; `EINVAL` if it is there already or
 there are no such events; `EMFILE`, `ENOMEM`.
 */
ZMQ_EXPORT
int zmq_poller_add(void *poller,
                   void *socket,
                   void *user_data,
                   short events);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Changes the events that the poller reports of a socket.

 Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `ENOTSOCK` if `socket` is none; `EINVAL` if it was not added or
 there are no such events.
 */
ZMQ_EXPORT
int zmq_poller_modify(void *poller,
                      void *socket,
                      short events);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Removes a socket. Do so before it is closed.

 Returns 0, or -1 with errno `EFAULT` if `poller` is none, `ENOTSOCK` if `socket` is none, `EINVAL` if it was not added.
 */
ZMQ_EXPORT
int zmq_poller_remove(void *poller,
                      void *socket);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Adds a descriptor. The poller reports its `events` (a sum of `ZMQ_POLL...`, or 0 for none yet) along with
 `user_data`.

 Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `EBADF` for -1; `EINVAL` if it is there already or there are no
 such events.
 */
ZMQ_EXPORT
int zmq_poller_add_fd(void *poller,
                      zmq_fd_t fd,
                      void *user_data,
                      short events);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Changes the events that the poller reports of a descriptor.

 Returns 0, or -1 with errno: `EFAULT` if `poller` is none; `EBADF` for -1; `EINVAL` if it was not added or there are no such
 events.
 */
ZMQ_EXPORT
int zmq_poller_modify_fd(void *poller,
                         zmq_fd_t fd,
                         short events);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Removes a descriptor.

 Returns 0, or -1 with errno `EFAULT` if `poller` is none, `EBADF` for -1, `EINVAL` if it was not added.
 */
ZMQ_EXPORT
int zmq_poller_remove_fd(void *poller,
                         zmq_fd_t fd);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Waits until a socket or descriptor is ready, for at most `timeout` milliseconds (0: not at all; -1: without end).
 Writes one that is ready to `event`.

 Returns 0, or -1 with errno: `EAGAIN` if the time is over; `EFAULT` if `poller` is none, `event` is NULL, or there is nothing
 to wait for; `ENOTSOCK` if a socket was closed; `ETERM`, `EINTR`, `EMFILE`. After a failure the event is of nothing.

 The caller must ensure that `event` is NULL or points at an event.
 */
ZMQ_EXPORT
int zmq_poller_wait(void *poller,
                    struct zmq_poller_event_t *event,
                    long timeout);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Waits as zmq_poller_wait() does. Writes up to `n_events` that are ready to `events`.

 Returns how many of the events are filled in, or -1 as zmq_poller_wait() does; `EINVAL` if `n_events` is negative.

 The caller must ensure that `events` is NULL or points at `n_events` events.
 */
ZMQ_EXPORT
int zmq_poller_wait_all(void *poller,
                        struct zmq_poller_event_t *events,
                        int n_events,
                        long timeout);
#endif

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Writes a descriptor to `fd` that becomes readable when zmq_poller_wait() should be called for a thread-safe socket.
 The poller keeps owning it.

 Returns 0, or -1 with errno `EFAULT` if `poller` is none or `fd` is NULL, `EINVAL` if there is no thread-safe socket in it.

 The caller must ensure that `fd` is NULL or points at a descriptor's place.
 */
ZMQ_EXPORT
int zmq_poller_fd(void *poller,
                  zmq_fd_t *fd);
#endif

/*
 Forwards messages from `frontend` to `backend` and back until a call fails. Sends a copy of each to `capture`,
 unless that is NULL. `frontend` and `backend` may be the same socket.

 Returns -1 with errno: `ETERM` when the context was ended; `ENOTSOCK` if a socket is none; `EFAULT` for NULL; `EINTR`, and the
 errors of sending and receiving.
 */
ZMQ_EXPORT
int zmq_proxy(void *frontend,
              void *backend,
              void *capture);

/*
 Forwards as zmq_proxy() does, and obeys commands received from `control`, unless that is NULL: PAUSE, RESUME,
 TERMINATE and STATISTICS. STATISTICS is answered with eight parts, each a 64-bit number: messages and bytes that the
 frontend received and sent, then those of the backend. A REP socket answers the other commands with an empty
 message.

 Returns 0 after TERMINATE, or -1 as zmq_proxy() does.
 */
ZMQ_EXPORT
int zmq_proxy_steerable(void *frontend,
                        void *backend,
                        void *capture,
                        void *control);

/*
 Older form of zmq_proxy(). The type does not matter.
 */
ZMQ_EXPORT int zmq_device(int type, void *frontend, void *backend);

/*
 Creates a socket of this type (`ZMQ_REQ` and its like). Close it with zmq_close().

 Returns NULL with errno: `EINVAL` if there is no such type; `EFAULT` if `context` is none; `EMFILE` if there are too many
 sockets or the process has no descriptors left; `ETERM` if the context was ended.
 */
ZMQ_EXPORT
void *zmq_socket(void *context,
                 int type);

/*
 Closes a socket. Its messages are still sent for as long as ZMQ_LINGER says. Messages that were not received are
 discarded.

 Returns 0, or -1 with errno `ENOTSOCK` if `socket` is none.
 */
ZMQ_EXPORT
int zmq_close(void *socket);

/*
 Sets an option of a socket to the `optvallen` bytes at `optval`. NULL and 0 unset some options.

 Returns 0, or -1 with errno: `EINVAL` if there is no such option or it cannot have this value; `ETERM` if the context was
 ended; `ENOTSOCK` if `socket` is none.

 The caller must ensure that `optval` is NULL or readable for `optvallen` bytes.
 */
ZMQ_EXPORT
int zmq_setsockopt(void *socket,
                   int option,
                   const void *optval,
                   size_t optvallen);

/*
 Writes the value of a socket's option to `optval`, which has room for `*optvallen` bytes, and its length to
 `*optvallen`.

 Returns 0, or -1 with errno: `EINVAL` if there is no such option or not the room for it; `ETERM` if the context was ended;
 `ENOTSOCK` if `socket` is none; `EFAULT` if a pointer is NULL.

 The caller must ensure that `optvallen` is NULL or points at a number, and `optval` is writable for `*optvallen`
 bytes.
 */
ZMQ_EXPORT
int zmq_getsockopt(void *socket,
                   int option,
                   void *optval,
                   size_t *optvallen);

/*
 Binds a socket to an endpoint, such as `tcp://127.0.0.1:5555`. Peers can then connect to it.

 Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV`, `ETERM`,
 `ENOTSOCK`, `EMTHREAD`, `ENOMEM`; `EFAULT` for NULL.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_bind(void *socket,
             const char *addr);

/*
 Connects a socket to an endpoint, now or as soon as a peer is there.

 Returns 0, or -1 with errno `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `ETERM`, `ENOTSOCK`, `EMTHREAD`, `ENOMEM`;
 `EFAULT` for NULL.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_connect(void *socket,
                const char *addr);

/*
 Undoes zmq_bind(). `addr` is the endpoint that ZMQ_LAST_ENDPOINT gave.

 Returns 0, or -1 with errno `EINVAL`, `ENOENT` if the socket is not bound to it, `ETERM`, `ENOTSOCK`.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_unbind(void *socket,
               const char *addr);

/*
 Undoes zmq_connect().

 Returns 0, or -1 with errno `EINVAL`, `ENOENT` if the socket is not connected to it, `ETERM`, `ENOTSOCK`.

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_disconnect(void *socket,
                   const char *addr);

#if defined(ZMQ_BUILD_DRAFT_API)
/*
 Connects a PEER socket and returns the routing id of the peer.

 Returns 0 with errno `ENOTSUP` if it is no PEER socket, `EFAULT` for NULL or if ZMQ_IMMEDIATE is set, else as zmq_connect().

 The caller must ensure that `addr` is NULL or a string.
 */
ZMQ_EXPORT
uint32_t zmq_connect_peer(void *socket,
                          const char *addr);

/*
 Ends the connection to one peer of a PEER or SERVER socket. What this side has received from it can still be read, and what
 was sent to it lingers.

 Returns 0, or -1 with errno `EHOSTUNREACH` if there is no such peer, `ENOTSUP` if its type has no such peers, `ETERM`,
 `ENOTSOCK`.
 */
ZMQ_EXPORT
int zmq_disconnect_peer(void *socket,
                        uint32_t routing_id);

/*
 Lets a DISH socket receive the messages of a group.

 Returns 0, or -1 with errno: `EINVAL` if it is in the group already or the name is longer than ZMQ_GROUP_MAX_LENGTH; `ENOTSUP`
 if it is no DISH socket; `ENOTSOCK` if `socket` is none; `EFAULT` for NULL; `ETERM`.

 The caller must ensure that `group` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_join(void *socket,
             const char *group);

/*
 Undoes zmq_join().

 Returns 0, or -1 with errno: `EINVAL` if it is not in the group; `ENOTSUP` if it is no DISH socket; `ENOTSOCK` if `socket` is
 none; `EFAULT` for NULL; `ETERM`.

 The caller must ensure that `group` is NULL or a string.
 */
ZMQ_EXPORT
int zmq_leave(void *socket,
              const char *group);

/*
 Returns `ZMQ_POLLOUT` if a message could be sent now to the peer of a ROUTER socket with this routing id, else 0.

 Returns -1 with errno `ENOTSOCK` if `socket` is none, `ENOTSUP` if it is no ROUTER socket.

 The caller must ensure that `routing_id` is readable for `routing_id_size` bytes.
 */
ZMQ_EXPORT
int zmq_socket_get_peer_state(void *socket,
                              const void *routing_id,
                              size_t routing_id_size);
#endif

/*
 Starts a thread that calls `func(arg)`, with all signals blocked. zmq_threadclose() waits for it and frees the handle.

 Returns the handle, or NULL with errno `EAGAIN` or `ENOMEM` if the system has no more threads, `EFAULT` without
 a function.

 The caller must ensure that `func` may be called with `arg` on another thread.
 */
ZMQ_EXPORT
void *zmq_threadstart(zmq_thread_fn *func,
                      void *arg);

/*
 Waits for a thread started by zmq_threadstart() and frees its handle. NULL is left alone (errno `EFAULT`).

 The caller must ensure that `thread` is NULL or from zmq_threadstart() and not closed.
 */
ZMQ_EXPORT
void zmq_threadclose(void *thread);

/*
 Creates an empty set of timers; free it with zmq_timers_destroy().

 Unlike libzmq's, sets may be used from several threads. A forked child goes on with its parent's, except one that another
 thread was using at that moment: that one can only be destroyed.
 */
ZMQ_EXPORT
void *zmq_timers_new(void);

/*
 Destroys a set of timers and sets the pointer to it to NULL. A timer handler may destroy its own set.

 Returns 0, or -1 with errno `EFAULT` if the pointer does not point at a set of timers.

 The caller must ensure that `timers_p` is NULL or points at a pointer variable.
 */
ZMQ_EXPORT
int zmq_timers_destroy(void **timers_p);

/*
 Adds a timer: every `interval` milliseconds zmq_timers_execute() will call `handler(timer_id, arg)`.

 Returns the timer's id, above 0, or -1 with errno `EFAULT` if `timers` is no set of timers or there is no
 handler.

 The caller must ensure that `handler` may be called with `arg` until the timer is cancelled or the set destroyed.
 */
ZMQ_EXPORT
int zmq_timers_add(void *timers,
                   size_t interval,
                   zmq_timer_fn *handler,
                   void *arg);

/*
 Cancels a timer. Its handler is not called any more, even if it was due already.

 Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
 */
ZMQ_EXPORT
int zmq_timers_cancel(void *timers,
                      int timer_id);

/*
 Changes a timer's interval (milliseconds) and restarts the timer.

 Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
 */
ZMQ_EXPORT
int zmq_timers_set_interval(void *timers,
                            int timer_id,
                            size_t interval);

/*
 Restarts a timer: it falls due one interval from now.

 Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers, `EINVAL` if it has no such timer.
 */
ZMQ_EXPORT
int zmq_timers_reset(void *timers,
                     int timer_id);

/*
 Returns the milliseconds until the next timer falls due, 0 if one is due.

 Returns -1 without timers (errno is left as it was), and with errno `EFAULT` if `timers` is no set of timers.
 */
ZMQ_EXPORT
long zmq_timers_timeout(void *timers);

/*
 Calls the handlers of all timers that are due, each once, in the order of their times. Handlers may use all
 zmq_timers_*() calls on the same set.

 Returns 0, or -1 with errno `EFAULT` if `timers` is no set of timers.
 */
ZMQ_EXPORT
int zmq_timers_execute(void *timers);

/*
 Writes the version of libzmq that the library stands in for: three numbers, each unless its pointer is NULL.

 The caller must ensure that each pointer is NULL or points at an int.
 */
ZMQ_EXPORT
void zmq_version(int *major,
                 int *minor,
                 int *patch);

/*
 Returns 1 if the library has a capability, else 0.

 Names: "ipc", "pgm", "tipc", "norm", "vmci", "vsock", "WS", "WSS", "tls" (transports), "curve", "qzmq", "gssapi" (security
 mechanisms), "draft" (the draft API; not where the environment has `FERROZMQ_DRAFTS=0`).

 The caller must ensure that `capability` is NULL or a NUL-terminated string.
 */
ZMQ_EXPORT
int zmq_has(const char *capability);

/*
 Writes `size` bytes of `data` as Z85 text to `dest`, which needs room for size * 5 / 4 characters and a NUL.

 Returns `dest`, or NULL with errno `EINVAL` if `size` is not a multiple of 4 (`EFAULT` for NULL pointers).

 The caller must ensure that `data` is readable for `size` bytes and `dest` writable for size * 5 / 4 + 1.
 */
ZMQ_EXPORT
char *zmq_z85_encode(char *dest,
                     const uint8_t *data,
                     size_t size);

/*
 Writes the bytes that the Z85 text `string` stands for to `dest`, which needs room for strlen(string) * 4 / 5 bytes.

 Returns `dest`, or NULL with errno: `EINVAL` if the text's length is 0 or not a multiple of 5, or if it is no Z85; `EFAULT`
 for NULL pointers. What `dest` holds then is undefined.

 The caller must ensure that `string` is a NUL-terminated string and `dest` writable for strlen(string) * 4 / 5
 bytes.
 */
ZMQ_EXPORT
uint8_t *zmq_z85_decode(uint8_t *dest,
                        const char *string);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* __ZMQ_H_INCLUDED__ */

#undef ZMQ_EXPORT
