"""The Python wheel of a library and a tool that are built already."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from . import packages
from .places import PROJECT, TARGET, WORK, Problem, held

TOOL = TARGET / "tool" / "ferrozmq"


def build(library, tool=TOOL):
    """The file, as `packaging/python/build` makes it: for the glibc that the two ask for."""
    if not tool.is_file():
        raise Problem(f"no tool at {tool}: run `make build` first")
    packages.demand_venv()
    program, folder = PROJECT / "packaging" / "python" / "build", WORK / "wheel"
    with held(folder), tempfile.TemporaryDirectory(prefix="wheel-", dir=WORK) as part:
        command = [program, part, "--library", library, "--tool", tool]
        built = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
        if built.returncode != 0:
            raise Problem(built.stderr.strip())
        made = Path(built.stdout.strip())
        folder.mkdir(exist_ok=True)
        # Another program may be installing the one that was there.
        return made.replace(folder / made.name)


def unpacked(wheel):
    """A folder for PYTHONPATH with what is in it, programs executable as pip makes them."""
    folder = WORK / "wheel" / "unpacked"
    with held(folder), tempfile.TemporaryDirectory(prefix="wheel-", dir=WORK) as part, zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
        for entry in filter(lambda entry: not entry.is_dir(), archive.infolist()):
            file = Path(part, entry.filename)
            file.chmod(entry.external_attr >> 16 & 0o777 or 0o644)
            target = folder / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            # Another program may have mapped the one that was there.
            file.replace(target)
    return folder
