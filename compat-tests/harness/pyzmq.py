"""Private Pythons with pyzmq: the unmodified wheel from PyPI, or one built from its sources for an installed libzmq."""

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from . import packages
from .console import say
from .places import WORK, Problem, held

VERSION = "27.3.0"


def python(purpose, *requirements):
    """The interpreter of a venv with the wheel and `requirements`, made when first asked for."""

    def install(interpreter, wanted):
        # The wheel as it is: built by its authors, with their libzmq inside.
        _pip(interpreter, "install", "--only-binary", "pyzmq", *wanted)

    return _python(purpose, [f"pyzmq=={VERSION}", *requirements], install)


def built_python(purpose, command, headers, *requirements):
    """As `python`, with a pyzmq built from its sources by `command`, a line for a shell that runs pip. It is kept until the
    line changes or what it compiles: `headers` are the files that it finds installed."""

    def install(interpreter, wanted):
        _pip(interpreter, "install", *wanted[1:])
        constraint = interpreter.parent.parent / "constraint.txt"
        constraint.write_text(wanted[0])
        settings = {"PATH": f"{interpreter.parent}:{os.environ['PATH']}", "PIP_CONSTRAINT": str(constraint)}
        _run("sh", "-c", command, environment={**os.environ, **settings})

    if sys.executable == "/usr/bin/python3":
        packages.demand("python3-dev")
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(headers))).hexdigest()
    return _python(purpose, [f"pyzmq=={VERSION}", *requirements], install, command, digest)


def _python(purpose, wanted, install, *more):
    """The venv for `wanted` and whatever else of `more` decides what is in it."""
    folder = WORK / f"python-{hashlib.sha256(' '.join([sys.version, *wanted, *more]).encode()).hexdigest()[:12]}"
    interpreter, finished = folder / "bin" / "python", folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"Installing from PyPI into {folder}: {', '.join(wanted)} ({purpose})" + "".join(f"\n  {word}" for word in more[:1]))
            packages.demand_venv()
            venv.create(folder, clear=True, with_pip=True)
            install(interpreter, wanted)
            finished.touch()
    return interpreter


def bundled_library():
    """The libzmq inside the wheel, which is newer than Debian's."""
    folder = python("for the newer libzmq inside").parent.parent
    return next(folder.glob("lib/python*/site-packages/pyzmq.libs/libzmq*"))


def source():
    """The folder of pyzmq's source package of the same version, unpacked: its tests are not in the wheel."""
    folder = WORK / f"pyzmq-{VERSION}"
    with held(folder):
        if not folder.exists():
            say(f"Fetching the source package of pyzmq {VERSION} from PyPI, for its tests")
            with tempfile.TemporaryDirectory() as place:
                options = ["--no-deps", "--no-binary", "pyzmq", "--dest", place]
                _pip(python("to fetch it with"), "download", *options, f"pyzmq=={VERSION}")
                _run("tar", "-xzf", *Path(place).glob("pyzmq-*.tar.gz"), "-C", WORK)
    return folder


def _pip(interpreter, *arguments, environment=None):
    command = [interpreter, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    _run(*command, environment=environment)


def _run(*command, environment=None):
    command = [str(word) for word in command]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{result.stderr.strip()}")
