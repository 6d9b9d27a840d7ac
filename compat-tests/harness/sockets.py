"""Sockets of a libzmq that is named by its file, for programs that are one side of a conversation. A call that fails ends the program."""

import ctypes
import sys

LAST_ENDPOINT, RCVMORE, LINGER, RCVTIMEO, SNDMORE = 32, 13, 17, 27, 2
LONGEST = 1_000_000


class Context:
    """A context of the library in `file`, and the library's functions as `calls`."""

    def __init__(self, file="libzmq.so.5"):
        self.calls = calls = ctypes.CDLL(file)
        pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
        calls.zmq_ctx_new.restype = calls.zmq_socket.restype = pointer
        calls.zmq_strerror.restype = ctypes.c_char_p
        calls.zmq_socket.argtypes = [pointer, number]
        calls.zmq_bind.argtypes = calls.zmq_connect.argtypes = [pointer, ctypes.c_char_p]
        calls.zmq_setsockopt.argtypes = [pointer, number, ctypes.c_char_p, size]
        calls.zmq_getsockopt.argtypes = [pointer, number, pointer, pointer]
        calls.zmq_send.argtypes = [pointer, ctypes.c_char_p, size, number]
        calls.zmq_recv.argtypes = [pointer, pointer, size, number]
        calls.zmq_close.argtypes = calls.zmq_ctx_term.argtypes = [pointer]
        self.handle = calls.zmq_ctx_new()

    def check(self, outcome):
        if outcome == -1:
            sys.exit(f"{' '.join(sys.argv[1:])}: {self.calls.zmq_strerror(self.calls.zmq_errno()).decode()}")
        return outcome

    def socket(self, kind, linger_ms, patience_ms):
        """A socket that receives for at most `patience_ms`."""
        socket = Socket(self, kind)
        socket.set_int(LINGER, linger_ms)
        socket.set_int(RCVTIMEO, patience_ms)
        return socket

    def term(self):
        self.check(self.calls.zmq_ctx_term(self.handle))


class Socket:
    def __init__(self, context, kind):
        self.calls, self.check = context.calls, context.check
        self.handle = self.calls.zmq_socket(context.handle, kind)
        self.room = ctypes.create_string_buffer(LONGEST)

    def set(self, option, value):
        self.check(self.calls.zmq_setsockopt(self.handle, option, value, len(value)))

    def set_int(self, option, value):
        self.set(option, value.to_bytes(4, sys.byteorder, signed=True))

    def bind(self, endpoint):
        self.check(self.calls.zmq_bind(self.handle, endpoint.encode()))

    def connect(self, endpoint):
        self.check(self.calls.zmq_connect(self.handle, endpoint.encode()))

    def endpoint(self):
        """The last one that it was bound or connected to."""
        size = ctypes.c_size_t(LONGEST)
        self.check(self.calls.zmq_getsockopt(self.handle, LAST_ENDPOINT, self.room, ctypes.byref(size)))
        return self.room.value.decode()

    def send(self, *parts):
        for i, part in enumerate(parts):
            flags = SNDMORE if i + 1 < len(parts) else 0
            self.check(self.calls.zmq_send(self.handle, part, len(part), flags))

    def recv(self):
        """All parts of a message."""
        parts, more = [], ctypes.c_int(1)
        while more.value:
            length = self.check(self.calls.zmq_recv(self.handle, self.room, LONGEST, 0))
            parts.append(self.room.raw[:length])
            size = ctypes.byref(ctypes.c_size_t(4))
            self.check(self.calls.zmq_getsockopt(self.handle, RCVMORE, ctypes.byref(more), size))
        return parts

    def expect(self, *parts):
        """Receives a message, which has to be this one."""
        came = self.recv()
        if came != list(parts):
            lengths = [[len(part) for part in message] for message in (came, parts)]
            sys.exit(f"{' '.join(sys.argv[1:])}: parts of {lengths[0]} bytes, other than those of {lengths[1]} that were sent")

    def close(self):
        self.check(self.calls.zmq_close(self.handle))
