"""From CURVE to QZMQ: servers of both, clients that make do with CURVE where they may, and relays that would have them do so."""

import contextlib
import os
import socket
import subprocess

import pytest
import zmq
from certified import Keys, begin
from conftest import PROGRAMS, ask, ending
from relay import Relay

MECHANISM_MISMATCH = 0x11000002
CURVE_BESIDE_QZMQ, CURVE_FALLBACK = 0x46000050, 0x46000051
VERSION_END, MECHANISM_END = 12, 32
# The stock libzmq in the wheel of pyzmq.
STOCK = {"LD_PRELOAD": ""}


@pytest.fixture
def both(place):
    """Keys of QZMQ and of CURVE."""
    return Keys(place.folder / "qzmq", "x-wing"), Keys(place.folder / "curve", None)


@pytest.fixture
def folder(place, both):
    """Whom servers let in: alice, by whatever key."""
    folder = place.folder / "let-in"
    folder.mkdir()
    for keys in both:
        (folder / f"{keys.suite}.key").write_bytes(keys.short.read_bytes())
    return str(folder)


class Renaming(Relay):
    """A relay that writes another mechanism into the greetings that go one way."""

    def __init__(self, endpoint, mechanism, to_client):
        self.mechanism, self.of = mechanism.ljust(MECHANISM_END - VERSION_END, b"\0"), to_client
        super().__init__(endpoint)

    def _pass(self, source, target, record):
        is_edited = (record is self.to_client) == self.of
        whole = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                changed = bytearray(data)
                for at in range(len(changed)):
                    if is_edited and VERSION_END <= whole + at < MECHANISM_END:
                        changed[at] = self.mechanism[whole + at - VERSION_END]
                whole += len(changed)
                record.extend(changed)
                target.sendall(changed)
        for stream in (source, target):
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)


def answered(client, keys):
    assert ask(client, "a question") == f"the answer to a question of {keys.alice}"


@pytest.mark.parametrize("over", ["tcp", "ipc", "ws"])
def test_one_endpoint_takes_both(place, both, folder, over):
    """Stock clients of CURVE among them, with libzmq itself where it speaks the transport."""
    qzmq, curve = both
    endpoint = f"ipc://{place.folder}/socket" if over == "ipc" else f"{over}://127.0.0.1:*"
    bound = begin(place, "certified_rep.py", endpoint, qzmq.secret("server"), curve.secret("server"), folder)
    answered(place.run("certified_req.py", bound, *qzmq.client), qzmq)
    answered(place.run("certified_req.py", bound, *curve.client), curve)
    if over != "ws":
        answered(place.run("certified_req.py", bound, *curve.client, **STOCK), curve)
    # A client of both takes the better one.
    answered(place.run("migrating_req.py", bound, *qzmq.client, *curve.client), qzmq)


@pytest.mark.parametrize("over", ["tcp", "ws"])
def test_a_client_falls_back_where_it_may(place, both, over):
    """The server speaks CURVE alone. Then it is replaced by one that speaks QZMQ, and so does the client from then on."""
    qzmq, curve = both
    settings = STOCK if over == "tcp" else {}
    bound = begin(place, "certified_rep.py", f"{over}://127.0.0.1:*", curve.secret("server"), str(curve.allowed), **settings)
    trail = place.trail("trail")
    client = place.run("migrating_req.py", bound, *qzmq.client, *curve.client, FERROZMQ_AUDIT=trail.path, FERROZMQ_LOG=1)
    answered(client, curve)
    record = trail.next("fallback")
    assert record["mechanism"] == "QZMQ" and record["status"] == MECHANISM_MISMATCH
    assert record["reason"] == "the server names CURVE and not QZMQ: this client connects anew with CURVE"
    assert trail.next("authentication")["mechanism"] == "CURVE"
    server = place.processes[0]
    server.kill()
    server.wait()
    begin(place, "certified_rep.py", bound, qzmq.secret("server"), str(qzmq.allowed))
    answered(client, qzmq)
    assert trail.next("authentication")["mechanism"] == "QZMQ"


def test_a_client_without_the_option_does_not(place, context, both):
    qzmq, curve = both
    bound = begin(place, "certified_rep.py", "tcp://127.0.0.1:*", curve.secret("server"), str(curve.allowed))
    client = context.socket(zmq.REQ)
    client.curve_publickey, client.curve_secretkey = qzmq.pair("alice")
    client.curve_serverkey = qzmq.pair("server")[0]
    assert ending(client, bound) == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


@pytest.mark.parametrize("name", [b"CURVE", b"NULL", b"PLAIN"])
@pytest.mark.parametrize("to_client", [True, False], ids=["to the client", "to the server"])
def test_no_relay_gets_a_client_of_qzmq_alone_to_take_less(place, context, both, folder, name, to_client):
    qzmq, curve = both
    bound = begin(place, "certified_rep.py", "tcp://127.0.0.1:*", qzmq.secret("server"), curve.secret("server"), folder)
    with Renaming(bound, name, to_client) as relay:
        client = context.socket(zmq.REQ)
        client.curve_publickey, client.curve_secretkey = qzmq.pair("alice")
        client.curve_serverkey = qzmq.pair("server")[0]
        assert ending(client, relay.endpoint) != zmq.EVENT_HANDSHAKE_SUCCEEDED
        assert relay.connections


def test_a_relay_gets_one_that_may_fall_back_to_take_curve_and_no_less(place, both, folder):
    """The document says so. Both sides tell of it, and what is said stays sealed to the server's key of CURVE."""
    qzmq, curve = both
    trails = place.trail("server-trail"), place.trail("client-trail")
    arguments = "tcp://127.0.0.1:*", qzmq.secret("server"), curve.secret("server"), folder
    bound = begin(place, "certified_rep.py", *arguments, FERROZMQ_AUDIT=trails[0].path)
    with Renaming(bound, b"CURVE", True) as relay:
        client = place.run("migrating_req.py", relay.endpoint, *qzmq.client, *curve.client, FERROZMQ_AUDIT=trails[1].path)
        answered(client, curve)
        assert trails[1].next("fallback") and trails[1].next("authentication")["mechanism"] == "CURVE"
        assert trails[0].next("authentication")["mechanism"] == "CURVE"
        assert b"a question" not in b"".join(relay.wire)
    with Renaming(bound, b"NULL", True) as relay:
        trail = place.trail("null-trail")
        client = place.run("migrating_req.py", relay.endpoint, *qzmq.client, *curve.client, FERROZMQ_AUDIT=trail.path)
        client.stdin.write("a question\n")
        client.stdin.flush()
        assert trail.next("denial", status=MECHANISM_MISMATCH)["outcome"] == "denied"
        assert b"a question" not in b"".join(relay.wire)


@pytest.mark.parametrize("option, binds", [(None, True), (CURVE_BESIDE_QZMQ, True), (CURVE_FALLBACK, False)], ids=["neither", "server", "client"])
def test_the_options_are_for_one_role(context, both, option, binds):
    """Without an option the last key counts. With that of clients a server has both kinds, and no use for them."""
    server = context.socket(zmq.REP)
    if option:
        server.setsockopt(option, 1)
    server.curve_server = True
    for keys in both:
        server.curve_publickey, server.curve_secretkey = keys.pair("server")
    if binds:
        server.bind("tcp://127.0.0.1:*")
    else:
        with pytest.raises(zmq.ZMQError, match="Invalid argument"):
            server.bind("tcp://127.0.0.1:*")


SERVES_BOTH = """
[default]
server_key = "qzmq/certificates/server.key_secret"
allow = {{ folder = "let-in" }}
migration = {{ server_key = "curve/certificates/server.key_secret" }}
"""
FALLS_BACK = """
[default]
client_key = "qzmq/certificates/alice.key_secret"
server_public = "qzmq/certificates/server.key"
migration = {{ client_key = "curve/certificates/alice.key_secret", server_public = "curve/certificates/server.key" }}
"""
SERVES_ONE = """
[default]
server_key = "{client}/certificates/server.key_secret"
allow = {{ folder = "let-in" }}
"""
KNOWS_ONE = """
[default]
client_key = "{client}/certificates/alice.key_secret"
server_public = "{client}/certificates/server.key"
"""


def under(place, name, text, kind=""):
    """A security file of its own."""
    file = place.folder / f"{name}{kind}.toml"
    file.write_text(text.format(client=kind))
    return file


def mechanism_between(place, server, client, program="rep.py"):
    """What the two programs speak, which have no more than a security file each."""
    trail = place.trail(f"trail-{len(place.trails)}")
    [bound] = place.serve(program, security=server)
    process = place.run("req.py", bound, security=client, FERROZMQ_AUDIT=trail.path)
    assert ask(process, "a question") == "the answer to a question"
    return trail.next("authentication", outcome="ok")["mechanism"]


def test_security_files(place, both, folder):
    serves_both, falls_back = under(place, "server", SERVES_BOTH), under(place, "client", FALLS_BACK)
    for kind in ("qzmq", "curve"):
        assert mechanism_between(place, serves_both, under(place, "client", KNOWS_ONE, kind)) == kind.upper()
        assert mechanism_between(place, under(place, "server", SERVES_ONE, kind), falls_back) == kind.upper()
    assert mechanism_between(place, serves_both, falls_back) == "QZMQ"


def test_czmq_has_its_keys_from_a_security_file(place, both, folder):
    """zcert_load takes keys of 40 characters alone, so a server of czmq gets its key of QZMQ from outside."""
    greeter = place.folder / "greeter"
    compiler = ["gcc", "-std=gnu11", "-Wall", "-Werror", PROGRAMS / "greeter.c", "-o", greeter, "-lczmq", "-lzmq"]
    subprocess.run(compiler, check=True, env={**os.environ, "LD_PRELOAD": ""})
    server, client = under(place, "server", SERVES_ONE, "qzmq"), under(place, "client", KNOWS_ONE, "qzmq")
    assert mechanism_between(place, server, client, str(greeter)) == "QZMQ"


def checked(file):
    words = [os.environ["SECURED_TOOL"], "check", file]
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LD_PRELOAD": ""}).stdout


def test_the_tool_checks_security_files(place, both, folder):
    assert "takes CURVE as well, key " in checked(under(place, "server", SERVES_BOTH))
    assert "falls back to CURVE, of the server " in checked(under(place, "client", FALLS_BACK))
    turned = SERVES_BOTH.replace("qzmq/", "other/").replace("curve/", "qzmq/").replace("other/", "curve/")
    assert '"migration" stands beside keys of CURVE' in checked(under(place, "turned", turned))
    twice = SERVES_BOTH.replace("curve/", "qzmq/")
    assert '"migration" names a key of QZMQ' in checked(under(place, "twice", twice))
    half = FALLS_BACK.replace(', server_public = "curve/certificates/server.key"', "")
    assert "a client's migration takes its own key and the server's" in checked(under(place, "half", half))


@pytest.mark.parametrize("mistake", ["turned", "twice"])
def test_a_mistaken_security_file_stops_the_server(place, both, folder, mistake):
    turned = SERVES_BOTH.replace("curve/", "qzmq/")
    if mistake == "turned":
        turned = turned.replace("qzmq/", "curve/", 1)
    server = place.run("rep.py", security=under(place, mistake, turned))
    _, errors = server.communicate()
    assert server.returncode != 0 and '"migration"' in errors
