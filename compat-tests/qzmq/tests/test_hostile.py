"""What must end the connection with the library, and let no message through."""

import socket

import pytest
import zmq

from qzmq import commands, wire
from qzmq.client import Client
from qzmq.commands import Hello
from qzmq.records import KEY_UPDATE, MAX_FAST_UPDATES
from qzmq.peer import PATIENCE_S
from qzmq.server import Tickets
from qzmq.suites import SUITES, XWING, Fault
from secured import Case, ask, converse, meeting

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

SERVES, ASKS = Case(library_serves=True), Case(library_serves=False)
ROLES = [SERVES, ASKS]
SUITE_CASES = [Case(suite, True, serves) for suite in SUITES for serves in (True, False)]
GONE = (EOFError, ConnectionError)
WELCOME_FRAME_BYTES = 9 + 2_299
# So many bits of a command are changed, in a connection each. A client of the library's is a new socket each time: it is in no hurry
# to connect again after a handshake that failed.
STEPS = 24


def edit(data, at):
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def refused(there, engine=None, **options):
    """Whether there was no handshake: the library closed, or this side saw the fault in what came."""
    try:
        with there.meet(engine, **options) as peer:
            return peer.ends()
    except GONE:
        return True


def still_serves(there):
    with there.meet() as peer:
        converse(peer, there.socket, 1)


@pytest.mark.parametrize("case", SUITE_CASES, ids=str)
@pytest.mark.parametrize("number", range(2), ids=["first-command", "second-command"])
def test_edited_commands(context, case, number):
    """A bit of HELLO, INITIATE, WELCOME or READY is changed. The library is the one that sees it, or else its peer does."""
    for step in range(STEPS):
        said = []

        def change(what, data, step=step, said=said):
            said.append(what)
            if what == "command" and said.count("command") == number + 1:
                at = 9 if data[0] & wire.LONG else 2
                return edit(data, at + (len(data) - at) * step // STEPS)
            return data

        with meeting(context, case) as there:
            assert refused(there, edit=change), f"step {step}"
            if step == 0 and case.library_serves:
                still_serves(there)


@pytest.mark.parametrize("case", ROLES, ids=str)
@pytest.mark.parametrize("wrong", ["changed", "repeated", "lost", "swapped", "shortened", "too long", "too short"])
def test_records(context, case, wrong):
    with meeting(context, case) as there, there.meet() as peer:
        converse(peer, there.socket, 1)
        for text in (b"one", b"two"):
            peer.records.send(wire.message(text))
        one, two = peer.records.outgoing
        peer.records.outgoing = []
        spoilt = {
            "changed": edit(one, len(one) - 1),
            "repeated": one + one,
            "lost": two,
            "swapped": two + one,
            "shortened": one[:1] + bytes([one[1] - 1]) + one[2:-1],
            "too long": (16_402).to_bytes(2) + bytes(16_402),
            "too short": (16).to_bytes(2) + bytes(16),
        }[wrong]
        peer.raw(spoilt)
        assert peer.ends()
        there.socket.rcvtimeo = 100
        if wrong == "repeated":
            assert there.socket.recv() == b"one"
        with pytest.raises(zmq.Again):
            there.socket.recv()


@pytest.mark.parametrize("case", ROLES, ids=str)
@pytest.mark.parametrize(
    "text",
    [b"\0", bytes(200), b"\1", b"x\5", b"x\4", b"x\2", b"x\3", bytes(XWING.ciphertext_bytes) + b"\3", b"\4", b"x" * 16_385 + b"\1"],
    ids=["no-type", "zeros", "empty", "type-5", "done-with-content", "short-update", "short-ack", "ack-not-due", "done-not-due", "too-long"],
)
def test_texts(context, case, text):
    with meeting(context, case) as there, there.meet() as peer:
        peer.raw(peer.records.sending.seal(text))
        assert peer.ends()


@pytest.mark.parametrize("case", ROLES, ids=str)
def test_updates_that_are_none(context, case):
    """A public key that is none; two updates at once; a second one before KEY_UPDATE_DONE; a flood."""
    broken = b"\xff" * XWING.public_bytes
    with meeting(context, case) as there:
        for kind in ("broken key", "second", "flood"):
            with there.meet() as peer:
                if kind == "broken key":
                    peer.records._send(KEY_UPDATE, broken)
                elif kind == "second":
                    for _ in range(2):
                        peer.records._send(KEY_UPDATE, XWING.keypair().public)
                else:
                    try:
                        for number in range(MAX_FAST_UPDATES + 8):
                            peer.records.begin_update()
                            peer.connection.flush()
                            peer.pump(lambda: peer.records.state is None)
                    except GONE:
                        assert number >= MAX_FAST_UPDATES
                        continue
                    pytest.fail("a flood of updates went through")
                peer.connection.flush()
                peer.flush()
                assert peer.is_closed(), kind
        still_serves(there)


@pytest.mark.parametrize("suite", SUITES)
def test_wrong_keys(context, suite):
    """The library has another server's key, or its peer has, or a client that has not the key that it tells."""
    case = Case(suite, True, True)
    kem = case.kem
    with meeting(context, case) as there:
        assert refused(there, there.engine(server=kem.keypair().public))
        liar = there.engine()
        liar.pair = kem.keypair()
        assert refused(there, liar)
        identity = commands.encode_identity(kem, commands.PUBLIC_KEY, b"\xff" * 6 + there.client.public[6:])
        assert refused(there, there.engine(identity=identity))
        still_serves(there)
    with meeting(context, Case(suite, True, False)) as there:
        with pytest.raises(Fault, match="no such key"):
            there.meet(there.engine(server=kem.keypair()))
    with meeting(context, Case(suite, True, False)) as there:
        # One that tells the key's id and has not the key itself.
        thief = there.engine()
        thief.pairs = {key: kem.keypair() for key in thief.pairs}
        with pytest.raises(Fault, match="does not open"):
            there.meet(thief)


def test_a_replayed_hello(context):
    """The same bytes on a connection of its own: an answer, and nothing that leads further."""
    with meeting(context, SERVES) as there:
        heard = []

        def listen(what, data):
            heard.append(data)
            return data

        with there.meet(edit=listen) as peer:
            converse(peer, there.socket, 1)
        host, port = there.endpoint.removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as stream:
            stream.sendall(heard[0] + heard[1])
            answer = b""
            while len(answer) < len(heard[0]) + WELCOME_FRAME_BYTES:
                answer += stream.recv(1 << 16)
            assert b"\7WELCOME" in answer
            stream.sendall(heard[2])
            assert ended(stream)


def ended(stream):
    try:
        return stream.recv(1) == b""
    except ConnectionError:
        return True


def hello_variants(hello):
    """Bodies that no server may take."""
    yield "another major version", edit_at(hello, 6, 2)
    yield "an unknown mode", edit_at(hello, 8, 2)
    yield "an unknown KEM", edit_at(hello, 9, 9)
    yield "no suites", hello[:42] + b"\0" + hello[44:]
    yield "nine suites", hello[:42] + b"\x09" + b"\1" * 9 + hello[44:]
    yield "a suite of another KEM", edit_at(hello, 43, 3)
    yield "no suite that is known", edit_at(hello, 43, 77)
    yield "a byte too many", hello + b"\0"
    yield "a byte too few", hello[:-1]
    yield "a cookie that was not asked for", hello[:-1] + b"\x28" + bytes(40)
    yield "nothing", b"\5HELLO"
    yield "another command", b"\7WELCOME" + hello[6:]
    yield "a long name", b"\xffHELLO" + hello[6:]
    yield "the longest body", hello.ljust(commands.MAX_BODY_BYTES, b"\0")


def edit_at(body, at, value):
    return body[:at] + bytes([value]) + body[at + 1 :]


def test_hello(context):
    with meeting(context, SERVES) as there:
        engine = there.engine()
        sample = engine.begin(b"")
        for name, _ in hello_variants(sample):

            def change(what, data, name=name):
                if what != "command":
                    return data
                return wire.frame(dict(hello_variants(data[9:]))[name], wire.COMMAND)

            assert refused(there, edit=change), name
        still_serves(there)


@pytest.mark.parametrize("flags", [0, 1, 2, 3, 5, 7, 8, 0x0E, 0x84], ids=hex)
def test_flags_of_commands(context, flags):
    with meeting(context, SERVES) as there:
        assert refused(there, edit=lambda what, data: bytes([flags]) + data[1:] if what == "command" else data)


def test_a_long_form_for_a_short_body(context):
    with meeting(context, SERVES) as there:

        def change(what, data):
            if what == "command" and not data[0] & wire.LONG:
                return bytes([wire.COMMAND | wire.LONG]) + (len(data) - 2).to_bytes(8) + data[2:]
            return data

        assert refused(there, edit=change)


def test_too_long_a_body(context):
    """It is refused by its length, without the rest of it."""
    with meeting(context, SERVES) as there:
        head = bytes([wire.COMMAND | wire.LONG]) + (commands.MAX_BODY_BYTES + 1).to_bytes(8)
        assert refused(there, edit=lambda what, data: head if what == "command" else data)


def test_tickets_of_others(context):
    """One that the client made itself is refused, and the full handshake behind it goes well. One of another client's keeps its owner."""
    with meeting(context, SERVES, "REP") as there:
        kept = there.meet().engine.new_ticket
        if not kept:
            pytest.skip("the library gives no tickets")
        forged = type(kept)(Tickets().make(XWING, bytes(8), b"", bytes(32))[0], kept.psk, kept.server, kept.ends_at)
        with there.meet(there.engine(ticket=forged)) as peer:
            assert peer.engine.retried == {"ticket"}
            ask(peer, there.socket)
        stolen = type(kept)(kept.data, bytes(32), kept.server, kept.ends_at)
        assert refused(there, there.engine(ticket=stolen))


def test_padding_of_initiate(context):
    with meeting(context, SERVES) as there:
        for spoil in (lambda text: text[:-1] + b"\1", lambda text: text + bytes(64)):
            engine = there.engine()
            text = spoil(engine.initiate_text())
            engine.initiate_text = lambda text=text: text
            assert refused(there, engine)


def test_what_a_client_must_not_take(context):
    """As a server: RETRY for nothing or for a ticket that was not there, an ERROR in the clear in place of READY."""
    bodies = {
        1: [b"\5RETRY\0\0", b"\5RETRY\1\0", b"\5RETRY\0\7" + bytes(7), b"\5RETRY\2\0", b"\5READY" + bytes(80), b"\5ERROR\5suite"],
        2: [b"\5ERROR\5suite", b"\5ERROR" + bytes(19), b"\5READY" + bytes(80), b"\7WELCOME"],
    }
    for number, wrong in ((number, body) for number in bodies for body in bodies[number]):
        said = []

        def change(what, data, said=said, number=number, wrong=wrong):
            said.append(what)
            if what == "command" and said.count("command") == number:
                return wire.frame(wrong, wire.COMMAND)
            return data

        with meeting(context, ASKS) as there:
            assert refused(there, edit=change), wrong


def test_where_the_fields_of_hello_lie():
    """The variants above are cut from a HELLO with one suite, by these places."""
    hello = Client(XWING.keypair().public, XWING, [1]).begin(b"")
    assert Hello.parse(hello).encode() == hello and hello[42:44] == b"\1\1" and hello[-1:] == b"\0"
