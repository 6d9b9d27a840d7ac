"""Answers those whose certificates lie in a folder, and says who asks. Arguments: the endpoint, its own certificate, the folder."""

import sys

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

endpoint, own, folder = sys.argv[1:]
context = zmq.Context()
authenticator = ThreadAuthenticator(context)
authenticator.start()
authenticator.configure_curve(domain="*", location=folder)
socket = context.socket(zmq.REP)
socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(own)
socket.curve_server = True
socket.bind(endpoint)
print(socket.last_endpoint.decode(), flush=True)
while True:
    question = socket.recv(copy=False)
    socket.send_string(f"the answer to {question.bytes.decode()} of {question['User-Id']}")
