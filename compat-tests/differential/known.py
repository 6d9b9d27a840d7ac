"""Where the two libraries are known to differ. Each has its row in docs/differences.md."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Known:
    """One known difference."""

    row: str  # how its row in docs/differences.md begins
    # Whether it explains that `call`, the words of the last of `calls`, gave `theirs` and `ours`.
    explains: Callable
    # Whether the two go different ways from there on, so that nothing behind it can be compared.
    parts: bool = True


def text(word):
    """An argument that is bytes, as text."""
    return bytes.fromhex(word[1:]).decode("latin-1") if word.startswith("x") else word


def foreign_transport(call, theirs, ours, calls):
    schemes = ("udp:", "ws:", "wss:", "tipc:", "vsock:")
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).startswith(schemes)


def curve_missing(call, theirs, ours, calls):
    return call[0] == "curve_public" and ours == "-1 95" or call[0] == "has" and text(call[1]) == "curve"


def conflates(call, theirs, ours, calls):
    return any(earlier.startswith("setsockopt") and earlier.endswith(" 54 x01000000") for earlier in calls)


KNOWN = [
    Known("`udp://`, `ws://`", foreign_transport, parts=False),
    Known("CURVE", curve_missing, parts=False),
    Known("`ZMQ_CONFLATE` with messages of several frames", conflates),
]


def explain(calls, theirs, ours):
    """The known difference in the answers to the last of `calls`, or `None`."""
    call = calls[-1].split()
    return next((known for known in KNOWN if known.explains(call, theirs, ours, calls)), None)
