"""A request of pyzmq's to a server of czmq's in the same process. The last line: which libzmq serves both.

With arguments: started anew by the command that they are.
"""

import ctypes
import os
import sys

import zmq

if sys.argv[1:]:
    wrapper, sys.argv[1:] = sys.argv[1:], []
    os.execvp(wrapper[0], [*wrapper, sys.executable, *sys.argv])

czmq = ctypes.CDLL("libczmq.so.4")
czmq.zsock_new_rep.restype = czmq.zstr_recv.restype = ctypes.c_void_p
czmq.zsock_endpoint.restype = ctypes.c_char_p
czmq.zsock_new_rep.argtypes, czmq.zsock_endpoint.argtypes = [ctypes.c_char_p], [ctypes.c_void_p]
czmq.zstr_recv.argtypes, czmq.zstr_send.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_char_p]
czmq.zsock_destroy.argtypes = [ctypes.c_void_p]

server = ctypes.c_void_p(czmq.zsock_new_rep(b"tcp://127.0.0.1:*"))
with zmq.Context() as context, context.socket(zmq.REQ) as client:
    client.connect(czmq.zsock_endpoint(server).decode())
    client.send(b"hello")
    assert ctypes.string_at(czmq.zstr_recv(server)) == b"hello"
    czmq.zstr_send(server, b"welcome")
    assert client.recv() == b"welcome"
czmq.zsock_destroy(ctypes.byref(server))
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if "/libzmq" in line}))
