"""Plays sequences of calls on one library, and says what they gave in words that two libraries can agree on."""

import re
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from harness import places

HERE = Path(__file__).resolve().parent
# What the interpreter allows a sequence is less.
TIMEOUT_S = 300
_IN_NAMESPACE = 'ip link set lo up && exec "$@"'
_FRAME = re.compile(r"x[0-9a-f]*$")
_EVENT_WITH_DESCRIPTOR = {0x0001, 0x0008, 0x0020, 0x0080, 0x0200}
_EVENT_CONNECT_RETRIED = 0x0004


@dataclass
class Answers:
    """What each call of a sequence gave; `fate` tells how the process died in the midst of it."""

    lines: list = field(default_factory=list)
    fate: str = ""


class Player:
    """The interpreter on one library."""

    def __init__(self, library, program, prefix):
        self.library = library
        self.command = [*prefix, "sh", "-c", _IN_NAMESPACE, "sh", str(program)] if prefix else [str(program)]

    def play(self, sequences, settle_us):
        """The answers to each of `sequences`, a dictionary of calls by name."""
        results, waiting = {}, dict(sequences)
        while waiting:
            script = "".join(f"begin {name}\n" + "\n".join(calls) + "\nend\n" for name, calls in waiting.items())
            output, fate = self._run(script, settle_us)
            heard = list(_parse(output))
            for name, answers in heard:
                results[name] = answers
            if not fate:
                missing = [name for name in waiting if name not in results]
                if missing:
                    raise places.Problem(f"{self.command[-1]}: no answers to {missing[0]}")
                return results
            if not heard:
                raise places.Problem(f"{self.command[-1]} on {self.library.file}: {fate}")
            # It died in the last one it has told of.
            heard[-1][1].fate = fate
            for name, _ in heard:
                waiting.pop(name)
        return results

    def _run(self, script, settle_us):
        with tempfile.TemporaryDirectory(prefix="zmq-") as folder, tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [*self.command, str(settle_us)], stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL,
                cwd=folder, env={**self.library.environment(), "TMPDIR": folder}, start_new_session=True,
            )
            try:
                process.communicate(script.encode(), TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            output.seek(0)
            return output.read().decode("latin-1"), _fate(process.returncode)


def build(folder, draft=None):
    """The interpreter, compiled; with the draft API if a library that has it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / ("interpreter-draft" if draft else "interpreter")
    sources = [HERE / name for name in ("interpreter.c", "polling.c", *(("drafts.c", "pollers.c") if draft else ()))]
    newest = max(file.stat().st_mtime for file in (*sources, HERE / "interpreter.h"))
    if not program.exists() or program.stat().st_mtime < newest:
        switches = ["-DZMQ_BUILD_DRAFT_API", str(draft.folder / "libzmq.so.5")] if draft else ["-lzmq"]
        command = ["gcc", "-std=gnu11", "-O1", "-Wall", "-pthread", f"-I{places.OUR_HEADER.parent}", *map(str, sources)]
        subprocess.run([*command, "-o", str(program), *switches], check=True)
    return program


def plain(calls, lines):
    """The answers without what differs between two runs of the same library: random ids, ports, descriptors."""
    names = {}
    return [plain_line(call.split(), line, names) for call, line in zip(calls, lines)]


def _fate(status):
    if status == 0:
        return ""
    return "hangs" if status == -signal.SIGALRM else f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit {status}"


def _parse(output):
    current = None
    for line in output.split("\n"):
        if line.startswith("# "):
            if current:
                yield current
            current = (line[2:], Answers())
        elif current:
            current[1].lines.append(line.strip())
    if current:
        yield current


def plain_line(call, line, names):
    if call[0] == "events":
        return " ".join(sorted(map(_plain_event, line.split())))
    words = line.split(" ")
    if call[0] == "getsockopt" and words[0] == "0" and len(words) > 2:
        if call[2] == "14":
            return "0 descriptor"
        if call[2] == "32":
            return f"0 {_plain_endpoint(bytes.fromhex(words[2][1:]).decode('latin-1'))}"
        return line
    if call[0] == "msg_get" and call[2:] == ["2"] and words[0] != "-1":
        return "descriptor"
    if call[0] == "events2":
        return " ".join(sorted(map(_plain_versioned, line.split())))
    if call[0] in ("msg_routing_id", "connect_peer") and words[0] not in ("0", "-1"):
        return names.setdefault(f"route {line}", f"route{len(names)}")
    if call[0] in ("recv", "recv_all", "recviov", "msg_look"):
        return " ".join(_plain_word(word, words[max(at - 2, 0) : at], names) for at, word in enumerate(words))
    return line


def _plain_word(word, before, names):
    """Routing ids and request ids are drawn at random."""
    if not _FRAME.match(word):
        return word
    if len(word) == 11 and word.startswith("x00"):
        return names.setdefault(word, f"id{len(names)}")
    if word.startswith("x00") and "5" in before:
        return "part of an id"
    if len(word) == 9 or "4" in before:
        return "request id"
    return word


def _plain_event(event):
    number, value, endpoint = event.split(":", 2)
    if int(number) in _EVENT_WITH_DESCRIPTOR:
        value = "descriptor"
    elif int(number) == _EVENT_CONNECT_RETRIED:
        value = "interval"
    return f"{number}:{value}:{_plain_endpoint(endpoint)}"


def _plain_versioned(event):
    """Number, how many values, values, and the two ends."""
    head, *places = event.split("|")
    number, *values = head.split(":")
    if int(number) in _EVENT_WITH_DESCRIPTOR:
        values[1:] = ["descriptor"]
    elif int(number) == _EVENT_CONNECT_RETRIED:
        values[1:] = ["interval"]
    return "|".join([":".join([number, *values]), *map(_plain_endpoint, places)])


def _plain_endpoint(endpoint):
    endpoint = re.sub(r"(tcp://\S*?):\d{4,5}\b", r"\1:PORT", endpoint)
    return re.sub(r"/[^ ]*/tmp\w{6}\b", "/TMP", endpoint).rstrip("\0")
