"""Which library a program really called: the loader writes it down while it resolves the program's symbols."""

import re
from pathlib import Path

from .places import Problem

_BINDING = re.compile(r"binding file \S+ \[\d+\] to (\S+) \[\d+\]: normal symbol `zmq_\w+'")


def ask(record):
    """Settings for the environment of a program whose calls are to be recorded in files named `record`.*"""
    return {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(record)}


def check(record, wanted, who):
    """Fails unless all zmq_... functions came from the file `wanted`; `None` is the one inside the pyzmq wheel."""
    text = "".join(file.read_text() for file in record.parent.glob(record.name + ".*"))
    found = {Path(file).resolve() for file in _BINDING.findall(text)}
    in_the_wheel = len(found) == 1 and all(file.parent.name == "pyzmq.libs" for file in found)
    if not (found == {wanted} if wanted else in_the_wheel):
        files = ", ".join(sorted(map(str, found))) or "no file at all"
        raise Problem(f"{who} called libzmq in {files}, not in {wanted or 'the wheel'}")
