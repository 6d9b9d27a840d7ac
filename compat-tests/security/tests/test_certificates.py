"""Key files as pyzmq makes and reads them."""

import os
import subprocess
import sys

import pytest
import zmq
import zmq.auth
from zmq.utils import z85

from secured import Peer, bind, echo, secure_client_socket, secure_server_socket


def test_a_pair_of_files_per_name(tmp_path):
    public_file, secret_file = zmq.auth.create_certificates(tmp_path, "alice", {"email": "alice@example.org"})
    assert sorted(os.listdir(tmp_path)) == ["alice.key", "alice.key_secret"]
    public, none = zmq.auth.load_certificate(public_file)
    assert none is None
    same, secret = zmq.auth.load_certificate(secret_file)
    assert (public, len(public), len(secret)) == (same, 40, 40)
    assert zmq.curve_public(secret) == public
    assert secret not in open(public_file, "rb").read()
    assert b"email = alice@example.org" in open(secret_file, "rb").read()


def test_no_two_pairs_are_the_same():
    pairs = [zmq.curve_keypair() for _ in range(50)]
    assert len({key for pair in pairs for key in pair}) == 100
    for public, secret in pairs:
        assert len(z85.decode(public)) == len(z85.decode(secret)) == 32
        assert zmq.curve_public(secret) == public


def test_a_folder_of_public_keys(certificates):
    for name in ("alice", "bob"):
        certificates.create(name, allow=True)
    certificates.create("mallory")
    keys = zmq.auth.load_certificates(certificates.allowed)
    wanted = [zmq.auth.load_certificate(certificates.public(name))[0] for name in ("alice", "bob")]
    assert keys == dict.fromkeys(wanted, True)


def test_no_such_file(tmp_path):
    with pytest.raises(OSError):
        zmq.auth.load_certificate(tmp_path / "nobody.key")
    with pytest.raises(OSError):
        zmq.auth.load_certificates(tmp_path / "nowhere")


def test_keys_that_are_none():
    for key in (b"", b"short", b"x" * 39, b"x" * 41):
        with pytest.raises(ValueError):
            zmq.curve_public(key)
    with pytest.raises(zmq.ZMQError) as failure:
        zmq.curve_public(b"\x80" * 40)
    assert failure.value.errno == zmq.EINVAL


def test_what_a_secured_socket_says_of_itself(context, certificates):
    socket = context.socket(zmq.REP)
    secure_server_socket(socket, certificates.secret("server"))
    assert socket.mechanism == zmq.CURVE
    assert socket.get(zmq.CURVE_SERVER) == 1
    assert socket.get(zmq.ZAP_DOMAIN).rstrip(b"\0") == b"global"
    with pytest.raises(zmq.ZMQError) as failure:
        socket.curve_secretkey = b"no key at all"
    assert failure.value.errno == zmq.EINVAL


@pytest.mark.parametrize("original", [False, True], ids=["own", "original"])
def test_certificates_that_another_program_has_made(context, certificates, original):
    code = """
folder = sys.argv[1]
for name in ("server", "client"):
    zmq.auth.create_certificates(folder, name)
tell("made")
"""
    with Peer(code, certificates.folder, original=original) as maker:
        assert maker.hear() == "made"
        maker.end()
    server, client = context.socket(zmq.REP), context.socket(zmq.REQ)
    secure_server_socket(server, certificates.secret("server"))
    secure_client_socket(client, certificates.secret("client"), certificates.public("server"))
    client.connect(bind(server))
    echo(server, client)


def test_keys_print_nothing(tmp_path):
    code = "import sys, zmq.auth; zmq.auth.create_certificates(sys.argv[1], 'silent')"
    process = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")
