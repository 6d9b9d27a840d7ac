"""One peer that pours, for each socket type and each way to keep it busy: other peers of the same thread get their answers
meanwhile, no call of the program stays longer than it may, and its memory does not grow."""

import statistics
import threading
import time
from dataclasses import dataclass

import peers
import zmtp
from harness.console import paint, say

# Seconds that each flood lasts in a sample, and with --all.
SAMPLE_S, LONG_S = 1.0, 8.0
# Milliseconds: what an echo may take but for one in a hundred, where the fault would make it wait until the flood is over, on a
# machine with much else to do; and how much of a processor a call may take.
MOST_ECHO_MS = 400
MOST_CALL_MS = 20
MOST_GROWTH_KIB = 256 * 1024
PERIOD_BYTES = 64 * 1024


@dataclass(frozen=True)
class Flood:
    """What a peer of type `kind` pours into the victim's socket `target`."""

    target: str
    kind: str
    what: str
    period: bytes

    @property
    def name(self):
        return f"{self.target} {self.what}"


def all_floods():
    message, two = zmtp.frame(b"other"), zmtp.frame(b"a", more=True) + zmtp.frame(b"b")
    churn = zmtp.command(b"SUBSCRIBE", b"topic") + zmtp.command(b"CANCEL", b"topic")
    old_churn = zmtp.frame(b"\x01topic") + zmtp.frame(b"\x00topic")
    groups = zmtp.command(b"JOIN", b"group") + zmtp.command(b"LEAVE", b"group")
    ping = zmtp.command(b"PING", b"\0\0context")
    unknown = zmtp.command(b"NOTHING", b"that anybody knows")
    kinds = {
        "pair": "PAIR", "pub": "SUB", "sub": "PUB", "req": "REP", "rep": "DEALER", "dealer": "DEALER", "router": "DEALER",
        "pull": "PUSH", "push": "PULL", "xpub": "SUB", "xsub": "PUB", "server": "CLIENT", "client": "SERVER", "radio": "DISH",
        "dish": "RADIO", "gather": "SCATTER", "scatter": "GATHER", "peer": "PEER", "channel": "CHANNEL",
    }
    floods = []
    for target, kind in kinds.items():
        floods += [Flood(target, kind, what, period) for what, period in (("PING", ping), ("unknown commands", unknown))]
        # To some they are messages that nobody waits for, to others what they drop.
        floods += [Flood(target, kind, "messages", message), Flood(target, kind, "messages of two frames", two)]
        if target in ("pub", "xpub"):
            floods += [Flood(target, kind, "SUBSCRIBE and CANCEL", churn), Flood(target, kind, "the same as messages", old_churn)]
            floods.append(Flood(target, kind, "CANCEL", zmtp.command(b"CANCEL", b"topic")))
        if target == "radio":
            floods.append(Flood(target, kind, "JOIN and LEAVE", groups))
    floods.append(Flood("dish", "RADIO", "another group", zmtp.frame(b"other", more=True) + message))
    floods.append(Flood("rep", "DEALER", "an envelope and no end", zmtp.frame(b"x", more=True) * 20 + zmtp.frame(b"")))
    floods.append(Flood("req", "REP", "replies to nobody", zmtp.frame(b"", more=True) + message))
    return floods


# One of each kind of loss: silent drop, digest, ping, subscribe, and what no socket type has in common.
SAMPLED = {
    "xpub SUBSCRIBE and CANCEL", "pub SUBSCRIBE and CANCEL", "pub messages", "sub messages", "xsub messages", "rep messages",
    "req replies to nobody", "server messages of two frames", "gather messages of two frames", "dish another group",
    "radio JOIN and LEAVE", "dealer PING", "pull unknown commands", "push messages", "channel messages",
}


def run(lib, sandbox, options):
    seconds = LONG_S if options.all else SAMPLE_S
    counts = [0, 0, 0]
    for flood in all_floods():
        if options.only not in flood.name or not (options.all or options.only or flood.name in SAMPLED):
            continue
        problem, numbers = attempt(lib, flood, seconds)
        # Once more where it fails: a machine with much to do is no fault.
        if problem:
            problem, numbers = attempt(lib, flood, seconds)
        counts[1 if problem else 0] += 1
        if problem or options.verbose:
            verdict = paint("FAIL", "red") if problem else paint("pass", "green")
            say(f"{verdict}  flood   {flood.name:<36} {problem}{'; ' if problem else ''}{numbers}")
    say(f"      floods: {counts[0]} of {sum(counts)} held out")
    return counts


def attempt(lib, flood, seconds):
    """What is wrong, empty where nothing is, and the numbers."""
    victim = peers.Victim(lib, seconds + 1.5)
    try:
        if flood.target not in victim.endpoints:
            return "", "no such socket type"
        echo = Echo(victim)
        attacker = victim.shake(flood.target, flood.kind)
        before = victim.memory_kib()
        poured = pour(attacker, flood.period, seconds)
        grown = victim.memory_kib() - before if victim.is_alive() else 0
        attacker.close()
        waits = echo.end()
        told = victim.end()
    finally:
        victim.kill()
    if told is None:
        return f"does not end well: {' '.join(''.join(victim.said).split())[-200:]}", ""
    call, longest = told["longest"][0], int(told["longest"][1]) / 1000
    tail = statistics.quantiles(waits, n=100)[-1] * 1000 if len(waits) > 1 else float("inf")
    problems = [
        *([f"echoes take {tail:.0f} ms"] if tail > MOST_ECHO_MS else []),
        *([f"{call} takes {longest:.0f} ms of the processor"] if longest > MOST_CALL_MS else []),
        *([f"{grown >> 10} MiB more"] if grown > MOST_GROWTH_KIB else []),
    ]
    numbers = f"{poured >> 20} MiB in {seconds:.0f} s, {len(waits)} echoes, 99 % in {tail:.1f} ms, longest call {call} {longest:.1f} ms, {grown} KiB more"
    return ", ".join(problems), numbers


def pour(connection, period, seconds):
    """Sends whole periods for so long; the bytes that went out."""
    data = memoryview(period * max(1, PERIOD_BYTES // len(period)))
    at = sent = 0
    end = time.monotonic() + seconds
    connection.settimeout(0.2)
    while time.monotonic() < end:
        try:
            count = connection.send(data[at:])
        except TimeoutError:
            continue
        except OSError:
            # It was put out, which is a good end.
            break
        at = (at + count) % len(data)
        sent += count
    return sent


class Echo:
    """A peer of good will that asks all the time."""

    def __init__(self, victim):
        self.connection = victim.shake("echo", "DEALER")
        self.connection.settimeout(peers.PATIENCE_S)
        self.waits, self.stopped = [], False
        self._skip_handshake()
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def end(self):
        """The seconds that each answer took."""
        self.stopped = True
        self.thread.join(peers.PATIENCE_S)
        self.connection.close()
        return self.waits

    def _skip_handshake(self):
        """Up to and with the victim's READY: the next byte is of an answer."""
        stream = self.connection.makefile("rb")
        stream.read(64)
        flags, length = stream.read(2)
        assert flags == 4, "READY is a short command"
        stream.read(length)
        self.stream = stream

    def _ask(self):
        while not self.stopped:
            began = time.monotonic()
            try:
                self.connection.sendall(zmtp.frame(b"question"))
                if len(self.stream.read(10)) < 10:
                    return
            except OSError:
                return
            self.waits.append(time.monotonic() - began)
            time.sleep(0.003)
