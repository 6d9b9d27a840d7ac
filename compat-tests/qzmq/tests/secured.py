"""Sockets of the library with keys of QZMQ, and this implementation's end of a conversation with them."""

import contextlib
import ctypes
from dataclasses import dataclass

import zmq

from qzmq import keys
from qzmq.client import Client
from qzmq.connection import properties
from qzmq.peer import Listener, Peer
from qzmq.server import Server
from qzmq.suites import SUITES

PATIENCE_MS = 10_000
# All borders of frames and records, and one message of many records.
SIZES = (0, 1, 2, 63, 64, 254, 255, 256, 257, 1_000, 4_095, 16_373, 16_374, 16_375, 16_376, 16_384, 16_385, 16_393, 33_000)
LARGE_BYTES = 300_000
PARTNER = {"PUSH": "PULL", "PULL": "PUSH", "PUB": "SUB", "SUB": "PUB", "REQ": "REP", "REP": "REQ", "DEALER": "DEALER", "XSUB": "XPUB"}


# Options of the library alone.
AUTHORITY, CERTIFICATE, REVOKED, SERVER_NAME, ZAP_AS_QZMQ = 0x46000040, 0x46000041, 0x46000042, 0x46000070, 0x46000071
LIBRARY = ctypes.CDLL("libzmq.so.5", use_errno=True)


def give(socket, option, value):
    """pyzmq takes no bytes for options that it does not know."""
    if not isinstance(value, bytes):
        socket.setsockopt(option, value)
    elif LIBRARY.zmq_setsockopt(ctypes.c_void_p(socket.underlying), option, value, ctypes.c_size_t(len(value))):
        raise zmq.ZMQError(ctypes.get_errno())


@dataclass(frozen=True)
class Case:
    """Who talks how with whom."""

    suite: int = 1
    known: bool = True
    library_serves: bool = True
    over: str = "tcp"

    @property
    def kem(self):
        return SUITES[self.suite].kem

    def __str__(self):
        who = "library-serves" if self.library_serves else "library-asks"
        return f"{SUITES[self.suite].name}-{'known' if self.known else 'anonymous'}-{who}-{self.over}"


class Meeting:
    """A socket of the library, and what connects this implementation to it."""

    def __init__(self, context, case, kind="DEALER", options=None, prepare=None):
        """`kind` is the library's; `options` are more of its socket's, or a function that makes them of the meeting. `prepare` gets
        the socket before it is bound or connected."""
        self.case, self.kem = case, case.kem
        self.server, self.client = self.kem.keypair(), self.kem.keypair()
        self.own_kind = PARTNER[kind]
        self.socket = context.socket(getattr(zmq, kind))
        self.socket.rcvtimeo = self.socket.sndtimeo = PATIENCE_MS
        self.socket.rcvhwm = self.socket.sndhwm = 0
        self.socket.reconnect_ivl = 10
        options = options(self) if callable(options) else options or {}
        self.by_name = SERVER_NAME in options
        for option, value in options.items():
            give(self.socket, option, value)
        if prepare:
            prepare(self.socket)
        self.listener = None
        if case.library_serves:
            self._serve()
        else:
            self._ask()

    def _serve(self):
        self.socket.curve_server = True
        self.socket.curve_secretkey = keys.z85(keys.secret_key(self.kem, self.server))
        self.socket.bind(f"{self.case.over}://127.0.0.1:*")
        self.endpoint = self.socket.last_endpoint.decode().rstrip("\0")

    def _ask(self):
        if not self.by_name:
            self.socket.curve_serverkey = keys.z85(keys.public_key(self.kem, self.server.public))
        if self.case.known:
            self.socket.curve_publickey = keys.z85(keys.public_key(self.kem, self.client.public))
            self.socket.curve_secretkey = keys.z85(keys.secret_key(self.kem, self.client))
        self.listener = Listener(self.case.over)
        self.socket.connect(self.listener.endpoint)

    def engine(self, **options):
        """This implementation's side of the handshake."""
        own = properties(self.own_kind)
        if self.case.library_serves:
            pair = self.client if self.case.known else None
            public = options.pop("server", self.server.public)
            return Client(public, self.kem, options.pop("suites", [self.case.suite]), pair, own, **options)
        pairs = [(self.kem, options.pop("server", self.server))]
        return Server(pairs, options.pop("suites", [self.case.suite]), own, **options)

    def meet(self, engine=None, **options):
        """A connection that has its keys, or an ERROR."""
        engine = engine or self.engine()
        if self.listener:
            return self.listener.accept(engine, **options)
        return Peer.connect(self.endpoint, engine, **options)

    def close(self):
        self.socket.close(linger=0)
        if self.listener:
            self.listener.close()


@contextlib.contextmanager
def meeting(context, case, kind="DEALER", options=None, prepare=None):
    there = Meeting(context, case, kind, options, prepare)
    try:
        yield there
    finally:
        there.close()


def contents(rounds):
    """Messages of all sizes, most of one part."""
    for turn in range(rounds):
        for size in SIZES:
            body = bytes([turn % 256]) * size
            yield [body] if (turn + size) % 3 else [b"first", body, b""]
    yield [bytes(LARGE_BYTES)]


def converse(peer, socket, rounds, update_every=0):
    """All sizes both ways. How many messages each side has received."""
    count = 0
    for parts in contents(rounds):
        if update_every and count % update_every == 1 and peer.records.may_update():
            peer.update()
        socket.send_multipart(parts)
        peer.send(*parts)
        assert socket.recv_multipart() == parts, f"message {count} to the library"
        assert peer.recv() == parts, f"message {count} from the library"
        count += 1
    return count


def ask(peer, socket):
    """All sizes both ways with a REP of the library's. A DEALER may still send to the peer that was there before."""
    for size in SIZES:
        body = b"?" * size
        peer.send(b"", body)
        assert socket.recv() == body
        socket.send(body)
        assert peer.recv() == [b"", body]


def settle(peer, updates):
    """Until an update that was begun is over, and there were so many."""
    peer.pump(lambda: peer.records.state is None and peer.records.updates >= updates)


def subscribe(peer, topic):
    peer.command(b"SUBSCRIBE", topic)

