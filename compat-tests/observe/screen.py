"""A program on a terminal of its own, in tmux: keys in, what is on the screen out."""

import shlex
import subprocess
import time

from harness.places import Problem

PATIENCE_S = 30


class Screen:
    def __init__(self, folder, command, columns=80, lines=24):
        self.server = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self.columns = columns
        size = ["-x", str(columns), "-y", str(lines)]
        # The exit code stays on the screen of a program that has ended.
        script = f"{shlex.join([str(word) for word in command])}; echo exit code $?; read line"
        self._tmux("new-session", "-d", *size, "sh", "-c", script)

    def press(self, *keys):
        self._tmux("send-keys", *keys)

    def lines(self):
        return self._tmux("capture-pane", "-p").splitlines()

    def wait(self, *wanted, without=()):
        """Until all these words are on the screen and those are not; its lines."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            lines = self.lines()
            text = "\n".join(lines)
            if all(word in text for word in wanted) and not any(word in text for word in without):
                if any(len(line) > self.columns for line in lines):
                    raise Problem(f"a line is wider than the screen\n{text}")
                return lines
            if time.monotonic() > deadline:
                raise Problem(f"{wanted} without {without} is not to be seen:\n{text}")
            time.sleep(0.05)

    def close(self):
        subprocess.run([*self.server, "kill-server"], stderr=subprocess.DEVNULL)

    def _tmux(self, *words):
        done = subprocess.run([*self.server, *words], capture_output=True, text=True)
        # A server that is just going away takes a new session and ends.
        deadline = time.monotonic() + PATIENCE_S
        while "server exited" in done.stderr and words[0] == "new-session" and time.monotonic() < deadline:
            done = subprocess.run([*self.server, *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise Problem(f"tmux {words[0]}: {done.stderr}")
        return done.stdout
