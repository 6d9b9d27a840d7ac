"""For ``PYZMQ_BACKEND=ferrozmq.backend``: pyzmq's own backend, on ferrozmq. Needs no change in the program."""

from importlib import import_module

from ._library import check_extensions, load

load()
# pyzmq imports this module in the middle of its own import, and takes from it whatever its own backends have.
_backend = import_module("zmq.backend.cython")
check_extensions()
globals().update({name: getattr(_backend, name) for name in dir(_backend) if not name.startswith("__")})
