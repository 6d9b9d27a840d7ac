"""One side of a conversation over ws://, on whatever libzmq.so.5 the loader finds.

    peer.py ask|echo|publish|subscribe bind|connect ENDPOINT null|plain|curve

Prints its endpoint, and "done" once everything was as it should be. Where CURVE is spoken, who binds makes the keys and
prints the public one behind its endpoint; who connects is given it behind the mechanism, as curve:KEY.
"""

import ctypes
import sys
import threading

DEALER, REP, ROUTER, SUB, XPUB = 5, 4, 6, 2, 9
SUBSCRIBE, RCVMORE, LINGER, RCVTIMEO, LAST_ENDPOINT, SNDHWM, RCVHWM = 6, 13, 17, 27, 32, 23, 24
PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD = 44, 45, 46
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 47, 48, 49, 50
SNDMORE = 2
TIMEOUT_MS = 30_000
TYPES = {"ask": DEALER, "echo": ROUTER, "publish": XPUB, "subscribe": SUB}
SIZES = [0, 1, 60, 123, 124, 125, 126, 127, 253, 254, 255, 256, 5000, 8192, 65_533, 65_534, 65_535, 65_536, 300_000]
COUNT = 500

zmq = ctypes.CDLL("libzmq.so.5")
zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
zmq.zmq_socket.argtypes = [ctypes.c_void_p, ctypes.c_int]
zmq.zmq_strerror.restype = ctypes.c_char_p
for name in ("zmq_bind", "zmq_connect"):
    getattr(zmq, name).argtypes = [ctypes.c_void_p, ctypes.c_char_p]
zmq.zmq_setsockopt.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
zmq.zmq_getsockopt.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
zmq.zmq_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
zmq.zmq_recv.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
zmq.zmq_close.argtypes = zmq.zmq_ctx_term.argtypes = [ctypes.c_void_p]


def check(outcome):
    if outcome == -1:
        sys.exit(zmq.zmq_strerror(zmq.zmq_errno()).decode())
    return outcome


class Socket:
    def __init__(self, context, kind):
        self.handle = zmq.zmq_socket(context, kind)
        self.room = ctypes.create_string_buffer(1_000_000)
        for option in (RCVTIMEO, LINGER):
            self.set_int(option, TIMEOUT_MS)
        for option in (SNDHWM, RCVHWM):
            self.set_int(option, 0)

    def set(self, option, value):
        check(zmq.zmq_setsockopt(self.handle, option, value, len(value)))

    def set_int(self, option, value):
        self.set(option, value.to_bytes(4, sys.byteorder, signed=True))

    def endpoint(self):
        size = ctypes.c_size_t(len(self.room))
        check(zmq.zmq_getsockopt(self.handle, LAST_ENDPOINT, self.room, ctypes.byref(size)))
        return self.room.value.decode()

    def send(self, *parts):
        for i, part in enumerate(parts):
            check(zmq.zmq_send(self.handle, part, len(part), SNDMORE if i + 1 < len(parts) else 0))

    def recv(self):
        parts, more = [], ctypes.c_int(1)
        while more.value:
            size = check(zmq.zmq_recv(self.handle, self.room, len(self.room), 0))
            parts.append(self.room.raw[:size])
            check(zmq.zmq_getsockopt(self.handle, RCVMORE, ctypes.byref(more), ctypes.byref(ctypes.c_size_t(4))))
        return parts


def main(role, way, endpoint, security):
    context = zmq.zmq_ctx_new()
    socket = Socket(context, TYPES[role])
    if way == "bind" and security == "plain":
        authenticator = Socket(context, REP)
        check(zmq.zmq_bind(authenticator.handle, b"inproc://zeromq.zap.01"))
        threading.Thread(target=authenticate_one, args=(authenticator,)).start()
    key = secure(socket, way, *security.split(":", 1))
    if role == "subscribe":
        socket.set(SUBSCRIBE, b"news")
    check((zmq.zmq_bind if way == "bind" else zmq.zmq_connect)(socket.handle, endpoint.encode()))
    print(socket.endpoint(), key, flush=True)
    globals()[role](socket)
    # Over before the other side has read it, it would be lost to some.
    print("done", flush=True)
    sys.stdin.read()
    check(zmq.zmq_close(socket.handle))
    check(zmq.zmq_ctx_term(context))


def secure(socket, way, mechanism, server_key=""):
    """What the other side needs to know."""
    if mechanism == "plain":
        if way == "bind":
            socket.set_int(PLAIN_SERVER, 1)
        else:
            socket.set(PLAIN_USERNAME, b"ann")
            socket.set(PLAIN_PASSWORD, b"secret")
    elif mechanism == "curve":
        public, secret = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
        check(zmq.zmq_curve_keypair(public, secret))
        socket.set(CURVE_SECRETKEY, secret.value)
        if way == "bind":
            socket.set_int(CURVE_SERVER, 1)
            return public.value.decode()
        socket.set(CURVE_PUBLICKEY, public.value)
        socket.set(CURVE_SERVERKEY, server_key.encode())
    return ""


def authenticate_one(socket):
    """PLAIN wants somebody to ask (ZAP)."""
    version, number, _domain, _address, _routing_id, mechanism, *credentials = socket.recv()
    known = (mechanism, credentials) == (b"PLAIN", [b"ann", b"secret"])
    socket.send(version, number, b"200" if known else b"400", b"", b"ann", b"")
    check(zmq.zmq_close(socket.handle))


def messages():
    for size in SIZES:
        yield [bytes(i % 251 for i in range(size))]
    yield [b"", b"two", b"x" * 70_000, b""]
    for i in range(COUNT):
        yield [b"%d" % i]


def ask(socket):
    for parts in messages():
        socket.send(*parts)
    for parts in messages():
        if socket.recv() != parts:
            sys.exit("not what was sent")


def echo(socket):
    for _ in messages():
        socket.send(*socket.recv())


def publish(socket):
    if socket.recv() != [b"\1news"]:
        sys.exit("not the subscription")
    socket.send(b"olds")
    for i in range(COUNT):
        socket.send(b"news", b"%d" % i)


def subscribe(socket):
    for i in range(COUNT):
        if socket.recv() != [b"news", b"%d" % i]:
            sys.exit("not what was published")


if __name__ == "__main__":
    main(*sys.argv[1:])
