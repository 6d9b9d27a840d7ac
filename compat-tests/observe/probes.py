"""The lines of bpftrace on docs/observability.md: each is read by bpftrace itself, and counts what a program does where the kernel lets it."""

import re
import signal
import subprocess

from harness import packages
from harness.places import Problem
from programs import Program
from questions import PAGE

# What a program does while a line looks, and what the line says then. Statements are carried out again and again.
ACTS = {
    "send": ("", "pass_on(100)", r"@frames\[\d+\]: \d+"),
    "receive": ("", "pass_on(100)", r"\[8, 16\)\s+[1-9]"),
    "drop": ("publisher = context.socket(zmq.PUB)", "publisher.send(b'x')", r"@lost\[\d+, no_subscriber\]: [1-9]"),
    "connect": ("", "fresh = context.socket(zmq.PUSH); fresh.connect(pull.last_endpoint); fresh.send(b''); pull.recv()", r"127\.0\.0\.1:\d+ fd \d+"),
    "disconnect": ("", "fresh = context.socket(zmq.PUSH); fresh.connect(pull.last_endpoint); fresh.send(b''); pull.recv(); fresh.close()", r"@why\[tcp://127\.0\.0\.1:\d+, \d+\]: [1-9]"),
    "handshake": ("", "fresh = context.socket(zmq.PUSH); fresh.connect(pull.last_endpoint); fresh.send(b''); pull.recv()", r"@us:"),
    "key_update": (
        "secured = context.socket(zmq.PULL); secured.curve_server = True; secured.curve_secretkey = zmq.curve_keypair()[1]",
        "secured.curve_secretkey = zmq.curve_keypair()[1]; secured.bind('tcp://127.0.0.1:*'); secured.unbind(secured.last_endpoint)",
        r"added at tcp://127\.0\.0\.1:\d+",
    ),
}
PAIR = """
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("tcp://127.0.0.1:*"); push.connect(pull.last_endpoint); pass_on(1)
"""
# Seconds that a line looks, of which the first go by before it has begun.
LOOKS_S = (4, 8, 16, 32)
# How long bpftrace may take to print its maps, or to read a line.
PATIENCE_S = 30


class CannotTrace(Exception):
    """Why bpftrace cannot look here."""


def lines():
    """Each line by the name of its probe."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("bpftrace ")]
    return {re.search(r":ferrozmq:(\w+) ", line).group(1): re.search(r"-e '(.*)'$", line).group(1) for line in found}


def check(place):
    if not packages.programs({"bpftrace": "bpftrace"}):
        raise CannotTrace("bpftrace is not here, and cannot be installed")
    programs = lines()
    if set(programs) != set(ACTS):
        raise Problem(f"the page has lines for {sorted(programs)}")
    traced = Program(place, "traced")
    traced.tell(PAIR)
    loaded = re.findall(r"/\S*libzmq\S*", open(f"/proc/{traced.process.pid}/maps").read())
    # A wheel of pyzmq has one of its own, which is loaded and not used.
    library = next(path for path in loaded if "site-packages" not in path)
    commands = {}
    for name, text in programs.items():
        text = text.replace("/usr/local/lib/libzmq.so.5", library)
        commands[name] = ["bpftrace", "-p", str(traced.process.pid), "-e", text]
    dry_run = way_of_reading()
    for name, words in commands.items():
        complaint = reading(dry_run, words)
        if complaint:
            raise Problem(f"{name}: {complaint}")
    demand_tracing(next(iter(commands.values())))
    for name, words in commands.items():
        traced.tell(ACTS[name][0])
        look(traced, name, words)


def way_of_reading():
    """The options by which bpftrace reads a line and carries out nothing: `-d` takes a stage from 0.20 on."""
    for options in (["-d"], ["-d", "ast", "--dry-run"], ["-d", "ast"]):
        if not reading(options, ["bpftrace", "-e", "BEGIN { exit(); }"]):
            return options
    raise CannotTrace(f"bpftrace does not so much as read a line: {reading(['-d'], ['bpftrace', '-e', 'BEGIN { exit(); }'])}")


def reading(options, words):
    """What bpftrace complains of when it reads a line; empty where it has come behind the meaning of its words."""
    done = subprocess.run([*words[:1], *options, *words[1:]], capture_output=True, text=True, timeout=PATIENCE_S)
    has_read = re.search("AST after: semantic", done.stdout, re.IGNORECASE)
    return "" if has_read else (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"


def demand_tracing(words):
    """Has a line attach to the process: a kernel, or a container, that lets bpftrace begin need not let it do that."""
    begun = f"{words[-1]} BEGIN {{ printf(\"begun\\n\"); exit(); }}"
    try:
        done = subprocess.run([*words[:-1], begun], capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise CannotTrace(f"bpftrace does not come to an end within {PATIENCE_S} s; its lines were read alone") from None
    if done.returncode or "begun" not in done.stdout:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise CannotTrace(f"bpftrace may attach to nothing: {said[-1]}; its lines were read alone")


def look(traced, name, words):
    """Has a line look while the program does what it looks for."""
    _, act, wanted = ACTS[name]
    for seconds in LOOKS_S:
        tracer = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(seconds * 20):
                traced.tell(act)
                signal.sigtimedwait([], 0.05)
            tracer.send_signal(signal.SIGINT)
            said, complaint = tracer.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            tracer.kill()
            said, complaint = tracer.communicate()
        finally:
            tracer.kill()
        if re.search(wanted, said):
            return
    raise Problem(f"{name}: {said}{complaint}")
