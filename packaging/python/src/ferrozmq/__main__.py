"""``python -m ferrozmq``: the command-line tool of this package, and ``status`` besides."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import List, NoReturn, Optional

from ._library import ActivationError, library_path, status, tool_path


def main(arguments: Optional[List[str]] = None) -> int:
    """``status`` answers here; all other commands are the tool's, which this process becomes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["status"]:
        return show_status(arguments[1:])
    become_tool(arguments)


def show_status(arguments: List[str]) -> int:
    """Which libzmq a Python that is started like this one has. 0 is ferrozmq, 1 another one, 2 no answer."""
    if arguments:
        print("usage: python -m ferrozmq status", file=sys.stderr)
        return 2
    try:
        import_module("zmq")
    # The second comes of FERROZMQ=1, where the library cannot be put under pyzmq.
    except (ImportError, ActivationError) as error:
        print(f"ferrozmq: {error}", file=sys.stderr)
        return 2
    found = status()
    print(found)
    return 0 if found.is_ferrozmq else 1


def become_tool(arguments: List[str]) -> NoReturn:
    """Does not return. The library of this package is the tool's, unless the environment names another."""
    os.environ.setdefault("FERROZMQ_LIBRARY", str(library_path()))
    os.execv(tool_path(), ["ferrozmq", *arguments])


if __name__ == "__main__":
    sys.exit(main())
