"""One side of a talk by GSSAPI: peer.py LIBRARY server|client ENDPOINT PLAINTEXT. A DEALER that echoes, or one that asks."""

import ctypes
import sys

DEALER, LINGER, RCVTIMEO, SNDMORE = 5, 17, 27, 2
SERVER, PRINCIPAL, SERVICE, PLAINTEXT = 62, 63, 64, 65
SIZES = (0, 1, 200, 255, 256, 8191, 8192, 100_000)
NAME = b"zmqtest2"


def main():
    path, role, endpoint, plaintext = sys.argv[1:]
    lib = ctypes.CDLL(path, use_errno=True)
    pointer = ctypes.c_void_p
    lib.zmq_ctx_new.restype = lib.zmq_socket.restype = pointer
    lib.zmq_socket.argtypes = [pointer, ctypes.c_int]
    context = lib.zmq_ctx_new()
    socket = pointer(lib.zmq_socket(context, DEALER))

    def number(option, value):
        check(lib.zmq_setsockopt(socket, option, ctypes.byref(ctypes.c_int(value)), 4))

    def check(result):
        if result < 0:
            sys.exit(f"{role}: errno {lib.zmq_errno()}")
        return result

    number(LINGER, 2000)
    number(RCVTIMEO, 20_000)
    check(lib.zmq_setsockopt(socket, PRINCIPAL, NAME, len(NAME)))
    number(PLAINTEXT, int(plaintext))
    if role == "server":
        number(SERVER, 1)
        check(lib.zmq_bind(socket, endpoint.encode()))
    else:
        check(lib.zmq_setsockopt(socket, SERVICE, NAME, len(NAME)))
        check(lib.zmq_connect(socket, endpoint.encode()))
    room = ctypes.create_string_buffer(200_000)
    for size in SIZES:
        body = bytes(i * 7 % 256 for i in range(size))
        if role == "client":
            check(lib.zmq_send(socket, b"head", 4, SNDMORE))
            check(lib.zmq_send(socket, body, size, 0))
        for expected in (b"head", body):
            length = check(lib.zmq_recv(socket, room, len(room), 0))
            if room.raw[:length] != expected:
                sys.exit(f"{role}: {length} bytes other than the {len(expected)} sent")
        if role == "server":
            check(lib.zmq_send(socket, b"head", 4, SNDMORE))
            check(lib.zmq_send(socket, body, size, 0))
    lib.zmq_close(socket)
    lib.zmq_ctx_term(pointer(context))


main()
