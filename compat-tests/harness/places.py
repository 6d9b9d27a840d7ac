"""Where things are."""

import contextlib
import fcntl
import os
from pathlib import Path

COMPAT = Path(__file__).resolve().parent.parent
PROJECT = COMPAT.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
# Everything these programs make, safe to delete.
WORK = TARGET / "compat"
OURS = TARGET / "release" / "libzmq.so"
OUR_HEADER = PROJECT / "include" / "zmq.h"


class Problem(Exception):
    """Something the user has to put right; shown without a traceback."""


def unfinished(path):
    """Where this program makes what is to stand at `path`: another one may make it at the same time."""
    return path.with_name(f"{path.name}.{os.getpid()}.part")


@contextlib.contextmanager
def held(path):
    """Holds what is made at `path` against other programs that would make it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
