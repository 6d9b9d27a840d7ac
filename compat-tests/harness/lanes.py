"""Runs steps two at a time where that disturbs neither, and shows what each says in one piece.

Most tests wait and most builds compute, so one of each side by side takes little longer than either. Those that compute step back (nice)
for the tests, whose clocks would else see them. A step with a clock that fails beside another one is run again, alone, and that counts: a
busy machine is no fault of what is tested. So is one that a signal has ended, as the system does where memory runs out.
"""

import contextlib
import io
import os
import queue
import sys
import threading
import time
from dataclasses import dataclass, field, replace

from . import session

LANES = 2
# The longest steps take half of it, from nothing built.
LIMIT_MINUTES = 25
# Nothing is run again once so much time has gone by: a machine that slow, or that broken, would never come to the end.
AGAIN_MINUTES = 60
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
    # It is run again, and others come after it: nothing else begins before it has ended.
    is_next: bool = False
    # It is ended then, with all that it has started.
    limit_minutes: float = LIMIT_MINUTES


@dataclass(frozen=True)
class Result:
    step: Step
    lines: list
    is_fine: bool
    seconds: float
    # Of the processors, by the process and those that it started and waited for.
    processor_seconds: float
    # Whether a signal has ended it, and whether that was sent since it took too long.
    is_killed: bool = False
    is_late: bool = False
    # How it had failed beside another one, where it was run again.
    first: "Result | None" = None


def next_step(waiting, running, ended):
    """The first of the steps `waiting` that may start beside those `running`, if any; `ended` are the names of those that are over.

    A timed one comes first: these follow each other, and the whole takes as long as they do.
    """
    if len(running) >= LANES or any(step.is_alone for step in running):
        return None
    if awaited := next((step for step in waiting if step.is_next), None):
        return None if running else awaited
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
    screen, results, sessions = _Screen(), queue.SimpleQueue(), session.Sessions()
    try:
        yield from _results(steps, screen, results, lambda step: results.put(_run(step, folder, screen, sessions)))
    finally:
        # Each step has a session of its own, which a Ctrl-C here does not reach.
        sessions.close()


def _results(steps, screen, results, start):
    """`start` runs a step in a thread of its own, and puts its result into `results`."""
    waiting, running, ended, began = list(steps), [], set(), time.monotonic()
    # The names of those that had another one beside them, and how those failed that are run again.
    disturbed, failed = set(), {}
    while waiting or running:
        while step := next_step(waiting, running, ended):
            waiting.remove(step)
            running.append(step)
            if len(running) > 1:
                disturbed |= {one.name for one in running}
            screen.begin(step, step.name in failed)
            threading.Thread(target=start, args=(step,), daemon=True).start()
        if not running:
            raise ValueError("steps wait for each other")
        result = results.get()
        step = result.step
        running.remove(step)
        is_early = time.monotonic() - began < AGAIN_MINUTES * 60
        if is_early and step.name in disturbed - failed.keys() and may_be_disturbance(result):
            failed[step.name] = result
            is_awaited = any(one.after == step.name for one in waiting)
            waiting.append(replace(step, is_alone=True, is_next=is_awaited))
            when = "now" if is_awaited else "when the others are done"
            screen.line(step, f"-- {step.name}: failed beside another step; once more, alone, {when}\n")
            screen.end(step)
            continue
        ended.add(step.name)
        screen.end(step)
        yield replace(result, first=failed.get(step.name))


def may_be_disturbance(result):
    """Whether a step may have failed only since another one ran beside it."""
    has_clock = result.step.is_timed or result.step.is_patient
    return not result.is_fine and not result.is_late and (has_clock or result.is_killed)


def _run(step, folder, screen, sessions):
    """The result of a step, also where it cannot be run or shown: what waits for it would else wait for ever."""
    has_clock = step.is_timed or step.is_patient or step.is_alone
    command = list(step.command) if has_clock else ["nice", "-n", str(NICE_LEVELS), *step.command]
    environment = {**os.environ, **step.environment}
    began, lines = time.monotonic(), []

    def take(line):
        lines.append(line)
        screen.line(step, line)

    def complain(words):
        # What could not be shown before can hardly be shown now; the result has it.
        with contextlib.suppress(OSError, ValueError):
            take(f"error: {words}\n")

    try:
        if sys.stdout.isatty():
            environment |= {"CLICOLOR_FORCE": "1", "CARGO_TERM_COLOR": "always"}
        ended = session.run(command, take, step.limit_minutes * 60, sessions, cwd=folder, env=environment)
    except Exception as error:
        complain(f"{step.command[0]}: {error}")
        return Result(step, lines, False, time.monotonic() - began, 0)
    if ended.is_late:
        complain(f"no end after {step.limit_minutes:g} minutes")
    if ended.complaint:
        complain(ended.complaint)
    is_fine = ended.status == 0 and not ended.is_late and not ended.complaint
    spent = time.monotonic() - began, ended.processor_seconds
    return Result(step, lines, is_fine, *spent, is_killed=ended.status < 0, is_late=ended.is_late)


class _Screen:
    """Shows one step as it goes on. What another one says meanwhile follows when that has ended."""

    def __init__(self):
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
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
