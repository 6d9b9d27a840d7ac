"""Answers what a broker passes on. Arguments: the endpoint."""

import sys

import zmq

socket = zmq.Context().socket(zmq.REP)
socket.connect(sys.argv[1])
while True:
    socket.send(b"the answer to " + socket.recv())
