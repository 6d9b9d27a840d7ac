"""Keys, fingerprints and certificates: this implementation's own, and those of the library's functions."""

import ctypes
import time

import pytest
from zmq.utils import z85

from qzmq import certificates, commands, keys, vectors
from qzmq.certificates import BOTH, CLIENT, SERVER, SIGNATURES, Authority, Certificate, Trust
from qzmq.client import Client
from qzmq.server import Cookies, Server, Tickets
from qzmq.suites import KEMS, XWING, Fault

LENGTHS = {1: (1_525, 45), 2: (1_965, 85)}
KINDS = {1: 1_174_437_889, 2: 1_174_437_890}
ROOM_BYTES = 4_096


@pytest.fixture(params=KEMS.values(), ids=lambda kem: kem.name)
def kem(request):
    return request.param


@pytest.fixture(params=SIGNATURES, ids=["ML-DSA-44", "ML-DSA-65"])
def authority(request):
    return Authority(request.param)


def test_texts(kem):
    pair = kem.keypair()
    public, secret = keys.public_key(kem, pair.public), keys.secret_key(kem, pair)
    assert (len(keys.z85(public)), len(keys.z85(secret))) == LENGTHS[kem.number]
    for key in (public, secret):
        assert keys.z85(key) == z85.encode(key) and keys.from_z85(keys.z85(key)) == key
    assert keys.parse_public(public) == (kem, pair.public) and keys.parse_secret(secret) == (kem, pair)
    for wrong in (b"", public[:-1], public + b"\0", b"X" + public[1:], public[:3] + b"\2" + public[4:], secret):
        with pytest.raises(Fault):
            keys.parse_public(wrong)


@pytest.mark.parametrize("text", [b"1234", b"~~~~~", b"#####", b"    1"])
def test_not_z85(text):
    with pytest.raises(Fault):
        keys.from_z85(text)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "zmq_ferro_keypair"), reason="a library without keys of QZMQ")
def test_keys_of_the_library(kem):
    """Its pairs belong together here, and its public key and fingerprint of a secret key of ours are ours."""
    library = ctypes.CDLL(None)
    public, secret, text = (ctypes.create_string_buffer(ROOM_BYTES) for _ in range(3))
    room = ctypes.c_size_t(ROOM_BYTES)
    assert library.zmq_ferro_keypair(KINDS[kem.number], public, room, secret, room) == 0
    found, pair = keys.parse_secret(keys.from_z85(secret.value))
    assert found is kem and keys.parse_public(keys.from_z85(public.value)) == (kem, pair.public)
    own = kem.keypair()
    assert library.zmq_ferro_public_key(public, room, keys.z85(keys.secret_key(kem, own))) == 0
    assert public.value == keys.z85(keys.public_key(kem, own.public))
    assert library.zmq_ferro_fingerprint(text, public.value) == 0
    assert keys.from_z85(text.value) == keys.fingerprint(keys.public_key(kem, own.public))


def test_certificates(kem, authority):
    pair, server, tickets = kem.keypair(), kem.keypair(), Tickets()
    content = authority.sign(keys.public_key(kem, pair.public), "bob")
    kept = None
    for resumed in (False, True):
        client = Client(server.public, kem, pair=pair, certificate=content, ticket=kept)
        theirs = Server([(kem, server)], tickets=tickets, trust=Trust([authority.public]))
        vectors.converse(client, theirs)
        assert client.records.secrets == theirs.records.secrets and theirs.resumed == resumed
        assert theirs.certificate.name == "bob" and theirs.certificate.public == pair.public
        kept = client.new_ticket
    # With a ticket the certificate has to be good as well.
    for trust in (None, Trust([authority.public], [theirs.certificate.fingerprint]), Trust([authority.public], now=lambda: 1e10)):
        client = Client(server.public, kem, pair=pair, certificate=content, ticket=kept)
        with pytest.raises(Fault, match="certificate"):
            vectors.converse(client, Server([(kem, server)], tickets=tickets, trust=trust))


def test_a_ticket_ends_with_its_certificate(authority):
    pair, server = XWING.keypair(), XWING.keypair()
    content = authority.sign(keys.public_key(XWING, pair.public), ends=int(time.time()) + 100)
    client = Client(server.public, XWING, pair=pair, certificate=content)
    vectors.converse(client, Server([(XWING, server)], tickets=Tickets(), trust=Trust([authority.public])))
    assert client.new_ticket.ends_at <= time.monotonic() + 100


def test_servers_that_are_asked(kem, authority):
    """The question and the answer are in the transcript, and go before a RETRY."""
    server, pair = kem.keypair(), kem.keypair()
    shown = authority.sign(keys.public_key(kem, server.public), "orders", SERVER)
    for cookies in (None, Cookies()):
        client = Client(None, kem, pair=pair, name="orders", trust=Trust([authority.public]))
        theirs = Server([(kem, server)], shown=shown, cookies=cookies, tickets=Tickets())
        bodies = vectors.converse(client, theirs)
        assert commands.name_of(bodies[1]) == b"CERTIFICATE" and client.asked == theirs.asked != b""
        assert client.records.secrets == theirs.records.secrets and client.server_certificate.public == server.public
    for name, trust, answer in (
        ("other", Trust([authority.public]), shown),
        ("orders", Trust([]), shown),
        ("orders", Trust([authority.public], [client.server_certificate.fingerprint]), shown),
        ("orders", Trust([authority.public]), authority.sign(keys.public_key(kem, server.public), "orders", CLIENT)),
        ("orders", Trust([authority.public]), authority.sign(keys.public_key(kem, kem.keypair().public), "orders", SERVER)),
        ("orders", Trust([authority.public]), b""),
    ):
        with pytest.raises(Fault):
            vectors.converse(Client(None, kem, name=name, trust=trust), Server([(kem, server)], shown=answer))


def test_a_certificate_of_another_client(authority):
    """Who shows it has not the key in it."""
    owner, thief, server = (XWING.keypair() for _ in range(3))
    content = authority.sign(keys.public_key(XWING, owner.public))
    client = Client(server.public, XWING, pair=thief, certificate=content)
    with pytest.raises(Fault, match="does not open"):
        vectors.converse(client, Server([(XWING, server)], trust=Trust([authority.public])))


def test_certificates_that_are_not_good(kem, authority):
    public = keys.public_key(kem, kem.keypair().public)
    good = authority.sign(public)
    found = Trust([authority.public]).check(kem, good)
    assert found.roles == CLIENT and len(good) <= certificates.MAX_CERTIFICATE_BYTES
    assert Trust([authority.public]).check(kem, authority.sign(public, roles=BOTH))
    stranger = Authority(authority.number)
    for trust in (Trust([]), Trust([stranger.public]), Trust([authority.public], [found.fingerprint]), Trust([authority.public], [found.authority])):
        with pytest.raises(Fault):
            trust.check(kem, good)
    now = int(time.time())
    wrong = [
        authority.sign(public, roles=SERVER),
        authority.sign(public, begins=now + 100, ends=now + 200),
        authority.sign(public, begins=1, ends=now - 1),
        authority.sign(public, begins=now, ends=now),
        authority.sign(public, roles=0),
        authority.sign(public, roles=4),
        authority.sign(public, ""),
        authority.sign(public, "a\nb"),
        authority.sign(public[:-4]),
        good + b"\0",
        good[:-1],
        b"",
    ]
    for content in wrong:
        with pytest.raises(Fault):
            Trust([authority.public]).check(kem, content)
    other = next(other for other in KEMS.values() if other is not kem)
    with pytest.raises(Fault):
        Trust([authority.public]).check(other, good)


def test_edited_certificates(authority):
    good = authority.sign(keys.public_key(XWING, XWING.keypair().public), "of three")
    trust = Trust([authority.public])
    for at in [*range(80), *range(80, len(good), 53), len(good) - 1]:
        with pytest.raises(Fault):
            trust.check(XWING, good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
    assert Certificate.parse(good).name == "of three"


def test_lengths_of_certificates():
    """The longest one is as long as the document says, and HELLO has room for it."""
    public = keys.public_key(KEMS[2], KEMS[2].keypair().public)
    longest = Authority(2).sign(public, "n" * 255)
    assert len(longest) == certificates.MAX_CERTIFICATE_BYTES
    assert [len(Authority(number).public) for number in SIGNATURES] == [1_316, 1_956]
    with pytest.raises(Fault):
        Certificate.parse(longest + bytes(4))
