"""A server of the library that is under load wants cookies. It is, while more than 500 connections come in a second."""

import socket

import pytest
import zmq

from qzmq import commands
from qzmq.peer import PATIENCE_S
from qzmq.suites import SUITES
from qzmq.wire import COMMAND, frame
from secured import Case, converse, meeting

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

CONNECTIONS = 700
ROUNDS = 10
# Without room for all of them the kernel lets connections wait for a second.
OPTIONS = {zmq.BACKLOG: 3_000}


def flood(there):
    """Connections that say nothing and go."""
    for _ in range(CONNECTIONS):
        connect(there).close()


def connect(there):
    host, port = there.endpoint.removeprefix("tcp://").split(":")
    return socket.create_connection((host, int(port)), PATIENCE_S)


def asked_for_a_cookie(there, **options):
    """A connection with a cookie. A machine that is too slow for a flood of that many needs another go."""
    for _ in range(ROUNDS):
        flood(there)
        peer = there.meet(**options)
        if peer.engine.retried:
            return peer
        peer.close()
    pytest.fail("no RETRY under load")


@pytest.mark.parametrize("suite", SUITES)
def test_cookie(context, suite):
    with meeting(context, Case(suite), options=OPTIONS) as there:
        with there.meet() as peer:
            assert not peer.engine.retried
        with asked_for_a_cookie(there) as peer:
            assert peer.engine.retried == {"cookie"} and len(peer.engine.hello.cookie) >= commands.MIN_COOKIE_BYTES
            converse(peer, there.socket, 1)


def test_cookies_that_do_not_fit(context):
    """One that is edited, and one that was made for another connection."""
    with meeting(context, Case(), options=OPTIONS) as there:
        said = []

        def listen(what, data):
            said.append(data)
            return data

        with asked_for_a_cookie(there, edit=listen) as peer:
            hello = peer.engine.hello
            greeting = said[-4]
            assert said[-2] == frame(hello.encode(), COMMAND) and len(greeting) == 64
            edited = hello.with_cookie(hello.cookie[:-1] + bytes([hello.cookie[-1] ^ 1]))
            for wrong in (hello, edited, hello.with_cookie(b"made up!")):
                with connect(there) as stream:
                    stream.sendall(greeting + frame(wrong.encode(), COMMAND))
                    assert commands.named(b"WELCOME") not in until_closed(stream)
            converse(peer, there.socket, 1)


def until_closed(stream):
    said = b""
    try:
        while piece := stream.recv(1 << 16):
            said += piece
    except ConnectionError:
        pass
    return said
