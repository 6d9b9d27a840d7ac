"""Builds the C programs here against the library under test."""

import subprocess
import threading
from pathlib import Path

from harness import places

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-DZMQ_BUILD_DRAFT_API=1", "-pthread"]
FLAGS += [f'-DTLS_FOLDER="{places.PROJECT / "tests" / "tls"}"']


def build(lib, name, *sources):
    """The program `name` out of these sources."""
    program = folder() / name
    include = f"-I{places.OUR_HEADER.parent}"
    files = [str(HERE / source) for source in sources]
    compile_to(program, [*FLAGS, include, *files, f"-L{lib.folder}", "-l:libzmq.so.5"])
    return program


def build_preload(name, source):
    """A library for LD_PRELOAD."""
    file = folder() / name
    compile_to(file, ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", str(HERE / source), "-ldl"])
    return file


def folder():
    folder = places.WORK / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compile_to(target, arguments):
    result = subprocess.run(["gcc", *arguments, "-o", str(target)], capture_output=True, text=True)
    if result.returncode:
        raise places.Problem(f"{target.name} does not compile:\n{result.stderr}")


_built = {}
_lock = threading.Lock()


def build_once(lib, name, *sources):
    """As `build`, at most once in a run."""
    with _lock:
        if name not in _built:
            _built[name] = build(lib, name, *sources)
        return _built[name]
