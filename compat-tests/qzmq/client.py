"""The client's side of the handshake."""

import os
import time
from dataclasses import dataclass

from . import commands
from .certificates import SERVER
from .commands import ANONYMOUS, CERTIFICATE, FULL, MAX_TICKET_LIFE_S, PUBLIC_KEY, RANDOM_BYTES, RESUMING, Ask, Hello, Retry, Welcome
from .records import Records, Secrets
from .schedule import Schedule
from .suites import SECRET_BYTES, TAG_BYTES, Fault, suite_of_hello, suites_of

_NOTHING = bytes(SECRET_BYTES)


@dataclass(frozen=True)
class Ticket:
    """What a client keeps to resume."""

    data: bytes
    psk: bytes
    server: bytes
    ends_at: float


class Client:
    """One handshake: `begin`, then `receive` for each command of the server's until `records` is there."""

    def __init__(self, server, kem, suites=None, pair=None, properties=b"", ticket=None, ephemeral_seed=None, certificate=None, identity=None, name=None, trust=None):
        """`server` is the server's public key; without one it is asked for the certificate of `name`, which `trust` accepts.
        `pair` is the client's own key (without it the client is anonymous),
        `certificate` is shown in place of the public key, and `identity` is a text that stands in for the usual one."""
        self.server, self.kem, self.pair, self.properties = server, kem, pair, properties
        self.suites = tuple(suites or suites_of(kem))
        self.ticket = ticket if ticket and ticket.server == server and ticket.ends_at > time.monotonic() else None
        self.ephemeral_seed = ephemeral_seed
        kind, content = (PUBLIC_KEY, pair.public) if pair else (ANONYMOUS, b"")
        if certificate:
            kind, content = CERTIFICATE, certificate
        self.shown = certificate or b""
        self.identity = identity or commands.encode_identity(kem, kind, content)
        self.records = self.peer_properties = self.new_ticket = self.status = self.reason = None
        self.retried, self.refused, self.asked = set(), b"", b""
        self.name, self.trust, self.server_certificate = name, trust, None
        self.transcripts = {}
        self.receive = self._on_first if server else self._on_certificate

    def begin(self, greetings):
        """The first HELLO. `greetings` are the client's and the server's as they went over the wire."""
        self.greetings = greetings
        return self._hello().encode() if self.server else Ask(self.kem).encode()

    def _on_certificate(self, body):
        content = commands.boxed(body, b"CERTIFICATE")
        self.server_certificate = self.trust.check(self.kem, content, SERVER)
        if self.server_certificate.name != self.name:
            raise Fault("a certificate of another server")
        self.asked, self.server = Ask(self.kem).encode() + body, self.server_certificate.public
        self.receive = self._on_first
        return self._hello().encode()

    def _hello(self):
        self.ephemeral = self.kem.keypair(self.ephemeral_seed)
        mode = RESUMING if self.ticket else FULL
        self.schedule = Schedule(self.kem, self.greetings, self.server, self.ticket.psk if self.ticket else None, self.refused, self.asked)
        proof, secret = (self.ticket.data, _NOTHING) if self.ticket else self.kem.encapsulate(self.server)
        text = b"" if self.ticket else self.identity
        key_id, size = self.kem.key_id(self.server), len(text) + TAG_BYTES
        hello = Hello(mode, self.kem, os.urandom(RANDOM_BYTES), self.suites, self.ephemeral.public, key_id, proof, size)
        self.schedule.absorb(hello.head)
        self.schedule.mix(secret)
        self.hello = hello.with_box(self.schedule.seal("hello", text, suite_of_hello(self.kem)))
        self.before_cookie = self.schedule.h
        self._absorb_cookie()
        return self.hello

    def _absorb_cookie(self):
        self.schedule.h = self.before_cookie
        self.schedule.absorb(self.hello.cookie_field)
        self.transcripts["hello"] = self.schedule.h

    def _on_first(self, body):
        """What the client says to RETRY or WELCOME; `None` after an ERROR."""
        name = commands.name_of(body)
        if name == b"RETRY":
            return self._on_retry(Retry.parse(body), body)
        if name == b"ERROR":
            self.reason = commands.error_reason(body)
            self.receive = self._on_nothing
            return None
        return self._on_welcome(Welcome.parse(body, self.hello.mode, self.suites, self.kem))

    def _on_retry(self, retry, body):
        if retry.refused:
            if self.hello.mode != RESUMING:
                raise Fault("a ticket is refused that was not there")
            self.ticket, self.refused = None, self.hello.encode() + body
            self.retried.add("ticket")
            return self._hello().encode()
        if self.hello.cookie:
            raise Fault("a second cookie")
        self.retried.add("cookie")
        self.hello = self.hello.with_cookie(retry.cookie)
        self._absorb_cookie()
        return self.hello.encode()

    def _on_welcome(self, welcome):
        schedule, self.suite = self.schedule, welcome.suite
        schedule.absorb(welcome.head)
        schedule.mix(self.kem.decapsulate(self.ephemeral, welcome.ciphertext))
        ciphertext = schedule.open("welcome", welcome.box, self.suite)
        secret = _NOTHING
        if self.hello.mode == FULL:
            if self.pair:
                secret = self.kem.decapsulate(self.pair, ciphertext)
            elif any(ciphertext):
                raise Fault("a ciphertext for an anonymous client")
        schedule.mix(secret)
        self.transcripts["welcome"] = schedule.h
        name = commands.named(b"INITIATE")
        schedule.absorb(name)
        box = schedule.seal("initiate", self.initiate_text(), self.suite)
        self.psk = schedule.derive("resumption")
        self.transcripts["initiate"] = schedule.h
        self.receive = self._on_last
        return name + box

    def initiate_text(self):
        return commands.padded(commands.properties_text(self.properties))

    def _on_last(self, body):
        """READY, or the ERROR that is there instead; the client says nothing to either."""
        name = commands.name_of(body)
        if name == b"ERROR":
            self.schedule.absorb(commands.named(name))
            status = self.schedule.open("error", commands.boxed(body, name), self.suite)
            if status not in commands.STATUS_CODES:
                raise Fault("an unknown status code")
            self.status, self.receive = status, self._on_nothing
            return None
        box = commands.boxed(body, b"READY")
        self.schedule.absorb(commands.named(b"READY"))
        text = self.schedule.open("ready", box, self.suite)
        self.peer_properties, life_s, data = commands.parse_ready_text(text)
        self.transcripts["ready"] = self.schedule.h
        if data and life_s:
            self.new_ticket = Ticket(data, self.psk, self.server, time.monotonic() + min(life_s, MAX_TICKET_LIFE_S))
        self.records = Records(self.suite, Secrets.of(self.schedule), is_client=True)
        self.receive = self._on_nothing
        return None

    def _on_nothing(self, _):
        raise Fault("a command after the last one")
