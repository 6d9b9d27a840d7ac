"""X-Wing as it is put together here, against the one in the libsodium of the pyzmq wheel, both ways."""

import ctypes
from pathlib import Path

import pytest
import zmq

from qzmq.suites import XWING


@pytest.fixture(scope="module")
def sodium():
    beside = Path(zmq.__file__).parent.parent / "pyzmq.libs"
    library = ctypes.CDLL(str(next(beside.glob("libsodium*"))))
    if not hasattr(library, "crypto_kem_xwing_seed_keypair"):
        pytest.skip("a libsodium without X-Wing")
    library.sodium_init()
    return library


def test_public_key_of_a_seed(sodium):
    for _ in range(20):
        pair = XWING.keypair()
        public, secret = (ctypes.create_string_buffer(size) for size in (XWING.public_bytes, XWING.seed_bytes))
        assert sodium.crypto_kem_xwing_seed_keypair(public, secret, pair.seed) == 0
        assert (public.raw, secret.raw) == (pair.public, pair.seed)


def test_to_and_from_it(sodium):
    for _ in range(20):
        pair = XWING.keypair()
        there = ctypes.create_string_buffer(32)
        ciphertext, here = XWING.encapsulate(pair.public)
        assert sodium.crypto_kem_xwing_dec(there, ciphertext, pair.seed) == 0 and there.raw == here
        sent = ctypes.create_string_buffer(XWING.ciphertext_bytes)
        assert sodium.crypto_kem_xwing_enc(sent, there, pair.public) == 0
        assert XWING.decapsulate(pair, sent.raw) == there.raw
