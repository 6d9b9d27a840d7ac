"""Certificates between the library and this implementation, in every suite and either role."""

import itertools
import threading
import time

import pytest
import zmq

from qzmq import keys
from qzmq.certificates import BOTH, CLIENT, SERVER, SIGNATURES, Authority, Trust
from qzmq.suites import SUITES, Fault
from secured import AUTHORITY, CERTIFICATE, REVOKED, SERVER_NAME, ZAP_AS_QZMQ, Case, converse, give, meeting

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

GONE = (EOFError, ConnectionError, Fault)
CASES = [(Case(suite, True, serves), number) for suite, serves, number in itertools.product(SUITES, (True, False), SIGNATURES)]
SERVES, ASKS = Case(library_serves=True), Case(library_serves=False)


def tagged(there, pair):
    return keys.public_key(there.kem, pair.public)


def heard(peer, socket):
    """One way alone: a DEALER may send to a peer that has just gone, as long as it does not know that."""
    peer.send(b"hello")
    message = socket.recv(copy=False)
    assert message.bytes == b"hello"
    return message.get("User-Id")


def refused(there, engine):
    try:
        with there.meet(engine) as peer:
            return peer.ends()
    except GONE:
        return True


@pytest.fixture(scope="module")
def authorities():
    return {number: Authority(number) for number in SIGNATURES}


@pytest.mark.parametrize(("case", "number"), CASES, ids=str)
def test_clients(context, authorities, case, number):
    """A client shows a certificate, and the server need not know its key."""
    authority = authorities[number]
    signed = lambda there: authority.sign(tagged(there, there.client), "alice")
    if case.library_serves:
        with meeting(context, case, options={AUTHORITY: authority.public}) as there:
            with there.meet(there.engine(certificate=signed(there))) as peer:
                assert heard(peer, there.socket) == "alice"
                converse(peer, there.socket, 1)
        return
    with meeting(context, case, options=lambda there: {CERTIFICATE: signed(there)}) as there:
        engine = there.engine(trust=Trust([authority.public]))
        with there.meet(engine) as peer:
            converse(peer, there.socket, 1)
            assert engine.certificate.name == "alice" and engine.certificate.public == there.client.public


@pytest.mark.parametrize(("case", "number"), CASES, ids=str)
def test_servers(context, authorities, case, number):
    """A client knows the server by its name, and asks it for its certificate."""
    authority = authorities[number]
    signed = lambda there: authority.sign(tagged(there, there.server), "orders", SERVER)
    if case.library_serves:
        with meeting(context, case, options=lambda there: {CERTIFICATE: signed(there)}) as there:
            engine = there.engine(server=None, name="orders", trust=Trust([authority.public]))
            with there.meet(engine) as peer:
                converse(peer, there.socket, 1)
                assert engine.server_certificate.public == there.server.public
                assert engine.new_ticket is None, "its next certificate may be of another key"
        return
    with meeting(context, case, options={AUTHORITY: authority.public, SERVER_NAME: b"orders"}) as there:
        with there.meet(there.engine(shown=signed(there))) as peer:
            peer.send(b"hello")
            assert there.socket.recv(copy=False).get("User-Id") == "orders"
            converse(peer, there.socket, 1)


def bad(there, authority, key, role):
    """Certificates of a key that no side may accept, by what is wrong with them."""
    now, stranger, public = int(time.time()), Authority(authority.number), tagged(there, key)
    good = authority.sign(public, "orders", role)
    return {
        "expired": authority.sign(public, "orders", role, 0, now - 1),
        "not yet valid": authority.sign(public, "orders", role, now + 3_600, now + 7_200),
        "self-signed": stranger.sign(public, "orders", role),
        "another authority's signature": good[: -SIGNATURES[authority.number][3]] + stranger.sign(public, "orders", role)[-SIGNATURES[authority.number][3] :],
        "other role": authority.sign(public, "orders", CLIENT + SERVER - role),
        "truncated": good[:-4],
        "swapped": authority.sign(tagged(there, there.kem.keypair()), "orders", role),
    }


@pytest.mark.parametrize("number", SIGNATURES)
def test_bad_clients(context, authorities, number):
    authority = authorities[number]
    with meeting(context, SERVES, options={AUTHORITY: authority.public}) as there:
        for wrong, content in bad(there, authority, there.client, CLIENT).items():
            assert refused(there, there.engine(certificate=content)), wrong
        assert refused(there, there.engine()), "no certificate, and no authenticator"
        certificate = authority.sign(tagged(there, there.client), roles=BOTH)
        with there.meet(there.engine(certificate=certificate)) as peer:
            heard(peer, there.socket)
        # It counts at once, and for the ticket that the client has as well.
        give(there.socket, REVOKED, keys.fingerprint(tagged(there, there.client)))
        assert refused(there, there.engine(certificate=certificate))
        there.client = there.kem.keypair()
        certificate = authority.sign(tagged(there, there.client))
        with there.meet(there.engine(certificate=certificate)) as peer:
            heard(peer, there.socket)
        give(there.socket, REVOKED, keys.fingerprint(authority.public))
        assert refused(there, there.engine(certificate=certificate))


@pytest.mark.parametrize("wrong", ["expired", "not yet valid", "self-signed", "another authority's signature", "other role", "truncated", "swapped", "other name", "revoked", "none"])
def test_bad_servers(context, authorities, wrong):
    authority = authorities[2]
    with meeting(context, ASKS, options={AUTHORITY: authority.public, SERVER_NAME: b"orders"}) as there:
        contents = bad(there, authority, there.server, SERVER)
        contents["other name"] = authority.sign(tagged(there, there.server), "order", SERVER)
        contents["revoked"] = authority.sign(tagged(there, there.server), "orders", SERVER)
        if wrong == "revoked":
            give(there.socket, REVOKED, keys.fingerprint(tagged(there, there.server)))
        assert refused(there, there.engine(shown=contents.get(wrong, b"")))


@pytest.mark.parametrize("as_qzmq", [0, 1])
def test_authenticators(context, authorities, as_qzmq):
    """What an authenticator is told of a key, of a certificate, and of a client without either; and that it has the last word."""
    authority, asked = authorities[2], []
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")

    def answer():
        for status in (b"200", b"200", b"200", b"400"):
            version, request, _, _, _, mechanism, *credentials = handler.recv_multipart()
            asked.append((mechanism, *credentials))
            handler.send_multipart([version, request, status, b"", b"", b""])

    thread = threading.Thread(target=answer)
    thread.start()
    options = {AUTHORITY: authority.public, ZAP_AS_QZMQ: as_qzmq}
    with meeting(context, SERVES, options=options) as there:
        public = tagged(there, there.client)
        content = authority.sign(public, "alice")
        engines = [there.engine(certificate=content), there.engine(), there.engine(certificate=content)]
        users = []
        for engine in engines[:2]:
            with there.meet(engine) as peer:
                users.append(heard(peer, there.socket))
        assert users == ["alice", ""]
        there.case = Case(library_serves=True, known=False)
        with there.meet(there.engine()) as peer:
            heard(peer, there.socket)
        there.case = SERVES
        assert there.meet(engines[2]).engine.status == b"400"
    thread.join()
    handler.close(linger=0)
    told = [(b"QZMQ", content), (b"QZMQ", public), (b"QZMQ", b"")]
    if not as_qzmq:
        told = [(b"CURVE", keys.fingerprint(public))] * 2 + [(b"CURVE", bytes(32))]
    assert asked[:3] == told
