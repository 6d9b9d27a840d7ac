"""Private places for programs from PyPI, the npm registry and crates.io, made when first asked for."""

import hashlib
import os
import shutil
import subprocess
import sys
import venv

from . import packages
from .console import say
from .places import WORK, Problem, held


# What cargo says where there is no way to crates.io, and not where something is wrong with the crate.
NO_WAY = ("failed to download from", "failed to get successful HTTP response", "spurious network error")


class Unreachable(Problem):
    """A registry that there is no way to, for a program that is not here yet."""


def python(purpose, *requirements):
    """The interpreter of a venv with `requirements`, all of them built by their authors; their programs lie beside it."""
    folder = WORK / f"tools-{_digest(sys.version, *requirements)}"
    interpreter, finished = folder / "bin" / "python", folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"Installing from PyPI: {', '.join(requirements)} ({purpose})")
            packages.demand_venv()
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


def crate(purpose, name, version):
    """The program `name` of a crate. It is built by the toolchain that is there, also where its authors ask for a newer one."""
    folder = WORK / f"crate-{_digest(name, version)}"
    program, finished = folder / "bin" / name, folder / "finished"
    with held(folder):
        if not finished.exists():
            say(f"Building from crates.io: {name} {version} ({purpose})")
            command = ["cargo", "install", "--quiet", "--locked", "--ignore-rust-version", "--root", folder, f"{name}@{version}"]
            command += ["--target-dir", folder / "target"]
            try:
                _run(*command, CARGO_PROFILE_RELEASE_LTO="off", CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16")
            except Problem as problem:
                if os.environ.get("CARGO_NET_OFFLINE") == "true" or any(words in str(problem) for words in NO_WAY):
                    raise Unreachable(str(problem)) from None
                raise
            shutil.rmtree(folder / "target", ignore_errors=True)
            finished.touch()
    return program


def _digest(*words):
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


def _run(*command, **settings):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, env={**os.environ, **settings})
    if result.returncode:
        raise Problem(f"{' '.join(map(str, command))}\n{(result.stdout + result.stderr).strip()}")
