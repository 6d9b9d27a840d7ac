"""A program whose security the environment switches: SECURE_ZMQ=1 turns it on. The test runs it both ways."""

import os
import sys
from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from secured import Events, secure_client_socket, secure_server_socket, tell

SECURE = os.environ.get("SECURE_ZMQ", "0") == "1"
PATIENCE_MS = 10_000


def serve(context, folder):
    authenticator = None
    socket = context.socket(zmq.REP)
    if SECURE:
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve("global", folder / "allowed")
        secure_server_socket(socket, folder / "certificates" / "server.key_secret")
    events = Events(socket)
    tell(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}")
    tell(events.next(PATIENCE_MS))
    request = socket.recv().decode() if socket.poll(500) else None
    if request:
        socket.send(b"served")
    tell([socket.mechanism, request])
    sys.stdin.readline()
    events.close()
    socket.close()
    if authenticator:
        authenticator.stop()


def ask(context, folder, endpoint):
    socket = context.socket(zmq.REQ)
    if SECURE:
        certificates = folder / "certificates"
        secure_client_socket(socket, certificates / "client.key_secret", certificates / "server.key")
    socket.connect(endpoint)
    reply = None
    # A peer that speaks another mechanism is given up at once, and then there is nobody to send to.
    if socket.poll(1500, zmq.POLLOUT):
        socket.send(b"please")
        reply = socket.recv().decode() if socket.poll(1500) else None
    tell([socket.mechanism, reply])
    socket.close(linger=0)


if __name__ == "__main__":
    context = zmq.Context()
    role, folder, *endpoint = sys.argv[1:]
    {"serve": serve, "ask": ask}[role](context, Path(folder), *endpoint)
    context.term()
