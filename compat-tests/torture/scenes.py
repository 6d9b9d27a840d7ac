"""Scenes: who sends what to whom over what, and what happens to them meanwhile. All of it follows from a seed."""

import random
import signal
import tempfile
import time
from dataclasses import dataclass

from harness import places
from people import Person

# Kinds of worker.c that lose nothing as long as nobody is shot, those that may drop, and those with one peer alone.
LOSSLESS = {"push-pull", "req-rep", "req-router", "dealer-rep", "dealer-dealer", "pair-pair", "client-server", "scatter-gather"}
LOSSLESS |= {"channel-channel", "dealer-router", "peer-peer", "stream-stream"}
LOSSY = {"pub-sub", "xpub-xsub", "radio-dish"}
KINDS = sorted(LOSSLESS | LOSSY)
ECHOING = {"req-rep", "req-router", "dealer-router", "dealer-rep", "client-server", "peer-peer"}
ALONE = {"pair-pair", "channel-channel"}
# Over ws and tls there are no raw streams; inside a process neither.
NO_STREAM = {"ws", "tls", "inproc"}
TRANSPORTS = ("tcp", "ipc", "inproc", "ws", "tls")
CERTIFICATES = places.PROJECT / "tests" / "tls"
MARKS = (1, 2, 10, 100, 1000)
SECONDS = (1, 2, 3)
# Sooner than any timeout of these a stopped process goes on; later than the other.
PATIENT_TIMEOUT_MS, STRICT_TIMEOUT_MS = 60_000, 200
# How long an end may take beyond its time.
PATIENCE_S = 25


@dataclass(frozen=True)
class Outcome:
    problem: str
    messages: int


class Scene:
    def __init__(self, seed, kind=None):
        self.seed = seed
        chance = random.Random(seed)
        # One after the other, so that each pattern has its turn soon.
        self.kind = kind or KINDS[seed % len(KINDS)]
        transports = [one for one in TRANSPORTS if self.kind != "stream-stream" or one not in NO_STREAM]
        self.transport = chance.choice(transports)
        self.seconds = chance.choice(SECONDS)
        self.senders = 1 if self.transport == "inproc" or self.kind in ALONE else chance.choice((1, 2, 3))
        self.sender_binds = self.senders == 1 and self.kind not in ("peer-peer", "stream-stream") and chance.random() < 0.3
        strict = self.transport != "inproc" and chance.random() < 0.2
        self.words = {
            "hwm": chance.choice(MARKS),
            "curve": int(self.transport != "inproc" and self.kind != "stream-stream" and chance.random() < 0.35),
            "churn": chance.choice((0, 0, 50, 1000)) if self.kind not in ALONE and not self.sender_binds else 0,
            "handover": chance.choice((0, 0, 1, 20)),
            "heartbeat": chance.choice((0, 50)) if not strict else 50,
            "heartbeat-timeout": STRICT_TIMEOUT_MS if strict else PATIENT_TIMEOUT_MS,
            # A connection that was given up is read to its end while the next one brings newer messages already.
            "unordered": int(strict),
            "most-bytes": chance.choice((300, 20_000, 70_000)),
        }
        # The echoes for a sender that was bound and shot go to its successor: to the receiver that is one peer, come back.
        echoed_to_successors = self.sender_binds and self.kind in ECHOING
        can_be_killed = self.transport != "inproc" and self.kind not in ALONE and not echoed_to_successors
        self.kills = can_be_killed and chance.random() < 0.4
        self.stops = self.transport != "inproc" and chance.random() < 0.4
        self.strict = strict
        self.chance = chance
        # Over TCP a closed stream answers what still comes to it with a reset, and the kernel throws away what it had not sent
        # yet: so the end may be missing where the receiver says something of its own, echoes or PINGs. No library can help that
        # without waiting for its peer.
        answered = self.kind in ECHOING or self.words["heartbeat"]
        self.arrives_whole = not (answered and self.transport in ("tcp", "ws", "tls"))

    def __str__(self):
        words = " ".join(f"{name}={value}" for name, value in self.words.items() if value)
        events = " ".join(word for word, on in (("kill", self.kills), ("stop", self.stops), ("sender-binds", self.sender_binds)) if on)
        return f"{self.kind} {self.transport} {self.senders} senders, {self.seconds} s, {words} {events}".rstrip()

    def play(self, worker):
        with tempfile.TemporaryDirectory(prefix="zmq-") as folder:
            people = []
            try:
                return self._play(worker, folder, people)
            finally:
                for person in people:
                    person.kill()

    def _play(self, worker, folder, people):
        def start(role, **more):
            words = [f"kind={self.kind}", f"role={role}", f"seconds={self.seconds}", f"seed={self.seed % 100_000}"]
            words += [f"{name}={value}" for name, value in {**self.words, **more}.items()]
            words += [f"endpoint={self._endpoint(folder)}", f"bind={'sender' if self.sender_binds else 'receiver'}"]
            words.append(f"certificates={CERTIFICATES}")
            person = Person(worker, words)
            people.append(person)
            return person

        if self.transport == "inproc":
            both = start("both")
            time.sleep(self.seconds * worker.slowness)
            both.close_input()
            return self._judge([both], both, worker)
        receiver = start("receive")
        senders = [start("send") for _ in range(self.senders)]
        self._disturb(senders, receiver, start)
        for sender in senders:
            sender.wait(PATIENCE_S * worker.slowness)
        receiver.close_input()
        return self._judge(senders, receiver, worker)

    def _endpoint(self, folder):
        if self.transport == "inproc":
            return "inproc://torture"
        if self.transport == "ipc":
            return f"ipc://{folder}/socket"
        # A port for each seed: scenes that run side by side have different ones, and none is one the system gives away.
        return f"{self.transport}://127.0.0.1:{10_000 + self.seed % 20_000}"

    def _disturb(self, senders, receiver, start):
        """Stops, continues and kills, until the senders' time is up."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and (self.kills or self.stops):
            time.sleep(self.chance.uniform(0.05, 0.3))
            if self.stops:
                person = self.chance.choice([*senders, receiver])
                person.signal(signal.SIGSTOP)
                time.sleep(self.chance.uniform(0.01, 0.5))
                person.signal(signal.SIGCONT)
            if self.kills and self.chance.random() < 0.5:
                at = self.chance.randrange(len(senders))
                senders[at].die()
                senders[at] = start("send")

    def _judge(self, senders, receiver, worker):
        receiver.wait(PATIENCE_S * worker.slowness)
        for person in {*senders, receiver}:
            if person.problem:
                return Outcome(person.problem, 0)
        received = receiver.received()
        messages = sum(next_number - first - gaps for first, next_number, gaps in received.values())
        problem = ""
        if self.kind in LOSSLESS and not self.strict:
            problem = self._losses(senders, received)
        return Outcome(problem, messages)

    def _losses(self, senders, received):
        """What is lost although nobody may lose anything: of each sender the receiver sees a beginning without gaps, and all of
        it where the sender has ended well."""
        sent = {}
        for sender in senders:
            sent |= sender.sent()
        for name, (first, next_number, gaps) in received.items():
            if first or gaps:
                return f"of {name} {gaps} are missing, from {first} to {next_number}"
        if not self.arrives_whole:
            return ""
        for name, count in sent.items():
            got = received.get(name, (0, 0, 0))[1]
            if got < count:
                return f"{count} of {name} were sent, {got} came"
        return ""
