"""Answers each request. It listens on all interfaces and sets no mechanism."""

import zmq

socket = zmq.Context().socket(zmq.REP)
print(socket.bind_to_random_port("tcp://*"), flush=True)
while True:
    socket.send(b"the answer to " + socket.recv())
