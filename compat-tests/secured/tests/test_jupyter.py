"""A Jupyter kernel (ipykernel) with its client (jupyter_client), both as they come from PyPI.

A kernel binds five sockets, and one more for children where a cell forks. It is a client of itself for these and for its debugger. Their newest versions know CURVE themselves
(`transport_encryption`), which is off by default. Where it is on, it wins over the security file.
"""

import json
import os
import socket

import pytest
import zmq
from conftest import ask, refusal
from relay import Relay

PYTHON = os.environ["SECURED_JUPYTER"]
CHANNELS = "shell", "iopub", "stdin", "control", "hb"
SECRET = "what a notebook holds"
# The kernel begins its debugger, and talks to it over TCP as it is (ZMQ_STREAM).
DEBUG = {"type": "request", "seq": 1, "command": "initialize", "arguments": {"clientID": "test", "adapterID": "python"}}
FORK = """
import os
child = os.fork()
if child == 0:
    print("the child speaks", flush=True)
    os._exit(0)
os.waitpid(child, 0)[1]
"""


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def connection_file(path, ports):
    """What a kernel and its clients agree on, in their own form."""
    facts = {"transport": "tcp", "ip": "127.0.0.1", "key": "a signature", "signature_scheme": "hmac-sha256"}
    facts |= {f"{channel}_port": port for channel, port in zip(CHANNELS, ports)}
    path.write_text(json.dumps(facts))
    return str(path)


def kernel(place, security):
    """Begins a kernel. The endpoints of its channels."""
    ports = free_ports(len(CHANNELS))
    file = connection_file(place.folder / "kernel.json", ports)
    place.run(PYTHON, "-m", "ipykernel_launcher", "-f", file, security=security, IPYTHONDIR=place.folder)
    return [f"tcp://127.0.0.1:{port}" for port in ports]


def notebook(place, *arguments, security):
    client = place.run("notebook.py", *arguments, python=PYTHON, security=security, IPYTHONDIR=place.folder)
    assert client.stdout.readline() == "ready\n", client.stderr.read()
    return lambda cell: json.loads(ask(client, json.dumps(cell)))


@pytest.mark.parametrize("secured", [True, False], ids=["secured", "as it is"])
def test_a_kernel_and_its_client(place, secured):
    security = place.security() if secured else None
    relays = [Relay(endpoint) for endpoint in kernel(place, security)]
    ports = [int(relay.endpoint.rsplit(":", 1)[1]) for relay in relays]
    run = notebook(place, connection_file(place.folder / "client.json", ports), security=security)
    assert run("1 + 1") == ["ok", [["result", "2"]]]
    assert run(f"print('{SECRET}')") == ["ok", [["stdout", f"{SECRET}\n"]]]
    status, outputs = run(FORK)
    assert status == "ok" and ["result", "0"] in outputs
    assert "".join(text for name, text in outputs if name == "stdout") == "the child speaks\n"
    assert run(DEBUG)["success"]
    for channel, relay in zip(CHANNELS, relays):
        to_kernel, to_client = relay.wire
        mechanism = b"CURVE" if secured else b"NULL"
        assert mechanism in to_kernel[:64] and mechanism in to_client[:64], channel
        assert channel not in ("shell", "iopub") or (SECRET.encode() in to_kernel + to_client) == (not secured)
        relay.__exit__(None, None, None)


def test_strangers_are_refused_at_each_channel(place, context):
    public, _ = place.key("server")
    for channel, endpoint in zip(CHANNELS, kernel(place, place.security())):
        kind = zmq.SUB if channel == "iopub" else zmq.DEALER

        def end(*keys):
            return refusal(context, endpoint, *keys, kind=kind)

        assert end() == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, channel
        assert end(place.key("bob"), public) == zmq.EVENT_HANDSHAKE_FAILED_AUTH, channel
        assert end(place.key("alice"), public) == zmq.EVENT_HANDSHAKE_SUCCEEDED, channel


def test_a_kernel_is_its_own_client(place):
    """Where the file has the server's part alone, the kernel ends with a line that says so."""
    file = place.security('[default]\nserver_key = "server.key_secret"\nallow = {{ folder = "allowed" }}\n')
    kernel(place, file)
    _, errors = place.processes[-1].communicate()
    assert place.processes[-1].returncode != 0
    [line] = [line for line in errors.splitlines() if line.startswith("ferrozmq: zmq_connect tcp://127.0.0.1:")]
    assert "server_public" in line


@pytest.mark.parametrize(
    "policy, end", [("disabled", zmq.EVENT_HANDSHAKE_SUCCEEDED), ("required", None)], ids=["the file's keys", "Jupyter's own keys"]
)
def test_a_client_begins_its_kernel(place, context, policy, end):
    file = place.folder / "kernel.json"
    run = notebook(place, str(file), policy, security=place.security())
    assert run("1 + 1") == ["ok", [["result", "2"]]]
    facts = json.loads(file.read_text())
    assert ("curve_publickey" in facts) == (policy == "required")
    endpoint = f"tcp://127.0.0.1:{facts['shell_port']}"
    assert refusal(context, endpoint) == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    event = refusal(context, endpoint, place.key("alice"), place.key("server")[0])
    assert event == end if end else event != zmq.EVENT_HANDSHAKE_SUCCEEDED
