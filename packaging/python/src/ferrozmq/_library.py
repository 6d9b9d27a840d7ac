"""The files of this package, and the library among them in the process."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import List, Optional

from . import _elf

FOLDER = Path(__file__).resolve().parent
# pyzmq's extensions are below this package.
BACKENDS = "zmq.backend."
# A function that all libzmq have.
A_FUNCTION = "zmq_ctx_new"
LINKED_IN = "a libzmq is linked into pyzmq's extension"
NO_WAY = "Only a pyzmq that calls a libzmq of another file can be switched, as the wheel of PyPI does"


class ActivationError(RuntimeError):
    """pyzmq cannot be put on ferrozmq in this process; the text says why and what to do."""


@dataclass(frozen=True)
class Status:
    """Which libzmq serves pyzmq in this process.

    :ivar library: the file that serves pyzmq's calls; ``None`` if pyzmq is not imported yet, or has a libzmq linked into it.
    :ivar ferrozmq: the version of ferrozmq; ``None`` if the file is another libzmq.
    :ivar libzmq: the version of the interface, as ``zmq.zmq_version()`` says; ``None`` if pyzmq is not imported yet.
    :ivar pyzmq: the version of pyzmq; ``None`` if there is none.
    :ivar note: what there is to know besides; empty if nothing is.
    """

    library: Optional[str]
    ferrozmq: Optional[str]
    libzmq: Optional[str]
    pyzmq: Optional[str]
    note: str = ""

    @property
    def is_ferrozmq(self) -> bool:
        """Whether pyzmq's calls go to ferrozmq."""
        return self.ferrozmq is not None

    def __str__(self) -> str:
        if self.libzmq is None:
            return f"zmq is not imported: {self.note}"
        served = f"ferrozmq {self.ferrozmq}" if self.is_ferrozmq else "another libzmq"
        place = f": {self.library}" if self.library else ""
        note = f" ({self.note})" if self.note else ""
        return f"pyzmq {self.pyzmq} uses {served}{place}, interface {self.libzmq}{note}"


def library_path() -> Path:
    """The shared library of this package, ``libzmq.so.5``."""
    return FOLDER / "lib" / "libzmq.so.5"


def include_path() -> Path:
    """The folder with ``zmq.h``, ``zmq_utils.h`` and ``zmq_ferro.h``."""
    return FOLDER / "include"


def tool_path() -> Path:
    """The command-line tool. It finds the library of this package by itself."""
    return FOLDER / "bin" / "ferrozmq"


def load() -> None:
    """Loads the library in such a way that extensions which are loaded from now on find its functions first.

    :raises ActivationError: it cannot be loaded, or another libzmq comes before it.
    """
    path = library_path()
    try:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL | os.RTLD_NOW)
    except OSError as error:
        raise ActivationError(f"the library cannot be loaded: {error}") from error
    first = _elf.first_with(A_FUNCTION)
    if first is not None and not _is_ferrozmq(first):
        raise ActivationError(
            f"{first} is in this process already and comes before ferrozmq: take it out of LD_PRELOAD, or start the program "
            "with `python -m ferrozmq run`"
        )


def check_extensions() -> None:
    """Fails where pyzmq's extensions, just imported, call another libzmq, or have one linked into them.

    :raises ActivationError: they do.
    """
    files = [file for file in map(_elf.loaded_file, _extensions()) if file is not None]
    for file in files:
        for served in file.serving("zmq_"):
            if not _is_ferrozmq(served):
                raise ActivationError(f"{file.path} calls the libzmq in {served}")
    if files and not any(file.calls("zmq_") for file in files):
        raise ActivationError(f"{LINKED_IN}. {NO_WAY}")


def activate() -> Status:
    """Puts pyzmq on ferrozmq in this process, and imports it.

    To be called before the first ``import zmq``. Where pyzmq is on a ferrozmq already it does nothing. Processes that this
    one starts are not affected: set ``FERROZMQ=1`` in their environment.

    :returns: what :func:`status` says then.
    :raises ActivationError: ``zmq`` is imported already and uses another libzmq, or has one linked into it.
    :raises ImportError: there is no pyzmq.
    """
    if not _extensions():
        load()
    # Also where the extensions are there: another thread may be in the middle of its import, which this waits for.
    import_module("zmq")
    found = status()
    if not found.is_ferrozmq:
        raise ActivationError(f"{found}. {_way_out(found)}")
    return found


def status() -> Status:
    """Which libzmq serves pyzmq in this process, by the addresses that the loader has written for pyzmq's calls.

    It does not import ``zmq``. Where another thread is in the middle of importing it, the call waits.
    """
    pyzmq = _pyzmq_version()
    interface = _interface_version()
    if interface is None or not _extensions():
        ready = _elf.loaded_file(str(library_path())) is not None
        note = "pyzmq is not installed"
        if pyzmq is not None:
            note = "ferrozmq is loaded and will serve it" if ready else "ferrozmq.activate() puts it on ferrozmq"
        return Status(None, None, None, pyzmq, note)
    for extension in _extensions():
        file = _elf.loaded_file(extension)
        if file is not None and file.calls("zmq_"):
            return _served(file, interface, pyzmq)
    return Status(None, None, interface, pyzmq, LINKED_IN)


def _interface_version() -> Optional[str]:
    """What ``zmq.zmq_version()`` says; `None` if ``zmq`` is not imported."""
    # An import that failed leaves the extensions behind, and not `zmq`.
    if "zmq" not in sys.modules:
        return None
    try:
        # It is there from the beginning of an import. This waits for the end, where another thread is the one that imports.
        zmq = import_module("zmq")
    except (ImportError, ActivationError):
        return None
    # This thread itself may be the one, and import `zmq` further out.
    ask = getattr(zmq, "zmq_version", None)
    return None if ask is None else str(ask())


def _served(extension: _elf.LoadedFile, interface: str, pyzmq: Optional[str]) -> Status:
    """The status where an extension calls a libzmq of another file."""
    # The first call of a function is what has its address written, and `zmq_version` was called just now.
    files = extension.serving("zmq_")
    if not files:
        return Status(None, None, interface, pyzmq, "the loader has looked up none of its calls")
    note = f"some calls go to {', '.join(files[1:])}" if files[1:] else ""
    if note:
        return Status(files[0], None, interface, pyzmq, note)
    return Status(files[0], _version_of(files[0]), interface, pyzmq)


def _way_out(found: Status) -> str:
    if found.library is None:
        return NO_WAY
    return "Call ferrozmq.activate() before the first `import zmq`, or start the program with FERROZMQ=1"


def _extensions() -> List[str]:
    """The files of pyzmq's extensions that are imported."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(BACKENDS)]
    files = [getattr(module, "__file__", None) or "" for module in modules]
    return sorted(file for file in files if ".so" in os.path.basename(file))


def _pyzmq_version() -> Optional[str]:
    try:
        return version("pyzmq")
    except PackageNotFoundError:
        return None


def _version_of(path: str) -> Optional[str]:
    file = _elf.loaded_file(path)
    return file.note() if file is not None else None


def _is_ferrozmq(path: str) -> bool:
    return _version_of(path) is not None
