"""One side of a talk by GSSAPI: peer.py LIBRARY server|client ENDPOINT PLAINTEXT. A DEALER that echoes, or one that asks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.sockets import Context

DEALER = 5
SERVER, PRINCIPAL, SERVICE, PLAINTEXT = 62, 63, 64, 65
SIZES = (0, 1, 200, 255, 256, 8191, 8192, 100_000)
NAME = b"zmqtest2"


def main():
    path, role, endpoint, plaintext = sys.argv[1:]
    context = Context(path)
    socket = context.socket(DEALER, linger_ms=2000, patience_ms=20_000)
    socket.set(PRINCIPAL, NAME)
    socket.set_int(PLAINTEXT, int(plaintext))
    if role == "server":
        socket.set_int(SERVER, 1)
        socket.bind(endpoint)
    else:
        socket.set(SERVICE, NAME)
        socket.connect(endpoint)
    for size in SIZES:
        body = bytes(i * 7 % 256 for i in range(size))
        if role == "client":
            socket.send(b"head", body)
        socket.expect(b"head", body)
        if role == "server":
            socket.send(b"head", body)
    socket.close()
    context.term()


main()
