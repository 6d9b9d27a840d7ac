"""Compiles libzmq's own test programs, unchanged and without its build system; each once, kept by content."""

import hashlib
import re
import subprocess
import threading

from .places import WORK, Problem, unfinished

# What the programs ask about the platform they run on.
_PLATFORM = """
ZMQ_HAVE_LINUX ZMQ_HAVE_IPC ZMQ_HAVE_UIO ZMQ_HAVE_SO_PEERCRED ZMQ_HAVE_SO_PRIORITY ZMQ_HAVE_PPOLL ZMQ_USE_LIBSODIUM
ZMQ_HAVE_WS HAVE_FORK HAVE_MKDTEMP
""".split()
# What they ask about the library. Two programs compare it with what the library they run on says of itself; the
# others are compiled as for one that can do what they test.
_CAPABILITIES = {
    "curve": "ZMQ_HAVE_CURVE",
    "tipc": "ZMQ_HAVE_TIPC",
    "pgm": "ZMQ_HAVE_OPENPGM",
    "norm": "ZMQ_HAVE_NORM",
    "gssapi": "HAVE_LIBGSSAPI_KRB5",
    "vmci": "ZMQ_HAVE_VMCI",
    "vsock": "ZMQ_HAVE_VSOCK",
    "draft": "ZMQ_BUILD_DRAFT_API",
}
_COMPARE_CAPABILITIES = {"test_capabilities", "test_sodium"}
_TESTED_CAPABILITIES = {"curve", "tipc"}
# Programs that take parts of libzmq's inside with them: here a client that misbehaves on purpose.
_INSIDES = {"test_security_curve": ("err", "random", "clock")}
_TESTUTIL = ("testutil", "testutil_monitoring", "testutil_security", "testutil_unity")


class Builder:
    """Compiles the programs of one source tree, with the draft API or without."""

    def __init__(self, tree, draft, header=None):
        """`header` stands in for the tree's own zmq.h."""
        self.tree = tree
        self.draft = draft
        self.folder = WORK / "programs" / f"{tree.version}{'-draft' if draft else ''}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stage = self._stage(header) if header else tree.path
        self.flags = [
            *("-w", "-O0", "-DZMQ_CUSTOM_PLATFORM_HPP"),
            *("-DUNITY_USE_COMMAND_LINE_ARGS", "-DUNITY_EXCLUDE_FLOAT"),
            *(["-DZMQ_BUILD_DRAFT_API=1"] if draft else []),
            *(f"-I{path}" for path in (self._platform(), tree.path / "external" / "unity")),
        ]
        self.key = self._shared_key(header or tree.header)
        self._lock = threading.Lock()
        self._objects = None
        self._stub = None

    def program(self, name, has=frozenset()):
        """The executable of test program `name`, for a library that `has` these capabilities."""
        flags = self._flags(name, has)
        source = self.stage / "tests" / f"{name}.cpp"
        key = _digest(self.key, source.read_bytes(), " ".join(flags))
        program = self.folder / f"{name}-{key}"
        if not program.exists():
            objects, stub = self._prerequisites()
            extra = [str(self.tree.path / "src" / f"{part}.cpp") for part in _INSIDES.get(name, ())]
            libraries = [f"-L{stub}", "-lzmq", "-lpthread", *(["-lsodium"] if extra else [])]
            self._compile([*flags, str(source), *extra, *objects, *libraries], program)
        return program

    def check(self, name):
        """Compiles `name` without keeping anything. Returns the compiler's complaint, empty where there is none."""
        source = self.stage / "tests" / f"{name}.cpp"
        command = ["g++", *self._flags(name, _TESTED_CAPABILITIES), "-fsyntax-only", str(source)]
        result = subprocess.run(command, capture_output=True, text=True)
        return result.stderr if result.returncode else ""

    def _flags(self, name, has):
        capabilities = sorted(has & _CAPABILITIES.keys() if name in _COMPARE_CAPABILITIES else _TESTED_CAPABILITIES)
        insides = ["-fvisibility=hidden", f"-I{self.tree.path / 'src'}"] if name in _INSIDES else []
        return [*self.flags, *insides, *(f"-D{_CAPABILITIES[capability]}=1" for capability in capabilities)]

    def _prerequisites(self):
        """What every program links: test helpers, and a stand-in with the names of libzmq's functions.

        The stand-in makes the programs independent of which libzmq is installed, and of whether that one has
        the draft functions: they bind to whatever library they meet when they run.
        """
        with self._lock:
            if self._objects is None:
                self._stub = self.folder / f"stub-{self.key}"
                self._stub.mkdir(exist_ok=True)
                self._make_stub(self._stub)
                self._objects = [self._object(f"tests/{part}.cpp") for part in _TESTUTIL]
                self._objects.append(self._object("external/unity/unity.c"))
            return self._objects, self._stub

    def _make_stub(self, folder):
        names = set(re.findall(r"ZMQ_EXPORT[^;(]*?\b(zmq_\w+)\s*\(", self.tree.header.read_text()))
        source = folder / "stub.c"
        write(source, "".join(f"void {name} (void) {{}}\n" for name in sorted(names)))
        self._compile(["-shared", "-fPIC", "-Wl,-soname,libzmq.so.5", str(source)], folder / "libzmq.so", "gcc")

    def _object(self, path):
        target = self.folder / f"{path.rpartition('/')[2]}-{self.key}.o"
        if not target.exists():
            compiler = "gcc" if path.endswith(".c") else "g++"
            root = self.stage if path.startswith("tests/") else self.tree.path
            self._compile([*self._flags(path, set()), "-c", str(root / path)], target, compiler)
        return str(target)

    def _compile(self, arguments, target, compiler="g++"):
        # Under another name first: an interrupted run must not leave half a program behind.
        part = unfinished(target)
        command = [compiler, *arguments, "-o", str(part)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            raise Problem(f"{' '.join(command)}\n{result.stderr.strip()}")
        part.replace(target)

    def _platform(self):
        folder = WORK / "platform"
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"#define {name} 1\n" for name in _PLATFORM)
        write(folder / "platform.hpp", f"#ifndef PLATFORM_HPP\n#define PLATFORM_HPP\n{text}#endif\n")
        return folder

    def _stage(self, header):
        """The tree as the programs see it, with `header` in place of its own: their include is relative."""
        stage = self.folder / "stage"
        wanted = {f"tests/{file.name}": file for file in (self.tree.path / "tests").glob("*.?pp")}
        wanted |= {f"src/{file.name}": file for file in (self.tree.path / "src").glob("*.hpp")}
        wanted |= {f"include/{header.name}": header}
        for name, file in wanted.items():
            link = stage / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if link.is_symlink() and link.readlink() == file:
                continue
            part = unfinished(link)
            part.unlink(missing_ok=True)
            part.symlink_to(file)
            part.replace(link)
        return stage

    def _shared_key(self, header):
        helpers = [self.tree.path / "tests" / f"{part}.{kind}" for part in _TESTUTIL for kind in ("cpp", "hpp")]
        unity = sorted((self.tree.path / "external" / "unity").iterdir())
        platform = self._platform() / "platform.hpp"
        files = [file.read_bytes() for file in (header, platform, *helpers, *unity)]
        compiler = subprocess.run(["g++", "--version"], capture_output=True).stdout
        return _digest(compiler, *files, " ".join(self.flags))


def write(path, text):
    """Leaves alone what says the same: another program may be reading it."""
    if path.exists() and path.read_text() == text:
        return
    part = unfinished(path)
    part.write_text(text)
    part.replace(path)


def _digest(*parts):
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part.encode() if isinstance(part, str) else part)
        hasher.update(b"\0")
    return hasher.hexdigest()[:12]
