"""Prints the first message of a publisher. Arguments: the endpoint."""

import sys

import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b"")
socket.connect(sys.argv[1])
print(socket.recv().decode(), flush=True)
