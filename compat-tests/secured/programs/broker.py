"""Passes requests of clients on to workers, and answers back."""

import zmq

context = zmq.Context()
clients, workers = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
print(clients.bind_to_random_port("tcp://*"), workers.bind_to_random_port("tcp://*"), flush=True)
zmq.proxy(clients, workers)
