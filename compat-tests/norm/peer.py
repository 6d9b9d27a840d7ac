"""One side of a talk over norm://: peer.py LIBRARY pub|sub ENDPOINT LONGEST. A PUB that sends and stays until its input ends, or a
SUB that checks what comes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.sockets import Context

PUB, SUB, SUBSCRIBE = 1, 2, 6
# Few bytes: congestion control begins slowly.
SIZES = (0, 1, 200, 253, 254, 255, 256, 1398, 1399, 1400, 2038, 8191, 20_000)


def main():
    path, role, endpoint, longest = sys.argv[1:]
    context = Context(path)
    socket = context.socket(PUB if role == "pub" else SUB, linger_ms=0, patience_ms=60_000)
    if role == "sub":
        socket.set(SUBSCRIBE, b"head")
    socket.connect(endpoint)
    for size in (size for size in SIZES if size <= int(longest)):
        body = bytes(i * 7 % 256 for i in range(size))
        if role == "pub":
            socket.send(b"other")
            socket.send(b"head", body)
        else:
            socket.expect(b"head", body)
    if role == "pub":
        sys.stdin.read()
    socket.close()
    context.term()


main()
