"""Which file serves an extension's calls of libzmq: the loader has written the addresses into memory, where they are read."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Tuple

PT_DYNAMIC = 2
PT_NOTE = 4
DT_PLTRELSZ, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_JMPREL = 2, 5, 6, 7, 8, 23
RELA_BYTES = SYMBOL_BYTES = 24
MAX_NAME_BYTES = 64
# What `.note.ferrozmq` is called.
NOTE_NAME = b"ferrozmq\0"


class _ObjectInfo(ctypes.Structure):
    """The beginning of `struct dl_phdr_info`."""

    _fields_ = [
        ("base", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.c_void_p),
        ("header_count", ctypes.c_uint16),
    ]


class _AddressInfo(ctypes.Structure):
    """`Dl_info`."""

    _fields_ = [
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    ]


@dataclass(frozen=True)
class LoadedFile:
    """An ELF file in this process. `segments` are (type, address, bytes)."""

    path: str
    base: int
    segments: Tuple[Tuple[int, int, int], ...]

    def note(self) -> Optional[str]:
        """The version in ferrozmq's ELF note; `None` if the file has no such note."""
        for kind, address, size in self.segments:
            if kind == PT_NOTE:
                for name, text in _notes(ctypes.string_at(address, size)):
                    if name == NOTE_NAME:
                        return text.split(b"\0")[0].decode("ascii", "replace")
        return None

    def serving(self, prefix: str) -> List[str]:
        """The files that serve this one's calls of functions with names that begin with `prefix`. Calls that the loader has
        not looked up yet are left out."""
        found = {_file_at(slot) for name, slot in self._slots() if name.startswith(prefix)}
        return sorted(file for file in found if file is not None and not os.path.samefile(file, self.path))

    def calls(self, prefix: str) -> bool:
        """Whether it calls such functions of other files at all."""
        return any(name.startswith(prefix) for name, _ in self._slots())

    def _slots(self) -> Iterator[Tuple[str, int]]:
        """The functions that it calls, and the addresses that the loader has written for them."""
        for table, size in self._tables():
            for at in range(table, table + size, RELA_BYTES):
                offset, info = struct.unpack("=QQ", ctypes.string_at(at, 16))
                symbol = info >> 32
                if symbol:
                    entry = self._dynamic(DT_SYMTAB) + symbol * SYMBOL_BYTES
                    (name_at,) = struct.unpack("=I", ctypes.string_at(entry, 4))
                    name = ctypes.string_at(self._dynamic(DT_STRTAB) + name_at)[:MAX_NAME_BYTES]
                    (slot,) = struct.unpack("=Q", ctypes.string_at(self.base + offset, 8))
                    yield name.decode("ascii", "replace"), slot

    def _tables(self) -> Iterator[Tuple[int, int]]:
        """Relocations, as address and bytes: those of calls, and the rest."""
        for table, size in ((DT_JMPREL, DT_PLTRELSZ), (DT_RELA, DT_RELASZ)):
            if self._dynamic(table) and self._number(size):
                yield self._dynamic(table), self._number(size)

    def _dynamic(self, tag: int) -> int:
        """An address in the dynamic section. The loaders of some machines leave it as it is in the file."""
        value = self._number(tag)
        return value + self.base if 0 < value < self.base else value

    def _number(self, tag: int) -> int:
        for kind, address, size in self.segments:
            if kind == PT_DYNAMIC:
                for found, value in struct.iter_unpack("=QQ", ctypes.string_at(address, size // 16 * 16)):
                    if found == tag:
                        return int(value)
        return 0


def loaded_files() -> List[LoadedFile]:
    """All ELF files of this process but the program itself; none where they have another form than that of 64 bits."""
    found: List[LoadedFile] = []
    if ctypes.sizeof(ctypes.c_void_p) != 8 or not sys.platform.startswith("linux"):
        return found

    def add(info: Any, _size: int, _data: Any) -> int:
        path = os.fsdecode(info.contents.name or b"")
        if path:
            found.append(LoadedFile(path, info.contents.base, tuple(_segments(info.contents))))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_ObjectInfo), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(callback(add), None)
    return found


def loaded_file(path: str) -> Optional[LoadedFile]:
    """The one at `path`, by whatever name the loader knows it."""
    for file in loaded_files():
        try:
            if os.path.samefile(file.path, path):
                return file
        except OSError:
            continue
    return None


def first_with(symbol: str) -> Optional[str]:
    """The file in which the loader finds `symbol` for files that it loads from now on, wherever else it is."""
    try:
        function = getattr(ctypes.CDLL(None), symbol)
    except AttributeError:
        return None
    return _file_at(ctypes.cast(function, ctypes.c_void_p).value or 0)


def _file_at(address: int) -> Optional[str]:
    find = ctypes.CDLL(None).dladdr
    find.argtypes = [ctypes.c_void_p, ctypes.POINTER(_AddressInfo)]
    info = _AddressInfo()
    if not find(address, ctypes.byref(info)) or not info.file:
        return None
    path = os.path.realpath(os.fsdecode(info.file))
    return path if os.path.isfile(path) else None


def _segments(info: _ObjectInfo) -> Iterator[Tuple[int, int, int]]:
    # Elf64_Phdr: type, flags, offset, address, physical address, bytes in the file, bytes in memory, alignment.
    size = struct.calcsize("=IIQQQQQQ")
    headers = ctypes.string_at(info.headers, info.header_count * size)
    for kind, _flags, _offset, address, _physical, _in_file, in_memory, _align in struct.iter_unpack("=IIQQQQQQ", headers):
        yield kind, info.base + address, in_memory


def _notes(text: bytes) -> Iterator[Tuple[bytes, bytes]]:
    at = 0
    while at + 12 <= len(text):
        name_len, text_len, _kind = struct.unpack_from("=III", text, at)
        start = at + 12 + (name_len + 3) // 4 * 4
        yield text[at + 12 : at + 12 + name_len], text[start : start + text_len]
        at = start + (text_len + 3) // 4 * 4
