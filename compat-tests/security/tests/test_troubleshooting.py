"""What the monitor says of everything that can be set up wrongly: the table in docs/security.md, row by row."""

import errno

import pytest
import zmq
import zmq.auth

from secured import (
    CRYPTOGRAPHIC, FAILED_AUTH, FAILED_NO_DETAIL, FAILED_PROTOCOL, MISMATCHES, SUCCEEDED, Events, bind, echo,
    nothing, secure_client_socket, secure_server_socket,
)

UNEXPECTED_COMMAND = 0x1000_0001
ZAP_MALFORMED_REPLY = 0x2000_0001
ZAP_BAD_REQUEST_ID = 0x2000_0002
ZAP_BAD_VERSION = 0x2000_0003
ZAP_INVALID_STATUS = 0x2000_0004
ZAP_INVALID_METADATA = 0x2000_0005
# The other side has gone while we spoke or listened.
GONE = ((FAILED_NO_DETAIL, errno.EPIPE), (FAILED_NO_DETAIL, errno.ECONNRESET))


@pytest.fixture
def pair(context, certificates):
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    secure_server_socket(server, certificates.secret("server"))
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    return server, client


def events_of(server, client):
    """The first event of either side's handshake."""
    on_server, on_client = Events(server), Events(client)
    client.connect(bind(server))
    events = on_server.next(), on_client.next()
    on_server.close()
    on_client.close()
    return events


def test_all_is_well(authenticator, pair):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    assert events_of(*pair) == ((SUCCEEDED, 0), (SUCCEEDED, 0))
    echo(*pair)


def test_the_client_knows_another_server_key(pair, certificates):
    server, client = pair
    secure_client_socket(client, certificates.secret("alice"), certificates.public("another"))
    on_server, on_client = events_of(server, client)
    assert on_server == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
    assert on_client in GONE


def test_the_servers_secret_key_is_not_that_of_its_public_one(pair, certificates):
    server, client = pair
    _, server.curve_secretkey = zmq.auth.load_certificate(certificates.secret("another"))
    assert events_of(server, client)[0] == (FAILED_PROTOCOL, CRYPTOGRAPHIC)


def test_the_clients_keys_do_not_belong_together(pair, certificates):
    server, client = pair
    _, client.curve_secretkey = zmq.auth.load_certificate(certificates.secret("another"))
    assert events_of(server, client)[0] == (FAILED_PROTOCOL, CRYPTOGRAPHIC)


@pytest.mark.parametrize("kind", ["NULL", "PLAIN"])
def test_a_client_of_another_mechanism(context, pair, kind):
    server, _ = pair
    client = context.socket(zmq.REQ)
    if kind == "PLAIN":
        client.plain_username, client.plain_password = b"alice", b"rabbit"
    on_server, on_client = events_of(server, client)
    assert list(on_server) in MISMATCHES and list(on_client) in MISMATCHES


def test_two_servers(context, certificates, pair):
    server, _ = pair
    other = context.socket(zmq.REQ)
    secure_server_socket(other, certificates.secret("another"))
    server.handshake_ivl = other.handshake_ivl = 500
    for event in events_of(server, other):
        # Whoever waits longer sees that the other has given up.
        assert event[0] == FAILED_NO_DETAIL


def test_two_clients(context, certificates, pair):
    _, client = pair
    other = context.socket(zmq.REP)
    secure_client_socket(other, certificates.secret("another"), certificates.public("server"))
    assert (FAILED_PROTOCOL, UNEXPECTED_COMMAND) in events_of(other, client)


def test_an_unknown_client_key(authenticator, pair, certificates):
    authenticator.configure_curve("global", certificates.allowed)
    assert events_of(*pair) == ((FAILED_AUTH, 400), (FAILED_AUTH, 400))


def test_a_domain_that_the_authenticator_does_not_know(authenticator, pair, certificates):
    certificates.create("alice", allow=True)
    authenticator.configure_curve("local", certificates.allowed)
    assert events_of(*pair) == ((FAILED_AUTH, 400), (FAILED_AUTH, 400))


def test_an_authenticator_that_does_not_answer(context, pair):
    server, client = pair
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    server.handshake_ivl = 500
    on_server, on_client = events_of(server, client)
    assert on_server[0] == FAILED_NO_DETAIL
    nothing(server, 50)


BAD_REPLIES = {
    "version": ([b"2.0", None, b"200", b"", b"", b""], ZAP_BAD_VERSION),
    "id": ([b"1.0", b"other", b"200", b"", b"", b""], ZAP_BAD_REQUEST_ID),
    "status": ([b"1.0", None, b"201", b"", b"", b""], ZAP_INVALID_STATUS),
    "frames": ([b"1.0", None, b"200", b""], ZAP_MALFORMED_REPLY),
    "metadata": ([b"1.0", None, b"200", b"", b"", b"junk"], ZAP_INVALID_METADATA),
}


@pytest.mark.parametrize("frames, value", BAD_REPLIES.values(), ids=BAD_REPLIES.keys())
def test_an_authenticator_that_answers_badly(context, pair, frames, value):
    server, client = pair
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    events = Events(server)
    client.connect(bind(server))
    request = handler.recv_multipart()
    handler.send_multipart([request[1] if frame is None else frame for frame in frames])
    assert events.next() == (FAILED_PROTOCOL, value)
    nothing(server, 50)
    events.close()
