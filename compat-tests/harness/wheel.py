"""The Python wheel of a library and a tool that are built already."""

import subprocess
import sys
import zipfile
from pathlib import Path

from . import packages
from .places import PROJECT, TARGET, WORK, Problem

TOOL = TARGET / "tool" / "ferrozmq"


def build(library, tool=TOOL):
    """The file, as `packaging/python/build` makes it: for the glibc that the two ask for."""
    if not tool.is_file():
        raise Problem(f"no tool at {tool}: run `make build` first")
    if sys.executable == "/usr/bin/python3":
        packages.demand("python3-venv")
    command = [PROJECT / "packaging" / "python" / "build", WORK / "wheel", "--library", library, "--tool", tool]
    built = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
    if built.returncode != 0:
        raise Problem(built.stderr.strip())
    return Path(built.stdout.strip())


def unpacked(wheel):
    """A folder for PYTHONPATH with what is in it, programs executable as pip makes them."""
    folder = WORK / "wheel" / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        for entry in archive.infolist():
            (folder / entry.filename).chmod(entry.external_attr >> 16 & 0o777 or 0o644)
    return folder
