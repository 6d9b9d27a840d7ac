"""Certificates of CURVE and QZMQ that the tool makes, and programs that begin with them."""

import contextlib
import os
import subprocess

import zmq.auth
from relay import Relay

SUITES = {"CURVE": None, "X-Wing": "x-wing", "ML-KEM-1024": "ml-kem-1024"}


class Keys:
    """Certificates of a server, of alice, whom it lets in, and of bob, whom it does not."""

    def __init__(self, folder, suite):
        self.folder, self.allowed, self.suite = folder / "certificates", folder / "let-in", suite
        self.allowed.mkdir(parents=True, exist_ok=True)
        for name in ("server", "alice", "bob"):
            kind = ["--qzmq", "--suite", suite] if suite else []
            keygen = [os.environ["SECURED_TOOL"], "keygen", *kind, "--name", name, "--out", self.folder]
            subprocess.run(keygen, check=True, capture_output=True, env={**os.environ, "LD_PRELOAD": ""})
        # What an authenticator that knows CURVE alone can read.
        self.short = self.folder / ("alice.fingerprint.key" if suite else "alice.key")
        (self.allowed / self.short.name).write_bytes(self.short.read_bytes())
        # What it then says of her.
        self.alice = zmq.auth.load_certificate(self.short)[0].decode()

    def secret(self, name):
        return str(self.folder / f"{name}.key_secret")

    def public(self, name):
        return str(self.folder / f"{name}.key")

    def pair(self, name):
        return zmq.auth.load_certificate(self.secret(name))

    @property
    def client(self):
        """Arguments of alice's programs."""
        return self.secret("alice"), self.public("server")


@contextlib.contextmanager
def watched(bound):
    """The endpoint for a client, and what passes there; a socket file shows nothing."""
    scheme, _, place = bound.partition("://")
    if scheme == "ipc":
        yield bound, None
        return
    with Relay(f"tcp://{place.rstrip('/')}") as relay:
        yield relay.endpoint.replace("tcp", scheme, 1), relay


def begin(place, command, *arguments, **settings):
    """Begins a server, which prints its endpoint."""
    process = place.run(command, *arguments, **settings)
    bound = process.stdout.readline().strip()
    assert bound, process.stderr.read()
    return bound
