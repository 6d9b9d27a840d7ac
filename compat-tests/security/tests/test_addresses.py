"""Clients on another host, which is a network namespace with a wire to ours; allowed and denied by address."""

import json
import shutil
import subprocess

import pytest
import zmq

from secured import (
    FAILED_AUTH, SUCCEEDED, Events, Peer, bind, echo, nothing, secure_client_socket, secure_server_socket,
)

OURS, THEIRS, STRANGERS = "10.91.7.1", "10.91.7.2", "10.91.7.3"

# Carries out orders, each with sockets of its own: connects, sends, and says what came of it.
CLIENT = """
tell("here")
device, *addresses = sys.stdin.readline().split()
for address in addresses:
    subprocess.run(["ip", "address", "add", f"{address}/24", "dev", device], check=True)
for name in (device, "lo"):
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
tell("up")
context = zmq.Context()
for line in sys.stdin:
    order = json.loads(line)
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    for name, value in order["options"].items():
        setattr(socket, name, value.encode())
    events = Events(socket)
    socket.connect(order["endpoint"])
    event = events.next()
    reply = None
    if event and event[0] == SUCCEEDED:
        socket.send(b"hello")
        reply = socket.recv().decode() if socket.poll(PATIENCE_MS) else "none"
    tell([event, reply])
    events.close()
    socket.close()
context.term()
"""


class Host:
    """A client on a host with two addresses."""

    def __init__(self):
        if not (shutil.which("unshare") and shutil.which("ip")):
            pytest.skip("there is no unshare or no ip to make another host with")
        if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
            pytest.skip("this machine lets nobody make a network namespace")
        self.peer = Peer(CLIENT, prefix=("unshare", "-n"))
        assert self.peer.hear() == "here"
        self.wire()

    def wire(self):
        device = f"sec{self.peer.process.pid % 1_000_000}"
        other = ["peer", "name", "far0", "netns", str(self.peer.process.pid)]
        made = subprocess.run(["ip", "link", "add", device, "type", "veth", *other], capture_output=True, text=True)
        if made.returncode:
            self.peer.process.kill()
            pytest.skip(f"this machine has no veth: {made.stderr.strip()}")
        subprocess.run(["ip", "address", "add", f"{OURS}/24", "dev", device], check=True)
        subprocess.run(["ip", "link", "set", device, "up"], check=True)
        self.peer.say(f"far0 {THEIRS} {STRANGERS}")
        assert self.peer.hear() == "up"

    def order(self, endpoint, options, source=THEIRS):
        """Begins to connect; the outcome is to be heard."""
        port = endpoint.rpartition(":")[2]
        self.peer.say(json_order(f"tcp://{source}:0;{OURS}:{port}", options))

    def outcome(self):
        return self.peer.hear()


def json_order(endpoint, options):
    text = {name: value.decode() if isinstance(value, bytes) else value for name, value in options.items()}
    return json.dumps({"endpoint": endpoint, "options": text})


@pytest.fixture(scope="module")
def host():
    host = Host()
    yield host
    host.peer.process.kill()
    host.peer.process.wait()


class Null:
    def __init__(self, authenticator, certificates):
        self.options = {}

    def serve(self, socket):
        socket.zap_domain = b"global"


class Plain(Null):
    def __init__(self, authenticator, certificates):
        authenticator.configure_plain("global", {"alice": "rabbit"})
        self.options = {"plain_username": "alice", "plain_password": "rabbit"}

    def serve(self, socket):
        socket.plain_server = True
        socket.zap_domain = b"global"


class Curve(Null):
    def __init__(self, authenticator, certificates):
        certificates.create("alice", allow=True)
        authenticator.configure_curve("global", certificates.allowed)
        self.certificates = certificates
        self.options = keys(certificates, "alice")

    def serve(self, socket):
        secure_server_socket(socket, self.certificates.secret("server"))


def keys(certificates, name):
    secret = certificates.secret(name)
    certificates.secret("server")
    public_key, secret_key = zmq.auth.load_certificate(secret)
    server_key, _ = zmq.auth.load_certificate(certificates.public("server"))
    return {"curve_publickey": public_key, "curve_secretkey": secret_key, "curve_serverkey": server_key}


@pytest.fixture(params=[Null, Plain, Curve], ids=["NULL", "PLAIN", "CURVE"])
def mechanism(request, authenticator, certificates):
    return request.param(authenticator, certificates)


def served(context, mechanism):
    server = context.socket(zmq.REP)
    mechanism.serve(server)
    return server, Events(server), bind(server, "0.0.0.0")


def let_in(host, server, events, endpoint, options, source):
    host.order(endpoint, options, source)
    assert events.next() == (SUCCEEDED, 0)
    assert server.poll(5000)
    request = server.recv(copy=False)
    assert request.get("Peer-Address") == source
    server.send(b"welcome")
    assert host.outcome() == [[SUCCEEDED, 0], "welcome"]


def turned_away(host, server, events, endpoint, options, source):
    host.order(endpoint, options, source)
    assert host.outcome() == [[FAILED_AUTH, 400], None]
    assert events.next() == (FAILED_AUTH, 400)
    nothing(server, 100)


def test_an_allowed_address(host, context, authenticator, mechanism):
    authenticator.allow(THEIRS)
    server, events, endpoint = served(context, mechanism)
    let_in(host, server, events, endpoint, mechanism.options, THEIRS)
    turned_away(host, server, events, endpoint, mechanism.options, STRANGERS)
    let_in(host, server, events, endpoint, mechanism.options, THEIRS)
    events.close()


def test_an_address_on_the_deny_list(host, context, authenticator, mechanism):
    authenticator.deny(STRANGERS)
    server, events, endpoint = served(context, mechanism)
    turned_away(host, server, events, endpoint, mechanism.options, STRANGERS)
    let_in(host, server, events, endpoint, mechanism.options, THEIRS)
    events.close()


def test_a_good_address_does_not_make_up_for_a_bad_key(host, context, authenticator, certificates):
    authenticator.allow(THEIRS)
    curve = Curve(authenticator, certificates)
    server, events, endpoint = served(context, curve)
    turned_away(host, server, events, endpoint, keys(certificates, "mallory"), THEIRS)
    let_in(host, server, events, endpoint, curve.options, THEIRS)
    events.close()


def test_a_good_address_does_not_make_up_for_a_bad_password(host, context, authenticator, certificates):
    authenticator.allow(THEIRS)
    plain = Plain(authenticator, certificates)
    server, events, endpoint = served(context, plain)
    turned_away(host, server, events, endpoint, {**plain.options, "plain_password": "hare"}, THEIRS)
    let_in(host, server, events, endpoint, plain.options, THEIRS)
    events.close()


def test_a_client_here_while_the_other_host_is_denied(host, context, authenticator, certificates):
    authenticator.deny(THEIRS, STRANGERS)
    curve = Curve(authenticator, certificates)
    server, events, endpoint = served(context, curve)
    turned_away(host, server, events, endpoint, curve.options, THEIRS)
    client = context.socket(zmq.REQ)
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    client.connect(f"tcp://127.0.0.1:{endpoint.rpartition(':')[2]}")
    echo(server, client)
    events.close()
