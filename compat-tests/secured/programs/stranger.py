"""Sends a pickle that makes a folder where it is unpickled, and prints what comes of it: "answered", or how the connection
failed. Arguments: the endpoint, the folder."""

import os
import sys

import zmq
from zmq.utils.monitor import recv_monitor_message

FAILED = {
    zmq.EVENT_CONNECT_RETRIED,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
}


class Order:
    def __reduce__(self):
        return os.mkdir, (sys.argv[2],)


socket = zmq.Context().socket(zmq.REQ)
socket.linger = 0
events = socket.get_monitor_socket()
socket.connect(sys.argv[1])
socket.send_pyobj(Order())
poller = zmq.Poller()
poller.register(socket, zmq.POLLIN)
poller.register(events, zmq.POLLIN)
outcome = None
while outcome is None:
    ready = dict(poller.poll())
    if socket in ready:
        outcome = "answered"
    elif (event := recv_monitor_message(events)["event"]) in FAILED:
        outcome = zmq.Event(event).name
print(outcome, flush=True)
