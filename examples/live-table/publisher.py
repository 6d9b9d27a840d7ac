#!/usr/bin/env python3
"""A table of live updates in a browser: serves index.html by HTTP and publishes to it on a ZeroMQ PUB socket over ws://.

    publisher.py [--page PORT] [--endpoint ENDPOINT] [--every SECONDS]

It needs a libzmq.so.5 that speaks ws://, ours for one: LD_LIBRARY_PATH names its folder. Then open the address that it
prints.
"""

import argparse
import ctypes
import functools
import http.server
import random
import threading
import time
import urllib.parse
from pathlib import Path

PUB, LAST_ENDPOINT, SNDMORE = 1, 32, 2
NAMES = ("apples", "bread", "coffee", "dates", "eggs")

zmq = ctypes.CDLL("libzmq.so.5")
zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
zmq.zmq_socket.argtypes = [ctypes.c_void_p, ctypes.c_int]
zmq.zmq_bind.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
zmq.zmq_getsockopt.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
zmq.zmq_send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
zmq.zmq_strerror.restype = ctypes.c_char_p


class Page(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=int, default=8080, help="port of the page; 0 is any")
    parser.add_argument("--endpoint", default="ws://127.0.0.1:5556", help="where to publish")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two updates")
    options = parser.parse_args()
    socket, endpoint = bound(options.endpoint)
    folder = functools.partial(Page, directory=Path(__file__).resolve().parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.page), folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    query = urllib.parse.urlencode({"endpoint": endpoint})
    print(f"http://127.0.0.1:{server.server_port}/?{query}", flush=True)
    values = {name: random.randrange(100, 1000) for name in NAMES}
    for name in endlessly(NAMES):
        values[name] = max(1, values[name] + random.randrange(-20, 21))
        send(socket, f"table/{name}", SNDMORE)
        send(socket, f"{values[name] / 100:.2f}", 0)
        time.sleep(options.every)


def bound(endpoint):
    """A PUB socket, and where it is."""
    socket = zmq.zmq_socket(zmq.zmq_ctx_new(), PUB)
    if zmq.zmq_bind(socket, endpoint.encode()) != 0:
        raise SystemExit(f"{endpoint}: {zmq.zmq_strerror(zmq.zmq_errno()).decode()}")
    room, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    zmq.zmq_getsockopt(socket, LAST_ENDPOINT, room, ctypes.byref(size))
    return socket, room.value.decode()


def endlessly(names):
    while True:
        yield from names


def send(socket, text, flags):
    data = text.encode()
    zmq.zmq_send(socket, data, len(data), flags)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
