"""Programs that do what they are told, each with a folder of counters of its own."""

import json
import subprocess

from harness.places import Problem

# Statements come on standard input; each is answered by an empty line.
PROGRAM = """
import os, signal, socket, sys, zmq
def pass_on(count):
    for _ in range(count): push.send(b"x" * 10)
    for _ in range(count): pull.recv()
context = zmq.Context()
for line in sys.stdin:
    exec(line)
    print(flush=True)
"""
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
PATIENCE_S = 60


class Program:
    def __init__(self, place, name, **environment):
        self.place, self.folder = place, place.folder / name
        self.folder.mkdir(exist_ok=True)
        words = ("run", "--stats", self.folder, place.python(), "-c", PROGRAM)
        self.process = place.start(*words, environment=environment, **PIPES)

    def tell(self, statements):
        """Has the program carry them out, one a line."""
        for statement in filter(None, map(str.strip, statements.splitlines())):
            self.process.stdin.write(statement + "\n")
            self.process.stdin.flush()
            if self.process.stdout.readline() != "\n":
                raise Problem(f"the program has ended: {statement}")

    def value(self, expression):
        """Of an expression that is a text or a number."""
        self.process.stdin.write(f"print({expression}, end='')\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def sockets(self):
        """By type; of several the one that was made last."""
        shown = self.place.do("top", "--once", "--json", "--stats", self.folder, "--keep").stdout
        [process] = [found for found in json.loads(shown)["processes"] if found["pid"] == self.process.pid]
        return {found["type"]: found for found in process["sockets"]}

    def until(self, kind, is_so):
        """Until it is so of the socket of this type; the socket."""
        last = {}

        def is_there():
            last.update(self.sockets())
            return kind in last and is_so(last[kind])

        try:
            self.place.until(is_there)
        except Problem as problem:
            raise Problem(f"{problem}: {json.dumps(last.get(kind))}") from None
        return last[kind]
