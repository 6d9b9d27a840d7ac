"""Records behind the handshake, and the key update."""

import time
from dataclasses import dataclass

from .suites import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Fault, expand, extract

DATA, KEY_UPDATE, KEY_UPDATE_ACK, KEY_UPDATE_DONE = 1, 2, 3, 4
MAX_CONTENT_BYTES = 16_384
MAX_BOX_BYTES = MAX_CONTENT_BYTES + 1 + TAG_BYTES
MAX_RECORDS_PER_KEY = 23_726_566
# The last ones of a key are for KEY_UPDATE_ACK and KEY_UPDATE_DONE.
KEPT_RECORDS = 2
UPDATE_INTERVAL_S = 0.25
MAX_FAST_UPDATES = 16
_WAITING, _ANSWERED = "waits for KEY_UPDATE_ACK", "waits for KEY_UPDATE_DONE"


@dataclass(frozen=True)
class Secrets:
    """What the keys of both directions come from."""

    client: bytes
    server: bytes
    update: bytes

    @classmethod
    def of(cls, schedule):
        return cls(*(schedule.derive(label) for label in ("client data", "server data", "update")))

    def updated(self, kem, public, ciphertext, shared):
        context = kem.hash(public, ciphertext)
        derived = expand(kem, self.update, b"derived", context, kem.hash_bytes)
        update = extract(kem, derived, shared)
        client, server = (expand(kem, update, label, context, kem.hash_bytes) for label in (b"client data", b"server data"))
        return Secrets(client, server, update)


class Direction:
    """One direction under one key."""

    def __init__(self, suite, secret):
        self.suite = suite
        self.key = expand(suite.kem, secret, b"key", b"", KEY_BYTES)
        self.iv = int.from_bytes(expand(suite.kem, secret, b"iv", b"", NONCE_BYTES))
        self.count = 0

    def seal(self, text):
        length = (len(text) + TAG_BYTES).to_bytes(2)
        return length + self.suite.seal(self.key, self._nonce(), length, text)

    def open(self, box):
        return self.suite.open(self.key, self._nonce(), len(box).to_bytes(2), box)

    def _nonce(self):
        if self.count == MAX_RECORDS_PER_KEY:
            raise Fault("too many records with one key")
        self.count += 1
        return (self.iv ^ (self.count - 1)).to_bytes(NONCE_BYTES)


class Records:
    """Both directions of a connection. What is to be sent stands in `outgoing`, a record each."""

    def __init__(self, suite, secrets, is_client, pad=1, now=time.monotonic):
        """Texts are padded to multiples of `pad` bytes."""
        self.suite, self.kem, self.secrets = suite, suite.kem, secrets
        self.is_client, self.pad, self.now = is_client, pad, now
        own, other = (secrets.client, secrets.server) if is_client else (secrets.server, secrets.client)
        self.sending, self.receiving = Direction(suite, own), Direction(suite, other)
        self.outgoing = []
        self.state, self.ephemeral, self.next_receiving = None, None, None
        self.last_begun = None
        self.updates, self.fast_updates, self.forgotten_at = 0, 0, now()

    def send(self, stream):
        """Puts a part of the stream of frames into records."""
        for at in range(0, len(stream), MAX_CONTENT_BYTES):
            self._send(DATA, stream[at : at + MAX_CONTENT_BYTES])

    def may_update(self):
        """Whether this side may begin an update now."""
        return self.state is None and (self.last_begun is None or self.now() - self.last_begun >= UPDATE_INTERVAL_S)

    def begin_update(self, seed=None):
        if self.state is not None:
            raise ValueError(f"this side {self.state}")
        self.ephemeral = self.kem.keypair(seed)
        self.state, self.last_begun = _WAITING, self.now()
        self._send(KEY_UPDATE, self.ephemeral.public)

    def receive(self, box):
        """Opens the box of a record. What it adds to the stream; answers to updates go to `outgoing`."""
        text = self.receiving.open(box)
        stripped = text.rstrip(b"\0")
        if not stripped or len(text) > MAX_CONTENT_BYTES + 1:
            raise Fault("a record without a type, or too long")
        content, kind = stripped[:-1], stripped[-1]
        if kind == DATA and content:
            return content
        sizes = {KEY_UPDATE: self.kem.public_bytes, KEY_UPDATE_ACK: self.kem.ciphertext_bytes, KEY_UPDATE_DONE: 0}
        if sizes.get(kind) != len(content):
            raise Fault("a record of a wrong type or length")
        {KEY_UPDATE: self._asked, KEY_UPDATE_ACK: self._answered, KEY_UPDATE_DONE: self._done}[kind](content)
        return b""

    def _asked(self, public):
        self._count_update()
        if self.state == _ANSWERED:
            raise Fault("a second KEY_UPDATE")
        if self.state == _WAITING and self.is_client:
            return
        ciphertext, shared = self.kem.encapsulate(public)
        secrets = self.secrets.updated(self.kem, public, ciphertext, shared)
        self._send(KEY_UPDATE_ACK, ciphertext)
        self.state, self.ephemeral = _ANSWERED, None
        self._switch(secrets)

    def _answered(self, ciphertext):
        if self.state != _WAITING:
            raise Fault("KEY_UPDATE_ACK was not due")
        shared = self.kem.decapsulate(self.ephemeral, ciphertext)
        secrets = self.secrets.updated(self.kem, self.ephemeral.public, ciphertext, shared)
        self._send(KEY_UPDATE_DONE, b"")
        self.state, self.ephemeral = None, None
        self._switch(secrets)
        self.receiving, self.next_receiving = self.next_receiving, None
        self.updates += 1

    def _done(self, _):
        if self.state != _ANSWERED:
            raise Fault("KEY_UPDATE_DONE was not due")
        self.receiving, self.next_receiving, self.state = self.next_receiving, None, None
        self.updates += 1

    def _switch(self, secrets):
        """From here on this side sends with the new key."""
        own, other = (secrets.client, secrets.server) if self.is_client else (secrets.server, secrets.client)
        self.secrets, self.sending, self.next_receiving = secrets, Direction(self.suite, own), Direction(self.suite, other)

    def _count_update(self):
        forgotten = int((self.now() - self.forgotten_at) / UPDATE_INTERVAL_S)
        self.forgotten_at += forgotten * UPDATE_INTERVAL_S
        self.fast_updates = max(0, self.fast_updates - forgotten) + 1
        if self.fast_updates > MAX_FAST_UPDATES:
            raise Fault("a flood of updates")

    def _send(self, kind, content):
        if kind in (DATA, KEY_UPDATE) and self.sending.count >= MAX_RECORDS_PER_KEY - KEPT_RECORDS:
            raise Fault("no update in time")
        text = content + bytes([kind])
        size = min(-(-len(text) // self.pad) * self.pad, MAX_CONTENT_BYTES + 1)
        self.outgoing.append(self.sending.seal(text.ljust(size, b"\0")))
