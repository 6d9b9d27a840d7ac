"""Runs one program by itself: own network namespace where the system allows, own folder, a time limit."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

# Programs that use the same fixed ports and names run beside each other only in namespaces of their own.
_IN_NAMESPACE = 'ip link set lo up && exec "$@"'


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit status (negative: the signal), or `None` where time ran out."""

    status: int | None
    seconds: float
    output: str

    @property
    def verdict(self):
        return {0: "pass", 77: "skip"}.get(self.status, "fail")

    @property
    def reason(self):
        """Why it did not pass, in a few words."""
        if self.status is None:
            return f"no end after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


class Sandbox:
    """The way to isolate that this system allows."""

    def __init__(self):
        self.prefix = next(filter(self._works, (["unshare", "-n"], ["unshare", "-rn"])), None)

    @property
    def isolated(self):
        """Whether programs with fixed ports may run side by side."""
        return self.prefix is not None

    def run(self, command, environment, seconds):
        """Runs `command` in an empty folder; ends it and all it started after `seconds`."""
        wrapped = [*self.prefix, "sh", "-c", _IN_NAMESPACE, "sh", *command] if self.prefix else command
        with tempfile.TemporaryDirectory(prefix="zmq-") as folder, tempfile.TemporaryFile() as output:
            started = time.monotonic()
            process = subprocess.Popen(
                wrapped,
                cwd=folder,
                env={**environment, "TMPDIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            # Whatever the program forked must not outlive it, nor keep its ports.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            output.seek(0)
            return Outcome(status, time.monotonic() - started, output.read().decode(errors="replace"))

    @staticmethod
    def _works(prefix):
        if shutil.which(prefix[0]) is None or shutil.which("ip") is None:
            return False
        probe = [*prefix, "sh", "-c", _IN_NAMESPACE, "sh", "true"]
        return subprocess.run(probe, capture_output=True).returncode == 0
