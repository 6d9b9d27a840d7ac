"""Asks for each line of its input, and prints the answers. Arguments: the endpoint, its own certificate, the server's."""

import sys

import zmq
import zmq.auth

endpoint, own, server = sys.argv[1:]
socket = zmq.Context().socket(zmq.REQ)
socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(own)
socket.curve_serverkey, _ = zmq.auth.load_certificate(server)
socket.connect(endpoint)
for line in sys.stdin:
    socket.send(line.strip().encode())
    print(socket.recv().decode(), flush=True)
