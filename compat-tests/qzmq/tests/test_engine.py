"""The second implementation with itself: handshakes, and what must end them."""

import itertools

import pytest

from qzmq import commands, keys, vectors
from qzmq.certificates import SERVER, Authority, Trust
from qzmq.client import Client
from qzmq.commands import Hello, Retry
from qzmq.records import Records
from qzmq.server import Cookies, Server, Tickets
from qzmq.suites import KEMS, SUITES, XWING, Fault, suites_of

# So many bytes at the beginning and end of a command are edited, each of them, and others in steps.
EDGE_BYTES, STEP_BYTES = 48, 61
SIZES = (1, 2, 255, 256, 16_383, 16_384, 16_385, 100_000)


@pytest.fixture(params=SUITES.values(), ids=lambda suite: suite.name)
def suite(request):
    return request.param


class Pair:
    """Key pairs of both sides, and what makes engines of them."""

    def __init__(self, kem):
        self.kem, self.server, self.client = kem, kem.keypair(), kem.keypair()

    def ask(self, suites=None, known=True, **options):
        return Client(self.server.public, self.kem, suites, self.client if known else None, b"from the client", **options)

    def serve(self, suites=None, **options):
        return Server([(self.kem, self.server)], suites, b"from the server", **options)

    def meet(self, mine=None, theirs=None):
        mine, theirs = mine or self.ask(), theirs or self.serve()
        return mine, theirs, vectors.converse(mine, theirs)


def agree(client, server):
    assert client.records.secrets == server.records.secrets
    assert client.transcripts == server.transcripts
    assert (client.peer_properties, server.peer_properties) == (b"from the server", b"from the client")
    for size in SIZES:
        for source, target in ((client.records, server.records), (server.records, client.records)):
            source.send(b"%" * size)
            assert b"%" * size in vectors.exchange(source, target)


@pytest.mark.parametrize("known", [True, False], ids=["known", "anonymous"])
@pytest.mark.parametrize("under_load", [True, False], ids=["retry", "no-retry"])
def test_handshakes(suite, known, under_load):
    pair = Pair(suite.kem)
    cookies, tickets = Cookies(under_load), Tickets()
    kept = None
    for resumed in (False, True, True):
        client = pair.ask([suite.number], known, ticket=kept)
        server = pair.serve(cookies=cookies, tickets=tickets, address=b"127.0.0.1")
        pair.meet(client, server)
        agree(client, server)
        assert server.resumed == resumed and client.retried == ({"cookie"} if under_load else set())
        assert server.identity == ((1, pair.client.public) if known else (0, b""))
        kept = client.new_ticket


def test_lengths_in_the_document():
    pair = Pair(XWING)
    *_, bodies = pair.meet(pair.ask([1]), pair.serve())
    assert [len(body) for body in bodies[:2]] == [3_631, 2_299]
    assert [len(pair.ask([1], known).begin(b"")) for known in (True, False)] == [3_631] * 2


def test_servers_favourite():
    pair = Pair(XWING)
    for favourite in suites_of(XWING):
        client, *_ = pair.meet(pair.ask(), pair.serve([3, favourite]))
        assert client.suite.number == favourite


def test_no_suite_in_common():
    pair = Pair(XWING)
    client, server, bodies = pair.meet(pair.ask([2]), pair.serve([1, 3]))
    assert bodies[-1] == b"\5ERROR\5suite" and client.reason == b"suite" and not client.records and not server.records


@pytest.mark.parametrize("status", commands.STATUS_CODES)
def test_refused_by_the_authenticator(suite, status):
    pair = Pair(suite.kem)
    client, server, _ = pair.meet(None, pair.serve(authenticate=lambda *_: status))
    assert client.status == status and not client.records and not server.records


def test_error_in_place_of_ready_must_open():
    pair = Pair(XWING)
    client, server = pair.ask(), pair.serve(authenticate=lambda *_: b"400")
    server.begin(b"")
    welcome = server.receive(client.begin(b""))
    error = server.receive(client.receive(welcome))
    for edited in (b"\5ERROR\5suite", edit(error, len(error) - 1), error[:-1]):
        with pytest.raises(Fault):
            client.receive(edited)


def test_tickets_that_cannot_be_used():
    """RETRY three times: a cookie for the ticket, no to the ticket, a cookie for the full handshake."""
    pair, tickets, cookies = Pair(XWING), Tickets(), Cookies()
    kept = pair.meet(None, pair.serve(tickets=tickets))[0].new_ticket
    tickets.replace_key()
    client, server = pair.ask(ticket=kept), pair.serve(tickets=tickets, cookies=cookies)
    *_, bodies = pair.meet(client, server)
    assert [commands.name_of(body) for body in bodies].count(b"RETRY") == 3
    assert client.retried == {"ticket", "cookie"} and not server.resumed
    agree(client, server)


@pytest.mark.parametrize("at", range(0, 2_500, 31))
def test_a_refused_hello_is_covered(at):
    """Both sides have seen the HELLO whose ticket was refused."""
    pair, tickets = Pair(XWING), Tickets()
    kept = pair.meet(None, pair.serve(tickets=tickets))[0].new_ticket
    client, server = pair.ask(ticket=kept), pair.serve(tickets=Tickets())
    assert outcome(client, server, 0, at) == "fault"


def test_a_ticket_that_comes_of_a_ticket_ends_when_that_does():
    now, pair = [1_000], Pair(XWING)
    tickets = Tickets(life_s=100, now=lambda: now[0])
    kept, resumed = None, []
    for _ in range(3):
        client, server, _ = pair.meet(pair.ask(ticket=kept), pair.serve(tickets=tickets))
        resumed.append(server.resumed)
        kept, now[0] = client.new_ticket, now[0] + 60
    assert resumed == [False, True, False]


def test_a_client_that_asks_gets_no_ticket():
    pair, authority = Pair(XWING), Authority(2)
    shown = authority.sign(keys.public_key(XWING, pair.server.public), "orders", SERVER)
    asking = Client(None, XWING, pair=pair.client, name="orders", trust=Trust([authority.public]))
    asked, server, bodies = pair.meet(asking, pair.serve(tickets=Tickets(), shown=shown))
    assert asked.records and server.records and asked.new_ticket is None
    assert len(bodies[-1]) < 200 < len(pair.meet(None, pair.serve(tickets=Tickets()))[2][-1])


def test_tickets_of_others():
    """Another key of the server's, and another KEM's."""
    pair, tickets = Pair(XWING), Tickets()
    kept = pair.meet(None, pair.serve(tickets=tickets))[0].new_ticket
    assert pair.ask(ticket=kept).ticket and not Pair(XWING).ask(ticket=kept).ticket
    assert tickets.open(XWING, XWING.key_id(pair.server.public), kept.data)
    assert not tickets.open(XWING, bytes(8), kept.data)
    assert not tickets.open(KEMS[2], XWING.key_id(pair.server.public), kept.data)


@pytest.mark.parametrize("retry", [Retry(True), Retry(True, bytes(8))])
def test_a_refusal_of_no_ticket(retry):
    client = Pair(XWING).ask()
    client.begin(b"")
    with pytest.raises(Fault):
        client.receive(retry.encode())


def test_a_second_cookie():
    client = Pair(XWING).ask()
    first = client.begin(b"")
    again = client.receive(Retry(False, b"a cookie").encode())
    assert again == first[:-1] + b"\x08a cookie"
    with pytest.raises(Fault):
        client.receive(Retry(False, b"a cookie").encode())


@pytest.mark.parametrize("body", [b"\0\0", b"\0\7" + bytes(7), b"\2\0", b"\2\x08" + bytes(8), b"\0\x09" + bytes(8), b"\1\0\0"])
def test_retry_for_nothing(body):
    with pytest.raises(Fault):
        Retry.parse(b"\5RETRY" + body)


def test_cookies_that_do_not_fit():
    pair, now = Pair(XWING), [1_000]
    cookies = Cookies(now=lambda: now[0])

    def serve(address=b"here"):
        server = pair.serve(cookies=cookies, address=address)
        server.begin(b"")
        return server

    client = pair.ask()
    asked = serve().receive(client.begin(b""))
    again = client.receive(asked)
    assert commands.name_of(serve().receive(again)) == b"WELCOME"
    other = Hello.parse(pair.ask().begin(b"")).with_cookie(Retry.parse(asked).cookie).encode()
    for server, body in ((serve(b"there"), again), (serve(), other), (pair.serve(), again), (serve(), edit(again, len(again) - 1))):
        with pytest.raises(Fault):
            server.receive(body)
    now[0] += 61
    with pytest.raises(Fault):
        serve().receive(again)
    cookies.under_load = False
    with pytest.raises(Fault):
        serve().receive(again)


def test_wrong_keys():
    """The client expects another server; the client has not the key that it tells; a server without the key."""
    pair = Pair(XWING)
    stranger = pair.ask()
    stranger.server = XWING.keypair().public
    with pytest.raises(Fault, match="no such key"):
        pair.meet(stranger)
    liar = pair.ask()
    liar.pair = XWING.keypair()
    with pytest.raises(Fault, match="does not open"):
        pair.meet(liar)
    server = pair.serve()
    server.pairs = {key: XWING.keypair() for key in server.pairs}
    with pytest.raises(Fault, match="does not open"):
        pair.meet(None, server)


def test_no_key_at_all():
    """A public key that breaks the rule of FIPS 203, section 7.2: its first coefficients are too large."""
    for kem in KEMS.values():
        pair = Pair(kem)
        broken = b"\xff" * 6 + pair.client.public[6:]
        client = pair.ask(identity=commands.encode_identity(kem, commands.PUBLIC_KEY, broken))
        with pytest.raises(Fault, match="public key"):
            pair.meet(client)


@pytest.mark.parametrize(
    "text",
    [
        b"\0\0\1x",
        b"\1\0\0",
        b"\3\0\0",
        b"\0\0\0x",
        b"\2\0\0",
        b"\1\xff\xff",
    ],
)
def test_identities_that_are_none(text):
    pair = Pair(XWING)
    client = pair.ask(identity=text.ljust(XWING.public_bytes + 8, b"\0"))
    with pytest.raises(Fault):
        pair.meet(client)


def test_other_greetings(suite):
    pair = Pair(suite.kem)
    client, server = pair.ask(), pair.serve()
    server.begin(b"\1")
    with pytest.raises(Fault, match="does not open"):
        server.receive(client.begin(b"\0"))


@pytest.mark.parametrize("resuming", [False, True], ids=["full", "resuming"])
@pytest.mark.parametrize("edited", range(4), ids=["HELLO", "WELCOME", "INITIATE", "READY"])
def test_edited_bytes(suite, edited, resuming):
    """Whatever byte of the handshake an attacker changes, it does not come to its end, also where the ticket is refused."""
    pair, tickets = Pair(suite.kem), Tickets()
    kept = pair.meet(None, pair.serve(tickets=tickets))[0].new_ticket
    length = len(pair.meet(pair.ask(ticket=kept if resuming else None), pair.serve(tickets=tickets))[2][edited])
    places = sorted({*range(min(EDGE_BYTES, length)), *range(0, length, STEP_BYTES), *range(max(0, length - EDGE_BYTES), length)})
    for at in places:
        client, server = pair.ask(ticket=kept if resuming else None), pair.serve(tickets=tickets)
        assert outcome(client, server, edited, at) == "fault", f"byte {at}"


def outcome(client, server, edited, at):
    server.begin(b"")
    sides = itertools.cycle([server, client])
    body = client.begin(b"")
    try:
        for number in itertools.count():
            body = next(sides).receive(edit(body, at) if number == edited else body)
            if body is None:
                return "keys"
            if commands.name_of(body) == b"ERROR":
                return "fault"
    except Fault:
        return "fault"


def edit(body, at):
    return body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :]


@pytest.mark.parametrize("change", ["shorter", "longer"])
@pytest.mark.parametrize("number", range(4))
def test_wrong_lengths(number, change):
    pair = Pair(XWING)
    client, server = pair.ask(), pair.serve(tickets=Tickets())
    server.begin(b"")
    sides = itertools.cycle([server, client])
    body = client.begin(b"")
    for _ in range(number):
        body = next(sides).receive(body)
    with pytest.raises(Fault):
        next(sides).receive(body[:-1] if change == "shorter" else body + b"\0")


@pytest.mark.parametrize("name", [b"HELLO", b"WELCOME", b"INITIATE", b"READY", b"RETRY", b"ERROR"])
def test_commands_out_of_turn(name):
    """To a server that waits for HELLO and for INITIATE, and to a client after it has keys."""
    pair = Pair(XWING)
    client, server = pair.ask(), pair.serve()
    *_, bodies = pair.meet(client, server)
    body = next((body for body in bodies if commands.name_of(body) == name), commands.named(name) + bytes(40))
    if name != b"HELLO":
        with pytest.raises(Fault):
            pair.serve().receive(body)
    for side in (client, server):
        with pytest.raises(Fault):
            side.receive(body)


def test_a_replayed_hello_leads_nowhere():
    """To WELCOME, and not on: neither what the client said then nor anything else is taken for INITIATE."""
    pair = Pair(XWING)
    *_, bodies = pair.meet()
    again = pair.serve()
    again.begin(b"".join(vectors.GREETINGS))
    assert commands.name_of(again.receive(bodies[0])) == b"WELCOME"
    with pytest.raises(Fault, match="does not open"):
        again.receive(bodies[2])


def test_padding_of_the_boxes_must_be_zero_and_short():
    good = commands.padded(commands.properties_text(b"\1a\0\0\0\0"))
    assert commands.parse_initiate_text(good) == b"\1a\0\0\0\0" and len(good) == 64
    for text in (good[:-1] + b"\1", good + bytes(64), good[:-1], b"\xff\xff\xff\xff" + bytes(60)):
        with pytest.raises(Fault):
            commands.parse_initiate_text(text)


def test_both_sides_have_keys_of_their_own(suite):
    pair = Pair(suite.kem)
    client, *_ = pair.meet()
    assert isinstance(client.records, Records)
    assert client.records.sending.key != client.records.receiving.key
