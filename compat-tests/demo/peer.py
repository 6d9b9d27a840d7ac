"""One side of the demonstration: plain Python on pyzmq. peer.c is the same in C.

    peer.py ROLE bind|connect ENDPOINT COUNT
"""

import hashlib
import json
import os
import select
import sys
import time
from pathlib import Path

import zmq

WINDOW = 100
LARGEST = 4096
# ZMQ_WSS_KEY_PEM and its like, which are drafts in zmq.h.
KEY_PEM, CERT_PEM, TRUST_PEM, HOSTNAME = 103, 104, 105, 106


class Peer:
    def __init__(self, role, way, endpoint, count):
        self.role, self.count = role, count
        self.sent = self.received = 0
        self.sent_hash, self.received_hash = hashlib.sha256(), hashlib.sha256()
        self.started = 0.0
        self.context = zmq.Context()
        self.socket = self.context.socket(getattr(zmq, role))
        # Nothing may be dropped, or the hashes cannot agree.
        self.socket.set_hwm(0)
        if role == "SUB":
            self.socket.subscribe(b"")
        if folder := os.environ.get("DEMO_CERTIFICATES"):
            self.use_tls(Path(folder), way == "bind")
        (self.socket.bind if way == "bind" else self.socket.connect)(endpoint)
        print("at", self.socket.last_endpoint.decode(), flush=True)

    def use_tls(self, folder, binds):
        if binds:
            self.socket.setsockopt(CERT_PEM, (folder / "server.pem").read_bytes())
            self.socket.setsockopt(KEY_PEM, (folder / "server.key.pem").read_bytes())
        else:
            self.socket.setsockopt(TRUST_PEM, (folder / "authority.pem").read_bytes())
            self.socket.setsockopt(HOSTNAME, b"server.ferrozmq.test")

    def run(self):
        getattr(self, f"run_{self.role.lower()}")()
        seconds = time.monotonic() - self.started
        self.socket.close()
        self.context.term()
        print(json.dumps({
            "sent": self.sent, "sent_hash": self.sent_hash.hexdigest(),
            "received": self.received, "received_hash": self.received_hash.hexdigest(),
            "seconds": seconds, "version": zmq.zmq_version(),
        }))

    def send(self, *frames):
        self.socket.send_multipart(frames)
        for frame in frames:
            self.sent_hash.update(frame)
        self.sent += 1

    def receive(self):
        frames = self.socket.recv_multipart()
        if not self.received:
            self.started = self.started or time.monotonic()
        self.received += 1
        return frames

    def hash_received(self, frames):
        for frame in frames:
            self.received_hash.update(frame)

    def run_req(self):
        self.started = time.monotonic()
        for i in range(self.count):
            self.send(message(i))
            self.hash_received(self.receive())

    def run_rep(self):
        for _ in range(self.count):
            frames = self.receive()
            self.hash_received(frames)
            self.send(*frames)

    def run_dealer(self):
        self.started = time.monotonic()
        while self.received < self.count:
            while self.sent < self.count and self.sent - self.received < WINDOW:
                self.send(b"part one", message(self.sent))
            self.hash_received(self.receive())

    def run_router(self):
        for _ in range(self.count):
            routing_id, *frames = self.receive()
            self.hash_received(frames)
            self.socket.send(routing_id, zmq.SNDMORE)
            self.send(*frames)

    def run_pub(self):
        while not select.select([sys.stdin], [], [], 0.01)[0]:
            self.socket.send(b"hello")
        self.run_push()

    def run_sub(self):
        heard = False
        while self.received < self.count:
            frame = self.socket.recv()
            if frame != b"hello":
                self.started = self.started or time.monotonic()
                self.received += 1
                self.received_hash.update(frame)
            elif not heard:
                heard = True
                print("heard", flush=True)

    def run_push(self):
        for i in range(self.count):
            self.send(message(i))

    def run_pull(self):
        for _ in range(self.count):
            self.hash_received(self.receive())


def message(i):
    """Message number i: some 100 bytes mostly, now and then a few thousand."""
    size = LARGEST if i % 50 == 49 else 16 + i * 37 % 180
    start = b"message %d " % i
    letters = b"abcdefghijklmnopqrstuvwxyz"
    first = (i + len(start)) % 26
    rest = size - len(start)
    return start + ((letters * (rest // 26 + 2))[first:first + rest] if rest > 0 else b"")


if __name__ == "__main__":
    Peer(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])).run()
