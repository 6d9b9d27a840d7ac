"""Asks for each line of its input, and prints the answers. Arguments: the endpoint."""

import sys

import zmq

socket = zmq.Context().socket(zmq.REQ)
socket.connect(sys.argv[1])
for line in sys.stdin:
    socket.send(line.strip().encode())
    print(socket.recv().decode(), flush=True)
