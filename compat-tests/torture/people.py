"""Processes of a scene, with a watchdog."""

import signal
import subprocess
import threading

from building import SANITIZER_STATUS


class Person:
    """A running worker."""

    def __init__(self, worker, words):
        self.process = subprocess.Popen(
            [str(worker.program), *words],
            env=worker.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.problem, self.lines, self.killed = "", [], False
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def close_input(self):
        """Tells a receiver that all has been sent."""
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def die(self):
        """Of a signal, in the middle of whatever it does. Where it has ended before, it has ended well or has a problem."""
        if self.process.poll() is None:
            self.killed = True
            self.process.send_signal(signal.SIGKILL)
            # What it was bound to is free for its successor once the system has closed all that it had.
            self.process.wait()

    def wait(self, seconds):
        """Waits for its end; sees what is wrong."""
        if self.problem:
            return
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.problem = f"no end after {seconds:.0f} s\n{self._stacks()}"
            self.kill()
            return
        self.reader.join(10)
        said = "".join(self.lines)
        if status == SANITIZER_STATUS:
            self.problem = f"the sanitizer reports\n{said[-6000:]}"
        elif status != 0 and not (self.killed and status == -signal.SIGKILL):
            self.problem = f"exit status {status}: {said[-2000:].strip()}"
        elif status == 0 and "done\n" not in self.lines[-1:]:
            self.problem = f"ended early: {said[-1000:].strip()}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.close_input()

    def sent(self):
        """How many records each of its sockets has sent."""
        words = (line.split() for line in self.lines if line.startswith("sent "))
        return {name: int(count) for _, name, count in words}

    def received(self):
        """Of each sender, the first record, the one after the last, and how many are missing between them."""
        words = (line.split() for line in self.lines if line.startswith("received "))
        return {name: tuple(map(int, numbers)) for _, name, *numbers in words}

    def _stacks(self):
        command = ["gdb", "-p", str(self.process.pid), "-batch", "-ex", "thread apply all bt 16"]
        try:
            shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
        except subprocess.TimeoutExpired:
            return "gdb shows nothing"
        return "\n".join(line[:200] for line in shown.splitlines() if line.startswith(("#", "Thread")))[-6000:]
