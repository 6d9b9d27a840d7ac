"""Keys as programs and files have them: a tag and the raw key, as bytes or as Z85. Fingerprints."""

import hashlib
import struct

from .suites import KEMS, Fault

PUBLIC, SECRET = b"P", b"S"
TAG_BYTES = 4
_FORM = 1
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def public_key(kem, public):
    return tag(PUBLIC, kem) + public


def secret_key(kem, pair):
    return tag(SECRET, kem) + pair.seed


def tag(what, kem):
    return b"Q" + what + bytes([kem.number, _FORM])


def parse_public(key):
    """The KEM and the raw key."""
    return _parse(key, PUBLIC, lambda kem: kem.public_bytes)


def parse_secret(key):
    """The KEM and the key pair."""
    kem, seed = _parse(key, SECRET, lambda kem: kem.seed_bytes)
    return kem, kem.keypair(seed)


def _parse(key, what, size):
    kem = KEMS.get(key[2]) if len(key) > TAG_BYTES else None
    if kem is None or key[:TAG_BYTES] != tag(what, kem) or len(key) != TAG_BYTES + size(kem):
        raise Fault("no such key")
    return kem, key[TAG_BYTES:]


def fingerprint(public):
    """Of a public key with its tag."""
    return hashlib.sha256(public).digest()


def z85(data):
    """RFC 32 of ZeroMQ; `data` has a multiple of four bytes."""
    words = struct.unpack(f">{len(data) // 4}I", data)
    return bytes(_DIGITS[word // 85**place % 85] for word in words for place in (4, 3, 2, 1, 0))


def from_z85(text):
    if len(text) % 5:
        raise Fault("not Z85")
    groups = (text[at : at + 5] for at in range(0, len(text), 5))
    try:
        words = [sum(_DIGITS.index(digit) * 85**place for digit, place in zip(group, (4, 3, 2, 1, 0))) for group in groups]
        return struct.pack(f">{len(words)}I", *words)
    except (ValueError, struct.error) as error:
        raise Fault("not Z85") from error
