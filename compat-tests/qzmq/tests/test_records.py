"""Records and key updates, between two sides of the second implementation."""

import random

import pytest

from qzmq import vectors
from qzmq.records import (
    KEPT_RECORDS,
    KEY_UPDATE,
    KEY_UPDATE_ACK,
    KEY_UPDATE_DONE,
    MAX_CONTENT_BYTES,
    MAX_FAST_UPDATES,
    MAX_RECORDS_PER_KEY,
    UPDATE_INTERVAL_S,
    Records,
    Secrets,
)
from qzmq.suites import SUITES, Fault


@pytest.fixture(params=SUITES.values(), ids=lambda suite: suite.name)
def sides(request):
    return pair(request.param)


def pair(suite=SUITES[1], pad=1):
    size = suite.kem.hash_bytes
    secrets = Secrets(b"c" * size, b"s" * size, b"u" * size)
    clock = Clock()
    client, server = (Records(suite, secrets, is_client, pad, clock) for is_client in (True, False))
    return client, server, clock


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def taken(side):
    records, side.outgoing = side.outgoing, []
    return [record[2:] for record in records]


def test_lost_repeated_moved_changed_reflected(sides):
    client, server, _ = sides
    for text in (b"one", b"two", b"three"):
        client.send(text)
    one, two, three = taken(client)
    assert server.receive(one) == b"one"
    for wrong in (one, three, two[:-1] + bytes([two[-1] ^ 1]), two[:-1], two + b"\0"):
        with pytest.raises(Fault):
            server.receive(wrong)
        server.receiving.count = 1
    server.send(b"four")
    with pytest.raises(Fault):
        server.receive(taken(server)[0])


@pytest.mark.parametrize("pad", [1, 16, 256, 4_096, 16_384])
def test_padding(pad):
    client, server, _ = pair(pad=pad)
    # Zeros at the end of the content are content.
    for content in (b"x", b"\0", bytes(100), b"y" * (MAX_CONTENT_BYTES - 1), b"z" * MAX_CONTENT_BYTES):
        client.send(content)
        box = taken(client)[0]
        size = len(box) - 16
        assert server.receive(box) == content
        assert size % pad == 0 or size == MAX_CONTENT_BYTES + 1


@pytest.mark.parametrize(
    "text",
    [b"", b"\0", bytes(16_385), b"\1", b"\5", b"x\0", b"x\5", b"x\4", b"x" * 10 + b"\2", b"x" * 16_385 + b"\1", b"\3"],
    ids=lambda text: f"{len(text)}-{text[-3:].hex()}",
)
def test_texts_that_are_none(text):
    client, server, _ = pair()
    with pytest.raises(Fault):
        server.receive(client.sending.seal(text)[2:])


@pytest.mark.parametrize("first", ["client", "server"])
def test_update(sides, first):
    client, server, clock = sides
    before = client.secrets
    for turn in range(3):
        beginner = client if first == "client" else server
        beginner.begin_update()
        client.send(b"from the client")
        server.send(b"from the server")
        assert vectors.exchange(client, server) == (b"from the server", b"from the client")
        assert client.secrets == server.secrets != before
        assert client.updates == server.updates == turn + 1
        clock.now += UPDATE_INTERVAL_S
        before = client.secrets


def test_both_begin_at_once(sides):
    client, server, _ = sides
    client.begin_update()
    server.begin_update()
    ephemeral = client.ephemeral
    client.send(b"more")
    assert vectors.exchange(client, server) == (b"", b"more")
    assert client.secrets == server.secrets and client.updates == server.updates == 1
    assert ephemeral.public and client.state is server.state is None


@pytest.mark.parametrize("seed", range(60))
def test_any_order(seed):
    """Both sides send and begin updates as chance has it, and records take their time: all arrives, and both end with the same keys."""
    chance = random.Random(seed)
    client, server, clock = pair()
    on_the_way, sent, received = {0: [], 1: []}, {0: b"", 1: b""}, {0: b"", 1: b""}
    sides = (client, server)
    for step in range(400):
        at = chance.randrange(2)
        deed = chance.choice(["send", "update", "deliver", "deliver", "deliver"]) if step < 300 else "deliver"
        clock.now += 0.05
        if deed == "send":
            text = bytes([step % 256]) * chance.randrange(1, 300)
            sides[at].send(text)
            sent[at] += text
        elif deed == "update" and sides[at].may_update():
            sides[at].begin_update()
        elif deed == "deliver" and on_the_way[1 - at]:
            received[1 - at] += sides[at].receive(on_the_way[1 - at].pop(0))
        for number, side in enumerate(sides):
            on_the_way[number] += taken(side)
    for at in (0, 1) * 400:
        if on_the_way[1 - at]:
            received[1 - at] += sides[at].receive(on_the_way[1 - at].pop(0))
        on_the_way[at] += taken(sides[at])
    assert received == sent and client.secrets == server.secrets
    assert client.updates == server.updates > 3 and client.state is server.state is None


def test_too_many_updates():
    client, server, clock = pair()
    for number in range(MAX_FAST_UPDATES + 1):
        client.begin_update()
        box = taken(client)[0]
        if number == MAX_FAST_UPDATES:
            with pytest.raises(Fault, match="flood"):
                server.receive(box)
            return
        server.receive(box)
        vectors.exchange(client, server)


def test_updates_that_are_slow_enough():
    client, server, clock = pair()
    for _ in range(3 * MAX_FAST_UPDATES):
        client.begin_update()
        vectors.exchange(client, server)
        clock.now += UPDATE_INTERVAL_S
    assert server.updates == 3 * MAX_FAST_UPDATES


@pytest.mark.parametrize("kind", [KEY_UPDATE_ACK, KEY_UPDATE_DONE])
@pytest.mark.parametrize("to", ["client", "server"])
def test_not_due(sides, kind, to):
    client, server, _ = sides
    source, target = (server, client) if to == "client" else (client, server)
    content = bytes(source.kem.ciphertext_bytes if kind == KEY_UPDATE_ACK else 0)
    source._send(kind, content)
    with pytest.raises(Fault, match="not due"):
        target.receive(taken(source)[0])


def test_a_second_update_before_done(sides):
    client, server, _ = sides
    for _ in range(2):
        client.state = None
        client.begin_update()
    first, second = taken(client)
    server.receive(first)
    with pytest.raises(Fault, match="second"):
        server.receive(second)


def test_an_answer_to_another_key(sides):
    """The next record does not open."""
    client, server, _ = sides
    client.begin_update()
    server.receive(taken(client)[0])
    client.ephemeral = client.kem.keypair()
    server.send(b"new key")
    ack, data = taken(server)
    client.receive(ack)
    with pytest.raises(Fault, match="does not open"):
        client.receive(data)


def test_what_stolen_keys_open():
    """Up to the next update, and nothing behind it."""
    client, server, _ = pair()
    thief = Records(client.suite, client.secrets, False)
    client.send(b"stolen")
    box = taken(client)[0]
    assert thief.receive(box) == server.receive(box) == b"stolen"
    client.begin_update()
    asked = taken(client)[0]
    server.receive(asked)
    thief.receiving.open(asked)
    client.receive(taken(server)[0])
    client.send(b"healed")
    done, data = taken(client)
    server.receive(done)
    thief.receiving.open(done)
    assert server.receive(data) == b"healed"
    for direction in (thief.receiving, thief.sending):
        with pytest.raises(Fault):
            direction.open(data)


def test_the_last_records_of_a_key():
    """Data stops two before the limit. What an update needs still has room, and it gives new keys."""
    client, server, _ = pair()
    for side in (client, server):
        side.sending.count = side.receiving.count = MAX_RECORDS_PER_KEY - KEPT_RECORDS - 1
    client.begin_update()
    server.begin_update()
    for side in (client, server):
        with pytest.raises(Fault, match="no update in time"):
            side.send(b"too late")
    vectors.exchange(client, server)
    assert client.updates == server.updates == 1 and client.secrets == server.secrets
    client.send(b"in time")
    assert vectors.exchange(client, server) == (b"", b"in time")


def test_records_beyond_the_last():
    client, server, _ = pair()
    client.sending.count = server.receiving.count = MAX_RECORDS_PER_KEY
    for opened in (lambda: client.sending.seal(b"x\1"), lambda: server.receive(bytes(20))):
        with pytest.raises(Fault, match="too many"):
            opened()


def test_a_public_key_that_is_none(sides):
    client, server, _ = sides
    client._send(KEY_UPDATE, b"\xff" * client.kem.public_bytes)
    with pytest.raises(Fault, match="public key"):
        server.receive(taken(client)[0])
