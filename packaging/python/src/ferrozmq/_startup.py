"""What ``FERROZMQ=1`` does: `ferrozmq.pth` imports this module when Python starts, where the variable is set.

The library is loaded when ``zmq`` is imported, and not before: most processes of an environment never do. So this module imports
nothing that Python has not imported by then.
"""

import os
import sys

# `typing` has it too, and is itself one of the modules that most programs start without.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Optional, Sequence

VARIABLE = "FERROZMQ"
# What `zmq` imports next, once its extensions are there.
AFTER_EXTENSIONS = "zmq.sugar"
# Python looks twice at the `.pth` files of a virtual environment.
_begun = False


class BeforeZmq:
    """Finds nothing. It loads the library when Python looks for ``zmq``, and looks at pyzmq's extensions once they are there.

    It stays among the finders: Python walks over their list just then, and would pass over the one behind it.
    """

    def __init__(self) -> None:
        self._is_loaded = False

    def find_spec(
        self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        """Called for each import of a module that is not there yet. Where the library cannot be loaded, or the extensions do not call
        it, each import of ``zmq`` fails."""
        if name == "zmq" and not self._is_loaded:
            from ._library import load

            load()
            self._is_loaded = True
        elif name == AFTER_EXTENSIONS:
            from ._library import check_extensions

            check_extensions()
        return None


def begin() -> None:
    """Heeds the variable. A value that is neither 0 nor 1 is told of on stderr and taken for 0."""
    global _begun
    if _begun:
        return
    _begun = True
    value = os.environ.get(VARIABLE, "")
    if value == "1":
        sys.meta_path.insert(0, BeforeZmq())
    elif value not in ("", "0"):
        print(f"ferrozmq: {VARIABLE}={value}: it takes 0 or 1, and pyzmq is left as it is", file=sys.stderr)
