"""Keys are withdrawn and rotated while others send: not a message of theirs is lost."""

import threading

import zmq
from conftest import DEFAULT, ask, refusal
from relay import Relay

OTHERS = "alice", "carol", "dave"


class Sink:
    """A server that counts; what it prints is read as it comes."""

    def __init__(self, place, security, trail):
        [self.endpoint] = place.serve("sink.py", security=security, FERROZMQ_AUDIT=trail.path)
        self.process = place.processes[-1]
        self.seen = {}
        self.ends = {}
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            name, *end = line.split()
            with self.news:
                if end:
                    self.ends[name] = tuple(map(int, end[1:]))
                self.seen[name] = self.seen.get(name, 0) + 1
                self.news.notify_all()

    def goes_on(self, *names):
        """Waits until more has come of each."""
        with self.news:
            before = {name: self.seen.get(name, 0) for name in names}
            for name in names:
                assert self.news.wait_for(lambda: self.seen.get(name, 0) > before[name], timeout=60), f"{name} is not heard"

    def end(self, name):
        """How many have come of one that has ended, and how many not in their places."""
        with self.news:
            assert self.news.wait_for(lambda: name in self.ends, timeout=60), f"{name} does not end"
            return self.ends[name]


def test_nobody_else_loses_a_message(place, context):
    for name in ("carol", "dave", "next"):
        place.create(name)
    for name in ("bob", "carol", "dave"):
        place.let_in(name)
    trail = place.trail("trail")
    sink = Sink(place, place.security(client="server"), trail)

    def source(name, endpoint=sink.endpoint, text=DEFAULT):
        """Begins a client that sends."""
        return place.run("source.py", name, endpoint, security=place.security(text, client=name))

    sources = {name: source(name) for name in ("alice", "carol")}
    with Relay(sink.endpoint) as relay:
        bob = source("bob", relay.endpoint)
        sink.goes_on("alice", "bob", "carol")

        # Bob's key is withdrawn. His connection goes on; when it breaks he does not come in again.
        place.keep_out("bob")
        sink.goes_on("alice", "bob", "carol")
        record = {}
        # Within a second of the change the folder may not have been looked at.
        while record.get("status") != 400:
            relay.cut()
            record = trail.of(key=place.fingerprint("bob"))
        assert record["event"] == "denial"
        sink.goes_on("alice", "carol")

        # The server gets another key, beside the old one at first. Dave knows the new one alone.
        keys = DEFAULT.replace('"server.key_secret"', '["next.key_secret", "server.key_secret"]')
        place.security(keys, client="server")
        sources["dave"] = source("dave", text=DEFAULT.replace('"server.key"', '"next.key"'))
        sink.goes_on("dave")
        place.security(DEFAULT.replace('"server.key_secret"', '"next.key_secret"'), client="server")
        while refusal(context, sink.endpoint, place.key("alice"), place.key("server")[0], zmq.PUSH) == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            pass
        sink.goes_on(*OTHERS)

        for name in OTHERS:
            sent = int(ask(sources[name], "enough"))
            assert sink.end(name) == (sent, 0), name
        assert bob.poll() is None and "bob" not in sink.ends
