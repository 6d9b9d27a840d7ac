"""Peers that die at any byte of a conversation: after the first, the second, and so on, with a FIN and with a RST. The victim
has to go on for all others, hand out whole messages alone, and give back what the peers held."""

import os
import select
import socket
import struct
import time
from pathlib import Path

import peers
import zmtp
from harness.console import paint, say

# One in so many bytes in a sample; a prime, so that it does not keep step with frames.
SAMPLED = 7
# Descriptors that may be left over once all peers are gone: those of the peer of good will.
MOST_LEFT = 8
PATIENCE_S = 20


def conversations():
    """What peers say, by name: the victim's socket and all bytes."""
    messages = zmtp.frame(b"a", more=True) + zmtp.frame(b"b" * 300) + zmtp.command(b"PING", b"\0\0context") + zmtp.frame(b"end")
    topics = zmtp.command(b"SUBSCRIBE", b"topic") + zmtp.frame(b"\x01old") + zmtp.command(b"CANCEL", b"topic")
    modern = zmtp.SIGNATURE + zmtp.greeting(1)
    return {
        "a DEALER": ("router", modern + peers.ready("DEALER") + messages),
        "a REQ": ("rep", modern + peers.ready("REQ") + zmtp.frame(b"", more=True) + zmtp.frame(b"question")),
        "a PUSH": ("pull", modern + peers.ready("PUSH") + messages),
        "a PUSH with a large message": ("gather", modern + peers.ready("SCATTER") + zmtp.frame(b"x" * 70000)),
        "a SUB": ("xpub", modern + peers.ready("SUB") + topics),
        "a SUB of a PUB": ("pub", modern + peers.ready("SUB") + topics),
        "ZMTP 2.0": ("pull", zmtp.SIGNATURE + bytes([1, 8]) + zmtp.frame(b"me") + zmtp.frame(b"body")),
        "ZMTP 1.0": ("pull", zmtp.old_frame(b"me") + zmtp.old_frame(b"body")),
        "bytes for a STREAM": ("stream", b"anything at all"),
    }


def run(lib, sandbox, options):
    counts = [0, 0, 0]
    for name, (target, said) in conversations().items():
        if options.only not in name:
            continue
        problem, deaths = attempt(lib, target, said, 1 if options.all else SAMPLED)
        counts[1 if problem else 0] += 1
        if problem or options.verbose:
            verdict = paint("FAIL", "red") if problem else paint("pass", "green")
            say(f"{verdict}  deaths  {name:<36} {problem or f'{deaths} deaths'}")
    say(f"      deaths: {counts[0]} of {sum(counts)} conversations outlived")
    return counts


def attempt(lib, target, said, step):
    """What is wrong, empty where nothing is, and how many peers have died."""
    victim = peers.Victim(lib, 600)
    try:
        if target not in victim.endpoints:
            return "", 0
        before, deaths = descriptors(victim), 0
        # Large bodies are all alike inside.
        ends = [end for end in range(0, len(said) + 1) if end < 600 or end % 997 == 0 or end > len(said) - 20][::step]
        for end in [*ends, len(said)]:
            for reset in (False, True):
                die(victim, target, said[:end], reset)
                deaths += 1
                if not victim.is_alive():
                    return f"died after {end} bytes: {' '.join(''.join(victim.said).split())[-300:]}", deaths
        if not answers(victim):
            return "does not answer any more", deaths
        left = settled(victim, before + MOST_LEFT)
        if left > before + MOST_LEFT:
            return f"{left - before} descriptors are left", deaths
        return "", deaths
    finally:
        victim.kill()


def die(victim, target, said, reset):
    """Says so much and is gone."""
    with victim.connect(target) as connection:
        try:
            connection.sendall(said)
            # Now and then it hears a part of the answer first.
            if len(said) % 3 == 0 and select.select([connection], [], [], 0.01)[0]:
                connection.recv(10)
        except OSError:
            # It was put out before it was done.
            pass
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answers(victim):
    """Whether a peer of good will is answered."""
    with victim.shake("echo", "DEALER") as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(zmtp.frame(b"question"))
        heard = b""
        try:
            while not heard.endswith(zmtp.frame(b"question")):
                part = connection.recv(1000)
                if not part:
                    return False
                heard += part
        except OSError:
            return False
        return True


def descriptors(victim):
    return len(os.listdir(Path(f"/proc/{victim.process.pid}/fd")))


def settled(victim, most):
    """How many descriptors it has once they are no more than `most`, or once it has had its time."""
    end = time.monotonic() + PATIENCE_S
    while (left := descriptors(victim)) > most and time.monotonic() < end:
        time.sleep(0.1)
    return left
