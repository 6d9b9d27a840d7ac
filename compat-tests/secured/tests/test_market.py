"""Three nodes at three hosts, each with prices for the others and orders from them: with keys of the hybrid suites, with keys of ML-KEM
alone, and in the middle of a migration, where the third still runs libzmq with keys of CURVE."""

import os
import subprocess

import hosts
import pytest
import zmq.auth

NAMES = ("tokyo", "london", "newyork")
# The process of the third node: the stock libzmq in the wheel of pyzmq.
STOCK = {"LD_PRELOAD": ""}


@pytest.fixture(scope="module")
def switch():
    try:
        switch = hosts.Switch()
    except hosts.Unavailable as why:
        pytest.skip(str(why))
    yield switch
    switch.end()


class Keys:
    """A folder with keys for all nodes, and one in it of those to let in."""

    def __init__(self, folder, suite=None):
        self.folder, self.users = folder, {}
        (folder / "let-in").mkdir(parents=True)
        kind = ["--qzmq", "--suite", suite] if suite else []
        for name in NAMES:
            keygen = [os.environ["SECURED_TOOL"], "keygen", *kind, "--name", name, "--out", folder]
            subprocess.run(keygen, check=True, capture_output=True, env={**os.environ, "LD_PRELOAD": ""})
            short = folder / (f"{name}.fingerprint.key" if suite else f"{name}.key")
            self.let_in(short)
            self.users[name] = zmq.auth.load_certificate(short)[0].decode()

    def let_in(self, file, mark=""):
        (self.folder / "let-in" / f"{mark}{file.name}").write_bytes(file.read_bytes())


class Node:
    def __init__(self, place, name, address, host, others, folders, **settings):
        self.name = name
        self.trail = None if settings else place.trail(f"{name}-trail")
        if self.trail:
            settings["FERROZMQ_AUDIT"] = self.trail.path
        peers = [f"{other}={where}" for other, where in others.items()]
        self.process = place.run("market.py", name, address, *map(str, folders), *peers, host=host, **settings)
        assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def heard(self, count):
        """What it prints, line by line."""
        return [self.process.stdout.readline().strip() for _ in range(count)]

    def mechanisms(self, count):
        """Of so many connections that begin at it: by direction and address."""
        records = [self.trail.next("authentication", outcome="ok") for _ in range(count)]
        return {(record["direction"], record["peer"], record["mechanism"]) for record in records}


def trade(place, switch, folders, settings=({}, {}, {})):
    """All nodes hear of all others, and every order is filled."""
    addresses = dict(zip(NAMES, switch.ADDRESSES))
    nodes = []
    for name, (address, host), own, extra in zip(NAMES, switch.hosts, folders, settings):
        others = {other: where for other, where in addresses.items() if other != name}
        nodes.append(Node(place, name, address, host, others, [keys.folder for keys in own], **extra))
    for node in nodes:
        node.begin()
    return nodes


def expected(node, users):
    """`users`: by what name a node's orders are known to each of the others."""
    lines = set()
    for other in NAMES:
        if other != node.name:
            lines |= {f"prices {other}", f"order {other} a hundred of {other} sold to {users[other]}"}
    return lines


@pytest.mark.parametrize("suite", ["x-wing", "ml-kem-1024"])
def test_all_speak_qzmq(place, switch, suite):
    keys = Keys(place.folder / "keys", suite)
    nodes = trade(place, switch, [[keys]] * 3)
    for node in nodes:
        assert set(node.heard(4)) == expected(node, dict.fromkeys(NAMES, keys.users[node.name]))
    for node in nodes:
        # Two connections to each of the others, and two from each.
        found = node.mechanisms(8)
        assert {mechanism for _, _, mechanism in found} == {"QZMQ"}
        assert {direction for direction, _, _ in found} == {"in", "out"}


def test_a_migration(place, switch):
    """The first two have keys of both kinds. With each other they speak QZMQ, with the third CURVE."""
    qzmq, curve = Keys(place.folder / "qzmq", "x-wing"), Keys(place.folder / "curve")
    for name in NAMES:
        qzmq.let_in(curve.folder / f"{name}.key", "curve-")
    both = [qzmq, curve]
    nodes = trade(place, switch, [both, both, [curve]], ({}, {}, STOCK))
    old = NAMES[2]
    for node in nodes:
        users = {other: (curve if old in (node.name, other) else qzmq).users[node.name] for other in NAMES}
        assert set(node.heard(4)) == expected(node, users)
    for node, other in ((nodes[0], switch.ADDRESSES[1]), (nodes[1], switch.ADDRESSES[0])):
        third = switch.ADDRESSES[2]
        assert node.mechanisms(8) == {
            (direction, peer, mechanism)
            for direction in ("in", "out")
            for peer, mechanism in ((other, "QZMQ"), (third, "CURVE"))
        }
