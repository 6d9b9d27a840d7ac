"""One side of a talk over norm://: peer.py LIBRARY pub|sub ENDPOINT LONGEST. A PUB that sends and stays until its input ends, or a
SUB that checks what comes."""

import ctypes
import sys

PUB, SUB, SUBSCRIBE, LINGER, RCVTIMEO, SNDMORE = 1, 2, 6, 17, 27, 2
# Few bytes: congestion control begins slowly.
SIZES = (0, 1, 200, 253, 254, 255, 256, 1398, 1399, 1400, 2038, 8191, 20_000)


def main():
    path, role, endpoint, longest = sys.argv[1:]
    lib = ctypes.CDLL(path, use_errno=True)
    pointer = ctypes.c_void_p
    lib.zmq_ctx_new.restype = lib.zmq_socket.restype = pointer
    lib.zmq_socket.argtypes = [pointer, ctypes.c_int]
    context = pointer(lib.zmq_ctx_new())
    socket = pointer(lib.zmq_socket(context, PUB if role == "pub" else SUB))

    def number(option, value):
        check(lib.zmq_setsockopt(socket, option, ctypes.byref(ctypes.c_int(value)), 4))

    def check(result):
        if result < 0:
            sys.exit(f"{role}: errno {lib.zmq_errno()}")
        return result

    number(LINGER, 0)
    number(RCVTIMEO, 60_000)
    if role == "sub":
        check(lib.zmq_setsockopt(socket, SUBSCRIBE, b"head", 4))
    check(lib.zmq_connect(socket, endpoint.encode()))
    room = ctypes.create_string_buffer(200_000)
    for size in (size for size in SIZES if size <= int(longest)):
        body = bytes(i * 7 % 256 for i in range(size))
        if role == "pub":
            check(lib.zmq_send(socket, b"other", 5, 0))
            check(lib.zmq_send(socket, b"head", 4, SNDMORE))
            check(lib.zmq_send(socket, body, size, 0))
            continue
        for expected in (b"head", body):
            length = check(lib.zmq_recv(socket, room, len(room), 0))
            if room.raw[:length] != expected:
                sys.exit(f"{role}: {length} bytes other than the {len(expected)} sent")
    if role == "pub":
        sys.stdin.read()
    lib.zmq_close(socket)
    lib.zmq_ctx_term(context)


main()
