"""Runs files of pytest tests with a pyzmq on a library, and tells how each test ended."""

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import bindings, library
from .places import COMPAT

# What tests may import besides pyzmq and the standard library.
REQUIREMENTS = ("pytest==8.4.2", "pytest-asyncio==1.2.0", "pytest-rerunfailures==16.1", "tornado==6.5.2")
# A file that brings the whole process down more often is given up.
CRASHES = 20


@dataclass(frozen=True)
class Outcome:
    verdict: str
    reason: str = ""


NOT_RUN = Outcome("skip", "was not run")


class Suite:
    """A folder of tests."""

    def __init__(self, python, tests, sandbox, timeout, arguments=()):
        """`python` has pyzmq and `REQUIREMENTS`; `timeout` is seconds for one test; `arguments` are more for pytest."""
        self.python = python
        self.tests = tests
        self.sandbox = sandbox
        self.timeout = timeout
        self.arguments = arguments

    def check(self, settings, file):
        """Fails where pyzmq under `settings` calls another libzmq than `file` (`None`: the one inside the wheel): the tests
        would prove nothing."""
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "record")
            environment = {**library.plain_environment(), **bindings.ask(record)}
            environment |= _dictionary(settings)
            subprocess.run([self.python, "-c", "import zmq; zmq.Context().term()"], env=environment, timeout=60)
            bindings.check(record, file, "pyzmq")

    def outcomes(self, name, settings):
        """Runs file `name`, again without what has been run already where the process ends early.

        `settings` are more variables of the environment, as `NAME=value`.
        """
        found = {}
        for _ in range(CRASHES):
            with tempfile.TemporaryDirectory(prefix="witness-") as folder:
                events = Path(folder, "events")
                process = self._pytest(name, settings, events, found)
                running = read(events, found)
            if running is None:
                break
            reason, output = f"brought the process down: {process.reason}", process.output[-3000:]
            stacks = process.output.find("Timeout (")
            if stacks >= 0:
                reason = f"no end after {self.timeout:.0f} s{_place(name, process.output)}"
                # The innermost calls stand first.
                output = process.output[stacks:][:3000]
            found[running] = Outcome("fail", f"{reason}\n{output}")
        if not found:
            found[name] = Outcome("fail", f"no test was run\n{process.output[-3000:]}")
        return found

    def _pytest(self, name, settings, events, without):
        folders = ":".join(filter(None, (str(COMPAT), _dictionary(settings).get("PYTHONPATH"))))
        settings = [*settings, f"WITNESS_EVENTS={events}", f"WITNESS_TIMEOUT_S={self.timeout}"]
        command = ["env", *settings, f"PYTHONPATH={folders}", "PYTHONDONTWRITEBYTECODE=1", str(self.python)]
        command += ["-m", "pytest", "-p", "harness.witness", "-p", "no:cacheprovider", "-q", "--no-header", *self.arguments]
        command += [word for test in without for word in ("--deselect", test)]
        command.append(str(self.tests / name))
        return self.sandbox.run(command, library.plain_environment(), 1800)


def _place(name, output):
    """The innermost line of file `name` in the stacks that the witness has written."""
    found = re.search(rf'File "[^"]*{re.escape(name)}", line (\d+)', output)
    return f", at {name}:{found[1]}" if found else ""


def _dictionary(settings):
    return dict(setting.split("=", 1) for setting in settings)


def read(events, found):
    """Adds the outcomes in the file `events` to `found`. The test that had not finished, if any."""
    running = None
    for line in events.read_text().splitlines() if events.exists() else []:
        event = json.loads(line)
        test, outcome = event["test"], event["outcome"]
        if outcome == "started":
            running = test
        elif outcome == "finished":
            running = None
            found.setdefault(test, Outcome("pass"))
        # A test that passes and then fails in its teardown has failed.
        elif found.get(test, Outcome("pass")).verdict != "fail":
            found[test] = Outcome(outcome, event.get("reason", ""))
    return running


def headline(outcome):
    """The outcome with what matters of its reason, in a line."""
    lines = [line for line in outcome.reason.splitlines() if line.startswith("E ")] or outcome.reason.splitlines()
    return Outcome(outcome.verdict, " ".join((lines or [""])[0].split())[:160])
