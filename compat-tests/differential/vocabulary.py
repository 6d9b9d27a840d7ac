"""What sequences are made of: socket types, options, endpoints and other words of the API."""

PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM = range(12)
TYPES = range(12)
PARTNERS = [
    (PAIR, PAIR), (PUB, SUB), (XPUB, SUB), (XPUB, XSUB), (PUB, XSUB), (REQ, REP), (REQ, ROUTER), (DEALER, REP),
    (DEALER, ROUTER), (DEALER, DEALER), (ROUTER, ROUTER), (PUSH, PULL),
]
DONTWAIT, SNDMORE = 1, 2

# Number, and what its values are: an int with these as the interesting ones, or bytes.
INT_OPTIONS = {
    "RATE": 8, "RECOVERY_IVL": 9, "SNDBUF": 11, "RCVBUF": 12, "LINGER": 17, "RECONNECT_IVL": 18, "BACKLOG": 19,
    "RECONNECT_IVL_MAX": 21, "SNDHWM": 23, "RCVHWM": 24, "MULTICAST_HOPS": 25, "RCVTIMEO": 27, "SNDTIMEO": 28,
    "IPV4ONLY": 31, "ROUTER_MANDATORY": 33, "TCP_KEEPALIVE": 34, "TCP_KEEPALIVE_CNT": 35, "TCP_KEEPALIVE_IDLE": 36,
    "TCP_KEEPALIVE_INTVL": 37, "IMMEDIATE": 39, "XPUB_VERBOSE": 40, "ROUTER_RAW": 41, "IPV6": 42, "PLAIN_SERVER": 44,
    "CURVE_SERVER": 47, "PROBE_ROUTER": 51, "REQ_CORRELATE": 52, "REQ_RELAXED": 53, "CONFLATE": 54,
    "ROUTER_HANDOVER": 56, "TOS": 57, "IPC_FILTER_PID": 58, "IPC_FILTER_UID": 59, "IPC_FILTER_GID": 60,
    "HANDSHAKE_IVL": 66, "XPUB_NODROP": 69, "XPUB_MANUAL": 71, "STREAM_NOTIFY": 73, "INVERT_MATCHING": 74,
    "HEARTBEAT_IVL": 75, "HEARTBEAT_TTL": 76, "HEARTBEAT_TIMEOUT": 77, "XPUB_VERBOSER": 78, "CONNECT_TIMEOUT": 79,
    "TCP_MAXRT": 80, "MULTICAST_MAXTPDU": 84, "USE_FD": 89, "GSSAPI_SERVER": 62, "GSSAPI_PLAINTEXT": 65,
    "VMCI_CONNECT_TIMEOUT": 88, "GSSAPI_PRINCIPAL_NAMETYPE": 90, "GSSAPI_SERVICE_PRINCIPAL_NAMETYPE": 91,
    "RCVMORE": 13, "FD": 14, "EVENTS": 15, "TYPE": 16, "MECHANISM": 43, "THREAD_SAFE": 81,
}
LONG_OPTIONS = {"AFFINITY": 4, "MAXMSGSIZE": 22, "VMCI_BUFFER_SIZE": 85, "VMCI_BUFFER_MIN_SIZE": 86}
BYTES_OPTIONS = {
    "ROUTING_ID": 5, "SUBSCRIBE": 6, "UNSUBSCRIBE": 7, "PLAIN_USERNAME": 45, "PLAIN_PASSWORD": 46, "ZAP_DOMAIN": 55,
    "CONNECT_ROUTING_ID": 61, "SOCKS_PROXY": 68, "XPUB_WELCOME_MSG": 72, "BINDTODEVICE": 92, "GSSAPI_PRINCIPAL": 63,
    "GSSAPI_SERVICE_PRINCIPAL": 64, "LAST_ENDPOINT": 32, "TCP_ACCEPT_FILTER": 38,
}
KEY_OPTIONS = {"CURVE_PUBLICKEY": 48, "CURVE_SECRETKEY": 49, "CURVE_SERVERKEY": 50}
OPTION = INT_OPTIONS | LONG_OPTIONS | BYTES_OPTIONS | KEY_OPTIONS
# Those that change what a connection in the same process does, so that its scene goes on as the seed meant.
HARMLESS = [
    "SNDHWM", "RCVHWM", "ROUTER_MANDATORY", "IMMEDIATE", "XPUB_VERBOSE", "XPUB_VERBOSER", "XPUB_NODROP", "XPUB_MANUAL",
    "REQ_CORRELATE", "REQ_RELAXED", "ROUTER_HANDOVER", "PROBE_ROUTER", "INVERT_MATCHING", "RCVTIMEO", "SNDTIMEO",
    "LINGER", "RECONNECT_IVL", "STREAM_NOTIFY",
]
INTS = [0, 1, 2, -1, -2, 3, 5, 10, 100, 1000, 65535, 65536, 6553599, 6553600, 2**31 - 1, -(2**31), 255, 256]
ENDPOINTS = [
    "", "x", "://", "tcp://", "tcp:", "tcp:/127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:1", "tcp://*",
    "tcp://127.0.0.1:x", "tcp://127.0.0.1:1x", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:0", "tcp://*:*", "tcp://*:0",
    "tcp://127.0.0.1:*", "tcp://localhost:*", "tcp://lo:*", "tcp://nodevice0:*", "tcp://256.1.1.1:1",
    "tcp://[::1]:*", "tcp://[::1:*", "tcp://[]:1", "tcp://::1:*", "tcp://127.0.0.1:*;127.0.0.1:1",
    "tcp://127.0.0.1:0;127.0.0.1:9", "tcp://;127.0.0.1:9", "tcp://127.0.0.1;127.0.0.1:9", "tcp://127.0.0.1:9;",
    "tcp://a b:1", "tcp://-:1", "tcp://127.0.0.1:9/x", "tcp://lo:9", "tcp://192.0.2.1:*", "tcp://127.0.0.1:*:1",
    "TCP://127.0.0.1:*", "inproc://", "inproc:", "inproc", "inproc://a", "inproc://b", "inproc://" + "n" * 300,
    "inproc:// a", "inproc://*", "INPROC://a", "ipc://", "ipc://*", "ipc://q", "ipc://@q", "ipc://@", "ipc://nofolder/q",
    "ipc://" + "l" * 120, "ipc:///", "ipc://.", "udp://127.0.0.1:9", "udp://", "ws://127.0.0.1:*", "wss://127.0.0.1:*",
    "tipc://{1,2,3}", "vmci://1:2", "pgm://lo;239.1.1.1:1", "epgm://lo;239.1.1.1:1", "norm://1:2", "vsock://1:2",
    "gssapi://x", "http://127.0.0.1:1", "foo://bar", "tcp//127.0.0.1:1", "tcp://127.0.0.1:99",
]
CONTEXT_OPTIONS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 42, 70, -1, 99]
PROPERTIES = ["Socket-Type", "Identity", "Routing-Id", "User-Id", "Peer-Address", "X-a", "", "socket-type", "Resource"]
WORDS = [
    "ipc", "tcp", "inproc", "pgm", "norm", "curve", "gssapi", "vmci", "draft", "plain", "", "IPC", "CURVE", "x", "udp",
]
# Options that a library without drafts does not know, though ours always does.
DRAFT_NUMBERS = {83, *range(93, 125)}

SERVER, CLIENT, RADIO, DISH, GATHER, SCATTER, DGRAM, PEER, CHANNEL = range(12, 21)
DRAFT_TYPES = range(12, 21)
DRAFT_PARTNERS = [(SERVER, CLIENT), (RADIO, DISH), (SCATTER, GATHER), (PEER, PEER), (CHANNEL, CHANNEL)]
DRAFT_INT_OPTIONS = {
    "ZAP_ENFORCE_DOMAIN": 93, "LOOPBACK_FASTPATH": 94, "MULTICAST_LOOP": 96, "ROUTER_NOTIFY": 97,
    "XPUB_MANUAL_LAST_VALUE": 98, "IN_BATCH_SIZE": 101, "OUT_BATCH_SIZE": 102, "WSS_TRUST_SYSTEM": 107,
    "ONLY_FIRST_SUBSCRIBE": 108, "RECONNECT_STOP": 109, "PRIORITY": 112, "BUSY_POLL": 113,
    "XSUB_VERBOSE_UNSUBSCRIBE": 115, "TOPICS_COUNT": 116,
}
DRAFT_BYTES_OPTIONS = {
    "METADATA": 95, "SOCKS_USERNAME": 99, "SOCKS_PASSWORD": 100, "WSS_KEY_PEM": 103, "WSS_CERT_PEM": 104,
    "WSS_TRUST_PEM": 105, "WSS_HOSTNAME": 106, "HELLO_MSG": 110, "DISCONNECT_MSG": 111, "HICCUP_MSG": 114,
}
OPTION |= DRAFT_INT_OPTIONS | DRAFT_BYTES_OPTIONS


def hexed(data):
    return "x" + (data.encode() if isinstance(data, str) else data).hex()
