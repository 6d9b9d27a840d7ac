"""Runs one command in a session of its own and hands on what it says; ends it with all that it has started at a limit, or when asked to."""

import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

# How long what a command has started may keep its output open, once the command itself has ended.
REST_S = 5


@dataclass(frozen=True)
class Ended:
    # Negative: the signal.
    status: int
    is_late: bool
    # Of the processors, by the process and those that it started and waited for.
    processor_seconds: float
    # What went wrong with what it said, empty where nothing did.
    complaint: str


class Sessions:
    """The sessions that run, by their leaders. None is in here that is waited for: the system may give its number away."""

    def __init__(self):
        self._lock = threading.Lock()
        self._leaders = set()
        self._is_over = False

    def begin(self, leader):
        with self._lock:
            self._leaders.add(leader)
            if self._is_over:
                _kill(leader)

    def kill(self, leader):
        with self._lock:
            if leader in self._leaders:
                _kill(leader)

    def end(self, leader):
        with self._lock:
            self._leaders.discard(leader)

    def close(self):
        """Ends all of them, and each that begins later."""
        with self._lock:
            self._is_over = True
            for leader in self._leaders:
                _kill(leader)


class _Reader(threading.Thread):
    """Hands on line after line, and reads to the end even where nothing takes them: else the command would wait for its reader."""

    def __init__(self, stream, take):
        super().__init__(daemon=True)
        self.complaint = ""
        self._stream, self._take = stream, take
        self._lock = threading.Lock()
        self._is_given_up = False

    def run(self):
        for line in self._stream:
            with self._lock:
                if self._is_given_up:
                    return
                try:
                    self._take(line)
                except Exception as error:
                    self.complaint = self.complaint or f"what it said could not be shown: {type(error).__name__}: {error}"

    def give_up(self):
        with self._lock:
            self._is_given_up = True


def run(command, take, limit_s, sessions, **settings):
    """Runs `command` to its end, and calls `take` with each line; `settings` are more for `Popen`."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    text = {"encoding": "utf-8", "errors": "replace"}
    process = subprocess.Popen(command, start_new_session=True, **pipes, **text, **settings)
    sessions.begin(process.pid)
    late = threading.Event()
    reader = _Reader(process.stdout, take)
    timer = threading.Timer(limit_s, lambda: (late.set(), sessions.kill(process.pid)))
    timer.daemon = True
    is_over = False
    try:
        reader.start()
        timer.start()
        # The leader is left as it is: as long as nothing has taken its status, its number is its own.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        is_over = True
        timer.cancel()
        reader.join(REST_S)
    finally:
        timer.cancel()
        # Of what it has started nothing may go on that still holds its output, nor anything where this thread has failed.
        if reader.is_alive() or not is_over:
            sessions.kill(process.pid)
        reader.give_up()
        sessions.end(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, late.is_set(), usage.ru_utime + usage.ru_stime, reader.complaint)


def _kill(leader):
    """Ends a session, and those that were begun in it: a test's sandbox has one of its own."""
    below = _below(leader)
    for process in (leader, *below):
        for end in (os.killpg, os.kill):
            try:
                end(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass


def _below(leader):
    """The processes that it has started, and those that these have."""
    started = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        started.setdefault(parent, []).append(int(place.parent.name))
    found = list(started.get(leader, ()))
    # It grows while it is walked.
    for process in found:
        found += started.get(process, ())
    return found
