"""As much of WebSockets (RFC 6455) and ZWS 2.0 as two peers need that both behave."""

import base64
import hashlib
import os

from .suites import Fault
from .wire import SUBPROTOCOL, WS_COMMAND, WS_DATA

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FINAL, _MASKED, _CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x80, 0x80, 0, 2, 8, 9, 10


class WebSocketWire:
    """As `wire.StreamWire`. There is no greeting; the upgrade has its place."""

    greeted = True

    def __init__(self, is_client):
        self.is_client, self.buffer, self.in_records = is_client, b"", False
        self.upgraded = False
        self.key = base64.b64encode(os.urandom(16))
        self.pieces, self.answers = [], b""

    def request(self, host, path="/"):
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self.key.decode()}",
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            "Sec-WebSocket-Version: 13",
        ]
        return _lines(lines)

    def feed(self, data):
        self.buffer += data

    def upgrade(self):
        """Whether the upgrade is done; a server's answer stands in `answers` then."""
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if self.upgraded or not end:
            return self.upgraded
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if SUBPROTOCOL not in fields.get("sec-websocket-protocol", "").replace(" ", "").split(","):
            raise Fault(f"subprotocol {fields.get('sec-websocket-protocol')}")
        if self.is_client:
            if " 101 " not in f"{first} " or fields.get("sec-websocket-accept") != _accept(self.key):
                raise Fault(f"no upgrade: {first}")
        else:
            accept = _accept(fields["sec-websocket-key"].encode())
            lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
            lines += [f"Sec-WebSocket-Accept: {accept}", f"Sec-WebSocket-Protocol: {SUBPROTOCOL}"]
            self.answers = _lines(lines)
        self.buffer, self.upgraded = rest, True
        return True

    def next(self):
        """The body of a command or the box of a record."""
        while (found := self._frame()) is not None:
            final, opcode, data = found
            if opcode == _CLOSE:
                raise Fault("the peer closes")
            if opcode == _PING:
                self.answers += self._pack(_PONG, data)
            if opcode not in (_BINARY, _CONTINUATION):
                continue
            self.pieces.append(data)
            if final:
                whole, self.pieces = b"".join(self.pieces), []
                if whole[:1] != bytes([WS_DATA if self.in_records else WS_COMMAND]):
                    raise Fault("a message of a wrong kind")
                return whole[1:]
        return None

    def _frame(self):
        if len(self.buffer) < 2:
            return None
        masked, size, at = self.buffer[1] & _MASKED, self.buffer[1] & 0x7F, 2
        if size > 125:
            wide = 2 if size == 126 else 8
            if len(self.buffer) < at + wide:
                return None
            size, at = int.from_bytes(self.buffer[at : at + wide]), at + wide
        key, start = self.buffer[at : at + 4], at + 4 if masked else at
        if len(self.buffer) < start + size:
            return None
        data = self.buffer[start : start + size]
        found = bool(self.buffer[0] & _FINAL), self.buffer[0] & 0x0F, _mask(data, key) if masked else data
        self.buffer = self.buffer[start + size :]
        return found

    def command(self, body):
        return self._pack(_BINARY, bytes([WS_COMMAND]) + body)

    def record(self, record):
        return self._pack(_BINARY, bytes([WS_DATA]) + record[2:])

    def _pack(self, opcode, data):
        mask = _MASKED if self.is_client else 0
        size = len(data)
        wide = b"" if size < 126 else size.to_bytes(2) if size < 1 << 16 else size.to_bytes(8)
        short = size if not wide else 126 if len(wide) == 2 else 127
        head = bytes([_FINAL | opcode, mask | short]) + wide
        if not mask:
            return head + data
        key = os.urandom(4)
        return head + key + _mask(data, key)


def _mask(data, key):
    wide = key * (len(data) // 4 + 1)
    return (int.from_bytes(data) ^ int.from_bytes(wide[: len(data)])).to_bytes(len(data))


def _accept(key):
    return base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()


def _lines(lines):
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
