"""The five questions of docs/observability.md. For each a program has just one of the troubles that the page tells of, and shows what the page
says: in the commands, keys, columns and counters that the page names."""

import os
import re
import signal
import socket

from harness import places
from harness.places import Problem
from programs import PATIENCE_S, Program

PAGE = places.PROJECT / "docs" / "observability.md"
CLOSED = "tcp://127.0.0.1:1"
PAIR = """
push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
pull.bind("tcp://127.0.0.1:*"); push.connect(pull.last_endpoint)
"""


class Question:
    """A section of the page."""

    def __init__(self, title):
        text = PAGE.read_text()
        begin = text.index(f"\n### {title}\n")
        self.text = text[begin : re.search(r"\n##", text[begin + 5 :]).start() + begin + 5]

    def names(self, *words):
        """These words, which the page has to have in code or as a column."""
        for word in words:
            if word not in self.text:
                raise Problem(f"the page does not say {word}")
        return words

    def table(self):
        """The first cells of its first table."""
        rows = [line.split("|")[1].strip() for line in self.text.splitlines() if line.startswith("|")]
        return rows[2:]

    def setting(self, variable):
        """The value of a variable of the environment."""
        return re.search(rf"`{variable}=([^`]+)`", self.text).group(1)


def commands():
    """What the page says to look with, by its options."""
    return dict.fromkeys(re.findall(r"`ferrozmq (top --stats DIR[^`]*)`", PAGE.read_text()))


def cells(lines, column):
    """What stands in a column, by the type of the socket."""
    head = next(line.split() for line in lines if "TYPE" in line and column in line)
    kind, place = head.index("TYPE"), head.index(column)
    # The last column is empty where no message was dropped.
    rows = [line.split() for line in lines]
    return {row[kind]: row[place] for row in rows if len(row) >= len(head) - 1 and row[0].isdigit()}


def wide(place, program, *without):
    screen = place.screen(columns=170, lines=40, folder=program.folder)
    return screen, screen.wait("TYPE", "HS-FAIL", "Q-MAX", without=without)


def expect(condition, words):
    if not condition:
        raise Problem(words)


def queue_or_consumer(place):
    question = Question("Is it the queue or the consumer?")
    question.names("Key `2`", "Q-OUT", "Q-IN", "Q-MAX", "SENT/s", "`sends_refused`")
    consumer = Program(place, "consumer")
    consumer.tell(PAIR)
    for waiting in (50, 100):
        consumer.tell("for _ in range(50): push.send(b'x')")
        consumer.until("PULL", lambda pull: pull["queued_to_receive"] == waiting)
        consumer.until("PUSH", lambda push: push["queued_to_send"] == 0)
    screen, _ = wide(place, consumer)
    screen.press("2")
    lines = screen.wait("PULL", "100")
    shown = {column: cells(lines, column) for column in ("Q-OUT", "Q-IN", "Q-MAX")}
    expect((shown["Q-IN"]["PULL"], shown["Q-OUT"]["PUSH"], shown["Q-MAX"]["PULL"]) == ("100", "0", "100"), str(shown))
    consumer.tell("for _ in range(100): pull.recv()")
    drained = consumer.until("PULL", lambda pull: pull["queued_to_receive"] == 0)
    expect(drained["queued_to_receive_max"] == 100, "Q-MAX does not stay")
    between(place)
    full = Program(place, "full")
    full.tell(f"push = context.socket(zmq.PUSH); push.sndhwm = 10; push.sndtimeo = 0; push.connect('{CLOSED}'); refused = 0")
    for attempts in (12, 15):
        full.tell("while push.poll(0, zmq.POLLOUT): push.send(b'x')")
        full.tell("exec('try: push.send(b\"x\")\\nexcept zmq.Again: pass')")
        push = full.until("PUSH", lambda push: push["queued_to_send"] == 10)
        expect(push["counters"]["sends_refused"] >= 1 and push["queued_to_send_max"] == 10, str(push))
    idle = Program(place, "idle")
    idle.tell(PAIR)
    idle.until("PUSH", lambda push: push["connections"])
    lines = wide(place, idle)[0].wait("PUSH", "PULL")
    expect(cells(lines, "Q-OUT")["PUSH"] == cells(lines, "Q-IN")["PULL"] == "0", str(lines))


def between(place):
    """The other side takes nothing: its process is stopped."""
    sender, receiver = Program(place, "sender"), Program(place, "receiver")
    sender.tell("push = context.socket(zmq.PUSH); push.bind('tcp://127.0.0.1:*')")
    endpoint = sender.value("push.last_endpoint.decode()")
    receiver.tell(f"pull = context.socket(zmq.PULL); pull.connect('{endpoint}')")
    sender.until("PUSH", lambda push: push["connections"])
    receiver.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, receiver.process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        for _ in range(2):
            before = sender.sockets()["PUSH"]["queued_to_send"]
            sender.tell("for _ in range(40): push.send(b'x' * 1000000)")
            sender.until("PUSH", lambda push: push["queued_to_send"] >= max(20, before + 20))
            expect(receiver.sockets()["PULL"]["queued_to_receive"] <= 1, "the receiver takes something")
    finally:
        receiver.process.send_signal(signal.SIGCONT)


def who_is_not_connected(place):
    question = Question("Who is not connected?")
    reconnects, failed, ended, bans, refused = question.names("`reconnects`", "`handshakes_failed_...`", "`disconnects_...`", "`bans`", "`connections_refused`")
    log = place.folder / "log"
    absent = Program(place, "absent", FERROZMQ_LOG=question.setting("FERROZMQ_LOG"), FERROZMQ_LOG_FILE=str(log))
    absent.tell(f"push = context.socket(zmq.PUSH); push.reconnect_ivl = 10; push.connect('{CLOSED}')")
    for times in (2, 5):
        absent.until("PUSH", lambda push: push["counters"][reconnects.strip("`")] >= times and not push["connections"])
    place.until(lambda: log.exists() and f"{CLOSED} cannot be reached: Connection refused" in log.read_text())
    differs = Program(place, "differs")
    differs.tell(f"{PAIR}pull.unbind(pull.last_endpoint); pull.plain_server = True; pull.bind('tcp://127.0.0.1:*'); push.connect(pull.last_endpoint)")
    differs.until("PULL", lambda pull: any(count for name, count in pull["counters"].items() if name.startswith("handshakes_failed_")))
    left = Program(place, "left")
    left.tell(PAIR)
    left.until("PULL", lambda pull: pull["connections"])
    lines = place.screen(folder=left.folder)
    lines.wait("PUSH")
    lines.press("3")
    lines.wait("PEER", "127.0.0.1", "NULL")
    left.tell("push.close()")
    pull = left.until("PULL", lambda pull: pull["counters"]["disconnects_stream"] == 1)
    expect(not pull["connections"], str(pull))
    turned_away(place, bans, refused)
    lonely = Program(place, "lonely")
    lonely.tell("pull = context.socket(zmq.PULL); pull.bind('tcp://127.0.0.1:*')")
    counters = lonely.until("PULL", lambda pull: pull["endpoints"])["counters"]
    growing = {name: count for name, count in counters.items() if count}
    expect(growing == {}, str(growing))


def turned_away(place, bans, refused):
    """By a limit on connections, and by one on failed handshakes."""
    security = place.folder / "security.toml"
    limits = "connections = 1\nfailed_handshakes = 2\nban_seconds = 60\n"
    security.write_text(f'[default]\nmechanism = "null"\n[default.limits]\n{limits}')
    for name in (refused, bans):
        guarded = Program(place, name.strip("`"), FERROZMQ_SECURITY=str(security))
        guarded.tell("pull = context.socket(zmq.PULL); pull.bind('tcp://127.0.0.1:*')")
        port = int(guarded.value("pull.last_endpoint.decode().rsplit(':')[-1]"))
        if name == refused:
            guarded.tell("push = context.socket(zmq.PUSH); push.connect(pull.last_endpoint); push.send(b'x'); pull.recv()")
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stranger:
                stranger.sendall(b"\xff" * 64)
                while closed_by_peer(stranger):
                    break
        guarded.until("PULL", lambda pull: pull["counters"][name.strip("`")] >= 1)


def closed_by_peer(stream):
    """Waits for the end of what the other side says."""
    try:
        while stream.recv(100):
            pass
    except ConnectionError:
        pass
    return True


def which_messages_are_dropped(place, reasons):
    question = Question("Which messages are dropped, and why?")
    question.names("DROPS", "DROP/s")
    told = {row.strip("`") for row in question.table()}
    expect(told == set(reasons), f"the page has {sorted(told)}, and the library {sorted(reasons)}")


def which_handshake_fails(place):
    question = Question("Which handshake fails, and how long do they take?")
    question.names("HS-FAIL", "HSHAKE", "(`auth`)", "`c` on the socket", "audit trail")
    log, audit = place.folder / "handshakes", place.folder / "audit"
    settings = {"FERROZMQ_LOG": question.setting("FERROZMQ_LOG"), "FERROZMQ_LOG_FILE": str(log), "FERROZMQ_AUDIT": str(audit)}
    guarded = Program(place, "guarded", **settings)
    guarded.tell(
        """
        from zmq.auth.thread import ThreadAuthenticator
        auth = ThreadAuthenticator(context); auth.start(); auth.configure_plain(domain="*", passwords={"ann": "right"})
        server, client, stranger = (context.socket(kind) for kind in (zmq.PULL, zmq.PUSH, zmq.PUSH))
        server.plain_server = True; server.handshake_ivl = 300; server.bind("tcp://127.0.0.1:*")
        for one, word in ((client, b"right"), (stranger, b"wrong")): one.plain_username = b"ann"; one.plain_password = word; one.connect(server.last_endpoint)
        client.send(b"x"); server.recv()
        """
    )
    server = guarded.until("PULL", lambda pull: pull["counters"]["handshakes_failed_auth"] >= 1)
    expect(server["handshake_time"]["count"] >= 2 and server["counters"]["handshakes_succeeded"] == 1, str(server))
    port = int(guarded.value("server.last_endpoint.decode().rsplit(':')[-1]"))
    guarded.tell("stranger.close()")
    for said, end in ((b"\xff" * 64, "protocol"), (b"", "timeout"), (b"\xff", "stream")):
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as stream:
            stream.sendall(said)
            if end != "stream":
                closed_by_peer(stream)
        guarded.until("PULL", lambda pull: pull["counters"][f"handshakes_failed_{end}"] >= 1)
    place.until(lambda: "denial at tcp://127.0.0.1:" in log.read_text() and "peer 127.0.0.1" in log.read_text())
    place.until(lambda: '"event":"denial"' in audit.read_text() and '"user":"ann"' in audit.read_text())
    screen, lines = wide(place, guarded)
    expect(int(cells(lines, "HS-FAIL")["PULL"]) >= 4, str(lines))
    screen.press("/", "P", "U", "L", "L", "Enter")
    screen.wait("[PULL]")
    screen.press("c")
    screen.wait("COUNTER", "handshakes_failed_auth", "handshakes_failed_timeout")
    screen.press("Escape")
    screen.press("3")
    screen.wait("HSHAKE", "PLAIN", "ann")


def what_does_it_cost(place):
    question = Question("What does it cost?")
    names = question.names("`send_calls`", "`receive_calls`", "`wakeups`", "`messages_sent`", "`c` on a connection", "B-OUT/s", "B-IN/s")
    busy = Program(place, "busy")
    busy.tell(PAIR)
    busy.tell("for _ in range(20): pass_on(500)")
    push = busy.until("PUSH", lambda push: push["connections"] and push["connections"][0]["counters"]["messages_sent"] == 10_000)
    [connection] = push["connections"]
    counters = connection["counters"]
    expect(all(name.strip("`") in counters for name in names[:4]), str(counters))
    expect(1 <= counters["send_calls"] <= 5_000, f"not two messages a call: {counters}")
    screen, _ = wide(place, busy)
    screen.press("3")
    screen.wait("PEER", "B-OUT/s", "B-IN/s")
    screen.press("c")
    screen.wait("COUNTER", "send_calls", "receive_calls", "wakeups")
