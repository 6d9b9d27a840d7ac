"""Private Pythons with pyzmq: the unmodified wheel from PyPI, or one built with the draft API."""

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from . import packages
from .console import say
from .places import WORK, Problem

VERSION = "27.3.0"


def python(purpose, *requirements):
    """The interpreter of a venv with the wheel and `requirements`, made when first asked for."""

    def install(interpreter, wanted):
        # The wheel as it is: built by its authors, with their libzmq inside.
        _pip(interpreter, "install", "--only-binary", "pyzmq", *wanted)

    return _python(purpose, [f"pyzmq=={VERSION}", *requirements], install)


def draft_python(purpose, prefix, *requirements):
    """As `python`, with a pyzmq built from its sources for the draft libzmq that is installed in `prefix`."""

    def install(interpreter, wanted):
        _pip(interpreter, "install", *wanted[1:], "scikit-build-core", "cython", "ninja", "cmake", "packaging")
        options = ["--no-deps", "--no-build-isolation", "--no-binary", "pyzmq"]
        # Which libzmq it runs on is for the environment to say.
        options += ["-C", "cmake.define.PYZMQ_LIBZMQ_RPATH=OFF"]
        settings = {"ZMQ_PREFIX": str(prefix), "ZMQ_DRAFT_API": "1"}
        _pip(interpreter, "install", *options, f"pyzmq=={VERSION}", environment={**os.environ, **settings})

    return _python(purpose, [f"pyzmq=={VERSION} with drafts", *requirements], install)


def _python(purpose, wanted, install):
    folder = WORK / f"python-{hashlib.sha256(' '.join([sys.version, *wanted]).encode()).hexdigest()[:12]}"
    interpreter, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        say(f"Installing from PyPI into {folder}: {', '.join(wanted)} ({purpose})")
        if sys.executable == "/usr/bin/python3":
            packages.demand("python3-venv")
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
