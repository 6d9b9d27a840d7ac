"""The two libraries: the original one of the system, and ours."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .places import WORK, Problem

# Runs in a process of its own: what it loads must be what LD_LIBRARY_PATH says.
_PROBE = """
import ctypes, json
lib = ctypes.CDLL("libzmq.so.5")
parts = [ctypes.c_int() for _ in range(3)]
lib.zmq_version(*map(ctypes.byref, parts))
names = "ipc pgm tipc norm curve gssapi vmci vsock draft ws wss WS WSS tls".split()
paths = {line.split()[-1] for line in open("/proc/self/maps") if "/libzmq" in line}
print(json.dumps({
    "version": ".".join(str(part.value) for part in parts),
    "has": [name for name in names if lib.zmq_has(name.encode())],
    "paths": sorted(paths),
}))
"""


@dataclass(frozen=True)
class Library:
    """A libzmq.so.5 in a folder of its own, to be named by LD_LIBRARY_PATH."""

    name: str
    file: Path
    folder: Path
    version: str
    has: frozenset
    digest: str

    def environment(self):
        """An environment in which programs linked with -lzmq take this library."""
        return {**plain_environment(), "LD_LIBRARY_PATH": str(self.folder)}

    def preload(self):
        """An environment in which even a program with a libzmq of its own takes this one."""
        return {**plain_environment(), "LD_PRELOAD": str(self.folder / "libzmq.so.5")}


def plain_environment():
    """Ours, without anything that makes the loader take other libraries."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LD_")}


def ours(path):
    """The library under test."""
    path = Path(path)
    if not path.is_file():
        raise Problem(f"no library at {path}: run `make build` first")
    return _library("ours", path)


def original(path=None):
    """The libzmq that came with the system, or the one named."""
    return _library("original", Path(path) if path else _find_original())


def _library(name, path):
    file = path.resolve()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    folder = WORK / "libraries" / f"{name}-{digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    _link(folder / "libzmq.so.5", file)
    # A library that came in a wheel has what it needs beside it.
    if file.parent.name.endswith(".libs"):
        for neighbour in file.parent.iterdir():
            _link(folder / neighbour.name, neighbour)
    probe = subprocess.run(
        [sys.executable, "-c", _PROBE],
        capture_output=True,
        text=True,
        env={**plain_environment(), "LD_LIBRARY_PATH": str(folder)},
    )
    if probe.returncode != 0:
        raise Problem(f"{file} cannot be used as libzmq.so.5:\n{probe.stderr.strip()}")
    facts = json.loads(probe.stdout)
    if facts["paths"] != [str(file)]:
        raise Problem(f"asked for {file}, the loader took {facts['paths']}")
    return Library(name, file, folder, facts["version"], frozenset(facts["has"]), digest)


def _link(link, file):
    # Under another name first: a second run beside this one must never see the link missing.
    fresh = link.with_name(f"{link.name}-{os.getpid()}")
    fresh.symlink_to(file)
    fresh.replace(link)


def _find_original():
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    for line in cache.splitlines():
        soname, _, path = line.strip().partition(" => ")
        if soname.startswith("libzmq.so.5 ") and path:
            return Path(path)
    raise Problem("no libzmq.so.5 on this system to compare with: `make deps` installs libzmq5")
