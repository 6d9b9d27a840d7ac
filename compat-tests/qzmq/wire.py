"""How handshake commands and records lie in ZMTP over byte streams, and in WebSocket messages; and the frames inside of records."""

from .commands import MAX_BODY_BYTES
from .records import MAX_BOX_BYTES
from .suites import TAG_BYTES, Fault

GREETING_BYTES = 64
SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"
MECHANISM = b"QZMQ"
SUBPROTOCOL = "ZWS2.0/QZMQ"
MORE, LONG, COMMAND = 1, 2, 4
WS_DATA, WS_COMMAND = 0, 2
_SHORT_BYTES = 255


def greeting(mechanism=MECHANISM, minor=1):
    return SIGNATURE + bytes([3, minor]) + mechanism.ljust(20, b"\0") + bytes(32)


def frame(body, flags=0):
    """A frame of ZMTP 3, in the only form that is right for its length."""
    if len(body) > _SHORT_BYTES:
        return bytes([flags | LONG]) + len(body).to_bytes(8) + body
    return bytes([flags, len(body)]) + body


def message(*parts):
    return b"".join(frame(part, MORE if at + 1 < len(parts) else 0) for at, part in enumerate(parts))


def command(name, body=b""):
    """A command in the stream of frames."""
    return frame(bytes([len(name)]) + name + body, COMMAND)


def prop(name, value):
    return bytes([len(name)]) + name + len(value).to_bytes(4) + value


class StreamWire:
    """Cuts the bytes of tcp or ipc into a greeting, commands, and after the handshake records."""

    def __init__(self):
        self.buffer, self.greeted, self.in_records = b"", False, False

    def feed(self, data):
        self.buffer += data

    def next(self):
        """A greeting, a body or a box; `None` while there is not enough of it."""
        if not self.greeted:
            return self._greeting()
        return self._record() if self.in_records else self._body()

    def _greeting(self):
        found = self._take(0, GREETING_BYTES)
        if found is None:
            return None
        if not (found[0] == 0xFF and found[9] == 0x7F and found[10] >= 3 and found[12:32] == MECHANISM.ljust(20, b"\0")):
            raise Fault("another greeting")
        self.greeted = True
        return found

    def _body(self):
        if not self.buffer:
            return None
        if self.buffer[0] not in (COMMAND, COMMAND | LONG):
            raise Fault("not a command")
        head = 9 if self.buffer[0] & LONG else 2
        if len(self.buffer) < head:
            return None
        size = int.from_bytes(self.buffer[1:head])
        if size > MAX_BODY_BYTES or (head == 9) != (size > _SHORT_BYTES):
            raise Fault("a body that is too long, or a long form for a short one")
        return self._take(head, size)

    def _record(self):
        if len(self.buffer) < 2:
            return None
        size = int.from_bytes(self.buffer[:2])
        if not TAG_BYTES < size <= MAX_BOX_BYTES:
            raise Fault("a record of a wrong length")
        return self._take(2, size)

    def _take(self, head, size):
        if len(self.buffer) < head + size:
            return None
        found, self.buffer = self.buffer[head : head + size], self.buffer[head + size :]
        return found

    @staticmethod
    def command(body):
        return frame(body, COMMAND)

    @staticmethod
    def record(record):
        return record


class Frames:
    """The stream of frames inside of the records: messages and commands."""

    def __init__(self):
        self.buffer, self.parts = b"", []

    def feed(self, data):
        """What is complete now, as ("message", parts) or ("command", name, body)."""
        self.buffer += data
        found = []
        while len(self.buffer) >= 2:
            flags = self.buffer[0]
            if flags & ~(MORE | LONG | COMMAND) or flags & MORE and flags & COMMAND:
                raise Fault("flags that are none")
            head = 9 if flags & LONG else 2
            end = head + int.from_bytes(self.buffer[1:head])
            if len(self.buffer) < max(head, end):
                break
            body, self.buffer = self.buffer[head:end], self.buffer[end:]
            if flags & COMMAND:
                size = body[0] if body else 0
                found.append(("command", body[1 : 1 + size], body[1 + size :]))
                continue
            self.parts.append(body)
            if not flags & MORE:
                found.append(("message", self.parts))
                self.parts = []
        return found
