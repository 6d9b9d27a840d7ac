"""A connection of ZMTP with QZMQ, without I/O: bytes in, events and bytes out."""

from . import wire
from .suites import Fault


class Connection:
    """`outgoing` is what is to be sent; `edit` may change what leaves, for those who want to do wrong."""

    def __init__(self, engine, is_client, over=None, minor=1, edit=None):
        """`engine` is a `Client` or a `Server`, `over` a wire; without one it is that of byte streams."""
        self.engine, self.is_client = engine, is_client
        self.wire = over or wire.StreamWire()
        self.edit = edit or (lambda what, data: data)
        self.frames, self.records = wire.Frames(), None
        self.outgoing, self.events = b"", []
        self.own_greeting, self.peer_greeting = wire.greeting(minor=minor), b""
        if self.wire.greeted:
            self.own_greeting = b""
        else:
            self.outgoing += self.edit("greeting", self.own_greeting)

    @property
    def is_over(self):
        """Whether the engine has said its last word without a result: the server sent an ERROR, or the client got one."""
        engine = self.engine
        return bool(engine.status or engine.reason is not None) if self.is_client else bool(engine.error)

    def begin(self):
        """For a wire that has no greeting: once it is up."""
        greetings = (self.own_greeting, self.peer_greeting)
        body = self.engine.begin(b"".join(greetings if self.is_client else reversed(greetings)))
        if self.is_client:
            self._say(body)

    def feed(self, data):
        self.wire.feed(data)
        while not self.is_over:
            greeted = self.wire.greeted
            found = self.wire.next()
            if found is None:
                break
            if not greeted:
                self.peer_greeting = found
                self.begin()
            elif self.records:
                self._open(found)
            else:
                self._hear(found)

    def _hear(self, body):
        answer = self.engine.receive(body)
        if answer is not None:
            self._say(answer)
        if self.engine.records:
            self.records, self.wire.in_records = self.engine.records, True

    def _say(self, body):
        self.outgoing += self.edit("command", self.wire.command(body))

    def _open(self, box):
        for event in self.frames.feed(self.records.receive(box)):
            if event[:2] == ("command", b"PING"):
                self.send(wire.command(b"PONG", event[2][2:]))
            else:
                self.events.append(event)
        self.flush()

    def send(self, stream):
        """Frames."""
        self.records.send(stream)
        self.flush()

    def flush(self):
        """Takes over the records that are to be sent."""
        for record in self.records.outgoing:
            self.outgoing += self.edit("record", self.wire.record(record))
        self.records.outgoing.clear()


def properties(kind, identity=b""):
    """The properties of a socket of type `kind`."""
    own = wire.prop(b"Identity", identity) if kind in ("REQ", "DEALER", "ROUTER") else b""
    return wire.prop(b"Socket-Type", kind.encode()) + own


def parse_properties(text):
    """A dictionary of them. Fails for what is none."""
    found, at = {}, 0
    while at < len(text):
        name = text[at + 1 : at + 1 + text[at]]
        at += 1 + text[at]
        size = int.from_bytes(text[at : at + 4])
        value = text[at + 4 : at + 4 + size]
        if len(text) < at + 4 or len(value) != size:
            raise Fault("properties that are none")
        found[name.decode().lower()] = value
        at += 4 + size
    return found
