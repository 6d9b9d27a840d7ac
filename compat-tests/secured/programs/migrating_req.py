"""Asks for each line of its input, and prints the answers. It speaks QZMQ, or CURVE with servers that know no better. Arguments: the
endpoint, then its own certificate and the server's, for either kind."""

import sys

import zmq
import zmq.auth

CURVE_FALLBACK = 0x46000051

endpoint, *certificates = sys.argv[1:]
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(CURVE_FALLBACK, 1)
for own, server in zip(certificates[::2], certificates[1::2], strict=True):
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(own)
    socket.curve_serverkey, _ = zmq.auth.load_certificate(server)
socket.reconnect_ivl = 10
socket.connect(endpoint)
for line in sys.stdin:
    socket.send(line.strip().encode())
    print(socket.recv().decode(), flush=True)
