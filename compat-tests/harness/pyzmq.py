"""A private Python with the unmodified pyzmq wheel from PyPI."""

import hashlib
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
    """The interpreter of a venv with pyzmq and `requirements`, made when first asked for."""
    wanted = [f"pyzmq=={VERSION}", *requirements]
    folder = WORK / f"python-{hashlib.sha256(' '.join([sys.version, *wanted]).encode()).hexdigest()[:12]}"
    interpreter, finished = folder / "bin" / "python", folder / "finished"
    if not finished.exists():
        say(f"Installing from PyPI into {folder}: {', '.join(wanted)} ({purpose})")
        if sys.executable == "/usr/bin/python3":
            packages.demand("python3-venv")
        venv.create(folder, clear=True, with_pip=True)
        # The wheel as it is: built by its authors, with their libzmq inside.
        _pip(interpreter, "install", "--only-binary", "pyzmq", *wanted)
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


def _pip(interpreter, *arguments):
    _run(interpreter, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def _run(*command):
    command = [str(word) for word in command]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{result.stderr.strip()}")
