"""Authenticators that answer late, badly or never: only those wait who wait for them."""

import pytest
import zmq
import zmq.auth
from zmq.utils import z85

from secured import (
    FAILED_AUTH, FAILED_NO_DETAIL, PATIENCE_MS, SUCCEEDED, Events, bind, echo, nothing, secure_client_socket,
    secure_server_socket,
)


class Handler:
    """One that the test answers for."""

    def __init__(self, context):
        self.socket = context.socket(zmq.ROUTER)
        self.socket.bind("inproc://zeromq.zap.01")

    def request(self):
        assert self.socket.poll(PATIENCE_MS), "nobody asks"
        envelope, frames = [], self.socket.recv_multipart()
        while frames[0]:
            envelope.append(frames.pop(0))
        return envelope, frames[1:]

    def answer(self, request, status=b"200", user=b"", metadata=b""):
        envelope, frames = request
        self.socket.send_multipart([*envelope, b"", b"1.0", frames[1], status, b"text", user, metadata])


@pytest.fixture
def handler(context):
    return Handler(context)


@pytest.fixture(params=["PLAIN", "CURVE"])
def setup(request, context, certificates):
    """A server, its endpoint, and what makes clients."""
    server = context.socket(zmq.ROUTER)
    if request.param == "PLAIN":
        server.plain_server = True
        server.zap_domain = b"global"
    else:
        secure_server_socket(server, certificates.secret("server"))

    def client(name):
        socket = context.socket(zmq.DEALER)
        socket.routing_id = name.encode()
        if request.param == "PLAIN":
            socket.plain_username, socket.plain_password = name.encode(), b"password of " + name.encode()
        else:
            secure_client_socket(socket, certificates.secret(name), certificates.public("server"))
        return socket

    return server, bind(server), client, request.param


def says(server, client, what):
    client.send(what)
    assert server.poll(PATIENCE_MS)
    assert server.recv_multipart()[1:] == [what]


def test_what_it_is_asked(handler, setup, certificates):
    server, endpoint, client, mechanism = setup
    alice = client("alice")
    alice.connect(endpoint)
    request = handler.request()
    version, number, domain, address, identity, name, *credentials = request[1]
    assert (version, domain, address, identity) == (b"1.0", b"global", b"127.0.0.1", b"")
    assert name == mechanism.encode() and number
    if mechanism == "PLAIN":
        assert credentials == [b"alice", b"password of alice"]
    else:
        public, _ = zmq.auth.load_certificate(certificates.public("alice"))
        assert [z85.encode(key) for key in credentials] == [public]
    handler.answer(request, user=b"Alice", metadata=b"\x05Color\0\0\0\x04blue")
    alice.send(b"in")
    assert server.poll(PATIENCE_MS)
    _, frame = server.recv_multipart(copy=False)
    assert (frame.get("User-Id"), frame.get("Color"), bytes(frame)) == ("Alice", "blue", b"in")


def test_late_for_one_is_late_for_no_other(handler, setup):
    server, endpoint, client, _ = setup
    first, late, second = client("first"), client("late"), client("second")
    first.connect(endpoint)
    handler.answer(handler.request())
    says(server, first, b"first is in")
    late.connect(endpoint)
    unanswered = handler.request()
    late.send(b"at last")
    # Whoever is in goes on, and whoever comes meanwhile gets in.
    says(server, first, b"first goes on")
    second.connect(endpoint)
    handler.answer(handler.request())
    says(server, second, b"second is in")
    nothing(server, 100)
    handler.answer(unanswered)
    assert server.poll(PATIENCE_MS)
    assert server.recv_multipart()[1:] == [b"at last"]
    says(server, first, b"first still goes on")


def test_answers_in_another_order(handler, setup):
    server, endpoint, client, mechanism = setup
    clients = {name: client(name) for name in ("one", "two", "three")}
    requests = {}
    for name, socket in clients.items():
        socket.connect(endpoint)
        requests[name] = handler.request()
    for name in ("three", "one", "two"):
        handler.answer(requests[name], user=name.encode())
        clients[name].send(b"in")
        assert server.poll(PATIENCE_MS)
        identity, frame = server.recv_multipart(copy=False)
        assert bytes(identity) == name.encode() and frame.get("User-Id") == name


def test_gone_while_asked(context, handler, setup):
    """A peer that waits for an authenticator that is gone waits until its time is over; the others do not."""
    server, endpoint, client, _ = setup
    server.handshake_ivl = 1000
    server.unbind(endpoint)
    endpoint = bind(server)
    events = Events(server)
    first = client("first")
    first.connect(endpoint)
    handler.answer(handler.request())
    assert events.next() == (SUCCEEDED, 0)
    waiting = client("waiting")
    waiting.connect(endpoint)
    handler.request()
    handler.socket.close()
    for number in range(50):
        says(server, first, b"still here %d" % number)
    assert events.next()[0] == FAILED_NO_DETAIL
    says(server, first, b"and still")
    waiting.close()
    # A new one takes over.
    heir = Handler(context)
    second = client("second")
    second.connect(endpoint)
    heir.answer(heir.request())
    says(server, second, b"second is in")
    events.close()


@pytest.mark.parametrize("status", [b"300", b"400", b"500"])
def test_refusals(handler, setup, status):
    server, endpoint, client, _ = setup
    socket = client("alice")
    on_server, on_client = Events(server), Events(socket)
    socket.connect(endpoint)
    handler.answer(handler.request(), status)
    assert on_server.next() == (FAILED_AUTH, int(status))
    if status != b"300":
        # A temporary failure is not told: the client is to try again.
        assert on_client.next() == (FAILED_AUTH, int(status))
    on_server.close()
    on_client.close()


def test_none_at_all(context, certificates):
    """Without an authenticator CURVE encrypts, and lets everybody in, whatever the domain says."""
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    secure_server_socket(server, certificates.secret("server"))
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    client.connect(bind(server))
    assert echo(server, client).get("Peer-Address") == "127.0.0.1"


def test_none_at_all_where_the_domain_is_enforced(context, certificates):
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    secure_server_socket(server, certificates.secret("server"))
    server.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    events = Events(server)
    client.connect(bind(server))
    assert events.next() == (FAILED_NO_DETAIL, 14)
    nothing(server, 50)
    events.close()


def test_plain_without_one(context):
    """PLAIN has nobody else to ask for the password, so nobody gets in."""
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    server.plain_server = True
    server.zap_domain = b"global"
    client.plain_username, client.plain_password = b"alice", b"rabbit"
    events = Events(server)
    client.connect(bind(server))
    assert events.next()[0] == FAILED_NO_DETAIL
    nothing(server, 50)
    events.close()


def test_not_now_but_later(handler, setup):
    """A client that is told 300 is not told anything: it tries again by itself."""
    server, endpoint, client, _ = setup
    server.unbind(endpoint)
    server.handshake_ivl = 1000
    endpoint = bind(server)
    alice = client("alice")
    events = Events(server)
    alice.connect(endpoint)
    handler.answer(handler.request(), b"300")
    assert events.next() == (FAILED_AUTH, 300)
    handler.answer(handler.request())
    assert events.next() == (SUCCEEDED, 0)
    says(server, alice, b"in at last")
    events.close()
