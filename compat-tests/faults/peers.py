"""Peers made of bytes, and the program that they attack (victim.c)."""

import socket
import subprocess
import threading
from pathlib import Path

import programs
import zmtp

# How long anything of a victim may take, in seconds, that is not a matter of the test.
PATIENCE_S = 60


class Victim:
    """A running victim. Its sockets are at `endpoints`."""

    def __init__(self, lib, seconds, *words):
        program = programs.build_once(lib, "victim", "victim.c")
        self.process = subprocess.Popen(
            [str(program), str(seconds), *words], env=lib.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.endpoints, self.said = {}, []
        for line in self.process.stdout:
            name, value = line.split()[:2]
            if name == "ready":
                break
            self.endpoints[name] = value
        # Read all the time, or it could come to wait for us.
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def connect(self, name):
        """A connection to one of its sockets."""
        host, port = self.endpoints[name].removeprefix("tcp://").rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def shake(self, name, kind):
        """The same, after a handshake as a socket of type `kind`."""
        connection = self.connect(name)
        connection.sendall(zmtp.SIGNATURE + zmtp.greeting(1) + ready(kind))
        return connection

    def memory_kib(self):
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4

    def is_alive(self):
        return self.process.poll() is None

    def end(self):
        """Waits for its end; what it has told of itself, by name, or `None` where it does not end well."""
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            status = None
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        return {line.split()[0]: line.split()[1:] for line in self.said if line.split()} if status == 0 else None

    def kill(self):
        self.process.kill()
        self.process.wait()


def ready(kind):
    """READY of a socket type by its name, drafts among them."""
    return zmtp.command(b"READY", zmtp.prop(b"Socket-Type", kind.encode()) + zmtp.prop(b"Identity", b""))
