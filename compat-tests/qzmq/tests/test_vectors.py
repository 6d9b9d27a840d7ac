"""Test vectors: this implementation's own ones, and edits of them that must be noticed. Those of the repository."""

import itertools
import json

import pytest

from harness import places
from qzmq import vectors
from qzmq.commands import Hello
from qzmq.suites import KEMS, SUITES, Fault


FILE = places.PROJECT / "tests" / "qzmq" / "vectors.json"


@pytest.fixture(scope="module")
def made():
    return vectors.make_all()


@pytest.mark.parametrize("vector", vectors.load(FILE), ids=lambda vector: vector["name"])
def test_vectors_of_the_library(vector):
    vectors.verify(vector)


def test_all_suites_have_vectors():
    loaded = vectors.load(FILE)
    for kind in (lambda _: True, lambda vector: vector["mode"] == "resuming"):
        assert {vector["suite"] for vector in loaded if kind(vector)} == set(SUITES)
    with_certificates = (lambda vector: vector["asked"], lambda vector: vector["client_certificate"])
    for kind in (*with_certificates, lambda vector: vector["refused"], lambda vector: Hello.parse(vector["hello"]).cookie):
        assert {SUITES[vector["suite"]].kem for vector in loaded if kind(vector)} == set(KEMS.values())


def test_own_vectors(made, tmp_path):
    file = tmp_path / "vectors.json"
    file.write_text(vectors.dump(made))
    loaded = vectors.load(file)
    assert len(loaded) == 5 * len(SUITES)
    for vector in loaded:
        vectors.verify(vector)


def test_every_member_is_looked_at(made):
    for vector, member in itertools.product((*made[:3], made[4]), made[0].keys() - {"name"}):
        if (vector["mode"], member) == ("resuming", "client_seed"):
            # The client's identity is in the ticket, which no verifier opens.
            continue
        for edited in edits(vector[member]):
            with pytest.raises((AssertionError, Fault, KeyError, IndexError, ValueError)):
                vectors.verify({**vector, member: edited})


def edits(value):
    """`value` with one thing about it changed."""
    if isinstance(value, bytes):
        yield bytes([value[0] ^ 1]) + value[1:] if value else b"x" * 32
        if value:
            yield value[:-1] + bytes([value[-1] ^ 128])
    elif isinstance(value, dict):
        for name, member in value.items():
            for edited in edits(member):
                yield {**value, name: edited}
    elif isinstance(value, list):
        for at, member in enumerate(value):
            for edited in edits(member):
                yield [*value[:at], edited, *value[at + 1 :]]
    elif isinstance(value, int):
        yield value + 1
    else:
        yield "full" if value == "resuming" else "resuming"


def test_json(made):
    handshake = json.loads(vectors.dump(made[:1]))["handshakes"][0]
    assert handshake["suite"] == 1 and bytes.fromhex(handshake["hello"]) == made[0]["hello"]
