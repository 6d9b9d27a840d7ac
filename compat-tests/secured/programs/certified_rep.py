"""Answers those whose certificates lie in a folder, and says who asks. Arguments: the endpoint, its own certificate, or one of QZMQ and
one of CURVE for clients of either kind, and the folder."""

import sys

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

CURVE_BESIDE_QZMQ = 0x46000050

endpoint, *own, folder = sys.argv[1:]
context = zmq.Context()
authenticator = ThreadAuthenticator(context)
authenticator.start()
authenticator.configure_curve(domain="*", location=folder)
socket = context.socket(zmq.REP)
if len(own) > 1:
    socket.setsockopt(CURVE_BESIDE_QZMQ, 1)
for certificate in own:
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(certificate)
socket.curve_server = True
socket.bind(endpoint)
print(socket.last_endpoint.decode(), flush=True)
while True:
    question = socket.recv(copy=False)
    socket.send_string(f"the answer to {question.bytes.decode()} of {question['User-Id']}")
