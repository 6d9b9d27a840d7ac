"""A program under an audit trail (`FERROZMQ_AUDIT`): `audited.py WHAT FOLDER [NUMBER]`. It says "ready" when it is about to begin
and "done" when it has done that; then it waits for a line before it ends."""

import os
import resource
import socket as raw
import sys
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from secured import Certificates, secure_client_socket, secure_server_socket

MAX_FAILED_HANDSHAKES = 0x46000004


class Party:
    """A CURVE server, and clients one after the other."""

    def __init__(self, folder):
        self.certificates = Certificates.__new__(Certificates)
        self.certificates.folder, self.certificates.allowed = folder / "certificates", folder / "allowed"
        self.context = zmq.Context()
        self.server = self.context.socket(zmq.PULL)
        secure_server_socket(self.server, self.certificates.secret("server"), "orders")
        self.endpoint = f"tcp://127.0.0.1:{self.server.bind_to_random_port('tcp://127.0.0.1')}"

    def client(self, name="alice"):
        client = self.context.socket(zmq.PUSH)
        client.linger = 0
        secure_client_socket(client, self.certificates.secret(name), self.certificates.public("server"))
        client.connect(self.endpoint)
        return client

    def greet(self, times):
        for number in range(times):
            client = self.client()
            client.send(str(number).encode())
            assert self.server.recv() == str(number).encode()
            client.close()

    def end(self):
        self.server.close()
        self.context.term()


def authenticated(party, _):
    authenticator = ThreadAuthenticator(party.context)
    authenticator.start()
    authenticator.configure_curve("orders", party.certificates.allowed)
    party.server.setsockopt(MAX_FAILED_HANDSHAKES, 2)
    party.greet(1)
    events = party.server.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_ACCEPT_FAILED)
    for _ in range(3):
        stranger = party.client("mallory")
        events.recv_multipart()
        stranger.close()
    party.server.disable_monitor()
    authenticator.stop()


def greeted(party, number):
    party.greet(number)


def forked(party, number):
    child = os.fork()
    if child == 0:
        # The parent's context is the parent's.
        party = Party(party.certificates.folder.parent)
    party.greet(number)
    if child == 0:
        party.end()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def limited(party, number):
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    party.greet(number)


def flooded(party, number):
    """A stranger who goes on knocking, and is denied each time."""
    address = party.endpoint.removeprefix("tcp://").split(":")
    for _ in range(number):
        with raw.create_connection(address) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                while stranger.recv(1000):
                    pass
            except ConnectionResetError:
                pass


def main():
    what, folder = sys.argv[1], Path(sys.argv[2])
    party = Party(folder)
    print("ready", flush=True)
    globals()[what](party, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    print("done", flush=True)
    sys.stdin.readline()
    party.end()


main()
