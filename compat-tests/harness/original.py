"""An original libzmq with the draft API, which no distribution has: built from the source tree, once."""

import os
import subprocess

from . import packages
from .console import say
from .places import WORK, Problem, held


def draft(tree):
    """The library file, built with the tree's own CMake files."""
    packages.demand("cmake", "g++", "libsodium-dev", "pkg-config")
    folder = WORK / f"original-{tree.version}-draft"
    finished = folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"building libzmq {tree.version} with drafts to compare with (once)")
            switches = ["ENABLE_DRAFTS=ON", "WITH_LIBSODIUM=ON", "ENABLE_CURVE=ON"]
            switches += ["BUILD_TESTS=OFF", "BUILD_STATIC=OFF", "WITH_DOCS=OFF", "WITH_PERF_TOOL=OFF"]
            _do(["cmake", "-S", str(tree.path), "-B", str(folder), *(f"-D{switch}" for switch in switches)])
            _do(["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)])
            finished.touch()
    return folder / "lib" / "libzmq.so.5"


def _do(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{(result.stdout + result.stderr)[-2000:]}")
