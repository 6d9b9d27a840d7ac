"""Two hosts whose folders of certificates are in step or not: each side says what is wrong in words."""

import shutil

import hosts
import pytest
from conftest import DEFAULT, Place, ask

# ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
MECHANISM_MISMATCH = 0x11000002
MISTAKEN_SERVER = (
    "a key is wrong, or bytes were changed on the way:"
    " does the client have this server's public key, and does each pair belong together?"
)
MISTAKEN_CLIENT = "the peer has hung up in the handshake: is its public key the one that this client has?"


@pytest.fixture(scope="module")
def host():
    try:
        host = hosts.Host()
    except hosts.Unavailable as why:
        pytest.skip(str(why))
    yield host
    host.end()


@pytest.fixture
def places(tmp_path):
    """The folders of the server's host and of the client's, each with keys of its own."""
    places = Place(tmp_path / "server"), Place(tmp_path / "client")
    for place in places:
        place.keep_out("alice")
    yield places
    for place in places:
        place.end()


def bring(what, source, target):
    """Copies a public key to another host."""
    fresh = target.with_suffix(".new")
    shutil.copy(source.folder / what, fresh)
    fresh.replace(target)


def let_in_alice(server, client):
    bring("alice.key", client, server.folder / "allowed" / "alice.key")


def tell_of_the_server(server, client):
    bring("server.key", server, client.folder / "server.key")


def begin(places, host, secured=(True, True), text=DEFAULT):
    """The trails of a server here and of a client there, and the client, which has been asked to ask. Both have a log. `secured`:
    whether each of them has a security file, and `text` is the server's."""
    server, client = places
    files = [place.security(text) if has_file else None for place, text, has_file in zip(places, (text, DEFAULT), secured)]
    trails = server.trail("trail"), client.trail("trail")
    [endpoint] = server.serve("rep.py", security=files[0], FERROZMQ_AUDIT=trails[0].path, FERROZMQ_LOG=1)
    endpoint = endpoint.replace("127.0.0.1", hosts.HERE)
    settings = {"FERROZMQ_AUDIT": trails[1].path, "FERROZMQ_LOG": 1}
    process = client.run("req.py", endpoint, host=host, security=files[1], **settings)
    process.stdin.write("a question\n")
    process.stdin.flush()
    return *trails, process


def logged(process, record):
    """Whether a line on stderr says what the record of the audit trail says."""
    line = f"ferrozmq: denial at {record['endpoint']}, peer {record['peer']}"
    line += f", key {record['key']}" if "key" in record else ""
    return process.stderr.readline() == f"{line}: {record['reason']}\n"


def answered(process):
    return process.stdout.readline() == "the answer to a question\n"


def test_in_step(places, host):
    let_in_alice(*places)
    tell_of_the_server(*places)
    here, there, process = begin(places, host)
    assert answered(process)
    server, client = places
    admitted = here.next("authentication", direction="in")
    assert admitted["peer"] == hosts.THERE and admitted["user"] == "alice"
    assert admitted["key"] == client.fingerprint("alice")
    assert there.next("authentication", direction="out")["key"] == server.fingerprint("server")


def test_the_clients_key_is_not_in_the_servers_folder(places, host):
    tell_of_the_server(*places)
    here, there, process = begin(places, host)
    server, client = places
    denied = here.next("denial")
    assert denied["peer"] == hosts.THERE and denied["key"] == client.fingerprint("alice") and denied["status"] == 400
    assert denied["reason"] == "refused by the authenticator: not among those that the security file lets in"
    assert logged(server.processes[0], denied)
    denied = there.next("denial")
    assert denied["endpoint"].startswith(f"tcp://{hosts.HERE}:") and denied["status"] == 400
    assert denied["reason"] == "refused by the peer: is this client's key among those that it lets in?"
    assert logged(process, denied)
    # The client has not been touched, and asks again by itself.
    let_in_alice(*places)
    assert answered(process)


def test_the_client_has_another_servers_public_key(places, host):
    let_in_alice(*places)
    here, there, process = begin(places, host)
    denied = here.next("denial")
    assert denied["reason"] == MISTAKEN_SERVER and logged(places[0].processes[0], denied)
    denied = there.next("denial")
    assert denied["reason"] == MISTAKEN_CLIENT and logged(process, denied)
    tell_of_the_server(*places)
    assert answered(process)


@pytest.mark.parametrize("secured", [(True, False), (False, True)], ids=["the server alone", "the client alone"])
def test_one_host_has_no_security_file(places, host, secured):
    let_in_alice(*places)
    tell_of_the_server(*places)
    here, there, process = begin(places, host, secured)
    for trail, is_secured in zip((here, there), secured):
        cause = "this side demands CURVE" if is_secured else "is it secured, and this side is not?"
        assert trail.next("denial", status=MECHANISM_MISMATCH)["reason"] == f"the peer has another mechanism: {cause}"


def test_the_clients_host_is_kept_out(places, host):
    let_in_alice(*places)
    tell_of_the_server(*places)
    here, _, process = begin(places, host, text=f'{DEFAULT}addresses = {{{{ deny = ["10.77.0.0/24"] }}}}\n')
    denied = here.next("denial")
    assert denied["peer"] == hosts.THERE and denied["reason"] == "the security file keeps this address out"
    assert logged(places[0].processes[0], denied)


VULNERABLE = """
[default]
mechanism = "null"
{setting}
"""


def served(places, text, **settings):
    """A service that unpickles, under a security file, and whether it has begun."""
    server, _ = places
    security = server.security(text, client="server") if text else None
    process = server.run("unpickle.py", "5555", security=security, **settings)
    return process, process.stdout.readline().strip() == "ready"


def attack(places, host, tmp_path):
    """What a stranger at the other host meets, who has the stock libzmq, and whether the service did what it was told."""
    _, client = places
    done = tmp_path / "done"
    process = client.run("stranger.py", f"tcp://{hosts.HERE}:5555", str(done), host=host, LD_PRELOAD="")
    return process.stdout.readline().strip(), done.exists()


def test_a_service_that_unpickles_is_open_to_every_host(places, host, tmp_path):
    _, ready = served(places, None)
    assert ready and attack(places, host, tmp_path) == ("answered", True)


def test_a_service_that_unpickles_may_not_listen_without_a_mechanism(places, host, tmp_path):
    trail = places[0].trail("trail")
    text = VULNERABLE.format(setting='null_off_loopback = "refuse"')
    process, ready = served(places, text, FERROZMQ_AUDIT=trail.path)
    _, errors = process.communicate()
    assert not ready and "zmq.error.ZMQError: Permission denied" in errors
    refused = trail.next("bind_refused", endpoint="tcp://*:5555")
    assert "null_off_loopback" in refused["reason"]
    assert f"ferrozmq: zmq_bind tcp://*:5555 refused: {refused['reason']}" in errors
    assert attack(places, host, tmp_path) == ("CONNECT_RETRIED", False)


def test_a_service_that_unpickles_is_kept_to_its_host(places, host, tmp_path):
    _, ready = served(places, VULNERABLE.format(setting='wildcard_bind = "loopback"'))
    assert ready and attack(places, host, tmp_path) == ("CONNECT_RETRIED", False)
    server, _ = places
    stranger = server.run("stranger.py", "tcp://127.0.0.1:5555", str(tmp_path / "done"), LD_PRELOAD="")
    assert stranger.stdout.readline() == "answered\n"


def test_a_service_that_unpickles_serves_those_alone_that_are_let_in(places, host, tmp_path):
    let_in_alice(*places)
    tell_of_the_server(*places)
    _, ready = served(places, DEFAULT)
    assert ready and attack(places, host, tmp_path) == ("HANDSHAKE_FAILED_PROTOCOL", False)
    _, client = places
    friend = client.run("stranger.py", f"tcp://{hosts.HERE}:5555", str(tmp_path / "done"), host=host, security=client.security())
    assert friend.stdout.readline() == "answered\n"
