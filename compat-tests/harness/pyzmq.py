"""A private Python with the unmodified pyzmq wheel from PyPI."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import urllib.request
import venv

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


def source():
    """The folder of pyzmq's source package of the same version, unpacked: its tests are not in the wheel."""
    folder = WORK / f"pyzmq-{VERSION}"
    if not folder.exists():
        say(f"Fetching the source package of pyzmq {VERSION} from PyPI, for its tests")
        try:
            archive = _download_source()
        except OSError as error:
            raise Problem(f"PyPI: {error}") from error
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(WORK, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(WORK)
    return folder


def _download_source():
    with urllib.request.urlopen(f"https://pypi.org/pypi/pyzmq/{VERSION}/json", timeout=60) as answer:
        files = json.load(answer)["urls"]
    file = next(file for file in files if file["packagetype"] == "sdist")
    with urllib.request.urlopen(file["url"], timeout=60) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != file["digests"]["sha256"]:
        raise Problem(f"{file['url']} arrived damaged")
    return content


def _pip(interpreter, *arguments):
    command = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{result.stderr.strip()}")
