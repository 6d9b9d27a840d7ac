"""The bodies of the handshake's commands, byte by byte, and what is in their boxes."""

from dataclasses import dataclass, replace

from .suites import KEMS, SUITES, TAG_BYTES, Fault

MAX_BODY_BYTES, MAX_TICKET_BYTES, RANDOM_BYTES, KEY_ID_BYTES, PAD_BYTES = 32_768, 8_192, 32, 8, 64
CERTIFICATE_IDENTITY_BYTES = 6_144
MAX_TICKET_LIFE_S = 86_400
MIN_COOKIE_BYTES, MAX_SUITES = 8, 8
FULL, RESUMING = 0, 1
ANONYMOUS, PUBLIC_KEY, CERTIFICATE = 0, 1, 2
STATUS_CODES = (b"300", b"400", b"500")


def named(name):
    return bytes([len(name)]) + name


class Reader:
    """Takes fields off a body that a peer sent."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, size):
        if size < 0 or self.at + size > len(self.body):
            raise Fault("a command is too short")
        self.at += size
        return self.body[self.at - size : self.at]

    def number(self, size=1):
        return int.from_bytes(self.take(size))

    def name(self, name):
        if self.take(1 + len(name)) != named(name):
            raise Fault(f"not {name.decode()}")

    def rest(self):
        return self.take(len(self.body) - self.at)

    def end(self):
        if self.at != len(self.body):
            raise Fault("a command is too long")


@dataclass(frozen=True)
class Hello:
    """`proof` is the ciphertext of a full handshake, or the ticket of one that resumes."""

    mode: int
    kem: object
    random: bytes
    suites: tuple
    ephemeral: bytes
    key_id: bytes
    proof: bytes
    box_bytes: int
    box: bytes = b""
    cookie: bytes = b""
    minor: int = 0

    @property
    def head(self):
        parts = [
            named(b"HELLO"),
            bytes([1, self.minor, self.mode, self.kem.number]),
            self.random,
            bytes([len(self.suites), *self.suites]),
            self.ephemeral,
            self.key_id,
            len(self.proof).to_bytes(2) if self.mode == RESUMING else b"",
            self.proof,
            self.box_bytes.to_bytes(2),
        ]
        return b"".join(parts)

    @property
    def cookie_field(self):
        return bytes([len(self.cookie)]) + self.cookie

    @property
    def without_cookie(self):
        return self.head + self.box

    def with_box(self, box):
        return replace(self, box=box)

    def with_cookie(self, cookie):
        return replace(self, cookie=cookie)

    def encode(self):
        return self.without_cookie + self.cookie_field

    @classmethod
    def parse(cls, body):
        reader = Reader(body)
        reader.name(b"HELLO")
        if reader.number() != 1:
            raise Fault("another major version")
        minor, mode, kem = reader.number(), reader.number(), KEMS.get(reader.number())
        if mode not in (FULL, RESUMING) or kem is None:
            raise Fault("an unknown mode or KEM")
        random, count = reader.take(RANDOM_BYTES), reader.number()
        suites = tuple(reader.take(count))
        if not 1 <= count <= MAX_SUITES:
            raise Fault("a list of suites that is none")
        ephemeral, key_id = reader.take(kem.public_bytes), reader.take(KEY_ID_BYTES)
        if mode == FULL:
            proof = reader.take(kem.ciphertext_bytes)
            boxes = tuple(size + TAG_BYTES for size in identity_sizes(kem))
        else:
            proof, boxes = read_ticket(reader), (TAG_BYTES,)
        box_bytes = reader.number(2)
        if box_bytes not in boxes or (mode == RESUMING and not proof):
            raise Fault("a box or ticket of a wrong length")
        box = reader.take(box_bytes)
        cookie = reader.take(reader.number())
        reader.end()
        return cls(mode, kem, random, suites, ephemeral, key_id, proof, box_bytes, box, cookie, minor)


@dataclass(frozen=True)
class Ask:
    """A question for the certificate of a server's key of this KEM."""

    kem: object

    def encode(self):
        return named(b"ASK") + bytes([1, 0, self.kem.number])

    @classmethod
    def parse(cls, body):
        reader = Reader(body)
        reader.name(b"ASK")
        major, _, kem = reader.number(), reader.number(), KEMS.get(reader.number())
        reader.end()
        if major != 1 or kem is None:
            raise Fault("ASK of another version, or for an unknown KEM")
        return cls(kem)


@dataclass(frozen=True)
class Retry:
    refused: bool
    cookie: bytes = b""

    def encode(self):
        return named(b"RETRY") + bytes([self.refused, len(self.cookie)]) + self.cookie

    @classmethod
    def parse(cls, body):
        reader = Reader(body)
        reader.name(b"RETRY")
        refused, size = reader.number(), reader.number()
        cookie = reader.take(size)
        reader.end()
        if refused > 1 or not (refused or size) or 0 < size < MIN_COOKIE_BYTES:
            raise Fault("RETRY for nothing")
        return cls(bool(refused), cookie)


@dataclass(frozen=True)
class Welcome:
    suite: object
    random: bytes
    ciphertext: bytes
    box_bytes: int
    box: bytes = b""

    @property
    def head(self):
        fixed = named(b"WELCOME") + bytes([self.suite.number]) + self.random + self.ciphertext
        return fixed + self.box_bytes.to_bytes(2)

    def with_box(self, box):
        return replace(self, box=box)

    def encode(self):
        return self.head + self.box

    @classmethod
    def parse(cls, body, mode, suites, kem):
        """`suites` are those that were offered."""
        reader = Reader(body)
        reader.name(b"WELCOME")
        number = reader.number()
        if number not in suites or number not in SUITES or SUITES[number].kem is not kem:
            raise Fault("a suite that was not offered")
        random, ciphertext = reader.take(RANDOM_BYTES), reader.take(kem.ciphertext_bytes)
        box_bytes = reader.number(2)
        if box_bytes != TAG_BYTES + (kem.ciphertext_bytes if mode == FULL else 0):
            raise Fault("a box of a wrong length")
        box = reader.take(box_bytes)
        reader.end()
        return cls(SUITES[number], random, ciphertext, box_bytes, box)


def name_of(body):
    """The name of the command in a body."""
    reader = Reader(body)
    return reader.take(reader.number())


def boxed(body, name):
    """The box of a body that has nothing else, as those of INITIATE, READY and an ERROR that is sealed."""
    reader = Reader(body)
    reader.name(name)
    return reader.rest()


def error_reason(body):
    """The reason in an ERROR that is not sealed."""
    reader = Reader(body)
    reader.name(b"ERROR")
    reason = reader.take(reader.number())
    reader.end()
    return reason


def identity_sizes(kem):
    return kem.public_bytes + 8, CERTIFICATE_IDENTITY_BYTES


def encode_identity(kem, kind, content=b""):
    text = bytes([kind]) + len(content).to_bytes(2) + content
    return text.ljust(next(size for size in identity_sizes(kem) if size >= len(text)), b"\0")


def parse_identity(kem, text):
    """The kind and the content."""
    reader = Reader(text)
    kind, content = reader.number(), reader.take(reader.number(2))
    if any(reader.rest()):
        raise Fault("an identity is padded with something else")
    sizes = {ANONYMOUS: [0], PUBLIC_KEY: [kem.public_bytes], CERTIFICATE: range(1, 1 << 16)}
    if len(content) not in sizes.get(kind, ()):
        raise Fault("an identity of a wrong kind or length")
    return kind, content


def properties_text(properties):
    return len(properties).to_bytes(4) + properties


def padded(text):
    return text + bytes(-len(text) % PAD_BYTES)


def ready_text(properties, life_s, ticket):
    return padded(properties_text(properties) + life_s.to_bytes(4) + len(ticket).to_bytes(2) + ticket)


def parse_initiate_text(text):
    reader = Reader(text)
    properties = reader.take(reader.number(4))
    check_padding(reader)
    return properties


def parse_ready_text(text):
    """Properties, life of the ticket, ticket."""
    reader = Reader(text)
    properties, life_s = reader.take(reader.number(4)), reader.number(4)
    ticket = read_ticket(reader)
    check_padding(reader)
    return properties, life_s, ticket


def read_ticket(reader):
    size = reader.number(2)
    if size > MAX_TICKET_BYTES:
        raise Fault("a ticket that is too long")
    return reader.take(size)


def check_padding(reader):
    rest = reader.rest()
    if any(rest) or len(rest) >= PAD_BYTES or len(reader.body) % PAD_BYTES:
        raise Fault("wrong padding")
