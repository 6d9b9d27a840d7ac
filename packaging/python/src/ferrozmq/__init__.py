"""ferrozmq under pyzmq: libzmq in Rust, put under an unchanged pyzmq in one line, and taken away in one.

>>> import ferrozmq
>>> ferrozmq.activate()    # before `import zmq`
>>> import zmq

:mod:`ferrozmq.secure` has what programs with CURVE write again and again.
"""

# `typing` has it too. With FERROZMQ=1 each Python imports this module when it starts, and is to start as fast as before.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._library import ActivationError, Status, activate, include_path, library_path, status, tool_path
else:

    def __getattr__(name):
        """Imports what is in `__all__` when one of it is asked for."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _library

        globals().update({known: getattr(_library, known) for known in __all__})
        return globals()[name]

    def __dir__():
        return sorted({*globals(), *__all__})


__all__ = [
    "ActivationError",
    "Status",
    "activate",
    "include_path",
    "library_path",
    "status",
    "tool_path",
]
