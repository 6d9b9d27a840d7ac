"""What somebody on the wire can read. That the eyes used here are open is seen with NULL and PLAIN."""

import pytest
import zmq
import zmq.auth
from zmq.utils import z85

from relay import Relay
from secured import PATIENCE_MS, bind, published, secure_client_socket, secure_server_socket

REQUEST, REPLY = b"the question nobody may read", b"the answer nobody may read"
NAME, PASSWORD = b"alice-of-the-wire", b"rabbit-of-the-wire"


@pytest.fixture(params=["NULL", "PLAIN", "CURVE"])
def secured(request, authenticator, certificates):
    """The name of the mechanism, and functions that set it up on either side."""
    certificates.create("alice", allow=True)
    authenticator.configure_curve("global", certificates.allowed)
    authenticator.configure_plain("global", {NAME.decode(): PASSWORD.decode()})

    def serve(socket):
        if request.param == "PLAIN":
            socket.plain_server = True
            socket.zap_domain = b"global"
        if request.param == "CURVE":
            secure_server_socket(socket, certificates.secret("server"))

    def ask(socket):
        if request.param == "PLAIN":
            socket.plain_username, socket.plain_password = NAME, PASSWORD
        if request.param == "CURVE":
            secure_client_socket(socket, certificates.secret("alice"), certificates.public("server"))

    return request.param, serve, ask


def conversation(context, relay, server, client):
    client.connect(relay.endpoint)
    # One frame, many frames, and frames of all sizes that are treated apart.
    for size in (0, 50, 300, 9_000, 200_000):
        client.send_multipart([REQUEST, b"#" * size + REQUEST])
        assert server.poll(PATIENCE_MS)
        assert server.recv_multipart() == [REQUEST, b"#" * size + REQUEST]
        server.send_multipart([REPLY, b"%" * size + REPLY])
        assert client.poll(PATIENCE_MS)
        assert client.recv_multipart() == [REPLY, b"%" * size + REPLY]


def test_messages(secured, context):
    mechanism, serve, ask = secured
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    serve(server)
    ask(client)
    with Relay(bind(server)) as relay:
        conversation(context, relay, server, client)
    to_server, to_client = relay.wire
    readable = mechanism != "CURVE"
    assert (REQUEST in to_server) == (REPLY in to_client) == readable
    assert (b"#" * 50 in to_server) == (b"%" * 50 in to_client) == readable
    assert mechanism.encode() in to_server and mechanism.encode() in to_client
    assert len(to_server) > 209_000 and len(to_client) > 209_000


def test_pieces_of_messages(secured, context):
    """No eight bytes of what is sent can be read, not only the whole of it."""
    mechanism, serve, ask = secured
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    serve(server)
    ask(client)
    with Relay(bind(server)) as relay:
        conversation(context, relay, server, client)
    pieces = {REQUEST[at : at + 8] for at in range(len(REQUEST) - 7)}
    found = sum(piece in relay.to_server for piece in pieces)
    assert found == (0 if mechanism == "CURVE" else len(pieces))


def test_topics_and_what_is_published(secured, context):
    mechanism, serve, ask = secured
    server, client = context.socket(zmq.PUB), context.socket(zmq.SUB)
    serve(server)
    ask(client)
    client.subscribe(b"a topic to keep quiet about")
    with Relay(bind(server)) as relay:
        client.connect(relay.endpoint)
        published(server, client, b"a topic to keep quiet about: news")
    to_server, to_client = relay.wire
    readable = mechanism != "CURVE"
    assert (b"keep quiet" in to_server) == (b"keep quiet" in to_client) == readable


def test_names_and_passwords(secured, context):
    mechanism, serve, ask = secured
    server, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    serve(server)
    ask(client)
    client.routing_id = b"known-by-this-name"
    with Relay(bind(server)) as relay:
        client.connect(relay.endpoint)
        client.send(b"here")
        assert server.poll(PATIENCE_MS)
        assert server.recv_multipart() == [b"known-by-this-name", b"here"]
    assert (b"known-by-this-name" in relay.to_server) == (mechanism != "CURVE")
    assert (PASSWORD in relay.to_server) == (NAME in relay.to_server) == (mechanism == "PLAIN")


def test_the_same_message_never_looks_the_same(authenticator, context, certificates):
    authenticator.configure_curve("global", zmq.auth.CURVE_ALLOW_ANY)
    server, client = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    secure_server_socket(server, certificates.secret("server"))
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    with Relay(bind(server)) as relay:
        client.connect(relay.endpoint)
        for _ in range(200):
            client.send(b"again and again and again")
        for _ in range(200):
            assert server.poll(PATIENCE_MS)
            assert server.recv() == b"again and again and again"
    _, *boxes = bytes(relay.to_server).split(b"\x07MESSAGE")
    assert len(boxes) == 200
    # Behind the counter, which is no secret.
    assert len({box[8:40] for box in boxes}) == 200
    blocks = [box[at : at + 8] for box in boxes for at in range(8, 40)]
    assert len(set(blocks)) == len(blocks)


def test_long_term_keys_do_not_show(authenticator, context, certificates):
    """Who asks whom is hidden as well: neither side's long-term key goes over the wire."""
    authenticator.configure_curve("global", zmq.auth.CURVE_ALLOW_ANY)
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    secure_server_socket(server, certificates.secret("server"))
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    with Relay(bind(server)) as relay:
        conversation(context, relay, server, client)
    for name in ("server", "alice"):
        for key in zmq.auth.load_certificate(certificates.secret(name)):
            for wire in relay.wire:
                assert key not in wire and z85.decode(key) not in wire
