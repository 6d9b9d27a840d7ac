"""Where libzmq's own sources are: two published packages, or a tree the user names."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .places import COMPAT, Problem

_PACKAGES = COMPAT / "sources" / "Cargo.toml"


@dataclass(frozen=True)
class Tree:
    """A libzmq source tree: `tests/`, `include/zmq.h`, `external/unity`."""

    version: str
    path: Path

    @property
    def header(self):
        return self.path / "include" / "zmq.h"

    def programs(self):
        """The names of all test programs."""
        return sorted(file.stem for file in (self.path / "tests").glob("test_*.cpp"))

    def fixed_names(self, name):
        """Whether two runs of program `name` would meet on a port or an ipc name."""
        text = (self.path / "tests" / f"{name}.cpp").read_text()
        return re.search(r"ENDPOINT_\d|PORT_6|(tcp|udp|ws)://[^\"]*:\d{2,}|(ipc|tipc|vmci)://", text) is not None

    def draft_programs(self):
        """Those that cannot be compiled without the draft API, as the tree's own build has it."""
        listing = self.path / "tests" / "CMakeLists.txt"
        names, depth = set(), 0
        for line in listing.read_text().splitlines() if listing.exists() else []:
            words = line.strip()
            if depth == 0 and words.startswith("if(ENABLE_DRAFTS)"):
                depth = 1
            elif depth and words.startswith("if("):
                depth += 1
            elif depth and words.startswith("endif("):
                depth -= 1
            if depth:
                names.update(re.findall(r"\btest_\w+", words))
        return names


def published():
    """The trees in the packages that `compat-tests/sources/Cargo.lock` pins, newest first."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(_PACKAGES)]
    metadata = subprocess.run(command, capture_output=True, text=True)
    if metadata.returncode != 0:
        raise Problem(f"cargo could not fetch libzmq's sources:\n{metadata.stderr.strip()}")
    trees = [
        named(Path(package["manifest_path"]).parent / "vendor")
        for package in json.loads(metadata.stdout)["packages"]
        if package["name"] == "zeromq-src"
    ]
    return sorted(trees, key=lambda tree: tree.version, reverse=True)


def named(path):
    """The tree at `path`."""
    header = path / "include" / "zmq.h"
    if not header.is_file() or not (path / "tests").is_dir():
        raise Problem(f"{path} is no libzmq source tree: it lacks include/zmq.h or tests/")
    text = header.read_text()
    parts = (re.search(rf"ZMQ_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH"))
    return Tree(".".join(part.group(1) for part in parts if part), path)
