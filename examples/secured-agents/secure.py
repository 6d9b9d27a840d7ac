"""Sockets that are secured, or not, by one switch: SECURE_ZMQ=1 in the environment.

Each host has a folder of certificates, CERTIFICATES (./certificates unless set):

    private/NAME.key_secret    its own key pair, readable by its user alone
    public/*.key               the public keys of all agents: whom a server lets in, and what a client knows a server by
"""

import os
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

CERTIFICATES = Path(os.environ.get("CERTIFICATES", "certificates"))
SECURED = os.environ.get("SECURE_ZMQ", "1") != "0"


def authenticator(context):
    """Lets in whoever has a public key in the folder. To be stopped before the context ends; None where nothing is secured."""
    if not SECURED:
        return None
    found = ThreadAuthenticator(context)
    found.start()
    found.configure_curve(domain="*", location=str(CERTIFICATES / "public"))
    return found


def server_socket(context, socket_type, name):
    """A socket to bind, with the keys of agent `name`."""
    socket = context.socket(socket_type)
    if SECURED:
        _set_keys(socket, name)
        socket.curve_server = True
    return socket


def client_socket(context, socket_type, name, server):
    """A socket to connect to agent `server`, with the keys of agent `name`."""
    socket = context.socket(socket_type)
    if SECURED:
        _set_keys(socket, name)
        socket.curve_serverkey, _ = zmq.auth.load_certificate(CERTIFICATES / "public" / f"{server}.key")
    return socket


def _set_keys(socket, name):
    path = CERTIFICATES / "private" / f"{name}.key_secret"
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(path)
