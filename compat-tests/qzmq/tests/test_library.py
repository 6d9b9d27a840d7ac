"""The library and the second implementation, in every suite and either role."""

import itertools

import pytest
import zmq

from qzmq import wire
from qzmq.server import Cookies, Tickets
from qzmq.suites import SUITES
from secured import Case, ask, converse, meeting, settle, subscribe

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

CASES = [Case(*values) for values in itertools.product(SUITES, (True, False), (True, False), ("tcp", "ws"))]
SUITE_CASES = [Case(suite, True, serves) for suite in SUITES for serves in (True, False)]
ROLES = [Case(library_serves=serves, over=over) for over in ("tcp", "ws") for serves in (True, False)]
# Of all sizes: three hundred messages each way.
ROUNDS, FEW_ROUNDS = 16, 2


@pytest.fixture
def resumes(context):
    """Skips a test where the library's servers give no tickets."""
    with meeting(context, Case()) as there, there.meet() as peer:
        if not peer.engine.new_ticket:
            pytest.skip("the library gives no tickets")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_conversation(context, case):
    """All sizes both ways, with key updates that this side begins."""
    with meeting(context, case) as there, there.meet() as peer:
        assert converse(peer, there.socket, ROUNDS if case.over == "tcp" else FEW_ROUNDS, update_every=10) > 30
        peer.update()
        settle(peer, 2)
        assert peer.engine.suite.number == case.suite
        if not case.library_serves:
            assert peer.engine.identity == ((1, there.client.public) if case.known else (0, b""))
        assert peer.engine.peer_properties


@pytest.mark.parametrize("case", SUITE_CASES, ids=str)
def test_resumption(context, case, resumes):
    """Twice in a row, each with the ticket of the last; then one that the server cannot use."""
    tickets, kept, resumed = Tickets(), None, []
    kind, talk = ("REP", ask) if case.library_serves else ("DEALER", lambda *sides: converse(*sides, 1))
    with meeting(context, case, kind) as there:
        for turn in range(4):
            options = {"ticket": kept} if case.library_serves else {"tickets": tickets}
            if turn == 3 and case.library_serves:
                kept = options["ticket"] = broken(kept)
            elif turn == 3:
                tickets.replace_key()
            with there.meet(there.engine(**options)) as peer:
                talk(peer, there.socket)
                engine = peer.engine
                resumed.append(engine.hello.mode == 1 if case.library_serves else engine.resumed)
                if case.library_serves:
                    kept = engine.new_ticket
                    assert kept and engine.retried == ({"ticket"} if turn == 3 else set())
                else:
                    assert engine.refused_ticket == (turn == 3)
                    assert engine.identity == (1, there.client.public)
    assert resumed == [False, True, True, False]


def broken(ticket):
    """The same, with its last bit changed."""
    return type(ticket)(ticket.data[:-1] + bytes([ticket.data[-1] ^ 1]), ticket.psk, ticket.server, ticket.ends_at)


@pytest.mark.parametrize("suite", SUITES)
def test_cookies_of_this_side(context, suite):
    """The library's HELLO comes again with its cookie; and once more without one in the next connection."""
    case, cookies = Case(suite, True, False), Cookies()
    with meeting(context, case) as there:
        for _ in range(3):
            engine = there.engine(cookies=cookies, address=b"127.0.0.1")
            with there.meet(engine) as peer:
                converse(peer, there.socket, 1)


@pytest.mark.parametrize("suite", SUITES)
def test_cookies_and_tickets_of_this_side(context, suite, resumes):
    """RETRY for a cookie before a ticket, and before and behind one that is refused."""
    case, cookies, tickets = Case(suite, True, False), Cookies(), Tickets()
    with meeting(context, case) as there:
        for turn in range(3):
            if turn == 2:
                tickets.replace_key()
            engine = there.engine(cookies=cookies, tickets=tickets, address=b"127.0.0.1")
            with there.meet(engine) as peer:
                converse(peer, there.socket, 1)
                assert engine.resumed == (turn == 1) and engine.refused_ticket == (turn == 2)


@pytest.mark.parametrize("case", SUITE_CASES, ids=str)
def test_push_pull(context, case):
    for kind in ("PULL", "PUSH"):
        with meeting(context, case, kind) as there, there.meet() as peer:
            for size in range(0, 30_000, 97):
                parts = [bytes([size % 256]) * size, b"second"]
                if kind == "PULL":
                    peer.send(*parts)
                    assert there.socket.recv_multipart() == parts
                else:
                    there.socket.send_multipart(parts)
                    assert peer.recv() == parts


@pytest.mark.parametrize("case", ROLES, ids=str)
def test_req_rep(context, case):
    for kind in ("REP", "REQ"):
        with meeting(context, case, kind) as there, there.meet() as peer:
            for size in (0, 1, 300, 20_000) * 20:
                question, answer = b"?" * size, b"!" * size
                if kind == "REP":
                    peer.send(b"", question)
                    assert there.socket.recv() == question
                    there.socket.send(answer)
                    assert peer.recv() == [b"", answer]
                else:
                    there.socket.send(question)
                    assert peer.recv() == [b"", question]
                    peer.send(b"", answer)
                    assert there.socket.recv() == answer


@pytest.mark.parametrize("case", ROLES, ids=str)
def test_pub_sub(context, case):
    with meeting(context, case, "PUB") as there, there.meet() as peer:
        subscribe(peer, b"a")
        # Whether the subscription has arrived is seen by what comes of it.
        for number in itertools.count():
            there.socket.send_multipart([b"b", b"not for us"])
            there.socket.send_multipart([b"a", str(number).encode()])
            peer.idle(0.02)
            if peer.connection.events:
                break
            assert number < 500
        assert peer.recv()[0] == b"a"
    with meeting(context, case, "SUB", {zmq.SUBSCRIBE: b"a"}) as there, there.meet() as peer:
        # A socket that is bound takes up its connections, and tells them its subscriptions, when the program asks it for something.
        while not peer.connection.events:
            there.socket.poll(10)
            peer.idle(0.01)
        assert peer.event("command")[1:] == (b"SUBSCRIBE", b"a")
        for number in range(300):
            peer.send(b"a", str(number).encode() * number)
            assert there.socket.recv_multipart() == [b"a", str(number).encode() * number]


@pytest.mark.parametrize("case", ROLES, ids=str)
def test_padding(context, case):
    """What this side pads is taken."""
    with meeting(context, case) as there, there.meet() as peer:
        peer.records.pad = 256
        converse(peer, there.socket, 1)


@pytest.mark.parametrize("case", ROLES, ids=str)
@pytest.mark.parametrize("size", [5, 255, 16_384])
def test_cuts(context, case, size):
    """Records end anywhere: many frames in one, or a frame in many."""
    with meeting(context, case) as there, there.meet() as peer:
        parts = [bytes([number]) * (number * 7) for number in range(100)]
        stream = b"".join(wire.message(part) for part in parts)
        for at in range(0, len(stream), size):
            peer.records.send(stream[at : at + size])
        peer.connection.flush()
        peer.flush()
        assert [there.socket.recv() for _ in parts] == parts
