"""Test vectors of docs/qzmq.md: verifies those of a file, and makes new ones.

A verifier has the seeds and what went over the wire. It decapsulates, derives, opens every box and compares.
"""

import json
import os

from . import commands, keys
from .client import Client
from .certificates import BOTH, CLIENT, SERVER, Authority, Trust
from .commands import ANONYMOUS, CERTIFICATE, FULL, PUBLIC_KEY, RESUMING, Ask, Hello, Welcome
from .records import DATA, KEY_UPDATE, Direction, Secrets
from .schedule import Schedule
from .server import Cookies, Server, Tickets
from .suites import SECRET_BYTES, SUITES, suite_of_hello, suites_of

GREETINGS = [bytes.fromhex("ff00000000000000017f0301") + b"QZMQ".ljust(20, b"\0") + bytes(32)] * 2
_MODES = {"full": FULL, "resuming": RESUMING}
_NOTHING = bytes(SECRET_BYTES)
# When the certificates in vectors are valid.
SECOND = 1_800_000_000


def load(file):
    """The handshakes in a file, as dictionaries with bytes in place of hexadecimal."""
    return [_unhex(handshake) for handshake in json.loads(file.read_text())["handshakes"]]


def dump(handshakes):
    return json.dumps({"handshakes": [_hex(handshake) for handshake in handshakes]}, indent=1) + "\n"


def verify(vector):
    """Fails with an AssertionError that names the member which is not as it should be."""
    suite = SUITES[vector["suite"]]
    kem = suite.kem
    server = kem.keypair(vector["server_seed"])
    ephemeral = kem.keypair(vector["ephemeral_seed"])
    client = kem.keypair(vector["client_seed"]) if vector["client_seed"] else None
    hello = Hello.parse(vector["hello"])
    resuming = hello.mode == RESUMING
    expect("hello", hello.encode(), vector["hello"])
    expect("mode", hello.mode, _MODES[vector["mode"]])
    expect("suites", list(hello.suites), list(vector["suites"]))
    expect("ephemeral_seed", ephemeral.public, hello.ephemeral)
    expect("server_seed", kem.key_id(server.public), hello.key_id)

    check_server_certificate(vector, kem, server)
    greetings = vector["client_greeting"] + vector["server_greeting"]
    schedule = Schedule(kem, greetings, server.public, vector["psk"] or None, vector["refused"], vector["asked"])
    schedule.absorb(hello.head)
    schedule.mix(_NOTHING if resuming else kem.decapsulate(server, hello.proof))
    identity = schedule.open("hello", hello.box, suite_of_hello(kem))
    known = identity_in(vector, kem, client)
    expect("client_seed", None if resuming else commands.parse_identity(kem, identity), None if resuming else known)
    schedule.absorb(hello.cookie_field)
    expect("hello_h", schedule.h, vector["hello_h"])

    welcome = Welcome.parse(vector["welcome"], hello.mode, hello.suites, kem)
    expect("suite", welcome.suite, suite)
    schedule.absorb(welcome.head)
    schedule.mix(kem.decapsulate(ephemeral, welcome.ciphertext))
    ciphertext = schedule.open("welcome", welcome.box, suite)
    anonymous = bytes(0 if resuming else kem.ciphertext_bytes)
    if resuming or not client:
        expect("welcome", ciphertext, anonymous)
    schedule.mix(kem.decapsulate(client, ciphertext) if client and not resuming else _NOTHING)
    expect("welcome_h", schedule.h, vector["welcome_h"])

    schedule.absorb(commands.named(b"INITIATE"))
    text = schedule.open("initiate", commands.boxed(vector["initiate"], b"INITIATE"), suite)
    expect("client_properties", commands.parse_initiate_text(text), vector["client_properties"])
    expect("initiate_h", schedule.h, vector["initiate_h"])
    expect("next_psk", schedule.derive("resumption"), vector["next_psk"])

    schedule.absorb(commands.named(b"READY"))
    text = schedule.open("ready", commands.boxed(vector["ready"], b"READY"), suite)
    promised = vector["server_properties"], vector["ticket_life_s"], vector["ticket"]
    expect("server_properties, ticket", commands.parse_ready_text(text), promised)
    expect("ready_h", schedule.h, vector["ready_h"])
    secrets = Secrets.of(schedule)
    expect("secrets", secrets, secrets_in(vector))

    for side, secret in (("client", secrets.client), ("server", secrets.server)):
        direction = Direction(suite, secret)
        for number, record in enumerate(vector[f"{side}_records"]):
            check_record(f"{side}_records[{number}]", direction, record)
    update = vector["update"]
    public = kem.keypair(update["seed"])
    shared = kem.decapsulate(public, update["ciphertext"])
    expect("update", secrets.updated(kem, public.public, update["ciphertext"], shared), secrets_in(update))


def trust_in(vector):
    return Trust(vector["authorities"], now=lambda: vector["second"])


def check_server_certificate(vector, kem, server):
    """What a client makes of the answer that it has asked for. Without certificates nothing is said about them."""
    if vector["asked"]:
        ask = Ask(kem).encode()
        expect("asked", vector["asked"][: len(ask)], ask)
        shown = trust_in(vector).check(kem, commands.boxed(vector["asked"][len(ask) :], b"CERTIFICATE"), SERVER)
        expect("asked", (shown.name, shown.public), (vector["server_name"], server.public))
    else:
        expect("server_name", vector["server_name"], "")
    if not vector["asked"] and not vector["client_certificate"]:
        expect("authorities, second", (vector["authorities"], vector["second"]), ([], 0))


def identity_in(vector, kem, client):
    """What the client says of itself, checked as its server does."""
    shown = vector["client_certificate"]
    if not shown:
        return (PUBLIC_KEY, client.public) if client else (ANONYMOUS, b"")
    expect("client_certificate", trust_in(vector).check(kem, shown, CLIENT).public, client.public)
    return CERTIFICATE, shown


def expect(what, found, wanted):
    assert found == wanted, what


def check_record(what, direction, record):
    wire = record["record"]
    expect(f"{what}: length", int.from_bytes(wire[:2]), len(wire) - 2)
    stripped = direction.open(wire[2:]).rstrip(b"\0")
    expect(what, (stripped[-1], stripped[:-1]), (record["type"], record["content"]))


def secrets_in(members):
    return Secrets(*(members[f"{side}_secret"] for side in ("client", "server", "update")))


def make_all():
    """Of each suite: a known client that is sent a cookie, the same one that resumes, with padded records, or whose ticket is refused,
    an anonymous one, and one that shows a certificate and asks for the server's."""
    made = []
    for number, suite in SUITES.items():
        full, kept = make(f"{suite}, known, with a cookie", [number], True, Cookies())
        resuming, _ = make(f"{suite}, resuming, padded records", [number], False, ticket_from=kept, pad=256)
        refused, _ = make(f"{suite}, whose ticket is refused", [number], False, ticket_from={**kept, "tickets": Tickets()})
        # The other suite of the KEM is the client's favourite, and the server's is not.
        offered = [*(other for other in suites_of(suite.kem) if other != number), number]
        anonymous, _ = make(f"{suite}, anonymous, by the server's choice", offered, False)
        certified, _ = make(f"{suite}, certified on both sides", [number], True, authority=Authority(1 + number % 2))
        made += [full, resuming, refused, anonymous, certified]
    return made


def make(name, suites, known, cookies=None, ticket_from=None, pad=1, authority=None):
    """A handshake of this client with this server, as a vector. `ticket_from` is an earlier one that it resumes. `authority` signs
    certificates of both, for one second."""
    kem = SUITES[suites[0]].kem
    earlier = ticket_from or {}
    tickets = earlier.get("tickets") or Tickets()
    server_seed, ephemeral_seed = earlier.get("server_seed") or os.urandom(kem.seed_bytes), os.urandom(kem.seed_bytes)
    pair = kem.keypair() if known else None
    server = kem.keypair(server_seed)
    sides = {"client_properties": b"\x0bSocket-Type\0\0\0\4PUSH", "server_properties": b"\x0bSocket-Type\0\0\0\4PULL"}
    second = SECOND if authority else 0
    trust = Trust([authority.public], now=lambda: second) if authority else None
    sign = lambda key, name: authority.sign(keys.public_key(kem, key.public), name, BOTH, second, second + 1) if authority else b""
    shown, server_name = sign(server, "orders"), "orders" if authority else ""
    theirs = Server([(kem, server)], suites[-1:], sides["server_properties"], cookies=cookies, tickets=tickets, trust=trust, shown=shown)
    mine = Client(
        None if authority else server.public,
        kem,
        suites,
        pair,
        sides["client_properties"],
        earlier.get("ticket_kept"),
        ephemeral_seed,
        certificate=sign(pair, "alice") if pair else b"",
        name=server_name,
        trust=trust,
    )
    bodies = converse(mine, theirs)
    client_records, server_records, update = _talk(mine.records, theirs.records, pad)
    named = {commands.name_of(body).decode().lower(): body for body in bodies}
    secrets = Secrets.of(mine.schedule)
    vector = {
        "name": name,
        "suites": list(suites),
        "suite": mine.suite.number,
        "mode": "resuming" if theirs.resumed else "full",
        "server_seed": server_seed,
        "client_seed": pair.seed if pair else b"",
        "ephemeral_seed": ephemeral_seed,
        "psk": earlier["next_psk"] if theirs.resumed else b"",
        "asked": theirs.asked,
        "refused": theirs.refused,
        "authorities": [authority.public] if authority else [],
        "client_certificate": mine.shown,
        "server_name": server_name,
        "second": second,
        "client_greeting": GREETINGS[0],
        "server_greeting": GREETINGS[1],
        **{command: named[command] for command in ("hello", "welcome", "initiate", "ready")},
        **sides,
        "ticket": mine.new_ticket.data if mine.new_ticket else b"",
        "ticket_life_s": commands.parse_ready_text(_reopened(mine, named["ready"]))[1],
        **{f"{command}_h": h for command, h in mine.transcripts.items()},
        "next_psk": mine.psk,
        "client_secret": secrets.client,
        "server_secret": secrets.server,
        "update_secret": secrets.update,
        "client_records": client_records,
        "server_records": server_records,
        "update": update,
    }
    return vector, {"tickets": tickets, "server_seed": server_seed, "ticket_kept": mine.new_ticket, "next_psk": mine.psk}


def _reopened(client, ready):
    """The text of READY once more."""
    schedule = client.schedule
    schedule.h = client.transcripts["initiate"]
    schedule.absorb(commands.named(b"READY"))
    return schedule.open("ready", commands.boxed(ready, b"READY"), client.suite)


def _talk(mine, theirs, pad):
    """Records of both directions, and a key update that the client begins."""
    initial = []
    for side in (mine, theirs):
        side.pad = pad
        contents = [b"\0\5hello", b"\0" * 40, os.urandom(300)]
        for content in contents:
            side.send(content)
        initial.append([_record(DATA, content, wire) for content, wire in zip(contents, side.outgoing)])
        exchange(mine, theirs)
    seed = os.urandom(mine.kem.seed_bytes)
    mine.begin_update(seed)
    initial[0].append(_record(KEY_UPDATE, mine.ephemeral.public, mine.outgoing[0]))
    theirs.receive(mine.outgoing.pop()[2:])
    answer = theirs.outgoing[0]
    ciphertext = Direction.open(mine.receiving, answer[2:])[: mine.kem.ciphertext_bytes]
    mine.receiving.count -= 1
    exchange(mine, theirs)
    after = mine.secrets
    update = {"seed": seed, "ciphertext": ciphertext}
    update |= {"client_secret": after.client, "server_secret": after.server, "update_secret": after.update}
    return *initial, update


def _record(kind, content, wire):
    return {"type": kind, "content": content, "record": wire}


def converse(client, server, greetings=b"".join(GREETINGS)):
    """Lets a client and a server finish. All bodies, in order."""
    server.begin(greetings)
    bodies = [client.begin(greetings)]
    sides = [server, client]
    while True:
        answer = sides[0].receive(bodies[-1])
        if answer is None:
            return bodies
        bodies.append(answer)
        sides.reverse()


def exchange(mine, theirs):
    """Hands over the records of both sides until there are none. What each has received: (mine, theirs)."""
    received = {id(mine): b"", id(theirs): b""}
    while mine.outgoing or theirs.outgoing:
        for source, target in ((mine, theirs), (theirs, mine)):
            while source.outgoing:
                received[id(target)] += target.receive(source.outgoing.pop(0)[2:])
    return received[id(mine)], received[id(theirs)]


def _hex(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _hex(member) for name, member in value.items()}
    return [_hex(member) for member in value] if isinstance(value, list) else value


_TEXTS = {"name", "mode", "server_name"}


def _unhex(value, name=None):
    if isinstance(value, dict):
        return {name: _unhex(member, name) for name, member in value.items()}
    if isinstance(value, list):
        return [_unhex(member) for member in value]
    return bytes.fromhex(value) if isinstance(value, str) and name not in _TEXTS else value
