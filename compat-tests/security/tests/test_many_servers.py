"""Several servers in one context, other kinds of sockets, connections that are lost and come again."""

import socket as sockets

import pytest
import zmq
import zmq.auth

from relay import Relay
from secured import (
    CRYPTOGRAPHIC, FAILED_AUTH, FAILED_PROTOCOL, MISMATCH, PATIENCE_MS, SUCCEEDED, Events, bind, echo, nothing,
    secure_client_socket, secure_server_socket,
)


def client_of(context, certificates, kind, name, server):
    socket = context.socket(kind)
    secure_client_socket(socket, certificates.secret(name), certificates.public(server))
    return socket


def test_each_server_has_its_key_and_its_domain(authenticator, context, certificates, tmp_path):
    guests = {"kitchen": "cook", "cellar": "butler", "attic": "ghost"}
    servers, endpoints = {}, {}
    for domain, guest in guests.items():
        allowed = tmp_path / domain
        allowed.mkdir()
        certificates.create(guest)
        (allowed / f"{guest}.key").write_bytes(certificates.public(guest).read_bytes())
        authenticator.configure_curve(domain, allowed)
        servers[domain] = context.socket(zmq.REP)
        secure_server_socket(servers[domain], certificates.secret(f"server-{domain}"), domain)
        endpoints[domain] = bind(servers[domain])
    for domain, guest in guests.items():
        for name in guests.values():
            client = client_of(context, certificates, zmq.REQ, name, f"server-{domain}")
            events = Events(client)
            client.connect(endpoints[domain])
            assert events.next() == ((SUCCEEDED, 0) if name == guest else (FAILED_AUTH, 400))
            if name == guest:
                echo(servers[domain], client)
            events.close()


def test_another_servers_key(authenticator, context, certificates):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.REP)
    secure_server_socket(server, certificates.secret("server"))
    certificates.create("somebody else")
    events = Events(server)
    client = client_of(context, certificates, zmq.REQ, "alice", "somebody else")
    client.connect(bind(server))
    assert events.next() == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
    client.disconnect(client.last_endpoint)
    events.close()


def test_one_socket_is_server_here_and_client_there(authenticator, context, certificates):
    """A server that connects: who is the server is independent of who binds."""
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.REP)
    secure_server_socket(server, certificates.secret("server"))
    client = client_of(context, certificates, zmq.REQ, "alice", "server")
    server.connect(bind(client))
    echo(server, client)


def test_one_server_socket_at_many_endpoints(authenticator, context, certificates, tmp_path):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.REP)
    secure_server_socket(server, certificates.secret("server"))
    server.bind(f"ipc://{tmp_path}/server")
    endpoints = [bind(server), bind(server), f"ipc://{tmp_path}/server"]
    clients = [client_of(context, certificates, zmq.REQ, "alice", "server") for _ in endpoints]
    for client, endpoint in zip(clients, endpoints):
        client.connect(endpoint)
        echo(server, client)


def test_one_client_socket_at_two_servers_of_one_key(authenticator, context, certificates):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    servers = [context.socket(zmq.PULL) for _ in range(2)]
    client = client_of(context, certificates, zmq.PUSH, "alice", "server")
    for server in servers:
        secure_server_socket(server, certificates.secret("server"))
        events = Events(server)
        client.connect(bind(server))
        assert events.next() == (SUCCEEDED, 0)
        events.close()
    for number in range(20):
        client.send(b"%d" % number)
    got = []
    for server in servers:
        for _ in range(10):
            assert server.poll(PATIENCE_MS)
            got.append(int(server.recv()))
    assert sorted(got) == list(range(20))


def test_router_and_dealer(authenticator, context, certificates):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    router = context.socket(zmq.ROUTER)
    secure_server_socket(router, certificates.secret("server"))
    router.router_mandatory = 1
    endpoint = bind(router)
    dealers = {}
    for name in (b"one", b"two", b"three"):
        dealers[name] = client_of(context, certificates, zmq.DEALER, name.decode(), "server")
        dealers[name].routing_id = name
        dealers[name].connect(endpoint)
        dealers[name].send_multipart([b"here is", name])
    for _ in dealers:
        assert router.poll(PATIENCE_MS)
        identity, *frames = router.recv_multipart(copy=False)
        assert [bytes(frame) for frame in frames] == [b"here is", bytes(identity)]
        key, _ = zmq.auth.load_certificate(certificates.public(bytes(identity).decode()))
        assert frames[0].get("User-Id") == key.decode()
    for name in dealers:
        router.send_multipart([name, b"to " + name])
    for name, dealer in dealers.items():
        assert dealer.poll(PATIENCE_MS)
        assert dealer.recv() == b"to " + name
    with pytest.raises(zmq.ZMQError) as failure:
        router.send_multipart([b"four", b"nobody"])
    assert failure.value.errno == zmq.EHOSTUNREACH


def test_router_to_router(authenticator, context, certificates):
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.ROUTER)
    secure_server_socket(server, certificates.secret("server"))
    server.routing_id = b"server"
    client = client_of(context, certificates, zmq.ROUTER, "alice", "server")
    client.routing_id = b"client"
    client.setsockopt(zmq.CONNECT_ROUTING_ID, b"the other")
    events = Events(client)
    client.connect(bind(server))
    assert events.next() == (SUCCEEDED, 0)
    client.send_multipart([b"the other", b"hello"])
    assert server.poll(PATIENCE_MS)
    assert server.recv_multipart() == [b"client", b"hello"]
    server.send_multipart([b"client", b"welcome"])
    assert client.poll(PATIENCE_MS)
    assert client.recv_multipart() == [b"the other", b"welcome"]
    events.close()


def test_a_stream_before_a_secured_server(authenticator, context, certificates):
    """A raw peer is shown a greeting that names the mechanism, and no more unless it speaks that."""
    authenticator.configure_curve("*", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.ROUTER)
    secure_server_socket(server, certificates.secret("server"))
    events = Events(server)
    stream = context.socket(zmq.STREAM)
    stream.connect(bind(server))
    connected = stream.recv_multipart()
    assert connected[1] == b""
    # Both sides say which version they speak before they say the rest.
    stream.send_multipart([connected[0], b"\xff" + bytes(8) + b"\x7f\x03\x01"])
    heard = b""
    while len(heard) < 64:
        assert stream.poll(PATIENCE_MS)
        heard += stream.recv_multipart()[1]
    assert heard[:10] == b"\xff" + bytes(7) + b"\x01\x7f" and heard[12:32].rstrip(b"\0") == b"CURVE"
    stream.send_multipart([connected[0], b"NULL".ljust(52, b"\0")])
    assert stream.poll(PATIENCE_MS)
    assert stream.recv_multipart()[1] == b"", "no more than the greeting"
    assert events.next() == (FAILED_PROTOCOL, MISMATCH)
    nothing(server, 50)
    events.close()


def test_a_stream_has_no_security(authenticator, context, certificates):
    """Keys set on a STREAM change nothing: it stays a plain TCP socket."""
    stream = context.socket(zmq.STREAM)
    secure_server_socket(stream, certificates.secret("server"))
    host, port = bind(stream).removeprefix("tcp://").split(":")
    with sockets.create_connection((host, int(port))) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert stream.poll(PATIENCE_MS)
        identity, empty = stream.recv_multipart()
        assert empty == b""
        assert stream.poll(PATIENCE_MS)
        assert stream.recv_multipart() == [identity, b"GET / HTTP/1.0\r\n\r\n"]
        stream.send_multipart([identity, b"HTTP/1.0 200 OK\r\n\r\n"])
        assert raw.recv(100) == b"HTTP/1.0 200 OK\r\n\r\n"


@pytest.mark.parametrize("mechanism", ["PLAIN", "CURVE"])
def test_a_connection_is_cut_and_comes_again(authenticator, context, certificates, mechanism):
    authenticator.configure_curve("global", zmq.auth.CURVE_ALLOW_ANY)
    authenticator.configure_plain("global", {"alice": "rabbit"})
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    if mechanism == "PLAIN":
        server.plain_server = True
        server.zap_domain = b"global"
        client.plain_username, client.plain_password = b"alice", b"rabbit"
    else:
        secure_server_socket(server, certificates.secret("server"))
        secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    events = Events(server)
    with Relay(bind(server)) as relay:
        client.connect(relay.endpoint)
        for number in range(5):
            assert events.next() == (SUCCEEDED, 0)
            client.send(b"%d" % number)
            assert server.poll(PATIENCE_MS)
            assert server.recv() == b"%d" % number
            relay.cut()
        assert relay.connections >= 5
    events.close()


def test_a_server_comes_again_with_its_key_and_without(authenticator, context, certificates):
    authenticator.configure_curve("global", zmq.auth.CURVE_ALLOW_ANY)
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("server"))
    endpoint = bind(server)
    client = client_of(context, certificates, zmq.PUSH, "alice", "server")
    client.connect(endpoint)
    client.send(b"one")
    assert server.poll(PATIENCE_MS)
    assert server.recv() == b"one"
    for key, let_in in (("server", True), ("an impostor", False), ("server", True)):
        server.close()
        server = context.socket(zmq.PULL)
        secure_server_socket(server, certificates.secret(key))
        events = Events(server)
        rebind(server, endpoint)
        if let_in:
            assert events.next() == (SUCCEEDED, 0)
            client.send(b"again")
            assert server.poll(PATIENCE_MS)
            assert server.recv() == b"again"
        else:
            assert events.next() == (FAILED_PROTOCOL, CRYPTOGRAPHIC)
        events.close()


def rebind(socket, endpoint):
    """The original lets go of an address some time after the close."""
    for _ in range(500):
        try:
            return socket.bind(endpoint)
        except zmq.ZMQError as error:
            assert error.errno == zmq.EADDRINUSE
            socket.poll(10)
    raise AssertionError("the address stays busy")
