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


KNOWN = [
]


def explain(calls, theirs, ours):
    """The known difference in the answers to the last of `calls`, or `None`."""
    call = calls[-1].split()
    return next((known for known in KNOWN if known.explains(call, theirs, ours, calls)), None)
