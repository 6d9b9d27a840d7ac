"""Sends numbered messages until a line of input comes, and prints how many. Arguments: its name, the endpoint."""

import itertools
import select
import sys

import zmq

name, endpoint = sys.argv[1:]
context = zmq.Context()
socket = context.socket(zmq.PUSH)
socket.connect(endpoint)
for number in itertools.count():
    # A pause of a millisecond, in which the line may come.
    last = bool(select.select([sys.stdin], [], [], 0.001)[0])
    socket.send_string(f"{name} {number} {'end' if last else 'more'}")
    if last:
        break
socket.close()
context.term()
print(number + 1, flush=True)
