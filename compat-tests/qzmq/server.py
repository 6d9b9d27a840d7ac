"""The server's side of the handshake, its cookies and its tickets."""

import hmac
import os
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import commands
from .commands import ANONYMOUS, FULL, RANDOM_BYTES, RESUMING, Ask, Hello, Retry, Welcome
from .records import Records, Secrets
from .schedule import Schedule
from .suites import KEMS, NONCE_BYTES, SECRET_BYTES, SUITES, TAG_BYTES, Fault, suite_of_hello

COOKIE_LIFE_S, TICKET_LIFE_S = 60, 7_200
_NOTHING = bytes(SECRET_BYTES)


class Cookies:
    """Makes and checks cookies. They are asked for while `under_load`."""

    def __init__(self, under_load=True, now=time.time):
        self.under_load, self.now = under_load, now
        self.key = os.urandom(32)

    def bake(self, address, hello):
        return self._cookie(address, hello, int(self.now()).to_bytes(8))

    def check(self, address, hello):
        made_at = hello.cookie[:8]
        fresh = 0 <= self.now() - int.from_bytes(made_at) <= COOKIE_LIFE_S
        if not hmac.compare_digest(hello.cookie, self._cookie(address, hello, made_at)) or not fresh:
            raise Fault("a cookie that does not fit")

    def _cookie(self, address, hello, made_at):
        return made_at + hmac.digest(self.key, made_at + bytes([len(address)]) + address + hello.without_cookie, "sha256")


class Tickets:
    """Makes and opens tickets."""

    def __init__(self, life_s=TICKET_LIFE_S, now=time.time):
        self.life_s, self.now = life_s, now
        self.replace_key()

    def replace_key(self):
        """No ticket that was made before opens any more."""
        self.key = AESGCM(os.urandom(32))

    def make(self, kem, key_id, identity, psk, ends_at=None, latest=None):
        """The ticket and its life. One that comes of a ticket ends when that does, and none ends after `latest`."""
        ends_at = min(ends_at or int(self.now()) + self.life_s, latest or 1 << 62)
        text = bytes([kem.number]) + ends_at.to_bytes(8) + key_id + psk + identity
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.key.encrypt(nonce, text, None), max(0, ends_at - int(self.now()))

    def open(self, kem, key_id, ticket):
        """The psk, the identity and the end; `None` for a ticket that cannot be used."""
        try:
            text = self.key.decrypt(ticket[:NONCE_BYTES], ticket[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            return None
        reader = commands.Reader(text)
        number, ends_at, made_for = reader.number(), reader.number(8), reader.take(commands.KEY_ID_BYTES)
        psk = reader.take(KEMS[number].hash_bytes)
        if KEMS[number] is not kem or made_for != key_id or ends_at <= self.now():
            return None
        return psk, reader.rest(), ends_at


class Server:
    """One handshake: `begin`, then `receive` for each command of the client's until `records` is there."""

    def __init__(self, pairs, suites=None, properties=b"", authenticate=None, cookies=None, tickets=None, address=b"", trust=None, shown=b""):
        """`pairs` are key pairs with their KEMs. `suites` are those that are switched on, the favourite first.
        `authenticate` takes kind and content of an identity and answers with a status code, or `None` if it is welcome. `trust` says whose certificates are accepted.
        `shown` is the certificate for clients that ask."""
        self.pairs = {(kem.number, kem.key_id(pair.public)): pair for kem, pair in pairs}
        self.suites = tuple(suites or SUITES)
        self.properties, self.authenticate = properties, authenticate
        self.cookies, self.tickets, self.address = cookies, tickets, address
        self.trust, self.certificate, self.shown = trust, None, shown
        self.records = self.peer_properties = self.identity = self.error = None
        self.resumed, self.refused, self.asked, self.offered = False, b"", b"", ()
        self.transcripts = {}
        self.receive = self._on_hello

    @property
    def refused_ticket(self):
        return bool(self.refused)

    def begin(self, greetings):
        self.greetings = greetings

    def _on_hello(self, body):
        """CERTIFICATE, RETRY, WELCOME, or an ERROR, which is the last."""
        if commands.name_of(body) == b"ASK":
            return self._on_ask(body)
        hello = Hello.parse(body)
        self.offered = hello.suites
        pair = self.pairs.get((hello.kem.number, hello.key_id))
        if pair is None:
            raise Fault("no such key")
        if self.asked and hello.kem is not self.kem:
            raise Fault("a HELLO of another KEM than ASK")
        if self.refused and (hello.mode == RESUMING or hello.kem is not self.kem):
            raise Fault("a second ticket, or another KEM")
        if hello.cookie:
            if self.cookies is None:
                raise Fault("a cookie that was not asked for")
            self.cookies.check(self.address, hello)
        elif self.cookies and self.cookies.under_load:
            return Retry(False, self.cookies.bake(self.address, hello)).encode()
        number = next((number for number in self.suites if number in hello.suites and SUITES[number].kem is hello.kem), None)
        if number is None:
            return self._fail(commands.named(b"ERROR") + commands.named(b"suite"), "no suite in common")
        found = None
        if hello.mode == RESUMING:
            found = self.tickets and self.tickets.open(hello.kem, hello.key_id, hello.proof)
            if not found:
                self.kem, answer = hello.kem, Retry(True).encode()
                self.refused = body + answer
                return answer
        return self._welcome(hello, pair, SUITES[number], found)

    def _on_ask(self, body):
        self.kem = Ask.parse(body).kem
        if self.asked or self.refused or not self.shown:
            raise Fault("a question that has no place here, or no answer")
        answer = commands.named(b"CERTIFICATE") + self.shown
        self.asked = body + answer
        return answer

    def _welcome(self, hello, pair, suite, found):
        kem, self.kem, self.suite, self.key_id = hello.kem, hello.kem, suite, hello.key_id
        psk, kept, self.ends_at = found or (None, b"", None)
        schedule = self.schedule = Schedule(kem, self.greetings, pair.public, psk, self.refused, self.asked)
        schedule.absorb(hello.head)
        schedule.mix(kem.decapsulate(pair, hello.proof) if hello.mode == FULL else _NOTHING)
        text = schedule.open("hello", hello.box, suite_of_hello(kem))
        self.resumed = hello.mode == RESUMING
        self.identity_text = kept if self.resumed else text
        kind, content = self.identity = commands.parse_identity(kem, self.identity_text)
        schedule.absorb(hello.cookie_field)
        self.transcripts["hello"] = schedule.h
        secret, sealed = _NOTHING, b""
        public = self._public_key(kind, content)
        if hello.mode == FULL:
            sealed = bytes(kem.ciphertext_bytes)
            if kind != ANONYMOUS:
                sealed, secret = kem.encapsulate(public)
        ciphertext, fresh = kem.encapsulate(hello.ephemeral)
        welcome = Welcome(suite, os.urandom(RANDOM_BYTES), ciphertext, len(sealed) + TAG_BYTES)
        schedule.absorb(welcome.head)
        schedule.mix(fresh)
        welcome = welcome.with_box(schedule.seal("welcome", sealed, suite))
        schedule.mix(secret)
        self.transcripts["welcome"] = schedule.h
        self.receive = self._on_initiate
        return welcome.encode()

    def _public_key(self, kind, content):
        """That of an identity. A certificate is checked, also when a client resumes."""
        if kind != commands.CERTIFICATE:
            return content
        if self.trust is None:
            raise Fault("certificates are not accepted")
        self.certificate = self.trust.check(self.kem, content)
        return self.certificate.public

    def _on_initiate(self, body):
        """READY, or the ERROR in its place."""
        schedule, box = self.schedule, commands.boxed(body, b"INITIATE")
        schedule.absorb(commands.named(b"INITIATE"))
        self.peer_properties = commands.parse_initiate_text(schedule.open("initiate", box, self.suite))
        psk = schedule.derive("resumption")
        self.transcripts["initiate"] = schedule.h
        status = self.authenticate(*self.identity) if self.authenticate else None
        if status:
            name = commands.named(b"ERROR")
            schedule.absorb(name)
            return self._fail(name + schedule.seal("error", status, self.suite), f"refused with {status.decode()}")
        ticket, life_s = b"", 0
        if self.tickets and not self.asked:
            end = self.certificate.ends if self.certificate else None
            ticket, life_s = self.tickets.make(self.kem, self.key_id, self.identity_text, psk, self.ends_at, end)
        name = commands.named(b"READY")
        schedule.absorb(name)
        sealed = schedule.seal("ready", commands.ready_text(self.properties, life_s, ticket), self.suite)
        self.transcripts["ready"] = schedule.h
        self.records = Records(self.suite, Secrets.of(schedule), is_client=False)
        self.receive = self._on_nothing
        return name + sealed

    def _fail(self, body, error):
        self.error, self.receive = error, self._on_nothing
        return body

    def _on_nothing(self, _):
        raise Fault("a command after the last one")
