"""What the tests share: certificates, secured sockets, events of monitors, peers in processes of their own."""

import itertools
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import zmq
import zmq.auth

PATIENCE_MS = 15_000
OUTCOMES = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
OUTCOMES |= zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
SUCCEEDED = zmq.EVENT_HANDSHAKE_SUCCEEDED
FAILED_AUTH = zmq.EVENT_HANDSHAKE_FAILED_AUTH
FAILED_PROTOCOL = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
FAILED_NO_DETAIL = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
CRYPTOGRAPHIC = 0x1100_0001
MISMATCH = 0x1100_0002
# The other side may see first that the mechanisms differ, and be gone.
MISMATCHES = ([FAILED_PROTOCOL, MISMATCH], [FAILED_NO_DETAIL, 32], [FAILED_NO_DETAIL, 104])


class Certificates:
    """A folder of key pairs, and one with the public keys of those that are let in."""

    def __init__(self, folder):
        self.folder = folder / "certificates"
        self.allowed = folder / "allowed"
        self.folder.mkdir()
        self.allowed.mkdir()

    def create(self, name, allow=False):
        public, secret = map(Path, zmq.auth.create_certificates(self.folder, name))
        if allow:
            (self.allowed / public.name).write_bytes(public.read_bytes())
        return secret

    def public(self, name):
        return self.secret(name).with_suffix(".key")

    def secret(self, name):
        file = self.folder / f"{name}.key_secret"
        return file if file.exists() else self.create(name)


def secure_server_socket(socket, secret_file, domain="global"):
    """Makes a server of `socket`: before its bind."""
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(secret_file)
    socket.curve_server = True
    socket.zap_domain = domain.encode()


def secure_client_socket(socket, secret_file, server_public_file):
    """Makes `socket` a client of the server with that key: before its connect."""
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(secret_file)
    socket.curve_serverkey, _ = zmq.auth.load_certificate(server_public_file)


class Events:
    """What the monitor of a socket tells."""

    _numbers = itertools.count()

    def __init__(self, socket, kinds=OUTCOMES):
        self.owner = socket
        # pyzmq's own way names the endpoint after a descriptor, which may be that of a socket closed just now.
        endpoint = f"inproc://events-{next(self._numbers)}"
        socket.monitor(endpoint, kinds)
        self.monitor = socket.context.socket(zmq.PAIR)
        self.monitor.connect(endpoint)

    def next(self, timeout_ms=PATIENCE_MS):
        """The next event and its value; `None` where none comes in time."""
        if not self.monitor.poll(timeout_ms):
            return None
        return struct.unpack("=HI", self.monitor.recv_multipart()[0])

    def close(self):
        self.owner.monitor(None, 0)
        self.monitor.close(linger=0)


def bind(socket, host="127.0.0.1"):
    return f"tcp://{host}:{socket.bind_to_random_port(f'tcp://{host}')}"


def echo(server, client, body=b"hello"):
    """One request from `client` and the reply of `server`, a REP."""
    client.send(body)
    assert server.poll(PATIENCE_MS), "no request came through"
    request = server.recv(copy=False)
    server.send(bytes(request))
    assert client.poll(PATIENCE_MS), "no reply came through"
    assert client.recv() == bytes(request) == body
    return request


def published(publisher, subscriber, body=b"news"):
    """Publishes until something arrives."""
    for _ in range(PATIENCE_MS // 20):
        publisher.send(body)
        if subscriber.poll(20):
            while subscriber.poll(0):
                assert subscriber.recv() == body
            return
    raise AssertionError("nothing published came through")


def nothing(socket, milliseconds=300):
    """Fails where something arrives."""
    assert not socket.poll(milliseconds), socket.recv_multipart()


class Peer:
    """Python code in a process of its own, on the library under test or on the original."""

    def __init__(self, code, *arguments, original=False, prefix=()):
        environment = dict(os.environ)
        if original:
            environment.pop("LD_PRELOAD", None)
        path = [str(Path(__file__).parent), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        command = [*prefix, sys.executable, "-c", f"from secured import *\n{code}", *map(str, arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=environment, **pipes)

    def say(self, what=""):
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def hear(self):
        """The next line that it prints, as JSON."""
        line = self.process.stdout.readline()
        assert line, f"the other process has ended with status {self.process.wait()}"
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_MS / 1000) == 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def tell(what):
    """For code in a `Peer`: prints what the test is to hear."""
    print(json.dumps(what), flush=True)
