"""Security switched on and off by an environment variable, in the same unchanged program."""

from pathlib import Path

import pytest
import zmq

from relay import Relay
from secured import MISMATCHES, SUCCEEDED, Peer

PROGRAM = Path(__file__).parent / "switched.py"
RUN = "import runpy; sys.argv[0] = sys.argv.pop(1); runpy.run_path(sys.argv[0], run_name='__main__')"


def program(monkeypatch, secure, *arguments):
    monkeypatch.setenv("SECURE_ZMQ", "1" if secure else "0")
    return Peer(RUN, PROGRAM, *arguments)


@pytest.mark.parametrize("secure", [False, True], ids=["off", "on"])
def test_the_switch_is_the_same_on_both_sides(certificates, monkeypatch, secure):
    certificates.create("server")
    certificates.create("client", allow=True)
    with program(monkeypatch, secure, "serve", certificates.folder.parent) as server:
        with Relay(server.hear()) as relay:
            with program(monkeypatch, secure, "ask", certificates.folder.parent, relay.endpoint) as client:
                mechanism = zmq.CURVE if secure else zmq.NULL
                assert server.hear() == [SUCCEEDED, 0]
                assert server.hear() == [mechanism, "please"]
                assert client.hear() == [mechanism, "served"]
                client.end()
            server.say()
            server.end()
        assert (b"please" in relay.to_server) == (b"served" in relay.to_client) == (not secure)


@pytest.mark.parametrize("secure", [False, True], ids=["server off", "server on"])
def test_only_one_side_is_switched_on(certificates, monkeypatch, secure):
    certificates.create("server")
    certificates.create("client", allow=True)
    folder = certificates.folder.parent
    with program(monkeypatch, secure, "serve", folder) as server:
        with program(monkeypatch, not secure, "ask", folder, server.hear()) as client:
            assert server.hear() in MISMATCHES
            assert server.hear() == [zmq.CURVE if secure else zmq.NULL, None]
            assert client.hear() == [zmq.NULL if secure else zmq.CURVE, None]
            client.end()
        server.say()
        server.end()
