"""Certificates of QZMQ: an authority's signature over a name, a validity, roles and a public key."""

import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import (
    MLDSA44PrivateKey,
    MLDSA44PublicKey,
    MLDSA65PrivateKey,
    MLDSA65PublicKey,
)

from . import keys
from .commands import Reader
from .suites import Fault

CLIENT, SERVER, BOTH = 1, 2, 3
MAX_CERTIFICATE_BYTES = 5_192
CONTEXT = b"QZMQ certificate 1"
_FORM, _FINGERPRINT_BYTES = 1, 32
# By the number of the signature: classes of secret and public keys, bytes of a public key and of a signature.
SIGNATURES = {1: (MLDSA44PrivateKey, MLDSA44PublicKey, 1_312, 2_420), 2: (MLDSA65PrivateKey, MLDSA65PublicKey, 1_952, 3_309)}


class Authority:
    def __init__(self, number, seed=None):
        """`number` is that of the signature."""
        secret = SIGNATURES[number][0]
        self.number, self.secret = number, secret.from_seed_bytes(seed) if seed else secret.generate()
        self.public = b"QA" + bytes([number, _FORM]) + self.secret.public_key().public_bytes_raw()

    def sign(self, public, name="a client", roles=CLIENT, begins=0, ends=None):
        """A certificate for a public key with its tag, valid for an hour from now if nothing else is said."""
        ends = int(time.time()) + 3_600 if ends is None else ends
        name = name.encode()
        head = b"QC" + bytes([self.number, _FORM]) + keys.fingerprint(self.public) + begins.to_bytes(8) + ends.to_bytes(8)
        head += bytes([roles, len(name)]) + name
        signed = head + bytes(-(len(head) + SIGNATURES[self.number][3]) % 4) + public
        return signed + self.secret.sign(signed, CONTEXT)


@dataclass(frozen=True)
class Certificate:
    number: int
    authority: bytes
    begins: int
    ends: int
    roles: int
    name: str
    kem: object
    public: bytes
    signed: bytes
    signature: bytes

    @property
    def fingerprint(self):
        """Of the key."""
        return keys.fingerprint(keys.public_key(self.kem, self.public))

    @classmethod
    def parse(cls, content):
        reader = Reader(content)
        if len(content) > MAX_CERTIFICATE_BYTES or reader.take(2) != b"QC":
            raise Fault("no certificate")
        number, form, authority = reader.number(), reader.number(), reader.take(_FINGERPRINT_BYTES)
        begins, ends, roles = reader.number(8), reader.number(8), reader.number()
        try:
            name = reader.take(reader.number()).decode()
        except UnicodeDecodeError as error:
            raise Fault("a name that is not UTF-8") from error
        if number not in SIGNATURES or form != _FORM or ends <= begins or not CLIENT <= roles <= BOTH:
            raise Fault("a certificate with wrong fields")
        if not name or any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in name):
            raise Fault("a name that is empty, or has control characters")
        signature_bytes = SIGNATURES[number][3]
        # The zeros are for the whole of it, and all that follows them but the signature is a multiple of 4 bytes.
        if any(reader.take(-(reader.at + signature_bytes) % 4)):
            raise Fault("a certificate is padded with something else")
        kem, public = keys.parse_public(reader.take(len(content) - reader.at - signature_bytes))
        return cls(number, authority, begins, ends, roles, name, kem, public, content[: reader.at], reader.rest())


class Trust:
    """Whose certificates are accepted."""

    def __init__(self, authorities, revoked=(), now=time.time):
        """`authorities` are public keys with their tags, `revoked` fingerprints of keys or authorities."""
        self.authorities = {keys.fingerprint(public): public for public in authorities}
        self.revoked, self.now = set(revoked), now

    def check(self, kem, content, role=CLIENT):
        """The certificate, if all that it takes holds."""
        found = Certificate.parse(content)
        public = self.authorities.get(found.authority)
        if found.kem is not kem or public is None or public[:4] != b"QA" + bytes([found.number, _FORM]):
            raise Fault("a certificate of another KEM, or of an authority that is not trusted")
        if not found.roles & role or not found.begins <= self.now() < found.ends:
            raise Fault("a certificate for another role or time")
        if self.revoked & {found.fingerprint, found.authority}:
            raise Fault("a certificate that is revoked")
        try:
            SIGNATURES[found.number][1].from_public_bytes(public[4:]).verify(found.signature, found.signed, CONTEXT)
        except (InvalidSignature, ValueError) as error:
            raise Fault("a signature of someone else's") from error
        return found

