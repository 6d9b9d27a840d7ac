"""Where things are."""

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
