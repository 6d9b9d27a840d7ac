"""Conversations of two processes, each of which plays a role of ws/peer.py."""

import subprocess
import sys
import threading
from dataclasses import dataclass

from .console import paint, say
from .places import PROJECT, Problem

TIMEOUT_S = 60
# The role of the side that binds, and that of the other.
TALKS = [("echo", "ask"), ("publish", "subscribe")]
MECHANISMS = ("null", "plain", "curve")
PEER = PROJECT / "compat-tests" / "ws" / "peer.py"


@dataclass(frozen=True)
class Speaker:
    """A program that plays the roles of ws/peer.py."""

    name: str
    command: list
    environment: dict
    mechanisms: tuple


class Side:
    """One that is running."""

    def __init__(self, speaker, *arguments):
        self.speaker = speaker
        self.process = subprocess.Popen(
            [*speaker.command, *arguments], env=speaker.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        # Wherever it gets stuck, this ends it.
        self.alarm = threading.Timer(TIMEOUT_S, self.process.kill)
        self.alarm.start()

    def line(self):
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.kill()
            errors = self.process.communicate()[1].strip()
            raise Problem(f"{self.speaker.name}: {errors.splitlines()[-1] if errors else 'silence'}")
        return line

    def end(self):
        self.process.communicate()
        if self.process.returncode != 0:
            raise Problem(f"{self.speaker.name}: exit status {self.process.returncode}")

    def kill(self):
        self.alarm.cancel()
        self.process.kill()
        self.process.communicate()


class Tally:
    def __init__(self):
        self.counts = {"pass": 0, "fail": 0, "skip": 0}

    def show(self, what, run):
        try:
            run()
        except Problem as problem:
            return self.tell("fail", f"{what}: {problem}")
        self.tell("pass", what)

    def tell(self, verdict, text):
        self.counts[verdict] += 1
        say(f"{paint(verdict, {'pass': 'green', 'fail': 'red', 'skip': 'yellow'}[verdict])}  {text}")


def speaker_on(name, lib):
    return Speaker(name, [sys.executable, str(PEER)], lib.environment(), MECHANISMS)
