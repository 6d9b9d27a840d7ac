"""ferrozmq.secure over whatever libzmq pyzmq has: who gets in, who does not, and what is refused at once."""

import asyncio
import os
import stat
import subprocess
import sys

import pytest
import zmq
import zmq.asyncio
import zmq.auth

from ferrozmq import certificates, secure

PATIENCE_MS = 20_000
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH
WRONG = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
UNDECIDED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
DECIDED = REFUSED | WRONG | UNDECIDED | zmq.EVENT_HANDSHAKE_SUCCEEDED
# pyzmq closes a socket that no variable holds.
CLIENTS = []


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No switch, and a folder without certificates: tests are not to depend on the shell."""
    for name in (secure.SWITCH, certificates.FOLDER_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    CLIENTS.clear()


@pytest.fixture
def hosts(tmp_path):
    """The folders of two hosts and of one that is not theirs."""
    secure.create_host_folders(tmp_path / "keys", "server", "alice")
    secure.create_host_folders(tmp_path / "others", "mallory", "server")
    return tmp_path / "keys"


def decision(socket):
    """What has come of the next handshake of a socket that is bound: an event."""
    monitor = socket.get_monitor_socket(DECIDED)
    monitor.rcvtimeo = PATIENCE_MS

    def wait():
        event = int.from_bytes(monitor.recv_multipart()[0][:2], sys.byteorder)
        socket.disable_monitor()
        return zmq.Event(event)

    return wait


def ask(context, endpoint, name, folder, server="server"):
    """A client that has sent its name. It lives until the test ends."""
    client = secure.secure_client_socket(context.socket(zmq.REQ), name, server, certificates=folder)
    client.linger, client.rcvtimeo = 0, PATIENCE_MS
    client.connect(endpoint)
    client.send_string(name)
    CLIENTS.append(client)
    return client


def bound(context, folder, name="server"):
    server = secure.secure_server_socket(context.socket(zmq.REP), name, certificates=folder)
    server.linger, server.rcvtimeo = 0, PATIENCE_MS
    server.bind("tcp://127.0.0.1:*")
    return server, server.last_endpoint.decode()


def test_client_of_the_folder_is_served_and_known_by_name(hosts):
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        client = ask(context, endpoint, "alice", hosts / "alice")
        request = server.recv(copy=False)
        assert request.bytes == b"alice"
        assert request.get("User-Id") == "alice"
        server.send(b"welcome")
        assert client.recv() == b"welcome"
        assert server.mechanism == zmq.CURVE


def test_stranger_with_keys_of_its_own_is_refused(hosts, tmp_path):
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        # It knows the server's key, as one that was let in before would, and has a pair that the server does not know.
        mallory = tmp_path / "others" / "mallory"
        (mallory / "public" / "server.key").write_bytes((hosts / "alice" / "public" / "server.key").read_bytes())
        ask(context, endpoint, "mallory", mallory)
        assert decided() == REFUSED


def test_client_without_security_is_refused(hosts):
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        client = context.socket(zmq.REQ)
        client.linger = 0
        client.connect(endpoint)
        assert decided() == WRONG


def test_client_does_not_talk_to_a_false_server(hosts, tmp_path):
    others = tmp_path / "others" / "server"
    with secure.create_secure_context(certificates=others) as context:
        server, endpoint = bound(context, others)
        decided = decision(server)
        ask(context, endpoint, "alice", hosts / "alice")
        assert decided() == WRONG


def test_certificates_count_as_they_are_now(hosts, monkeypatch):
    monkeypatch.setattr(secure, "FOLDER_AGE_S", 0.0)
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        secure.create_host_folders(hosts, "bob")
        client = ask(context, endpoint, "bob", hosts / "bob")
        assert server.recv(copy=False).get("User-Id") == "bob"
        client.close()
        server.close()
        (hosts / "server" / "public" / "bob.key").unlink()
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        ask(context, endpoint, "bob", hosts / "bob")
        assert decided() == REFUSED


def test_folder_that_goes_bad_lets_no_client_in(hosts, monkeypatch):
    monkeypatch.setattr(secure, "FOLDER_AGE_S", 0.0)
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        os.chmod(hosts / "server" / "public", 0o777)
        ask(context, endpoint, "alice", hosts / "alice")
        assert decided() == REFUSED


def certificate(key):
    return f'curve\n    public-key = "{key}"\n'


# Cut off before its `=`, of no characters of Z85, of five that make more than four bytes, and without a key.
MALFORMED = {"cut": "curve\n    public-key", "noise": certificate("~" * 45), "large": certificate("#" * 45), "empty": certificate("")}


@pytest.mark.parametrize("name", MALFORMED)
def test_file_that_is_no_certificate_stops_no_authenticator(hosts, monkeypatch, name):
    monkeypatch.setattr(secure, "FOLDER_AGE_S", 0.0)
    (hosts / "server" / "public" / "before.key").write_text(MALFORMED[name])
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        (hosts / "server" / "public" / "while.key").write_text(MALFORMED[name])
        ask(context, endpoint, "alice", hosts / "alice")
        assert server.recv(copy=False).get("User-Id") == "alice"


def test_error_that_was_not_thought_of_lets_no_client_in_and_stops_no_authenticator(hosts, monkeypatch):
    monkeypatch.setattr(secure, "FOLDER_AGE_S", 0.0)
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        monkeypatch.setattr(secure, "known_keys", lambda folder: [][0])
        ask(context, endpoint, "alice", hosts / "alice")
        assert decided() == REFUSED
        running = secure.start_auth(context, certificates=hosts / "server")
        assert running is not None and running.is_alive()


def test_server_without_authenticator_lets_no_client_in(hosts):
    with secure.create_secure_context(certificates=hosts / "server") as context:
        server, endpoint = bound(context, hosts / "server")
        decided = decision(server)
        secure.stop_auth(context)
        ask(context, endpoint, "alice", hosts / "alice")
        assert decided() == UNDECIDED


def test_server_socket_demands_an_authenticator(hosts):
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        with pytest.raises(secure.SecurityError, match="start_auth"):
            secure.secure_server_socket(socket, certificates=hosts / "server")
        assert socket.mechanism == zmq.NULL


def test_sockets_are_secured_before_they_are_used(hosts):
    with secure.create_secure_context(certificates=hosts / "server") as context:
        for use, make in (("bind", secure.secure_server_socket), ("connect", secure.secure_client_socket)):
            with context.socket(zmq.DEALER) as socket:
                socket.linger = 0
                getattr(socket, use)("tcp://127.0.0.1:*" if use == "bind" else "tcp://127.0.0.1:1")
                with pytest.raises(secure.SecurityError, match="already"):
                    make(socket, certificates=hosts / "server")


def test_authenticator_starts_once_and_stops_often(hosts):
    with zmq.Context() as context:
        first = secure.start_auth(context, certificates=hosts / "server")
        assert first is not None and secure.start_auth(context, certificates=hosts / "server") is first
        with pytest.raises(secure.SecurityError, match="stop_auth"):
            secure.start_auth(context, certificates=hosts / "alice")
        secure.stop_auth(context)
        secure.stop_auth(context)
        assert not first.is_alive()
        again = secure.start_auth(context, certificates=hosts / "alice")
        assert again is not None and again.is_alive()
        secure.stop_auth(context)


def test_context_has_one_authenticator(hosts):
    with zmq.Context() as context, context.socket(zmq.REP) as own:
        own.bind("inproc://zeromq.zap.01")
        with pytest.raises(secure.SecurityError, match="authenticator of its own"):
            secure.start_auth(context, certificates=hosts / "server")


@pytest.mark.parametrize("end", ["term", "destroy", "with"])
def test_context_ends_with_its_authenticator(hosts, end):
    context = secure.create_secure_context(certificates=hosts / "server")
    running = secure.start_auth(context, certificates=hosts / "server")
    assert running is not None and running.is_alive()
    if end == "with":
        with context:
            pass
    else:
        getattr(context, end)()
    assert context.closed and not running.is_alive()
    getattr(context, "destroy" if end == "with" else end)()


def test_context_that_cannot_be_secured_is_none(tmp_path):
    with pytest.raises(secure.CertificateError, match="No such file"):
        secure.create_secure_context(certificates=tmp_path / "nowhere")


def test_asyncio(hosts):
    async def talk():
        with secure.create_secure_context(zmq.asyncio.Context, certificates=hosts / "server") as context:
            server, endpoint = bound(context, hosts / "server")
            client = secure.secure_client_socket(context.socket(zmq.REQ), "alice", certificates=hosts / "alice")
            client.linger = 0
            client.connect(endpoint)
            await client.send(b"hello")
            request = await server.recv(copy=False)
            await server.send(b"welcome")
            assert await client.recv() == b"welcome"
            return request.get("User-Id")

    assert asyncio.run(asyncio.wait_for(talk(), PATIENCE_MS / 1000)) == "alice"


def test_switch(hosts, monkeypatch):
    for value, expected in {"1": True, "true": True, "ON": True, "0": False, "no": False, "off": False}.items():
        monkeypatch.setenv(secure.SWITCH, value)
        assert secure.is_secured() is expected
    for value in ("", "maybe", "2"):
        monkeypatch.setenv(secure.SWITCH, value)
        with pytest.raises(secure.SecurityError, match=secure.SWITCH):
            secure.is_secured()
    monkeypatch.delenv(secure.SWITCH)
    assert secure.is_secured()


def test_switched_off_sockets_are_plain(monkeypatch):
    monkeypatch.setenv(secure.SWITCH, "0")
    with secure.create_secure_context() as context:
        assert secure.start_auth(context) is None
        server, endpoint = bound(context, None)
        client = ask(context, endpoint, "alice", None)
        assert server.recv() == b"alice"
        assert server.mechanism == client.mechanism == zmq.NULL


def test_folder_comes_from_the_environment(hosts, monkeypatch):
    monkeypatch.setenv(certificates.FOLDER_VARIABLE, str(hosts / "server"))
    with secure.create_secure_context() as context:
        server, endpoint = bound(context, None)
        ask(context, endpoint, "alice", hosts / "alice")
        assert server.recv() == b"alice"


def test_one_folder_may_hold_all_files(tmp_path):
    for name in ("server", "client"):
        secure.create_certificates(tmp_path / "flat", name)
    with secure.create_secure_context(certificates=tmp_path / "flat") as context:
        server, endpoint = bound(context, tmp_path / "flat")
        ask(context, endpoint, "client", tmp_path / "flat")
        assert server.recv(copy=False).get("User-Id") == "client"


@pytest.mark.parametrize("suite", certificates.SUITES[1:])
def test_qzmq(tmp_path, suite):
    keys = tmp_path / "keys"
    secure.create_host_folders(keys, "server", "alice", suite=suite)
    with secure.create_secure_context(certificates=keys / "server") as context:
        if not zmq.has("qzmq"):
            with pytest.raises(secure.SecurityError, match="activate"):
                bound(context, keys / "server")
            return
        server, endpoint = bound(context, keys / "server")
        ask(context, endpoint, "alice", keys / "alice")
        request = server.recv(copy=False)
        assert (request.bytes, request.get("User-Id")) == (b"alice", "alice")


def test_keys_of_two_kinds_are_refused(tmp_path, hosts):
    keys = tmp_path / "qzmq"
    secure.create_host_folders(keys, "bob", suite="x-wing")
    (keys / "bob" / "public" / "server.key").write_bytes((hosts / "server" / "public" / "server.key").read_bytes())
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        with pytest.raises(secure.CertificateError, match="two kinds"):
            secure.secure_client_socket(socket, "bob", certificates=keys / "bob")


def test_certificates_are_those_of_pyzmq(tmp_path):
    before = os.umask(0)
    try:
        public, both = secure.create_certificates(tmp_path / "made", "ann", metadata={"mail": "ann@example.org"})
    finally:
        os.umask(before)
    assert stat.S_IMODE(both.stat().st_mode) == 0o600 and stat.S_IMODE(public.parent.stat().st_mode) == 0o700
    key, secret = zmq.auth.load_certificate(both)
    assert secret is not None and zmq.curve_public(secret) == key == zmq.auth.load_certificate(public)[0]
    assert "mail = ann@example.org" in both.read_text()
    assert sorted(path.name for path in public.parent.iterdir()) == ["ann.key", "ann.key_secret"]
    pair = secure.Certificates(public.parent).key_pair("ann")
    assert (pair.public, pair.secret, pair.is_qzmq) == (key, secret, False)
    assert secret.decode() not in repr(pair)


def test_no_certificate_is_overwritten(tmp_path):
    public, both = secure.create_certificates(tmp_path, "ann")
    contents = public.read_bytes(), both.read_bytes()
    for gone in (None, public):
        if gone:
            gone.unlink()
        with pytest.raises(FileExistsError):
            secure.create_certificates(tmp_path, "ann")
    assert both.read_bytes() == contents[1] and not public.exists()


@pytest.mark.parametrize("suite", certificates.SUITES[:2])
def test_certificate_is_made_whole_or_not_at_all(tmp_path, monkeypatch, suite):
    def link(made, path, link=os.link):
        if path == last:
            # As by another process that is faster.
            path.write_text("of another")
        link(made, path)

    last = tmp_path / ("ann.key_secret" if suite == "curve" else "ann.fingerprint.key")
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(FileExistsError):
        secure.create_certificates(tmp_path, "ann", suite=suite)
    assert list(tmp_path.iterdir()) == [last] and last.read_text() == "of another"
    last.unlink()
    monkeypatch.undo()
    secure.create_certificates(tmp_path, "ann", suite=suite)


@pytest.mark.parametrize("name", ["", "..", "../ann", "a/b", ".hidden", "a\0b"])
def test_names_stay_in_their_folder(tmp_path, name):
    with pytest.raises(secure.CertificateError):
        secure.create_certificates(tmp_path, name)
    with pytest.raises(secure.CertificateError):
        secure.Certificates(tmp_path).key_pair(name)


def test_metadata_is_of_one_line(tmp_path):
    with pytest.raises(secure.CertificateError, match="line"):
        secure.create_certificates(tmp_path, "ann", metadata={"note": 'a\ncurve\n    public-key = "..."'})
    with pytest.raises(secure.CertificateError, match="suite"):
        secure.create_certificates(tmp_path, "ann", suite="rsa")
    assert not list(tmp_path.iterdir())


def test_secret_key_that_others_may_read_is_refused(tmp_path):
    public, both = secure.create_certificates(tmp_path, "ann")
    for mode in (0o640, 0o604):
        both.chmod(mode)
        with pytest.raises(secure.CertificateError, match="chmod 600"):
            secure.Certificates(tmp_path).key_pair("ann")
    both.write_bytes(public.read_bytes())
    with pytest.raises(secure.CertificateError, match="no secret key"):
        secure.Certificates(tmp_path).key_pair("ann")
    with pytest.raises(secure.CertificateError, match="no such file"):
        secure.Certificates(tmp_path).key_pair("bob")


def test_known_keys_leave_out_what_is_no_certificate(tmp_path):
    public, _ = secure.create_certificates(tmp_path / "made", "ann")
    folder = tmp_path / "known"
    folder.mkdir()
    (folder / "ann.key").write_bytes(public.read_bytes())
    (folder / "empty.key").write_bytes(b"")
    (folder / "noise.key").write_bytes(bytes(range(256)))
    (folder / "broken.key").write_text(certificate("x" * 41))
    for name, text in MALFORMED.items():
        (folder / f"malformed-{name}.key").write_text(text)
    (folder / "folder.key").mkdir()
    # Opening it would wait for a writer.
    os.mkfifo(folder / "pipe.key")
    (folder / "open.key").write_bytes(public.read_bytes().replace(b"public-key", b"public-key"))
    os.chmod(folder / "open.key", 0o666)
    (folder / "gone.key").symlink_to(folder / "nowhere")
    assert list(certificates.known_keys(folder).values()) == ["ann"]


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_certificate_is_told_of(tmp_path, name):
    secure.create_certificates(tmp_path, "ann")
    for file in ("ann.key", "ann.key_secret"):
        (tmp_path / file).write_text(MALFORMED[name])
    with pytest.raises(secure.CertificateError, match="ann.key: no certificate"):
        secure.Certificates(tmp_path).public_key("ann")
    with pytest.raises(secure.CertificateError, match="ann.key_secret: no certificate"):
        secure.Certificates(tmp_path).key_pair("ann")


def test_hosts_are_kept_in_step(tmp_path):
    first, second = secure.create_host_folders(tmp_path, "one", "two")
    own = (first / "private" / "one.key_secret").read_bytes()
    (third,) = secure.create_host_folders(tmp_path, "three")
    for host in (first, second, third):
        assert sorted(path.stem for path in (host / "public").glob("*.key")) == ["one", "three", "two"]
        assert [path.stem for path in (host / "private").glob("*_secret")] == [host.name]
    assert (first / "private" / "one.key_secret").read_bytes() == own
    (second / "public" / "one.key").write_bytes((third / "private" / "three.key").read_bytes())
    with pytest.raises(secure.CertificateError, match="not the key"):
        secure.create_host_folders(tmp_path, "four")


def test_hosts_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "ferrozmq.secure", "hosts", str(tmp_path / "keys"), "one", "two"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stdout.splitlines() == [f"{tmp_path}/keys/{name}: for the host {name}" for name in ("one", "two")]
    bad = subprocess.run([*command[:-1], "../x"], capture_output=True, text=True)
    assert bad.returncode == 2 and "no name" in bad.stderr and bad.stderr.count("\n") == 1
