"""Private places for programs from PyPI and the npm registry, made when first asked for."""

import hashlib
import subprocess
import sys
import venv

from . import packages
from .console import say
from .places import WORK, Problem, held


def python(purpose, *requirements):
    """The interpreter of a venv with `requirements`, all of them built by their authors; their programs lie beside it."""
    folder = WORK / f"tools-{_digest(sys.version, *requirements)}"
    interpreter, finished = folder / "bin" / "python", folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"Installing from PyPI: {', '.join(requirements)} ({purpose})")
            if sys.executable == "/usr/bin/python3":
                packages.demand("python3-venv")
            venv.create(folder, clear=True, with_pip=True)
            pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--only-binary", ":all:"]
            _run(*pip, *requirements)
            finished.touch()
    return interpreter


def node(purpose, *requirements):
    """A folder with `requirements` in its node_modules. No script of theirs is run."""
    folder = WORK / f"node-{_digest(*requirements)}"
    finished = folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"Installing from the npm registry: {', '.join(requirements)} ({purpose})")
            folder.mkdir(parents=True, exist_ok=True)
            _run("npm", "install", "--silent", "--ignore-scripts", "--prefix", folder, *requirements)
            finished.touch()
    return folder


def _digest(*words):
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


def _run(*command):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        raise Problem(f"{' '.join(map(str, command))}\n{(result.stdout + result.stderr).strip()}")
