"""The ways in which an installed wheel comes under pyzmq, and what is said where it does not. Each in a process of its own."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

OURS = "import ferrozmq, os; ours = str(ferrozmq.library_path()); "
# Two sockets that talk, so that calls are made and not only looked up.
TALK = (
    "import zmq; context = zmq.Context(); a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR); a.bind('tcp://127.0.0.1:*'); "
    "b.connect(a.last_endpoint); b.send(b'x'); assert a.recv() == b'x'; context.destroy(); "
)


def python(program, *arguments, code=0, **environment):
    """What a program prints, on stdout and stderr. `arguments` are Python's."""
    settings = {name: value for name, value in os.environ.items() if name not in ("FERROZMQ", "PYZMQ_BACKEND", "LD_PRELOAD")}
    command = [sys.executable, *arguments, *(["-c", program] if program else [])]
    done = subprocess.run(
        command, env={**settings, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def called(record):
    """The files in which the loader found pyzmq's functions, as it wrote them down itself."""
    text = "".join(file.read_text() for file in record.parent.glob(f"{record.name}.*"))
    return set(re.findall(r"binding file \S+zmq/backend\S+ \[\d+\] to (\S+) \[\d+\]: normal symbol `zmq_\w+'", text))


WAYS = {
    "activate": (OURS + "assert ferrozmq.activate().library == ours; ", {}),
    "FERROZMQ=1": (OURS, {"FERROZMQ": "1"}),
    "PYZMQ_BACKEND": (OURS, {"PYZMQ_BACKEND": "ferrozmq.backend"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_way(way, tmp_path):
    program, environment = WAYS[way]
    record = tmp_path / "record"
    loader = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(record)}
    program += TALK + "found = ferrozmq.status(); assert found.is_ferrozmq, found; assert found.library == ours; print(ours)"
    printed = python(program, **environment, **loader).split()[-1]
    assert called(record) == {printed}


def test_without_any_way_pyzmq_has_its_own(tmp_path):
    record = tmp_path / "record"
    loader = {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(record)}
    program = OURS + TALK + "found = ferrozmq.status(); assert not found.is_ferrozmq; assert found.ferrozmq is None; print(found.library)"
    own = python(program, **loader).strip()
    assert "pyzmq.libs" in own and {os.path.realpath(file) for file in called(record)} == {own}
    for value in ("0", ""):
        assert python(program, FERROZMQ=value).strip() == own


def test_activate_comes_too_late():
    program = "import ferrozmq, zmq; ferrozmq.activate()"
    said = python(program, code=1)
    assert "ActivationError: pyzmq" in said and "pyzmq.libs" in said and "before the first `import zmq`" in said


def test_activate_twice_and_after_other_ways():
    python(OURS + "first = ferrozmq.activate(); import zmq; assert ferrozmq.activate() == first")
    python(OURS + "import zmq; assert ferrozmq.activate().is_ferrozmq", FERROZMQ="1")
    preload = python(OURS + "print(ours)").strip()
    python(OURS + "import zmq; assert ferrozmq.activate().library == ours", LD_PRELOAD=preload)


def test_another_libzmq_that_comes_first_is_told_of():
    own = python("import ferrozmq, zmq; print(ferrozmq.status().library)").strip()
    said = python("import ferrozmq; ferrozmq.activate()", code=1, LD_PRELOAD=own)
    assert f"ActivationError: {own}" in said and "LD_PRELOAD" in said
    said = python("import zmq", code=1, LD_PRELOAD=own, FERROZMQ="1")
    assert f"ActivationError: {own}" in said


def test_refusal_holds_for_the_next_import():
    own = python("import ferrozmq, zmq; print(ferrozmq.status().library)").strip()
    program = """
for _ in range(2):
    try:
        import zmq
    except RuntimeError as error:
        print(type(error).__name__)
"""
    assert python(program, LD_PRELOAD=own, FERROZMQ="1").split() == ["ActivationError"] * 2


# The finder that FERROZMQ=1 puts there.
FINDER = "import sys; (finder,) = [one for one in sys.meta_path if type(one).__module__ == 'ferrozmq._startup']; "


def test_no_other_finder_is_passed_over():
    program = """
class Next:
    def find_spec(self, name, path=None, target=None):
        asked.append(name)

asked = []
sys.meta_path.insert(sys.meta_path.index(finder) + 1, Next())
import zmq, ferrozmq
assert "zmq" in asked, asked
assert ferrozmq.status().is_ferrozmq
"""
    python(FINDER + program, FERROZMQ="1")


def test_finder_is_asked_again():
    # By a thread that had come to it in the list before another thread was done.
    python(FINDER + "import zmq; assert finder.find_spec('zmq') is None", FERROZMQ="1")


def test_library_that_cannot_be_loaded_is_told_of(tmp_path):
    program = "import ferrozmq._library as l; from pathlib import Path; l.library_path = lambda: Path({!r}); l.activate()"
    (tmp_path / "broken.so").write_bytes(b"\x7fELF" + bytes(100))
    for file in (tmp_path / "missing.so", tmp_path / "broken.so"):
        said = python(program.format(str(file)), code=1)
        assert "ActivationError: the library cannot be loaded" in said and str(file) in said


def test_value_that_is_no_switch_is_told_of():
    said = python("import zmq; print(zmq.has('draft'))", FERROZMQ="yes")
    assert said.splitlines() == ["ferrozmq: FERROZMQ=yes: it takes 0 or 1, and pyzmq is left as it is", "False"]


def test_status_imports_nothing():
    program = "import sys, ferrozmq; print(ferrozmq.status()); assert not any(name.split('.')[0] == 'zmq' for name in sys.modules)"
    assert "zmq is not imported: ferrozmq.activate() puts it on ferrozmq" in python(program)
    # The variable alone loads nothing: most programs never import zmq.
    mapped = "; assert 'ferrozmq/lib' not in open('/proc/self/maps').read()"
    python(program + mapped, FERROZMQ="1")


def test_variable_imports_nothing_but_its_finder():
    program = "import sys; print(*sys.modules)"
    before, after = (set(python(program, **settings).split()) for settings in ({}, {"FERROZMQ": "1"}))
    assert after - before == {"ferrozmq", "ferrozmq._startup"}


@pytest.mark.parametrize("way", WAYS)
def test_pyzmq_with_a_libzmq_linked_into_it_is_told_of(way, tmp_path):
    # Stands in for such a pyzmq: what is among the modules as its extension is a library that calls no libzmq.
    extension = """
import sys, types
from ferrozmq import _elf
module = sys.modules[__name__ + "._zmq"] = types.ModuleType("_zmq")
(module.__file__,) = {file.path for file in _elf.loaded_files() if "/libc.so" in file.path}
"""
    files = {
        "__init__.py": "from zmq import backend\nfrom zmq import sugar\nfrom zmq.sugar import *\n",
        "backend/__init__.py": "import os\n__import__(os.environ.get('PYZMQ_BACKEND', 'zmq.backend.cython'))\n",
        "backend/cython/__init__.py": extension,
        "sugar/__init__.py": "def zmq_version():\n    return '4.3.5'\n",
    }
    for name, text in files.items():
        path = tmp_path / "zmq" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    # Twice: a refusal holds for the next import.
    program = """
import ferrozmq, os
for _ in range(2):
    try:
        ferrozmq.activate() if os.environ["WAY"] == "activate" else __import__("zmq")
    except ferrozmq.ActivationError as error:
        print(error)
"""
    said = python(program, PYTHONPATH=str(tmp_path), WAY=way, **WAYS[way][1])
    assert said.count("a libzmq is linked into pyzmq's extension") == said.count("Only a pyzmq that calls") == 2, said


# Another thread is in the middle of `import zmq`: the extensions are there, and it waits before the rest is.
MIDDLE = """
import sys, threading, time

class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == "zmq.sugar":
            middle.set()
            time.sleep(0.5)

middle = threading.Event()
sys.meta_path.insert(0, Waits())
threading.Thread(target=__import__, args=("zmq",)).start()
assert middle.wait(20)
import ferrozmq
print(ferrozmq.CALL().library == str(ferrozmq.library_path()))
"""


@pytest.mark.parametrize("call", ["activate", "status"])
def test_while_another_thread_imports_zmq(call):
    assert python(MIDDLE.replace("CALL", call), FERROZMQ="1") == "True\n"


def test_status_after_an_import_that_failed():
    program = """
import sys, ferrozmq
sys.modules["zmq.sugar"] = None
try:
    import zmq
except ImportError:
    print(ferrozmq.status())
"""
    assert python(program).startswith("zmq is not imported: ")


def test_names_of_the_package():
    program = """
import ferrozmq
assert set(ferrozmq.__all__) <= set(dir(ferrozmq))
from ferrozmq import *
assert activate is ferrozmq.activate and issubclass(ActivationError, RuntimeError)
try:
    ferrozmq.nothing
except AttributeError as error:
    print(error)
"""
    assert python(program) == "module 'ferrozmq' has no attribute 'nothing'\n"


def test_forked_and_started_processes():
    fork = "import os; pid = os.fork(); assert pid == 0 or os.waitpid(pid, 0)[1] == 0; assert ferrozmq.status().is_ferrozmq"
    python("import ferrozmq; ferrozmq.activate(); " + TALK + fork)
    spawn = (
        "import subprocess, sys; ask = [sys.executable, '-m', 'ferrozmq', 'status']; "
        "before = subprocess.run(ask, stdout=subprocess.DEVNULL).returncode; os.environ['FERROZMQ'] = '1'; "
        "assert (before, subprocess.run(ask, stdout=subprocess.DEVNULL).returncode) == (1, 0)"
    )
    python("import os, ferrozmq; ferrozmq.activate(); " + spawn)


def test_command_line():
    assert "uses another libzmq" in python("", "-m", "ferrozmq", "status", code=1)
    assert "uses ferrozmq" in python("", "-m", "ferrozmq", "status", FERROZMQ="1")
    assert "usage" in python("", "-m", "ferrozmq", "status", "more", code=2)
    show = "import zmq, ferrozmq; print(ferrozmq.status().library == str(ferrozmq.library_path()))"
    assert python("", "-m", "ferrozmq", "run", sys.executable, "-c", show).split() == ["True"]
    assert "ferrozmq" in python("", "-m", "ferrozmq", "doctor", sys.executable, code=1)
    python("", "-m", "ferrozmq", "run", "no-such-program", code=127)


@pytest.mark.parametrize("way", [{"FERROZMQ": "1"}, {"PYZMQ_BACKEND": "ferrozmq.backend"}, {"PYZMQ_BACKEND": "no_such_backend"}], ids=str)
def test_status_without_an_answer(way):
    own = python("import ferrozmq, zmq; print(ferrozmq.status().library)").strip()
    said = python("", "-m", "ferrozmq", "status", code=2, LD_PRELOAD=own, **way)
    assert said.startswith("ferrozmq: ") and said.count("\n") == 1, said


def test_script():
    script = Path(sysconfig.get_path("scripts"), "ferrozmq")
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout.startswith("ferrozmq ")


def test_files():
    import ferrozmq

    for path in (ferrozmq.library_path(), ferrozmq.tool_path(), ferrozmq.include_path() / "zmq.h"):
        assert path.is_file()
    assert os.access(ferrozmq.tool_path(), os.X_OK)
    assert sorted(file.name for file in ferrozmq.include_path().iterdir()) == ["zmq.h", "zmq_ferro.h", "zmq_utils.h"]
