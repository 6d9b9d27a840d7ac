"""The library's options for QZMQ, as this implementation sees them on the wire."""

import ctypes
import errno
import struct
import time

import pytest
import zmq

from qzmq.server import Tickets
from qzmq.suites import SUITES, TAG_BYTES
from secured import PATIENCE_MS, Case, ask, converse, meeting

pytestmark = pytest.mark.skipif(not zmq.has("qzmq"), reason="a library without QZMQ")

FERRO_SUITES, UPDATE_RECORDS, UPDATE_SIZE, UPDATE_IVL, PADDING, TICKET_LIFE = range(0x4600_0060, 0x4600_0066)
ROLES = [Case(library_serves=serves) for serves in (True, False)]


class Option:
    """A value that pyzmq, which knows no such option, cannot set."""

    def __init__(self, number, value):
        self.number, self.value = number, value

    def set_on(self, socket):
        set_option = ctypes.CDLL(None, use_errno=True).zmq_setsockopt
        set_option.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
        if set_option(socket.underlying, self.number, self.value, len(self.value)):
            raise OSError(ctypes.get_errno(), "zmq_setsockopt")


def number(value):
    return struct.pack("i", value)


def suites(*numbers):
    return Option(FERRO_SUITES, bytes(numbers))


@pytest.mark.parametrize("favourite", [1, 2])
def test_suites_of_a_server(context, favourite):
    """Its first that the client offers, however the client orders them."""
    with meeting(context, Case(), "REP", prepare=suites(4, favourite, 3 - favourite).set_on) as there:
        for offered in ([1, 2], [2, 1]):
            with there.meet(there.engine(suites=offered)) as peer:
                ask(peer, there.socket)
                assert peer.engine.suite.number == favourite


def test_suites_of_a_client(context):
    with meeting(context, Case(2, library_serves=False), prepare=suites(2, 3).set_on) as there, there.meet() as peer:
        converse(peer, there.socket, 1)
        assert peer.engine.suite is SUITES[2] and peer.engine.offered == (2,)


def test_a_suite_that_is_switched_off(context):
    with meeting(context, Case(), prepare=suites(2).set_on) as there:
        peer = there.meet(there.engine(suites=[1]))
        assert peer.refused and peer.engine.reason == b"suite"


def test_suites_that_do_not_fit_the_keys(context):
    with pytest.raises(zmq.ZMQError) as refusal:
        with meeting(context, Case(), prepare=suites(3, 4).set_on):
            pass
    assert refusal.value.errno == errno.EINVAL


@pytest.mark.parametrize("case", ROLES, ids=str)
@pytest.mark.parametrize("multiple", [0, 1, 256, 1_000, 16_384])
def test_padding(context, case, multiple):
    with meeting(context, case, prepare=Option(PADDING, number(multiple)).set_on) as there, there.meet() as peer:
        sizes, receive = [], peer.records.receive

        def note(box):
            sizes.append(len(box) - TAG_BYTES)
            return receive(box)

        peer.records.receive = note
        converse(peer, there.socket, 1)
        assert len(sizes) > 20 and max(sizes) <= 16_385
        padded = [size % max(1, multiple) == 0 or size == 16_385 for size in sizes]
        assert all(padded), sizes
        assert multiple > 1 or len(set(sizes)) > 10


@pytest.mark.parametrize("case", ROLES, ids=str)
@pytest.mark.parametrize("limit", [(UPDATE_RECORDS, number(3)), (UPDATE_SIZE, struct.pack("q", 5_000)), (UPDATE_IVL, number(300))], ids=["records", "bytes", "age"])
def test_key_updates(context, case, limit):
    """The library begins them: this side has none due."""
    with meeting(context, case, prepare=Option(*limit).set_on) as there, there.meet() as peer:
        ends_at = time.monotonic() + PATIENCE_MS / 1000
        while peer.records.updates < 2:
            assert time.monotonic() < ends_at
            there.socket.send(bytes(3_000))
            assert peer.recv() == [bytes(3_000)]
            peer.idle(0.01)
        converse(peer, there.socket, 1)


@pytest.mark.parametrize("life_s", [0, 1, 100, 86_400])
def test_life_of_tickets(context, life_s):
    with meeting(context, Case(), prepare=Option(TICKET_LIFE, number(life_s)).set_on) as there, there.meet() as peer:
        kept = peer.engine.new_ticket
        assert (kept is None) == (life_s == 0)
        if kept:
            assert 0 < kept.ends_at - time.monotonic() <= life_s


@pytest.mark.parametrize("life_s", [0, 100])
def test_tickets_that_a_client_keeps(context, life_s):
    tickets, resumed = Tickets(), []
    case = Case(library_serves=False)
    with meeting(context, case, prepare=Option(TICKET_LIFE, number(life_s)).set_on) as there:
        for _ in range(2):
            with there.meet(there.engine(tickets=tickets)) as peer:
                converse(peer, there.socket, 1)
                resumed.append(peer.engine.resumed)
    assert resumed == [False, life_s > 0]


def test_a_ticket_that_has_ended(context):
    """The library refuses it once its second is over, and a full handshake follows."""
    with meeting(context, Case(), "REP", prepare=Option(TICKET_LIFE, number(1)).set_on) as there:
        with there.meet() as peer:
            kept = peer.engine.new_ticket
        ends_at = time.monotonic() + PATIENCE_MS / 1000
        while True:
            late = type(kept)(kept.data, kept.psk, kept.server, ends_at)
            with there.meet(there.engine(ticket=late)) as peer:
                ask(peer, there.socket)
                if peer.engine.retried == {"ticket"}:
                    break
            assert time.monotonic() < ends_at


@pytest.mark.parametrize(
    "option",
    [
        suites(0),
        suites(5),
        suites(1, 1),
        suites(1, 2, 3, 4, 1),
        *(Option(UPDATE_RECORDS, number(value)) for value in (-1, 0, 16_777_217)),
        *(Option(UPDATE_SIZE, struct.pack("q", value)) for value in (-1, 0, (1 << 50) + 1)),
        Option(UPDATE_SIZE, number(1)),
        *(Option(UPDATE_IVL, number(value)) for value in (-1, 0)),
        *(Option(PADDING, number(value)) for value in (-1, 16_385)),
        *(Option(TICKET_LIFE, number(value)) for value in (-1, 86_401)),
        Option(TICKET_LIFE, b"1"),
    ],
    ids=lambda option: f"{option.number & 0xFF:x}-{option.value.hex()}",
)
def test_refused_values(context, option):
    with context.socket(zmq.DEALER) as socket:
        with pytest.raises(OSError) as refusal:
            option.set_on(socket)
    assert refusal.value.errno == errno.EINVAL
