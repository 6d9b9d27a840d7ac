import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq
import zmq.auth
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE.parent / "programs"
PATIENCE_MS = 30_000
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
        self.processes, self.trails = [], []
        (folder / "allowed").mkdir(parents=True)
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

    def write_secret(self, name, text):
        fresh = self.folder / f"{name}.new"
        fresh.touch(0o600)
        fresh.write_text(text)
        fresh.replace(self.folder / name)

    def key(self, name):
        return zmq.auth.load_certificate(self.folder / f"{name}.key_secret")

    def fingerprint(self, name):
        """Of a public key, as the audit trail has it."""
        digits = hashlib.sha256(z85.decode(self.key(name)[0])).hexdigest()[:32]
        return "-".join(digits[place : place + 4] for place in range(0, 32, 4))

    def trail(self, name):
        """An audit trail to be read as it is written: a pipe."""
        trail = Trail(self.folder / name)
        self.trails.append(trail)
        return trail

    def security(self, text=DEFAULT, client="alice"):
        """The path of a security file with this text."""
        file = self.folder / f"security-{client}.toml"
        fresh = file.with_suffix(".new")
        fresh.write_text(text.format(client=client))
        fresh.replace(file)
        return file

    def run(self, program, *arguments, security=None, host=None, python=sys.executable, **settings):
        """Begins a program, unchanged; `security` is the one thing that it is given from outside, unless `settings` are more.
        `host` is another than this one, `python` another than that of the tests."""
        environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
        if security:
            environment["FERROZMQ_SECURITY"] = str(security)
        command = [python, PROGRAMS / program] if str(program).endswith(".py") else [program]
        if host:
            command = [*host.prefix, *command]
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

    def serve(self, program, *arguments, **settings):
        """Begins a server. The endpoints that it prints the ports of."""
        process = self.run(program, *arguments, **settings)
        ports = process.stdout.readline().split()
        assert ports, process.stderr.read()
        return [f"tcp://127.0.0.1:{port}" for port in ports]

    def end(self):
        for process in self.processes:
            process.kill()
            process.communicate()
        for trail in self.trails:
            trail.lines.close()


class Trail:
    """The records of an audit trail. Its `path` is what `FERROZMQ_AUDIT` names."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        # For writing as well: it does not end when a program does.
        self.lines = os.fdopen(os.open(path, os.O_RDWR), "rb", buffering=0)
        self._text = b""

    def next(self, event, **fields):
        """The next record of this event with these fields; waits for it."""
        return self.of(event=event, **fields)

    def of(self, **fields):
        """The next record with these fields."""
        while True:
            record = self._next()
            if fields.items() <= record.items():
                return record

    def _next(self):
        while b"\n" not in self._text:
            self._text += self.lines.read(4096)
        line, self._text = self._text.split(b"\n", 1)
        return json.loads(line)


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


def refusal(context, endpoint, keys=None, server=None, kind=zmq.DEALER):
    """How a handshake of a client ends: the event. `kind` is one that suits the server's socket."""
    socket = context.socket(kind)
    if keys:
        socket.curve_publickey, socket.curve_secretkey = keys
        socket.curve_serverkey = server
    return ending(socket, endpoint)


def ending(socket, endpoint):
    """How the handshake of this socket ends: the event. The socket is closed."""
    socket.linger = 0
    events = socket.get_monitor_socket()
    socket.connect(endpoint)
    ends = {
        zmq.EVENT_HANDSHAKE_SUCCEEDED,
        zmq.EVENT_HANDSHAKE_FAILED_AUTH,
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
        zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    }
    try:
        while events.poll(PATIENCE_MS):
            event = recv_monitor_message(events)
            if event["event"] in ends:
                return event["event"]
        raise AssertionError("no end of the handshake")
    finally:
        socket.disable_monitor()
        socket.close()
