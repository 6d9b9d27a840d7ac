"""One side of a conversation over ws:// or another transport, on whatever libzmq.so.5 the loader finds.

    peer.py ask|echo|publish|subscribe bind|connect ENDPOINT null|plain|curve

Prints its endpoint, and "done" once everything was as it should be. Where CURVE is spoken, who binds makes the keys and
prints the public one behind its endpoint; who connects is given it behind the mechanism, as curve:KEY. Over tls:// both sides show certificates of the authority in tests/tls.
"""

import ctypes
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.sockets import Context

DEALER, REP, ROUTER, SUB, XPUB = 5, 4, 6, 2, 9
SUBSCRIBE, SNDHWM, RCVHWM = 6, 23, 24
PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD = 44, 45, 46
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 47, 48, 49, 50
WSS_KEY_PEM, WSS_CERT_PEM, WSS_TRUST_PEM, WSS_HOSTNAME, CLIENT_TRUST_PEM = 103, 104, 105, 106, 0x46000020
CERTIFICATES = Path(__file__).resolve().parents[2] / "tests" / "tls"
TIMEOUT_MS = 30_000
TYPES = {"ask": DEALER, "echo": ROUTER, "publish": XPUB, "subscribe": SUB}
SIZES = [0, 1, 60, 123, 124, 125, 126, 127, 253, 254, 255, 256, 5000, 8192, 65_533, 65_534, 65_535, 65_536, 300_000]
COUNT = 500


def main(role, way, endpoint, security):
    context = Context()
    socket = opened(context, TYPES[role])
    if way == "bind" and security == "plain":
        authenticator = opened(context, REP)
        authenticator.bind("inproc://zeromq.zap.01")
        threading.Thread(target=authenticate_one, args=(authenticator,)).start()
    if endpoint.startswith("tls:"):
        certify(socket, way)
    key = secure(socket, way, *security.split(":", 1))
    if role == "subscribe":
        socket.set(SUBSCRIBE, b"news")
    (socket.bind if way == "bind" else socket.connect)(endpoint)
    print(socket.endpoint(), key, flush=True)
    globals()[role](socket)
    # Over before the other side has read it, it would be lost to some.
    print("done", flush=True)
    sys.stdin.read()
    socket.close()
    context.term()


def opened(context, kind):
    socket = context.socket(kind, linger_ms=TIMEOUT_MS, patience_ms=TIMEOUT_MS)
    for option in (SNDHWM, RCVHWM):
        socket.set_int(option, 0)
    return socket


def certify(socket, way):
    name, trust = ("server", CLIENT_TRUST_PEM) if way == "bind" else ("client", WSS_TRUST_PEM)
    files = {WSS_CERT_PEM: f"{name}.pem", WSS_KEY_PEM: f"{name}.key.pem", trust: "authority.pem"}
    for option, file in files.items():
        socket.set(option, (CERTIFICATES / file).read_bytes())
    if way == "connect":
        socket.set(WSS_HOSTNAME, b"server.ferrozmq.test")


def secure(socket, way, mechanism, server_key=""):
    """What the other side needs to know."""
    if mechanism == "plain":
        if way == "bind":
            socket.set_int(PLAIN_SERVER, 1)
        else:
            socket.set(PLAIN_USERNAME, b"ann")
            socket.set(PLAIN_PASSWORD, b"secret")
    elif mechanism == "curve":
        public, secret = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
        socket.check(socket.calls.zmq_curve_keypair(public, secret))
        socket.set(CURVE_SECRETKEY, secret.value)
        if way == "bind":
            socket.set_int(CURVE_SERVER, 1)
            return public.value.decode()
        socket.set(CURVE_PUBLICKEY, public.value)
        socket.set(CURVE_SERVERKEY, server_key.encode())
    return ""


def authenticate_one(socket):
    """PLAIN wants somebody to ask (ZAP)."""
    version, number, _domain, _address, _routing_id, mechanism, *credentials = socket.recv()
    known = (mechanism, credentials) == (b"PLAIN", [b"ann", b"secret"])
    socket.send(version, number, b"200" if known else b"400", b"", b"ann", b"")
    socket.close()


def messages():
    for size in SIZES:
        yield [bytes(i % 251 for i in range(size))]
    yield [b"", b"two", b"x" * 70_000, b""]
    for i in range(COUNT):
        yield [b"%d" % i]


def ask(socket):
    for parts in messages():
        socket.send(*parts)
    for parts in messages():
        socket.expect(*parts)


def echo(socket):
    for _ in messages():
        socket.send(*socket.recv())


def publish(socket):
    socket.expect(b"\1news")
    socket.send(b"olds")
    for i in range(COUNT):
        socket.send(b"news", b"%d" % i)


def subscribe(socket):
    for i in range(COUNT):
        socket.expect(b"news", b"%d" % i)


if __name__ == "__main__":
    main(*sys.argv[1:])
