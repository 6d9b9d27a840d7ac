"""CURVE with certificates: only clients whose public keys lie in the server's folder are let in.

    python certificates.py
"""

import os
import tempfile
import threading
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator


def certificates(folder, *names):
    """A key pair for each name. The umask comes first: no other user may read a secret key, not even for a moment."""
    os.umask(0o077)
    for name in names:
        zmq.auth.create_certificates(folder, name)


def secure(socket, folder, name, server=None):
    """Gives a socket its own keys, and a client the server's public key."""
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(folder / f"{name}.key_secret")
    if server is None:
        socket.curve_server = True
    else:
        socket.curve_serverkey, _ = zmq.auth.load_certificate(folder / f"{server}.key")


def reaches(context, endpoint, folder, name):
    """Whether this client gets its message to the server and an answer back."""
    with context.socket(zmq.REQ) as client:
        client.linger = 0
        client.rcvtimeo = 2000 if name == "alice" else 300
        secure(client, folder, name, server="server")
        client.connect(endpoint)
        client.send_string(name)
        try:
            return client.recv_string() == f"hello {name}"
        except zmq.Again:
            return False


def main():
    with tempfile.TemporaryDirectory() as place, zmq.Context() as context:
        folder = Path(place)
        certificates(folder, "server", "alice", "mallory")
        welcome = folder / "welcome"
        welcome.mkdir()
        (welcome / "alice.key").write_bytes((folder / "alice.key").read_bytes())

        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve(domain="*", location=str(welcome))
        with context.socket(zmq.ROUTER) as server:
            secure(server, folder, "server")
            endpoint = f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}"
            found = dict(run(context, server, endpoint, folder))
        authenticator.stop()
    print(found)
    assert found == {"alice": True, "mallory": False}


def run(context, server, endpoint, folder):
    """Who reaches the server, which answers the one message that comes."""
    def answer():
        peer, empty, name = server.recv_multipart()
        server.send_multipart([peer, empty, b"hello " + name])

    thread = threading.Thread(target=answer)
    thread.start()
    yield from ((name, reaches(context, endpoint, folder, name)) for name in ("mallory", "alice"))
    thread.join()


if __name__ == "__main__":
    main()
