"""What is particular to WebSockets: the upgrade, messages that are no commands and no records, pings and the end."""

import socket

import pytest
import zmq

from qzmq import wire
from qzmq.peer import PATIENCE_S
from qzmq.suites import Fault
from qzmq.websocket import WebSocketWire
from secured import Case, converse, meeting

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

ROLES = [Case(library_serves=serves, over="ws") for serves in (True, False)]
SERVES, ASKS = ROLES
FINAL, TEXT, BINARY, CLOSE, PING, PONG = 0x80, 1, 2, 8, 9, 10


@pytest.fixture(params=ROLES, ids=str)
def there(context, request):
    with meeting(context, request.param) as there:
        yield there


def sealed(peer, *texts):
    """A record for each of these messages, as this side would send it next."""
    for text in texts:
        peer.records.send(wire.message(text))
    records, peer.records.outgoing = list(peer.records.outgoing), []
    return records


@pytest.mark.parametrize("wrong", ["changed", "repeated", "lost", "swapped", "split", "joined"])
def test_records(there, wrong):
    with there.meet() as peer:
        converse(peer, there.socket, 1)
        one, two = sealed(peer, b"one", b"two")
        spoilt = {
            "changed": [one[:-1] + bytes([one[-1] ^ 1])],
            "repeated": [one, one],
            "lost": [two],
            "swapped": [two, one],
            "split": [one[:20], one[20:]],
            "joined": [one + two[2:]],
        }[wrong]
        peer.raw(b"".join(map(peer.connection.wire.record, spoilt)))
        assert peer.is_closed()
        there.socket.rcvtimeo = 100
        if wrong == "repeated":
            assert there.socket.recv() == b"one"
        with pytest.raises(zmq.Again):
            there.socket.recv()


@pytest.mark.parametrize(
    "first, flags",
    [(FINAL | TEXT, 0), (BINARY, 0), (FINAL, 0), (0xC0 | BINARY, 0), (FINAL | BINARY, 1), (FINAL | BINARY, 2), (FINAL | BINARY, 4)],
    ids=["text", "fragment", "continuation", "reserved bit", "more", "command", "unknown flag"],
)
def test_messages_that_are_no_records(there, first, flags):
    with there.meet() as peer:
        converse(peer, there.socket, 1)
        [record] = sealed(peer, b"a message")
        packed = peer.connection.wire._pack(BINARY, bytes([flags]) + record[2:])
        peer.raw(bytes([first]) + packed[1:])
        assert peer.is_closed()
        there.socket.rcvtimeo = 100
        with pytest.raises(zmq.Again):
            there.socket.recv()


@pytest.mark.parametrize("size", [0, 1, 17, 16_403, 1 << 20, 1 << 40])
def test_impossible_lengths(there, size):
    """They are refused by the length, without the rest."""
    with there.meet() as peer:
        converse(peer, there.socket, 1)
        mask = 0x80 if peer.connection.is_client else 0
        wide = size.to_bytes(8)
        peer.raw(bytes([FINAL | BINARY, mask | 127]) + wide + bytes(4 if mask else 0) + bytes(20))
        assert peer.is_closed()


def test_masks_of_the_wrong_side(there):
    with there.meet() as peer:
        ours = peer.connection.wire
        ours.is_client = not ours.is_client
        peer.send(b"a message")
        assert peer.is_closed()


def test_pings_are_answered(there):
    with there.meet() as peer:
        answers = []
        frame = peer.connection.wire._frame

        def listen():
            found = frame()
            if found and found[1] in (PONG, CLOSE):
                answers.append((found[1], found[2]))
            return found

        peer.connection.wire._frame = listen
        for text in (b"", b"are you there", bytes(125)):
            peer.raw(peer.connection.wire._pack(PING, text))
            peer.raw(peer.connection.wire._pack(PONG, b"not asked for"))
            peer.pump(lambda text=text: (PONG, text) in answers)
        converse(peer, there.socket, 1)
        peer.raw(peer.connection.wire._pack(CLOSE, (1000).to_bytes(2)))
        with pytest.raises((Fault, EOFError, ConnectionError)):
            peer.pump(lambda: False)
        assert answers[-1] == (CLOSE, (1000).to_bytes(2))


def test_a_socket_that_closes_says_so(there):
    with there.meet() as peer:
        there.socket.send(b"the last words")
        there.socket.close(linger=1000)
        with pytest.raises(Fault, match="the peer closes"):
            peer.pump(lambda: False)
        assert peer.connection.events == [("message", [b"the last words"])]


def test_heartbeats_are_in_records(context):
    for case in ROLES:
        with meeting(context, case, options={zmq.HEARTBEAT_IVL: 50}) as there, there.meet() as peer:
            # PONG is the second implementation's answer to a PING in a record; without it the library would end the connection.
            peer.idle(0.5)
            converse(peer, there.socket, 1)


@pytest.mark.parametrize("offered", ["ZWS2.0/CURVE", "ZWS2.0/NULL", "ZWS2.0", "ZWS2.0/qzmq", "QZMQ"])
def test_another_subprotocol_is_refused(context, offered):
    with meeting(context, SERVES) as there:
        host, port = there.endpoint.removeprefix("ws://").rstrip("/").split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as stream:
            request = WebSocketWire(True).request("127.0.0.1").replace(wire.SUBPROTOCOL.encode(), offered.encode())
            stream.sendall(request)
            answer = b""
            while data := stream.recv(1 << 16):
                answer += data
        assert answer.startswith(b"HTTP/1.1 400 ")
        with there.meet() as peer:
            converse(peer, there.socket, 1)


def test_a_server_that_chooses_another_subprotocol(context):
    with meeting(context, ASKS) as there:
        stream, _ = there.listener.socket.accept()
        with stream:
            stream.settimeout(PATIENCE_S)
            ours = WebSocketWire(False)
            while not ours.upgrade():
                ours.feed(stream.recv(1 << 16))
            stream.sendall(ours.answers.replace(wire.SUBPROTOCOL.encode(), b"ZWS2.0/CURVE"))
            assert stream.recv(1) == b""
