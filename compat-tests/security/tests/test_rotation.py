"""Several keys of one server, and a limit on failed handshakes: options that the original does not have."""

import ctypes
import errno
import os

import pytest
import zmq
import zmq.auth

from secured import (
    CRYPTOGRAPHIC, FAILED_AUTH, FAILED_PROTOCOL, PATIENCE_MS, SUCCEEDED, Events, bind, nothing, secure_client_socket,
    secure_server_socket,
)

pytestmark = pytest.mark.skipif("LD_PRELOAD" not in os.environ, reason="the original has no such options")

KEY_ADD, KEY_WITHDRAW = 0x46000002, 0x46000003
MAX_FAILED_HANDSHAKES, BAN_IVL = 0x46000004, 0x46000005


def set_key(socket, option, key):
    """pyzmq takes no bytes for options that it does not know."""
    library = ctypes.CDLL("libzmq.so.5", use_errno=True)
    if library.zmq_setsockopt(ctypes.c_void_p(socket.underlying), option, key, ctypes.c_size_t(len(key))):
        raise zmq.ZMQError(ctypes.get_errno())


def key_of(certificates, name):
    return zmq.auth.load_certificate(certificates.secret(name))


def client_of(context, certificates, server):
    socket = context.socket(zmq.PUSH)
    secure_client_socket(socket, certificates.secret("alice"), certificates.public(server))
    return socket


def gets_in(server, events, client, endpoint):
    client.connect(endpoint)
    assert events.next() == (SUCCEEDED, 0)
    says(server, client)


def says(server, client, body=b"hello"):
    client.send(body)
    assert server.poll(PATIENCE_MS)
    assert server.recv() == body


def is_refused(server, events, client, endpoint):
    client.connect(endpoint)
    assert events.next() == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
    client.close()
    nothing(server, 20)


@pytest.fixture
def served(context, certificates):
    """A server whose own key is called "old"."""
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("old"))
    events = Events(server)
    yield server, events, bind(server)
    events.close()


def test_a_change_of_keys_without_an_outage(authenticator, context, certificates, served):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server, events, endpoint = served
    early = client_of(context, certificates, "old")
    gets_in(server, events, early, endpoint)
    is_refused(server, events, client_of(context, certificates, "new"), endpoint)
    set_key(server, KEY_ADD, key_of(certificates, "new")[1])
    late = client_of(context, certificates, "new")
    gets_in(server, events, late, endpoint)
    gets_in(server, events, client_of(context, certificates, "old"), endpoint)
    set_key(server, KEY_WITHDRAW, key_of(certificates, "old")[0])
    is_refused(server, events, client_of(context, certificates, "old"), endpoint)
    gets_in(server, events, client_of(context, certificates, "new"), endpoint)
    for client in (early, late):
        says(server, client, b"still in")


def test_all_endpoints_know_the_new_key(context, certificates, served):
    server, events, first = served
    second = bind(server)
    set_key(server, KEY_ADD, key_of(certificates, "new")[1])
    for endpoint in (first, second, bind(server)):
        gets_in(server, events, client_of(context, certificates, "new"), endpoint)


def test_so_many_keys_and_no_more(certificates, served):
    server, _, _ = served
    for number in range(7):
        set_key(server, KEY_ADD, key_of(certificates, f"key-{number}")[1])
    set_key(server, KEY_ADD, key_of(certificates, "key-0")[1])
    with pytest.raises(zmq.ZMQError) as failure:
        set_key(server, KEY_ADD, key_of(certificates, "one-more")[1])
    assert failure.value.errno == errno.ENOBUFS
    set_key(server, KEY_WITHDRAW, key_of(certificates, "key-3")[0])
    set_key(server, KEY_ADD, key_of(certificates, "one-more")[1])


def test_keys_that_are_none(certificates, served):
    server, _, _ = served
    for option in (KEY_ADD, KEY_WITHDRAW):
        for key in (b"", b"short", b"\x80" * 40):
            with pytest.raises(zmq.ZMQError) as failure:
                set_key(server, option, key)
            assert failure.value.errno == errno.EINVAL
    with pytest.raises(zmq.ZMQError) as failure:
        set_key(server, KEY_WITHDRAW, key_of(certificates, "nobody's")[0])
    assert failure.value.errno == errno.ENOENT


def test_an_address_that_fails_too_often(context, certificates):
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("server"))
    server.setsockopt(MAX_FAILED_HANDSHAKES, 3)
    server.setsockopt(BAN_IVL, 700)
    events = Events(server, zmq.EVENT_ALL)

    def next_of(*kinds):
        while (event := events.next())[0] not in kinds:
            pass
        return event

    endpoint = bind(server)
    inside = client_of(context, certificates, "server")
    inside.connect(endpoint)
    assert next_of(SUCCEEDED) == (SUCCEEDED, 0)
    for _ in range(3):
        stranger = client_of(context, certificates, "nobody")
        stranger.connect(endpoint)
        assert next_of(FAILED_PROTOCOL) == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
        stranger.close()
    honest = client_of(context, certificates, "server")
    honest.connect(endpoint)
    assert next_of(zmq.EVENT_ACCEPT_FAILED, SUCCEEDED) == (zmq.EVENT_ACCEPT_FAILED, errno.EACCES)
    # Whoever is in stays in; the others come in when the time is over.
    says(server, inside, b"still in")
    assert next_of(SUCCEEDED) == (SUCCEEDED, 0)
    says(server, honest)
    events.close()


def test_refusals_by_the_authenticator_count(authenticator, context, certificates):
    authenticator.configure_curve("global", certificates.allowed)
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("server"))
    server.setsockopt(MAX_FAILED_HANDSHAKES, 2)
    events = Events(server, zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_ACCEPT_FAILED)
    endpoint = bind(server)
    for expected in [(FAILED_AUTH, 400), (FAILED_AUTH, 400), (zmq.EVENT_ACCEPT_FAILED, errno.EACCES)]:
        client = client_of(context, certificates, "server")
        client.connect(endpoint)
        assert events.next() == expected
        client.close()
    events.close()
