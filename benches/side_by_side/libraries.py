"""The libraries that are compared, each a folder with a libzmq.so.5 for LD_LIBRARY_PATH, and the program itself."""

import hashlib
import json
import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from harness import places, pyzmq
from harness.console import say
from harness.places import Problem

BENCHES = places.PROJECT / "benches"
WORK = places.TARGET / "bench"
OMQ = "omq-libzmq"
OMQ_VERSION = "0.8.0"
DEBIANS = "libzmq"
OURS = "ferrozmq"
FLAGS = ("-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-Wall", "-Wextra")


@dataclass(frozen=True)
class Library:
    name: str
    folder: Path

    @property
    def file(self):
        return (self.folder / "libzmq.so.5").resolve()


def debians():
    found = subprocess.run(["gcc", "-print-file-name=libzmq.so"], capture_output=True, text=True).stdout.strip()
    if "/" not in found:
        raise Problem("Debian's libzmq3-dev is missing (`make deps` installs it)")
    return Library(DEBIANS, Path(found).resolve().parent)


def ours():
    """Our release build, as it is now: a build that goes on meanwhile must not change what is measured."""
    if not places.OURS.exists():
        raise Problem(f"{places.OURS} is missing: `make build`")
    return _folder_for(OURS, places.OURS)


def omq(build):
    """The crate omq-libzmq from the registry; `None` where it is not built and must not be."""
    release = WORK / f"{OMQ}-{OMQ_VERSION}" / "target" / "release"
    built = next(release.glob("lib*zmq*.so"), None)
    if built is None and build:
        try:
            built = _build_omq()
        except Problem as problem:
            say(f"without {OMQ}: {problem}")
    return _folder_for(OMQ, built) if built else None


def _folder_for(name, file):
    folder = WORK / "libraries" / name
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "libzmq.so.5"
    unfinished = folder / "unfinished"
    shutil.copyfile(file, unfinished)
    unfinished.replace(copy)
    return Library(name, folder)


def _build_omq():
    """Fetches the crate by way of a package that depends on it, and builds a copy: cargo builds no C library of a
    dependency."""
    place = WORK / f"{OMQ}-{OMQ_VERSION}"
    asker = WORK / "omq-fetch"
    (asker / "src").mkdir(parents=True, exist_ok=True)
    (asker / "src" / "lib.rs").write_text("")
    (asker / "Cargo.toml").write_text(
        '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n'
        f'[dependencies]\n{OMQ} = "={OMQ_VERSION}"\n'
    )
    say(f"Building {OMQ} {OMQ_VERSION} from the registry")
    metadata = _output("cargo", "metadata", "--format-version", "1", "--manifest-path", asker / "Cargo.toml")
    package = next(package for package in json.loads(metadata)["packages"] if package["name"] == OMQ)
    shutil.copytree(Path(package["manifest_path"]).parent, place, dirs_exist_ok=True)
    manifest = place / "Cargo.toml"
    name = tomllib.loads(manifest.read_text()).get("lib", {}).get("name", OMQ.replace("-", "_"))
    with manifest.open("a") as file:
        file.write("\n[workspace]\n")
    # In its own target folder, whatever the user's settings say.
    environment = {**os.environ, "CARGO_TARGET_DIR": str(place / "target")}
    _output("cargo", "build", "--release", "--lib", "--manifest-path", manifest, env=environment)
    return place / "target" / "release" / f"lib{name}.so"


def program():
    """The benchmark, compiled once against the system's zmq.h."""
    sources = sorted(BENCHES.glob("*.c"))
    parts = [" ".join(FLAGS).encode(), *(file.read_bytes() for file in [*sources, BENCHES / "bench.h"])]
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
    target = WORK / f"zmqbench-{key}"
    if not target.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name("unfinished")
        _output("gcc", *FLAGS, *sources, "-o", unfinished, "-lzmq", "-lpthread", "-lm")
        unfinished.replace(target)
    return target


def python():
    """An interpreter with the wheel of pyzmq; `None` where it cannot be had."""
    try:
        return pyzmq.python("to measure through it")
    except Problem as problem:
        say(f"without pyzmq: {problem}")
        return None


def _output(*command, **settings):
    command = [str(word) for word in command]
    result = subprocess.run(command, capture_output=True, text=True, **settings)
    if result.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{result.stderr.strip()}")
    return result.stdout
