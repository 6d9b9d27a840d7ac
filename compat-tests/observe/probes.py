"""The lines of bpftrace on docs/observability.md: each is read by bpftrace itself, and counts what a program does where the kernel lets it."""

import re
import signal
import subprocess

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
        "secured.curve_secretkey = zmq.curve_keypair()[1]; secured.bind('tcp://127.0.0.1:*')",
        r"added at tcp://127\.0\.0\.1:\d+",
    ),
}
PAIR = """
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("tcp://127.0.0.1:*"); push.connect(pull.last_endpoint); pass_on(1)
"""
# Seconds that a line looks, of which the first go by before it has begun.
LOOKS_S = (4, 8, 16, 32)


def lines():
    """Each line by the name of its probe."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("bpftrace ")]
    return {re.search(r":ferrozmq:(\w+) ", line).group(1): re.search(r"-e '(.*)'$", line).group(1) for line in found}


def may_trace():
    """Whether bpftrace can attach to anything here."""
    done = subprocess.run(["bpftrace", "-e", 'BEGIN { printf("begun\\n"); exit(); }'], capture_output=True, text=True)
    return "begun" in done.stdout


def check(place, say):
    programs = lines()
    if set(programs) != set(ACTS):
        raise Problem(f"the page has lines for {sorted(programs)}")
    traced = Program(place, "traced")
    traced.tell(PAIR)
    loaded = re.findall(r"/\S*libzmq\S*", open(f"/proc/{traced.process.pid}/maps").read())
    # A wheel of pyzmq has one of its own, which is loaded and not used.
    library = next(path for path in loaded if "site-packages" not in path)
    attaches = may_trace()
    for name, text in programs.items():
        text = text.replace("/usr/local/lib/libzmq.so.5", library)
        words = ["bpftrace", "-p", str(traced.process.pid), "-e", text]
        done = subprocess.run([*words[:1], "-d", *words[1:]], capture_output=True, text=True)
        if "AST after: Semantic" not in done.stdout:
            raise Problem(f"{name}: {done.stderr}")
        if attaches:
            traced.tell(ACTS[name][0])
            look(traced, name, words)
    if not attaches:
        say("        this kernel lets bpftrace attach to nothing: its lines were read, and not carried out")


def look(traced, name, words):
    """Has a line look while the program does what it looks for."""
    _, act, wanted = ACTS[name]
    for seconds in LOOKS_S:
        tracer = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(seconds * 20):
            traced.tell(act)
            signal.sigtimedwait([], 0.05)
        tracer.send_signal(signal.SIGINT)
        said, complaint = tracer.communicate()
        if re.search(wanted, said):
            return
    raise Problem(f"{name}: {said}{complaint}")
