"""Two processes, one on the library under test and one on the original, with every mechanism."""

import os

import pytest

from secured import Peer

PATTERNS = [("REP", "REQ"), ("PUSH", "PULL"), ("PUB", "SUB"), ("ROUTER", "DEALER")]
# On the original, which is run first, all three are the same.
SIDES = {"both": (False, False), "original client": (False, True), "original server": (True, False)}

SETUP = """
import hashlib
mechanism, kind, folder = sys.argv[1:4]
folder = Path(folder)
context = zmq.Context()
socket = context.socket(getattr(zmq, kind))
socket.rcvtimeo = socket.sndtimeo = PATIENCE_MS
sizes = [0, 1, 32, 33, 34, 222, 223, 254, 255, 256, 8191, 8192, 8193, 65536, 300_000, 2_000_000]
messages = [[b"first", bytes([size % 251]) * size, b"", b"last %d" % size] for size in sizes]
messages += [[b"%d" % number] for number in range(500)]
def digest(parts):
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(b"%d:" % len(part) + part)
    return hasher.hexdigest()
"""

SERVER = SETUP + """
if mechanism == "PLAIN":
    socket.plain_server = True
if mechanism == "CURVE":
    secure_server_socket(socket, folder / "server.key_secret")
if mechanism != "NULL":
    from zmq.auth.thread import ThreadAuthenticator
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_plain("global", {"alice": "rabbit"})
    authenticator.configure_curve("global", folder.parent / "allowed")
    socket.zap_domain = b"global"
socket.sndhwm = 10_000
tell(bind(socket))
if kind == "PUB":
    # The other side says when its subscription has come here.
    import threading
    heard = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), heard.set())).start()
    while not heard.wait(0.02):
        socket.send(b"soon")
sent, received = [], []
for message in messages:
    if kind == "REP":
        parts = socket.recv_multipart(copy=False)
        user = parts[0].get("User-Id") if mechanism != "NULL" else None
        received.append(digest(map(bytes, parts)))
        socket.send_multipart(message)
    elif kind == "ROUTER":
        identity, *parts = socket.recv_multipart()
        received.append(digest(parts))
        socket.send_multipart([identity, *message])
    else:
        socket.send_multipart(message)
    sent.append(digest(message))
tell([digest(map(str.encode, sent)), digest(map(str.encode, received))])
sys.stdin.readline()
socket.close()
if mechanism != "NULL":
    authenticator.stop()
context.term()
"""

CLIENT = SETUP + """
if mechanism == "PLAIN":
    socket.plain_username, socket.plain_password = b"alice", b"rabbit"
if mechanism == "CURVE":
    secure_client_socket(socket, folder / "alice.key_secret", folder / "server.key")
socket.rcvhwm = 10_000
if kind == "SUB":
    socket.subscribe(b"")
socket.connect(sys.argv[4])
sent, received = [], []
if kind == "SUB":
    socket.recv()
    tell("heard")
for message in messages:
    if kind in ("REQ", "DEALER"):
        socket.send_multipart(message)
        sent.append(digest(message))
        if kind == "REQ":
            received.append(digest(socket.recv_multipart()))
if kind != "REQ":
    while len(received) < len(messages):
        parts = socket.recv_multipart()
        if parts != [b"soon"]:
            received.append(digest(parts))
tell([digest(map(str.encode, sent)), digest(map(str.encode, received))])
socket.close()
context.term()
"""


@pytest.mark.parametrize("sides", SIDES.values(), ids=SIDES.keys())
@pytest.mark.parametrize("kinds", PATTERNS, ids="-".join)
@pytest.mark.parametrize("mechanism", ["NULL", "PLAIN", "CURVE"])
def test_all_that_is_sent_arrives(certificates, mechanism, kinds, sides):
    certificates.create("server")
    certificates.create("alice", allow=True)
    server_kind, client_kind = kinds
    server_original, client_original = sides
    arguments = mechanism, server_kind, certificates.folder
    with Peer(SERVER, *arguments, original=server_original) as server:
        endpoint = server.hear()
        arguments = mechanism, client_kind, certificates.folder, endpoint
        with Peer(CLIENT, *arguments, original=client_original) as client:
            if client_kind == "SUB":
                assert client.hear() == "heard"
                server.say("heard")
            client_sent, client_received = client.hear()
            server_sent, server_received = server.hear()
            assert client_received == server_sent
            assert client_sent == server_received
            client.end()
        server.say()
        server.end()


def test_the_two_sides_really_differ():
    preloaded = os.path.realpath(os.environ.get("LD_PRELOAD", "none"))
    code = "tell(sys.argv[1] in Path('/proc/self/maps').read_text())"
    with Peer(code, preloaded) as own, Peer(code, preloaded, original=True) as other:
        assert own.hear() == ("LD_PRELOAD" in os.environ)
        assert other.hear() is False
