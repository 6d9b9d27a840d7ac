"""Unpickles what comes, on all interfaces and from anyone: the pattern of many a vulnerability. Arguments: the port."""

import sys

import zmq

socket = zmq.Context().socket(zmq.REP)
socket.bind(f"tcp://*:{sys.argv[1]}")
print("ready", flush=True)
while True:
    socket.recv_pyobj()
    socket.send(b"done")
