"""The ways in which pyzmq comes to run on our library, and on the original to compare with."""

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import library, original, page, places, pyzmq, sources, wheel
from harness.suite import REQUIREMENTS

PURPOSE = "pyzmq's own tests and what they need"
README = places.PROJECT / "README.md"
# Where README.md installs to.
EXAMPLE = "$HOME/.local/ferrozmq"


@dataclass(frozen=True)
class Way:
    """An interpreter with a pyzmq, and what to put into the environment for either library."""

    name: str
    python: Path
    there: tuple  # settings for the original, as NAME=value
    original: Path | None  # its file; `None` is the one inside the wheel
    here: tuple  # settings for ours
    ours: Path  # its file

    def check(self, suite):
        """Fails unless each library is called where it should be."""
        suite.check(self.there, self.original)
        suite.check(self.here, self.ours)


def preloaded(ours):
    """The stock wheel with LD_PRELOAD; the original is the one inside."""
    preload = f"LD_PRELOAD={ours.folder / 'libzmq.so.5'}"
    return Way("wheel", pyzmq.python(PURPOSE, *REQUIREMENTS), (), None, (preload,), ours.file)


def activated(ours):
    """The stock wheel with ours beside it, by the hook that pyzmq has for it; the original is the one inside."""
    folder = wheel.unpacked(wheel.build(ours.file))
    settings = (f"PYTHONPATH={folder}", "PYZMQ_BACKEND=ferrozmq.backend")
    library_inside = (folder / "ferrozmq" / "lib" / "libzmq.so.5").resolve()
    return Way("activated", pyzmq.python(PURPOSE, *REQUIREMENTS), (), None, settings, library_inside)


def built(ours):
    """Built from the sources, as README.md says, for our installation; the original is the one inside the wheel."""
    return _built("built", ours, library.original(pyzmq.bundled_library()))


def drafts(ours):
    """The same with the draft API; the original is one that has it."""
    return _built("drafts", ours, library.original(original.draft(sources.published()[0])))


WAYS = {"wheel": preloaded, "activated": activated, "built": built, "drafts": drafts}


def _built(name, ours, there):
    make, *pips = page.commands(README, "--no-binary pyzmq")
    pip = next(line for line in pips if ("ZMQ_DRAFT_API=1" in line) == (name == "drafts"))
    prefix = places.WORK / f"pyzmq-{name}"
    installed = _install(make.replace(EXAMPLE, str(prefix)), prefix, ours)
    headers = list((prefix / "include").iterdir())
    python = pyzmq.built_python(PURPOSE, pip.replace(EXAMPLE, str(prefix)), headers, *REQUIREMENTS)
    _check_ldd(python, installed)
    # Found by what the build wrote into the extension module; LD_LIBRARY_PATH goes before that.
    return Way(name, python, (f"LD_LIBRARY_PATH={there.folder}",), there.file, (), installed.resolve())


def _install(command, prefix, ours):
    """Runs `command`, a `make install` into `prefix`; the library there."""
    release = {"RELEASE": str(ours.file.parent)}
    result = subprocess.run(["sh", "-c", command], cwd=places.PROJECT, env={**os.environ, **release}, capture_output=True)
    installed = prefix / "lib" / "libzmq.so.5"
    if result.returncode != 0 or not installed.exists():
        raise places.Problem(f"{command}\n{result.stderr.decode(errors='replace').strip()}")
    if installed.read_bytes() != _stripped(ours.file):
        raise places.Problem(f"{command} installs another library than {ours.file}: it must be called libzmq.so")
    return installed


def _stripped(file):
    """The library as `make install` installs it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        subprocess.run(["strip", "--strip-unneeded", "-o", copy, file], check=True)
        return copy.read_bytes()


def _check_ldd(python, installed):
    """Fails unless the extension module needs libzmq.so.5 and the loader finds ours for it, with nothing set."""
    program = "import zmq.backend.cython._zmq as module; print(module.__file__)"
    environment = library.plain_environment()
    module = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True)
    ldd = subprocess.run(["ldd", module.stdout.strip()], env=environment, capture_output=True, text=True)
    if f"libzmq.so.5 => {installed} " not in ldd.stdout:
        raise places.Problem(f"pyzmq built for {installed} has other libraries:\n{module.stderr}{ldd.stdout}{ldd.stderr}")
