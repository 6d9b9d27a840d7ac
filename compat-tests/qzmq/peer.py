"""One end of a connection over a real socket, for tests: tcp or WebSockets, and the little that a type of socket asks for."""

import socket
import time

from . import wire
from .connection import Connection
from .suites import Fault
from .websocket import WebSocketWire

PATIENCE_S = 10


class Peer:
    def __init__(self, stream, engine, is_client, over="tcp", **options):
        self.stream = stream
        ws = WebSocketWire(is_client) if over == "ws" else None
        self.connection = Connection(engine, is_client, ws, **options)
        self.engine = engine
        if ws:
            self._upgrade(ws)

    @classmethod
    def connect(cls, endpoint, engine, **options):
        """Connects to an endpoint as `zmq_getsockopt` tells it, and does the handshake."""
        scheme, _, rest = endpoint.partition("://")
        host, _, port = rest.partition("/")[0].rpartition(":")
        peer = cls(_quick(socket.create_connection((host, int(port)), PATIENCE_S)), engine, True, scheme, **options)
        return peer.shake_hands()

    def shake_hands(self):
        """Until records may flow, or an ERROR ended it."""
        self.pump(lambda: self.connection.records or self.connection.is_over)
        return self

    @property
    def records(self):
        return self.connection.records

    @property
    def refused(self):
        return self.connection.is_over

    def send(self, *parts):
        self.connection.send(wire.message(*parts))
        self.flush()

    def command(self, name, body=b""):
        self.connection.send(wire.command(name, body))
        self.flush()

    def update(self):
        """Begins a key update as soon as that is allowed."""
        while not self.records.may_update():
            self.idle(0.01)
        self.records.begin_update()
        self.connection.flush()
        self.flush()

    def idle(self, seconds):
        """Listens for that long."""
        deadline = time.monotonic() + seconds
        try:
            self.pump(lambda: time.monotonic() >= deadline, seconds)
        except TimeoutError:
            pass

    def event(self, kind="message", patience_s=PATIENCE_S):
        """What comes next of a kind."""
        self.pump(lambda: any(event[0] == kind for event in self.connection.events), patience_s)
        at = next(at for at, event in enumerate(self.connection.events) if event[0] == kind)
        return self.connection.events.pop(at)

    def recv(self):
        return self.event()[1]

    def pump(self, until, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while True:
            self.flush()
            if until():
                return
            self._feed(deadline)

    def _feed(self, deadline):
        self.stream.settimeout(max(0.001, deadline - time.monotonic()))
        data = self.stream.recv(1 << 18)
        if not data:
            raise EOFError("the peer has closed")
        self.connection.feed(data)

    def flush(self):
        data = self.connection.outgoing + getattr(self.connection.wire, "answers", b"")
        self.connection.outgoing = b""
        if hasattr(self.connection.wire, "answers"):
            self.connection.wire.answers = b""
        if data:
            self.stream.settimeout(PATIENCE_S)
            self.stream.sendall(data)

    def raw(self, data):
        self.stream.sendall(data)

    def ends(self, patience_s=PATIENCE_S):
        """Whether the other side ends the connection, and says nothing more before that."""
        try:
            self.pump(lambda: False, patience_s)
        except (EOFError, ConnectionError):
            return not self.connection.events
        except (TimeoutError, Fault):
            return False

    def is_closed(self, patience_s=PATIENCE_S):
        """As `ends`, whatever is said before."""
        self.stream.settimeout(patience_s)
        try:
            while self.stream.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _upgrade(self, ws):
        if ws.is_client:
            self.stream.sendall(ws.request("127.0.0.1"))
        while not ws.upgrade():
            data = self.stream.recv(1 << 16)
            if not data:
                raise EOFError("the peer has closed")
            ws.feed(data)
        self.flush()
        self.connection.begin()
        self.connection.feed(b"")


class Listener:
    """Takes connections, each with an engine of its own."""

    def __init__(self, over="tcp"):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE_S)
        self.over = over
        self.endpoint = f"{over}://127.0.0.1:{self.socket.getsockname()[1]}" + ("/" if over == "ws" else "")

    def accept(self, engine, **options):
        stream = _quick(self.socket.accept()[0])
        stream.settimeout(PATIENCE_S)
        return Peer(stream, engine, False, self.over, **options).shake_hands()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _quick(stream):
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream
