import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
import zmq.auth

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "programs"
sys.path.insert(0, str(HERE.parent.parent / "security" / "tests"))

DEFAULT = """
[default]
server_key = "server.key_secret"
client_key = "{client}.key_secret"
server_public = "server.key"
allow = {{ folder = "allowed" }}
"""


class Place:
    """A folder with keys and security files, and the programs that run by them."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        (folder / "allowed").mkdir()
        for name in ("server", "alice", "bob"):
            self.create(name)
        self.let_in("alice")

    def create(self, name):
        # pyzmq leaves permissions to the umask.
        before = os.umask(0o077)
        zmq.auth.create_certificates(self.folder, name)
        os.umask(before)

    def let_in(self, name):
        (self.folder / "allowed" / f"{name}.key").write_bytes((self.folder / f"{name}.key").read_bytes())

    def keep_out(self, name):
        (self.folder / "allowed" / f"{name}.key").unlink()

    def key(self, name):
        return zmq.auth.load_certificate(self.folder / f"{name}.key_secret")

    def security(self, text=DEFAULT, client="alice"):
        """The path of a security file with this text."""
        file = self.folder / f"security-{client}.toml"
        fresh = file.with_suffix(".new")
        fresh.write_text(text.format(client=client))
        fresh.replace(file)
        return file

    def run(self, program, *arguments, security=None):
        """Begins a program, unchanged; `security` is the one thing that it is given from outside."""
        environment = dict(os.environ)
        if security:
            environment["FERROZMQ_SECURITY"] = str(security)
        command = [sys.executable, PROGRAMS / program] if str(program).endswith(".py") else [program]
        process = subprocess.Popen(
            [*command, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def serve(self, program, **settings):
        """Begins a server. The endpoints that it prints the ports of."""
        process = self.run(program, **settings)
        ports = process.stdout.readline().split()
        assert ports, process.stderr.read()
        return [f"tcp://127.0.0.1:{port}" for port in ports]

    def end(self):
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.end()


@pytest.fixture
def context():
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def ask(process, question):
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
