"""One conversation: a library under a program that does as it is told, and a peer made of bytes."""

import select
import socket
import subprocess
import time

import playing

QUIET_S = 0.12
PATIENCE_S = 3
ENDED = b"<end>"
# CONNECTED, CONNECT_DELAYED, CONNECT_RETRIED, CLOSED: a socket that connects goes on doing so.
_CONNECTING = ("1", "2", "4", "128")


class Talk:
    """Plays a scene. What is said by the library is written down in `heard`, step by step."""

    def __init__(self, library, program, expected=None):
        self.program = subprocess.Popen(
            [str(program), "0"], env=library.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.expected = expected
        self.heard = []
        self.names = {}
        self.peer = self.listener = None
        self._write("begin scene")
        self.program.stdout.readline()

    def close(self):
        for thing in (self.peer, self.listener):
            if thing:
                thing.close()
        self.program.kill()
        self.program.communicate()

    def call(self, line, note=True):
        """Makes the program call something; what it gave."""
        self._write(line)
        answer = playing.plain_line(line.split(), self.program.stdout.readline().strip(), self.names)
        if note:
            self._note(line, answer)
        return answer

    def open(self, kind, options=(), connects=False, monitored=True):
        """A socket that is bound, or connected, and the peer's stream to it."""
        self.call("ctx_new c0", note=False)
        self.call(f"socket s0 c0 {kind}")
        for number, value in options:
            self.call(f"setsockopt s0 {number} x{value.hex()}")
        if monitored:
            self.call(f"monitor s0 x{b'inproc://monitor'.hex()} 65535")
        if connects:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.listener.settimeout(PATIENCE_S)
            self.call(f"connect s0 x{self._address(self.listener.getsockname()[1])}", note=False)
            self.peer = self.listener.accept()[0]
        else:
            self.call(f"bind s0 x{b'tcp://127.0.0.1:*'.hex()}")
            self.peer = socket.create_connection(("127.0.0.1", int(self.endpoint().rpartition(":")[2])))
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def endpoint(self):
        """Where the socket is bound."""
        self._write("getsockopt s0 32 256")
        return bytes.fromhex(self.program.stdout.readline().split()[-1][1:]).rstrip(b"\0").decode()

    def say(self, data):
        try:
            self.peer.sendall(data)
        except OSError:
            self._note("say", ENDED)

    def hear(self, mask=None):
        """Whatever the library says now; the bytes that `mask` makes of it are what is compared."""
        wanted = self.expected[len(self.heard)][1] if self.expected and len(self.heard) < len(self.expected) else None
        data, until = b"", time.monotonic() + PATIENCE_S
        while True:
            enough = wanted is None or len(data) >= len(wanted)
            wait = QUIET_S if wanted is None else 0.02 if enough else until - time.monotonic()
            if wait <= 0 or not select.select([self.peer], [], [], wait)[0]:
                break
            try:
                more = self.peer.recv(65536)
            except OSError:
                more = b""
            data += more or ENDED
            if not more:
                break
        self._note("hear", mask(data) if mask else data)

    def receive(self, times=1):
        """Messages that the socket has; waits for each."""
        for _ in range(times):
            self.call("poll 700 s0 1")
            self.call("recv_all s0")

    def events(self):
        """What the monitor has told, once all of it should be there, but for how often it has connected by now."""
        self._write("events s0")
        answer = self.program.stdout.readline().strip()
        until = time.monotonic() + (PATIENCE_S if self.expected else QUIET_S)
        wanted = self.expected[len(self.heard)][1] if self.expected and len(self.heard) < len(self.expected) else None
        while (plain := self._plain_events(answer)) != wanted and time.monotonic() < until:
            time.sleep(0.02)
            self._write("events s0")
            answer = f"{answer} {self.program.stdout.readline().strip()}".strip()
        self._note("events", plain)

    def _plain_events(self, answer):
        kept = [event for event in answer.split() if not self.listener or event.partition(":")[0] not in _CONNECTING]
        return playing.plain_line(["events"], " ".join(kept), {})

    def _note(self, what, answer):
        self.heard.append((what, answer))

    def _write(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()

    @staticmethod
    def _address(port):
        return f"tcp://127.0.0.1:{port}".encode().hex()
