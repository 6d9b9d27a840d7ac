"""Publishes numbers for as long as it runs."""

import itertools
import time

import zmq

socket = zmq.Context().socket(zmq.PUB)
print(socket.bind_to_random_port("tcp://*"), flush=True)
for number in itertools.count():
    socket.send(b"news to keep quiet about %d" % number)
    time.sleep(0.01)
