"""Runs steps two at a time where that disturbs neither, and shows what each says in one piece.

Most tests wait and most builds compute, so one of each side by side takes little longer than either. Those that compute step back (nice)
for the tests, whose clocks would else see them. A step that fails beside another one is run again, alone, and that counts: a busy machine
is no fault of what is tested.
"""

import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace

LANES = 2
# Enough for a test to have the processor as soon as it wants it.
NICE_LEVELS = 10


@dataclass(frozen=True)
class Step:
    name: str
    command: tuple
    environment: dict = field(default_factory=dict)
    # Its tests look at a clock: no other such step runs beside it.
    is_timed: bool = False
    # Its tests do, too, and it tries again by itself what fails on a busy machine. So it may stand beside any other.
    is_patient: bool = False
    # Nothing runs beside it.
    is_alone: bool = False
    # What it writes to, where no other step may write at the same time.
    takes: str = ""
    # The step whose result it uses.
    after: str = ""


@dataclass(frozen=True)
class Result:
    step: Step
    lines: list
    is_fine: bool
    seconds: float
    # Of the processors, by the process and those that it started and waited for.
    processor_seconds: float
    # Whether it had failed beside another one.
    is_second: bool = False


def next_step(waiting, running, ended):
    """The first of the steps `waiting` that may start beside those `running`, if any; `ended` are the names of those that are over.

    A timed one comes first: these follow each other, and the whole takes as long as they do.
    """
    if len(running) >= LANES or any(step.is_alone for step in running):
        return None
    fit = [step for step in waiting if _may_start(step, running, ended)]
    return next((step for step in fit if step.is_timed), next(iter(fit), None))


def _may_start(step, running, ended):
    if step.after and step.after not in ended or step.is_alone and running:
        return False
    return not any(step.is_timed and one.is_timed or step.takes and step.takes == one.takes for one in running)


def run(steps, folder):
    """Runs all steps in `folder`; yields a `Result` for each when it is known."""
    known = {step.name for step in steps}
    if any(step.after and step.after not in known for step in steps):
        raise ValueError("a step comes after one that is not there")
    screen, results = _Screen(), queue.SimpleQueue()
    waiting, running, ended = list(steps), [], set()
    # The names of those that had another one beside them, and of those that are run again.
    disturbed, repeated = set(), set()
    while waiting or running:
        while step := next_step(waiting, running, ended):
            waiting.remove(step)
            running.append(step)
            if len(running) > 1:
                disturbed |= {one.name for one in running}
            screen.begin(step, step.name in repeated)
            threading.Thread(target=lambda step=step: results.put(_run(step, folder, screen)), daemon=True).start()
        if not running:
            raise ValueError("steps wait for each other")
        result = results.get()
        step = result.step
        running.remove(step)
        ended.add(step.name)
        is_again = not result.is_fine and step.name in disturbed - repeated
        if is_again:
            repeated.add(step.name)
            waiting.append(replace(step, is_alone=True))
            screen.line(step, f"-- {step.name}: failed beside another step; once more, alone, when the others are done\n")
        screen.end(step)
        if not is_again:
            yield replace(result, is_second=step.name in repeated)


def _run(step, folder, screen):
    has_clock = step.is_timed or step.is_patient or step.is_alone
    command = list(step.command) if has_clock else ["nice", "-n", str(NICE_LEVELS), *step.command]
    environment = {**os.environ, **step.environment}
    if sys.stdout.isatty():
        environment |= {"CLICOLOR_FORCE": "1", "CARGO_TERM_COLOR": "always"}
    began, lines = time.monotonic(), []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    try:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, **pipes)
    except OSError as error:
        screen.line(step, f"{step.command[0]}: {error}\n")
        return Result(step, [str(error)], False, 0, 0)
    with process:
        for line in process.stdout:
            lines.append(line)
            screen.line(step, line)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    spent = usage.ru_utime + usage.ru_stime
    return Result(step, lines, process.returncode == 0, time.monotonic() - began, spent)


class _Screen:
    """Shows one step as it goes on. What another one says meanwhile follows when that has ended."""

    def __init__(self):
        self._lock = threading.Lock()
        # Steps that are not told of to their end, the one that is shown first.
        self._kept = {}

    def begin(self, step, is_second):
        with self._lock:
            self._kept[step.name] = []
            self._add(step, f"== {step.name}{', alone' if is_second else ''}\n")

    def line(self, step, line):
        with self._lock:
            self._add(step, line)

    def end(self, step):
        with self._lock:
            if next(iter(self._kept)) != step.name:
                self._kept[step.name].append(None)
                return
            del self._kept[step.name]
            self._show_next()

    def _add(self, step, line):
        if next(iter(self._kept)) == step.name:
            sys.stdout.write(line)
            sys.stdout.flush()
        else:
            self._kept[step.name].append(line)

    def _show_next(self):
        while self._kept:
            name = next(iter(self._kept))
            lines = self._kept[name]
            is_over = None in lines
            sys.stdout.write("".join(line for line in lines if line is not None))
            sys.stdout.flush()
            if not is_over:
                lines.clear()
                return
            del self._kept[name]
