"""Suites: KEMs, AEADs and the key derivation. X-Wing is put together here, as its draft says, from ML-KEM-768 and X25519."""

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

KEY_BYTES, NONCE_BYTES, TAG_BYTES, SECRET_BYTES = 32, 12, 16, 32
_PREFIX = b"qzmq1 "
_XWING_LABEL = b"\\.//^\\"
_MLKEM768_PUBLIC_BYTES, _MLKEM768_CIPHERTEXT_BYTES = 1184, 1088


class Fault(Exception):
    """What ends a connection. The text is for the test that reads it; the peer is told nothing."""


@dataclass(frozen=True)
class KeyPair:
    """A secret key, as its seed, and the public key."""

    seed: bytes
    public: bytes

    def __repr__(self):
        return f"KeyPair({self.public[:4].hex()})"


class Kem:
    """What the two KEMs have in common."""

    def keypair(self, seed=None):
        """The key pair of a seed, or a new one."""
        seed = os.urandom(self.seed_bytes) if seed is None else seed
        if len(seed) != self.seed_bytes:
            raise Fault(f"a seed of {len(seed)} bytes")
        return KeyPair(seed, self._public(seed))

    def encapsulate(self, public):
        """A ciphertext and its shared secret. Fails for a public key that is none."""
        if len(public) != self.public_bytes:
            raise Fault(f"a public key of {len(public)} bytes")
        try:
            return self._encapsulate(public)
        except ValueError as error:
            raise Fault(f"public key: {error}") from error

    def decapsulate(self, pair, ciphertext):
        """The shared secret. A wrong ciphertext of the right length has one too."""
        if len(ciphertext) != self.ciphertext_bytes:
            raise Fault(f"a ciphertext of {len(ciphertext)} bytes")
        try:
            return self._decapsulate(pair, ciphertext)
        except ValueError as error:
            raise Fault(f"ciphertext: {error}") from error

    def hash(self, *parts):
        return hashlib.new(self.hash_name, b"".join(parts)).digest()

    @property
    def hash_bytes(self):
        return hashlib.new(self.hash_name).digest_size

    def key_id(self, public):
        return self.hash(public)[:8]


class XWing(Kem):
    number, name, protocol, hash_name = 1, "X-Wing", b"QZMQ/1 X-Wing SHA-256", "sha256"
    seed_bytes, public_bytes, ciphertext_bytes = 32, 1216, 1120

    def _expand(self, seed):
        wide = hashlib.shake_256(seed).digest(96)
        return MLKEM768PrivateKey.from_seed_bytes(wide[:64]), X25519PrivateKey.from_private_bytes(wide[64:])

    def _public(self, seed):
        lattice, curve = self._expand(seed)
        return lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()

    def _encapsulate(self, public):
        there = X25519PublicKey.from_public_bytes(public[_MLKEM768_PUBLIC_BYTES:])
        first, ciphertext = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM768_PUBLIC_BYTES]).encapsulate()
        ours = X25519PrivateKey.generate()
        sent = ours.public_key().public_bytes_raw()
        return ciphertext + sent, _combine(first, ours.exchange(there), sent, public[_MLKEM768_PUBLIC_BYTES:])

    def _decapsulate(self, pair, ciphertext):
        lattice, curve = self._expand(pair.seed)
        first = lattice.decapsulate(ciphertext[:_MLKEM768_CIPHERTEXT_BYTES])
        sent = ciphertext[_MLKEM768_CIPHERTEXT_BYTES:]
        second = curve.exchange(X25519PublicKey.from_public_bytes(sent))
        return _combine(first, second, sent, pair.public[_MLKEM768_PUBLIC_BYTES:])


def _combine(first, second, sent, public):
    return hashlib.sha3_256(first + second + sent + public + _XWING_LABEL).digest()


class MlKem1024(Kem):
    number, name, protocol, hash_name = 2, "ML-KEM-1024", b"QZMQ/1 ML-KEM-1024 SHA-384", "sha384"
    seed_bytes, public_bytes, ciphertext_bytes = 64, 1568, 1568

    def _public(self, seed):
        return MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()

    def _encapsulate(self, public):
        secret, ciphertext = MLKEM1024PublicKey.from_public_bytes(public).encapsulate()
        return ciphertext, secret

    def _decapsulate(self, pair, ciphertext):
        return MLKEM1024PrivateKey.from_seed_bytes(pair.seed).decapsulate(ciphertext)


XWING, MLKEM1024 = XWing(), MlKem1024()
KEMS = {kem.number: kem for kem in (XWING, MLKEM1024)}


@dataclass(frozen=True)
class Suite:
    number: int
    name: str
    kem: Kem
    cipher: type

    def seal(self, key, nonce, bound, text):
        """The ciphertext and its tag."""
        return self.cipher(key).encrypt(nonce, text, bound)

    def open(self, key, nonce, bound, box):
        try:
            return self.cipher(key).decrypt(nonce, box, bound)
        except InvalidTag as error:
            raise Fault("a box does not open") from error

    def __repr__(self):
        return self.name


SUITES = {
    suite.number: suite
    for suite in (
        Suite(1, "XWING_AES256GCM_SHA256", XWING, AESGCM),
        Suite(2, "XWING_CHACHA20POLY1305_SHA256", XWING, ChaCha20Poly1305),
        Suite(3, "MLKEM1024_AES256GCM_SHA384", MLKEM1024, AESGCM),
        Suite(4, "MLKEM1024_CHACHA20POLY1305_SHA384", MLKEM1024, ChaCha20Poly1305),
    )
}


def suite_of_hello(kem):
    """Whatever suites HELLO offers, its box is sealed as this one has it."""
    return next(suite for suite in SUITES.values() if suite.kem is kem and suite.cipher is AESGCM)


def suites_of(kem):
    """The numbers of a KEM's suites."""
    return [number for number, suite in SUITES.items() if suite.kem is kem]


def extract(kem, salt, secret):
    """HKDF-Extract of RFC 5869."""
    return hmac.digest(salt, secret, kem.hash_name)


def expand(kem, key, label, context, size):
    """HKDF-Expand-Label of RFC 8446 with a prefix of our own."""
    label = _PREFIX + label
    info = size.to_bytes(2) + bytes([len(label)]) + label + bytes([len(context)]) + context
    out, block, turn = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(key, block + info + bytes([turn]), kem.hash_name)
        out, turn = out + block, turn + 1
    return out[:size]
