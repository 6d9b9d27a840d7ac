"""Programs that read their keys from certificate files, unchanged: pyzmq with its authenticator, czmq with its own, and plain C. The
files hold keys of CURVE, or of QZMQ, and that makes all the difference."""

import os
import subprocess

import pytest
import zmq
from certified import SUITES, Keys, begin, watched
from conftest import PROGRAMS, ask, refusal

SECRET = "the question nobody may read"
OVER = ("tcp", "ipc", "ws")


@pytest.fixture(params=SUITES.values(), ids=SUITES)
def keys(place, request):
    return Keys(place.folder, request.param)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Programs in C, built for the libzmq and the czmq of the system."""

    def build(name, *libraries):
        program = tmp_path_factory.mktemp("built") / name
        compiler = ["gcc", "-std=gnu11", "-Wall", "-Werror", PROGRAMS / f"{name}.c", "-o", program, *libraries]
        subprocess.run(compiler, check=True, env={**os.environ, "LD_PRELOAD": ""})
        return str(program)

    return build


def endpoint(place, over):
    return f"ipc://{place.folder}/socket" if over == "ipc" else f"{over}://127.0.0.1:*"


def check(relay, keys, *texts):
    if relay:
        wire = b"".join(relay.wire)
        assert (b"QZMQ" in wire, b"CURVE" in wire) == (bool(keys.suite), not keys.suite)
        assert not any(text.encode() in wire for text in texts)


def refused(context, bound, keys):
    """Who has a key of the kind and is not in the folder, and who has no key of the server's."""
    server = keys.pair("server")[0]
    assert refusal(context, bound, keys.pair("bob"), server, zmq.REQ) == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    wrong = refusal(context, bound, keys.pair("alice"), keys.pair("bob")[0], zmq.REQ)
    assert wrong not in (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    assert refusal(context, bound, kind=zmq.REQ) != zmq.EVENT_HANDSHAKE_SUCCEEDED


@pytest.mark.parametrize("over", OVER)
def test_pyzmq(place, context, keys, over):
    bound = begin(place, "certified_rep.py", endpoint(place, over), keys.secret("server"), str(keys.allowed))
    with watched(bound) as (where, relay):
        client = place.run("certified_req.py", where, *keys.client)
        assert ask(client, SECRET) == f"the answer to {SECRET} of {keys.alice}"
        check(relay, keys, SECRET, "the answer to")
    refused(context, bound, keys)


@pytest.mark.parametrize("over", OVER)
def test_czmq_lets_clients_in(place, context, built, keys, over):
    greeter = built("certified_greeter", "-lczmq", "-lzmq")
    bound = begin(place, greeter, endpoint(place, over), keys.secret("server"), str(keys.allowed))
    with watched(bound) as (where, relay):
        client = place.run("certified_req.py", where, *keys.client)
        assert ask(client, SECRET) == f"the answer to {SECRET} of {keys.alice}"
        check(relay, keys, SECRET, "the answer to")
    refused(context, bound, keys)


@pytest.mark.parametrize("over", OVER)
def test_plain_c(place, built, keys, over):
    program = built("certified", "-lzmq")
    bound = begin(place, program, "serve", endpoint(place, over), keys.secret("server"))
    with watched(bound) as (where, relay):
        client = place.run(program, "ask", where, *keys.client)
        assert client.stdout.readline() == "a question in C\n"
        check(relay, keys, "a question in C")


def test_keys_of_two_kinds_are_not_mixed(place, built, keys):
    """A server with a key of one kind and a client with one of another: neither program goes on in the clear, or with half of it."""
    other = Keys(place.folder / "other", None if keys.suite else "x-wing")
    program = built("certified", "-lzmq")
    client = place.run(program, "ask", "tcp://127.0.0.1:1", keys.secret("alice"), other.public("server"))
    _, errors = client.communicate()
    assert client.returncode == 1 and errors == "zmq_connect: Invalid argument\n"
