"""A server made with czmq, which has certificates and an authenticator (zauth) itself. What it sets wins over the security file."""

import os
import shutil
import subprocess

import pytest
import zmq
from conftest import PROGRAMS, ask, refusal
from relay import Relay

SECRET = "the question nobody may read"


@pytest.fixture(scope="module")
def greeter(tmp_path_factory):
    """Built for the libzmq of the system, with its headers."""
    program = tmp_path_factory.mktemp("built") / "greeter"
    compiler = ["gcc", "-std=gnu11", "-Wall", "-Werror", PROGRAMS / "greeter.c", "-o", program, "-lczmq", "-lzmq"]
    subprocess.run(compiler, check=True, env={**os.environ, "LD_PRELOAD": ""})
    return str(program)


@pytest.fixture
def another(place):
    """A folder of certificates that the program has of its own, with carol's, and its own server certificate."""
    folder = place.folder / "another"
    folder.mkdir()
    for name in ("carol", "own"):
        place.create(name)
    shutil.copy(place.folder / "carol.key", folder)
    return folder


@pytest.mark.parametrize("secured", [True, False], ids=["secured", "as it is"])
def test_a_server_without_security(place, greeter, secured):
    security = place.security() if secured else None
    [server] = place.serve(greeter, security=security)
    with Relay(server) as relay:
        client = place.run("req.py", relay.endpoint, security=security)
        assert ask(client, SECRET) == f"the answer to {SECRET}"
        wire = b"".join(relay.wire)
    assert (b"CURVE" in wire) == secured and (SECRET.encode() in wire) == (not secured)


def test_its_authenticator_is_asked(place, context, greeter, another):
    [server] = place.serve(greeter, "zauth", str(another), security=place.security())
    public, _ = place.key("server")
    assert refusal(context, server) == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    assert refusal(context, server, place.key("alice"), public) == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert refusal(context, server, place.key("carol"), public) == zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_its_own_certificate_wins(place, context, greeter, another):
    arguments = ("own", str(another), str(place.folder / "own.key_secret"))
    [server] = place.serve(greeter, *arguments, security=place.security())
    theirs, ours = place.key("server")[0], place.key("own")[0]
    assert refusal(context, server, place.key("carol"), theirs) not in (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    assert refusal(context, server, place.key("alice"), ours) == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    assert refusal(context, server, place.key("carol"), ours) == zmq.EVENT_HANDSHAKE_SUCCEEDED


def test_a_file_with_a_mistake_stops_it(place, greeter):
    process = place.run(greeter, security=place.folder / "none.toml")
    _, errors = process.communicate()
    assert process.returncode == 1 and "zsock_bind: Invalid argument" in errors
    assert "none.toml: there is no such file: make it, or correct its name" in errors
