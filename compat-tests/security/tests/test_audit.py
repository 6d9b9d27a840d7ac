"""The audit trail: which the original does not have."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import zmq

from secured import PATIENCE_MS, bind, secure_client_socket, secure_server_socket

pytestmark = pytest.mark.skipif("LD_PRELOAD" not in os.environ, reason="the original has no audit trail")

PROGRAM = Path(__file__).with_name("audited.py")
EVENT_AUDIT = 0x40008000
FINGERPRINT = re.compile(r"([0-9a-f]{4}-){7}[0-9a-f]{4}")


class Program:
    """audited.py, with its trail in a file."""

    def __init__(self, trail, what, folder, number=0):
        environment = {**os.environ, "FERROZMQ_AUDIT": str(trail)}
        command = [sys.executable, PROGRAM, what, folder, str(number)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.pid = self.process.pid
        self.wait_for("ready")

    def wait_for(self, word):
        line = self.process.stdout.readline()
        assert line == f"{word}\n", line + self.process.communicate()[1]

    def end(self):
        """Lets it end; what it has said on stderr."""
        errors = self.process.communicate("\n")[1]
        assert self.process.returncode == 0, errors
        return errors


@pytest.fixture
def parties(certificates, tmp_path):
    certificates.create("alice", allow=True)
    certificates.create("server")
    certificates.create("mallory")
    return tmp_path


def records(*files):
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def admitted(records, pid=None):
    """How many peers have come in."""
    return sum(
        record["event"] == "authentication" and record["direction"] == "in" and pid in (None, record["pid"])
        for record in records
    )


def test_what_is_recorded(parties, certificates):
    trail = parties / "trail"
    program = Program(trail, "authenticated", parties)
    program.wait_for("done")
    assert program.end() == ""
    assert trail.stat().st_mode & 0o777 == 0o600
    text = trail.read_text()
    for file in [*certificates.folder.glob("*.key_secret")]:
        assert zmq.auth.load_certificate(file)[1].decode() not in text
    found = [record for record in records(trail) if record.get("direction") == "in"]
    events = [(record["event"], record["outcome"], record.get("status")) for record in found]
    # A denied client comes back by itself, before it is closed.
    assert list(dict.fromkeys(events)) == [
        ("authentication", "ok", 200), ("denial", "denied", 400), ("ban", "refused", 13),
    ]
    for record in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])
        assert record["pid"] == program.pid and record["process"].startswith("python")
        assert record["endpoint"].startswith("tcp://127.0.0.1:") and record["peer"] == "127.0.0.1"
        assert record["port"] > 0 and (record["domain"], record["mechanism"]) == ("orders", "CURVE")
    authentication, denial = found[0], found[1]
    assert authentication["user"] == zmq.auth.load_certificate(certificates.public("alice"))[0].decode()
    assert FINGERPRINT.fullmatch(authentication["key"]) and FINGERPRINT.fullmatch(denial["key"])
    assert authentication["key"] != denial["key"]
    assert authentication["duration_us"] > 0 and denial["reason"].startswith("refused by the authenticator")


def test_a_file_that_is_moved_under_load(parties):
    trail, number = parties / "trail", 300
    program = Program(trail, "greeted", parties, number)
    moved = []
    while program.process.poll() is None and len(moved) < 4:
        if trail.exists() and trail.stat().st_size > 20_000:
            moved.append(trail.rename(parties / f"trail.{len(moved)}"))
        if not trail.exists() and not moved:
            continue
        if moved and admitted(records_so_far(*moved, trail)) >= number:
            break
    program.wait_for("done")
    program.end()
    assert moved
    assert admitted(records(*moved, *([trail] if trail.exists() else []))) == number


def records_so_far(*files):
    """What can be read while it is written."""
    whole = (file.read_text().rpartition("\n")[0] for file in files if file.exists())
    return [json.loads(line) for text in whole for line in text.splitlines()]


def test_a_pipe_that_nobody_reads_makes_a_gap(parties):
    trail, number = parties / "trail", 4000
    os.mkfifo(trail)
    program = Program(trail, "flooded", parties, number)
    program.wait_for("done")
    with trail.open() as pipe:
        found = []
        # The last is the gap: what is lost is counted behind what is kept.
        for line in pipe:
            found.append(json.loads(line))
            if found[-1]["event"] == "gap":
                break
    denials = sum(record["event"] == "denial" for record in found)
    others = sum(record["event"] not in ("denial", "gap") for record in found)
    assert denials > 1000 and found[-1]["lost"] > 0
    assert denials + others + found[-1]["lost"] >= number
    assert "cannot be written" in program.end()


def test_a_disk_that_is_full_and_has_room_again(parties):
    trail, number = parties / "trail", 40
    program = Program(trail, "limited", parties, number)
    program.wait_for("done")
    assert trail.stat().st_size <= 4000
    infinite = resource.RLIM_INFINITY
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (infinite, infinite))
    while not complete(trail, number):
        assert program.process.poll() is None
    assert program.end().count("cannot be written") == 1
    lines = trail.read_text().splitlines()
    broken = [line for line in lines if not line.endswith("}")]
    assert len(broken) <= 1
    assert admitted(json.loads(line) for line in lines if line.endswith("}")) == number


def complete(trail, number):
    whole = [line for line in trail.read_text().split("\n")[:-1] if line.endswith("}")]
    return admitted(map(json.loads, whole)) == number


def test_a_process_that_is_killed_leaves_whole_lines(parties):
    trail = parties / "trail"
    for round in range(1, 4):
        program = Program(trail, "greeted", parties, 100_000)
        while not trail.exists() or len(trail.read_bytes()) < round * 20_000:
            assert program.process.poll() is None
        program.process.send_signal(signal.SIGKILL)
        program.process.communicate()
        text = trail.read_text()
        # The system may cut the last write short; the next process ends that line.
        lines = text.splitlines()
        broken = [line for line in lines if not line.endswith("}")]
        assert len(broken) <= round
        assert admitted(json.loads(line) for line in lines if line.endswith("}")) > 10


def test_many_processes_write_one_file(parties):
    trail, number = parties / "trail", 20
    programs = [Program(trail, "greeted", parties, number) for _ in range(10)]
    for program in programs:
        program.wait_for("done")
        program.end()
    found = records(trail)
    assert [admitted(found, program.pid) for program in programs] == [number] * 10


def test_a_forked_child_has_a_trail_of_its_own(parties):
    trail, number = parties / "trail", 15
    program = Program(trail, "forked", parties, number)
    program.wait_for("done")
    program.end()
    by_process = Counter(
        record["pid"] for record in records(trail) if admitted([record])
    )
    assert sorted(by_process.values()) == [number, number] and program.pid in by_process


def test_a_file_that_cannot_be_is_said_once_and_stops_nothing(parties):
    program = Program(parties / "none" / "trail", "greeted", parties, 3)
    program.wait_for("done")
    errors = program.end()
    assert "FERROZMQ_AUDIT" in errors and "No such file" in errors


def test_a_monitor_that_asks_has_the_records(context, certificates):
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("server"))
    everything = server.get_monitor_socket(EVENT_AUDIT)
    client = context.socket(zmq.PUSH)
    client.routing_id = b"worker-7"
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    client.connect(bind(server))
    events = []
    while not events or events[-1]["event"] != "authentication":
        assert everything.poll(PATIENCE_MS)
        event, endpoint, peer, routing_id, user, record = everything.recv_multipart()
        assert int.from_bytes(event[:2], sys.byteorder) == 0x8000 and endpoint.startswith(b"tcp://")
        events.append(json.loads(record))
        # The server's own key counts before there is a peer.
        assert (peer, user) == (b"" if events[-1]["event"] == "key_added" else b"127.0.0.1", b"")
    # There is no authenticator, and so whoever has a key is let in.
    assert [record["event"] for record in events] == ["key_added", "fallback", "authentication"]
    assert events[-1]["reason"] == "no authenticator is bound: any key is let in"
    server.disable_monitor()


def test_a_monitor_of_all_events_has_no_others(context, certificates):
    server = context.socket(zmq.PULL)
    secure_server_socket(server, certificates.secret("server"))
    monitor = server.get_monitor_socket()
    client = context.socket(zmq.PUSH)
    secure_client_socket(client, certificates.secret("alice"), certificates.public("server"))
    client.connect(bind(server))
    kinds = []
    while zmq.EVENT_HANDSHAKE_SUCCEEDED not in kinds:
        assert monitor.poll(PATIENCE_MS)
        frames = monitor.recv_multipart()
        assert len(frames) == 2
        kinds.append(int.from_bytes(frames[0][:2], sys.byteorder))
    client.send(b"in")
    assert server.recv() == b"in" and not monitor.poll(0)
    server.disable_monitor()
