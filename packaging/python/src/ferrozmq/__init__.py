"""ferrozmq under pyzmq: libzmq in Rust, put under an unchanged pyzmq in one line, and taken away in one.

>>> import ferrozmq
>>> ferrozmq.activate()    # before `import zmq`
>>> import zmq

:mod:`ferrozmq.secure` has what programs with CURVE write again and again.
"""

from ._library import ActivationError, Status, activate, include_path, library_path, status, tool_path

__all__ = [
    "ActivationError",
    "Status",
    "activate",
    "include_path",
    "library_path",
    "status",
    "tool_path",
]
