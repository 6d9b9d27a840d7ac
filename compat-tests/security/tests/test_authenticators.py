"""Servers behind pyzmq's authenticators, with all that can be configured there."""

import contextlib

import pytest
import zmq
import zmq.auth

from secured import (
    FAILED_AUTH, SUCCEEDED, Events, bind, echo, nothing, published, secure_client_socket, secure_server_socket,
)


def subscriber(context):
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    return socket


def curve_client(socket, certificates, name):
    secure_client_socket(socket, certificates.secret(name), certificates.public("server"))
    return socket


def curve_server(socket, certificates, domain="global"):
    secure_server_socket(socket, certificates.secret("server"), domain)
    return socket


def plain_server(socket, domain):
    socket.plain_server = True
    socket.zap_domain = domain.encode()
    return socket


def plain_client(socket, name, password):
    socket.plain_username, socket.plain_password = name.encode(), password.encode()
    return socket


def assert_refused(server, client, endpoint):
    """Both sides are told of a refusal, and nothing gets through."""
    on_server, on_client = Events(server), Events(client)
    client.connect(endpoint)
    assert on_client.next() == (FAILED_AUTH, 400)
    assert on_server.next() == (FAILED_AUTH, 400)
    on_server.close()
    on_client.close()


def test_a_directory_of_keys_before_a_rep(any_authenticator, context, certificates):
    certificates.create("alice", allow=True)
    any_authenticator.configure_curve("*", certificates.allowed)
    any_authenticator.configure_curve("global", certificates.allowed)
    server = curve_server(context.socket(zmq.REP), certificates)
    endpoint = bind(server)
    client = curve_client(context.socket(zmq.REQ), certificates, "alice")
    on_server, on_client = Events(server), Events(client)
    client.connect(endpoint)
    request = echo(server, client)
    assert on_server.next() == on_client.next() == (SUCCEEDED, 0)
    on_server.close()
    public, _ = zmq.auth.load_certificate(certificates.public("alice"))
    assert request.get("User-Id") == public.decode()
    assert request.get("Peer-Address") == "127.0.0.1"
    stranger = curve_client(context.socket(zmq.REQ), certificates, "mallory")
    assert_refused(server, stranger, endpoint)
    # There is nobody to send to, or nobody any more.
    with contextlib.suppress(zmq.Again):
        stranger.send(b"let me in", zmq.NOBLOCK)
    nothing(server)
    echo(server, client)


def test_a_directory_of_keys_before_a_pub(any_authenticator, context, certificates):
    certificates.create("alice", allow=True)
    any_authenticator.configure_curve("global", certificates.allowed)
    server = curve_server(context.socket(zmq.PUB), certificates)
    endpoint = bind(server)
    stranger = curve_client(subscriber(context), certificates, "mallory")
    assert_refused(server, stranger, endpoint)
    client = curve_client(subscriber(context), certificates, "alice")
    client.connect(endpoint)
    published(server, client)
    nothing(stranger)


def test_any_key_is_good_enough(any_authenticator, context, certificates):
    any_authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    for kind, other in ((zmq.REP, zmq.REQ), (zmq.PUB, zmq.SUB)):
        server = curve_server(context.socket(kind), certificates)
        client = subscriber(context) if other == zmq.SUB else context.socket(other)
        curve_client(client, certificates, "whoever").connect(bind(server))
        (echo if kind == zmq.REP else published)(server, client)


def test_a_function_decides(any_authenticator, context, certificates):
    asked = []

    class Provider:
        def callback(self, domain, key):
            asked.append((domain, key))
            return key == zmq.auth.load_certificate(certificates.public("alice"))[0]

    for name in ("alice", "mallory"):
        certificates.create(name)
    any_authenticator.configure_curve_callback("global", credentials_provider=Provider())
    server = curve_server(context.socket(zmq.REP), certificates)
    endpoint = bind(server)
    assert_refused(server, curve_client(context.socket(zmq.REQ), certificates, "mallory"), endpoint)
    client = curve_client(context.socket(zmq.REQ), certificates, "alice")
    client.connect(endpoint)
    echo(server, client)
    assert [domain for domain, _ in asked] == ["global"] * 2


def test_nobody_is_known_yet(any_authenticator, context, certificates):
    server = curve_server(context.socket(zmq.REP), certificates)
    assert_refused(server, curve_client(context.socket(zmq.REQ), certificates, "alice"), bind(server))


def test_a_key_taken_back_and_given_again(any_authenticator, context, certificates):
    certificates.create("alice", allow=True)
    any_authenticator.configure_curve("global", certificates.allowed)
    server = curve_server(context.socket(zmq.REP), certificates)
    endpoint = bind(server)
    client = curve_client(context.socket(zmq.REQ), certificates, "alice")
    client.connect(endpoint)
    echo(server, client)
    entry = certificates.allowed / "alice.key"
    text = entry.read_bytes()
    entry.unlink()
    any_authenticator.configure_curve("global", certificates.allowed)
    assert_refused(server, curve_client(context.socket(zmq.REQ), certificates, "alice"), endpoint)
    # Whoever is in stays in.
    echo(server, client)
    entry.write_bytes(text)
    any_authenticator.configure_curve("global", certificates.allowed)
    again = curve_client(context.socket(zmq.REQ), certificates, "alice")
    again.connect(endpoint)
    echo(server, again)


def test_names_and_passwords(any_authenticator, context):
    any_authenticator.configure_plain("global", {"alice": "rabbit"})
    for kind, other in ((zmq.REP, zmq.REQ), (zmq.PUB, zmq.SUB)):
        server = plain_server(context.socket(kind), "global")
        endpoint = bind(server)
        for name, password in (("alice", "hare"), ("mallory", "rabbit"), ("alice", "rabbit ")):
            stranger = subscriber(context) if other == zmq.SUB else context.socket(other)
            assert_refused(server, plain_client(stranger, name, password), endpoint)
        client = subscriber(context) if other == zmq.SUB else context.socket(other)
        plain_client(client, "alice", "rabbit").connect(endpoint)
        if kind == zmq.REP:
            assert echo(server, client).get("User-Id") == "alice"
        else:
            published(server, client)


def test_a_password_is_for_its_domain(any_authenticator, context):
    any_authenticator.configure_plain("kitchen", {"cook": "salt"})
    any_authenticator.configure_plain("cellar", {"butler": "port"})
    servers = {domain: plain_server(context.socket(zmq.REP), domain) for domain in ("kitchen", "cellar", "attic")}
    endpoints = {domain: bind(server) for domain, server in servers.items()}
    for domain, good in (("kitchen", ("cook", "salt")), ("cellar", ("butler", "port")), ("attic", None)):
        for credentials in (("cook", "salt"), ("butler", "port")):
            client = plain_client(context.socket(zmq.REQ), *credentials)
            if credentials == good:
                client.connect(endpoints[domain])
                echo(servers[domain], client)
            else:
                assert_refused(servers[domain], client, endpoints[domain])


@pytest.mark.parametrize("allow", [True, False], ids=["allow", "deny"])
def test_addresses_with_null(any_authenticator, context, allow):
    if allow:
        any_authenticator.allow("192.0.2.1")
    else:
        any_authenticator.deny("127.0.0.1")
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    server.zap_domain = b"global"
    on_server = Events(server)
    client.connect(bind(server))
    assert on_server.next() == (FAILED_AUTH, 400)
    on_server.close()
    nothing(server, 100)


def test_null_without_a_domain_is_not_asked(any_authenticator, context):
    any_authenticator.deny("127.0.0.1")
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    client.connect(bind(server))
    echo(server, client)


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_whoever_was_refused_does_not_come_again(any_authenticator, context, certificates, mechanism):
    any_authenticator.configure_curve("global", certificates.allowed)
    any_authenticator.configure_plain("global", {"alice": "rabbit"})
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    if mechanism == "PLAIN":
        plain_client(client, "alice", "hare")
        plain_server(server, "global")
    else:
        curve_client(client, certificates, "mallory")
        curve_server(server, certificates)
    events = Events(server)
    client.connect(bind(server))
    assert events.next() == (FAILED_AUTH, 400)
    # Ten times as long as it takes to connect again.
    assert events.next(1000) is None
    events.close()
