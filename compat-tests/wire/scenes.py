"""What is said in each conversation. A scene is a function of a `Talk`; what it hears is compared."""

import struct

from zmtp import (
    DEALER, NAMES, PAIR, PUB, PULL, PUSH, REP, REQ, ROUTER, SIGNATURE, STREAM, SUB, VERSIONS, XPUB, XSUB, Version, command,
    frame, greeting, prop, ready,
)

PARTNER = {
    PAIR: PAIR, PUB: SUB, SUB: PUB, REQ: REP, REP: REQ, DEALER: ROUTER, ROUTER: DEALER, PULL: PUSH, PUSH: PULL, XPUB: SUB,
    XSUB: PUB,
}
ROUTING_ID, SUBSCRIBE, UNSUBSCRIBE, MAXMSGSIZE, PLAIN_SERVER, PLAIN_USERNAME, PLAIN_PASSWORD = 5, 6, 7, 22, 44, 45, 46
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY, HEARTBEAT_IVL, HEARTBEAT_TTL, LINGER = 47, 48, 49, 50, 75, 76, 17
SIZES = (0, 1, 254, 255, 256, 9000)


def number(value):
    return struct.pack("=i", value)


def all_scenes(curve):
    """Every scene by name."""
    for version in VERSIONS:
        for kind, partner in PARTNER.items():
            for connects in (False, True):
                side = "connects" if connects else "binds"
                yield f"{NAMES[kind]} {side}, peer of {version.name}", conversation(version, kind, partner, connects)
    for connects in (False, True):
        side = "connects" if connects else "binds"
        yield f"STREAM {side}", stream(connects)
        yield f"routing id, {side}", routing_id(connects)
        yield f"heartbeats, {side}", heartbeats(connects)
        for name, steps in MISTAKES.items():
            yield f"{name}, DEALER {side}", mistake(steps, connects)
        for status in (b"200", b"300", b"400", b"500", b"600"):
            yield f"PLAIN server, status {status.decode()}, {side}", plain_server(b"user", b"secret", status, connects)
        yield f"PLAIN server, long names, {side}", plain_server(b"u" * 255, b"", b"200", connects)
        yield f"PLAIN server alone, {side}", plain_bad_hello(command(b"HELLO", b"\x01u\x01p"), connects)
        yield f"own PINGs, {side}", own_pings(connects)
        yield f"PLAIN client, {side}", plain_client(connects)
        for name, hello in BAD_HELLOS.items():
            yield f"PLAIN server, {name}, {side}", plain_bad_hello(hello, connects)
        if curve:
            yield f"CURVE client, {side}", curve_client(connects)
            yield f"CURVE server, {side}", curve_server(connects)


def shake(talk, version, kind, identity=b""):
    talk.hear()
    for step in version.handshake(kind, identity):
        talk.say(step)
        talk.hear()


def conversation(version, kind, partner, connects):
    def scene(talk):
        talk.open(kind, [(ROUTING_ID, b"ours")], connects)
        shake(talk, version, partner, b"peer")
        TRAFFIC[kind](talk, version)
        talk.say(version.message(b"out of", b"turn"))
        talk.hear()
        talk.peer.close()
        talk.events()

    return scene


def send_sizes(talk, version):
    for size in SIZES:
        talk.call(f"send s0 x{b'm'.hex() * size} 0")
        talk.hear()
    talk.call("sendiov s0 3 2")
    talk.hear()


def hear_sizes(talk, version):
    for size in SIZES:
        talk.say(version.message(b"p" * size))
        talk.receive()
    talk.say(version.message(b"a", b"", b"c"))
    talk.receive()


def both(talk, version):
    send_sizes(talk, version)
    hear_sizes(talk, version)


def publish(talk, version):
    for topic, subscribe in ((b"a", True), (b"ab", True), (b"z" * 254, True), (b"a", False), (b"no", False)):
        talk.say(version.subscription(topic, subscribe))
        talk.hear()
        talk.call("recv_all s0")
    for text in (b"a1", b"ab1", b"b1", b"ab" + b"c" * 300, b"z" * 255):
        talk.call(f"send s0 x{text.hex()} 0")
        talk.hear()
    talk.call(f"send s0 x{b'ab'.hex()} 2")
    talk.call("send s0 x 0")
    talk.hear()


def subscribe(talk, version):
    for option, topic in ((SUBSCRIBE, b"a"), (SUBSCRIBE, b"a"), (SUBSCRIBE, b""), (UNSUBSCRIBE, b"a"), (UNSUBSCRIBE, b"a"), (SUBSCRIBE, b"t" * 254)):
        talk.call(f"setsockopt s0 {option} x{topic.hex()}")
        talk.hear()
    hear_sizes(talk, version)


def xsubscribe(talk, version):
    for text in (b"\x01a", b"\x01a", b"\x01", b"\x00a", b"\x00a", b"hello", b"\x02x", b"", b"\x00unknown"):
        talk.call(f"send s0 x{text.hex()} 0")
        talk.hear()
    hear_sizes(talk, version)


def request(talk, version):
    for size in SIZES:
        talk.call(f"send s0 x{b'q'.hex() * size} 0")
        talk.hear()
        talk.say(version.message(b"", b"r" * size, b"s"))
        talk.receive()


def reply(talk, version):
    for size in SIZES:
        talk.say(version.message(b"hop", b"", b"q" * size))
        talk.receive()
        talk.call(f"send s0 x{b'r'.hex() * size} 0")
        talk.hear()


def route(talk, version):
    for size in SIZES:
        talk.say(version.message(b"q" * size, b"x"))
        talk.call("poll 700 s0 1")
        talk.call("echo s0")
        talk.hear()


TRAFFIC = {
    PAIR: both, DEALER: both, PUSH: send_sizes, PULL: hear_sizes, PUB: publish, XPUB: publish, SUB: subscribe,
    XSUB: xsubscribe, REQ: request, REP: reply, ROUTER: route,
}


def stream(connects):
    def scene(talk):
        talk.open(STREAM, [], connects)
        talk.hear()
        talk.receive()
        talk.say(b"GET / HTTP/1.0\r\n\r\n")
        talk.call("poll 700 s0 1")
        talk.call("echo s0")
        talk.hear()
        talk.peer.close()
        talk.receive()
        talk.events()

    return scene


def routing_id(connects):
    def scene(talk):
        talk.open(ROUTER, [(ROUTING_ID, b"\x01\x02me")], connects)
        talk.hear()
        talk.say(SIGNATURE + greeting(1))
        talk.hear()
        talk.say(ready(DEALER, b"some name", prop(b"X-Key", b"value"), prop(b"Resource", b"r")))
        talk.say(frame(b"hello"))
        talk.receive()
        talk.call(f"send s0 x{b'some name'.hex()} 2")
        talk.call(f"send s0 x{b'answer'.hex()} 0")
        talk.hear()
        talk.events()

    return scene


def heartbeats(connects):
    def scene(talk):
        talk.open(DEALER, [(HEARTBEAT_TTL, number(5000))], connects)
        shake(talk, Version("3.1"), ROUTER)
        for context in (b"", b"c", b"sixteen bytes ..", b"seventeen bytes .."):
            talk.say(command(b"PING", b"\x00\x00" + context))
            talk.hear()
        talk.say(command(b"PONG", b"unasked"))
        talk.say(frame(b"after"))
        talk.receive()
        # How many there are is chance, what they say is not.
        talk.call(f"setsockopt s0 {HEARTBEAT_IVL} x{number(30).hex()}")
        talk.events()

    return scene


def own_pings(connects):
    def scene(talk):
        talk.open(DEALER, [(HEARTBEAT_IVL, number(60)), (HEARTBEAT_TTL, number(5000))], connects, monitored=False)
        for step in Version("3.1").handshake(ROUTER):
            talk.say(step)
        ping = command(b"PING", b"\x00\x32")
        talk.hear(lambda data: data.replace(ping, b"", data.count(ping) - 1))

    return scene


# After the greeting of each: what is wrong with the rest.
GOOD = SIGNATURE + greeting(1)
MISTAKES = {
    "another mechanism": [SIGNATURE + greeting(1, b"PLAIN")],
    "unknown mechanism": [SIGNATURE + greeting(1, b"NOSUCH")],
    "mechanism without padding": [SIGNATURE + greeting(1, b"NULL\0X")],
    "newer version": [SIGNATURE + bytes([4]) + greeting(0)[1:], ready(ROUTER)],
    "minor version 9": [SIGNATURE + greeting(9), ready(ROUTER), frame(b"x")],
    "version 0": [SIGNATURE + bytes([0, ROUTER]), frame(b"")],
    "as-server set": [SIGNATURE + greeting(1, b"NULL", 1), ready(ROUTER)],
    "signature with bad end": [b"\xff" + bytes(8) + b"\x00", ready(ROUTER)],
    "signature length odd": [b"\xff\x11\x22\x33\x44\x55\x66\x77\x88\x7f" + greeting(1), ready(ROUTER)],
    "HTTP": [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "peer type that does not fit": [GOOD, ready(PULL)],
    "unknown peer type": [GOOD, command(b"READY", prop(b"Socket-Type", b"NOSUCH"))],
    "no peer type": [GOOD, command(b"READY")],
    "property cut short": [GOOD, command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x09ROUT")],
    "property name of length 0": [GOOD, command(b"READY", prop(b"Socket-Type", b"ROUTER") + prop(b"", b"x"))],
    "READY in lower case": [GOOD, command(b"ready", prop(b"Socket-Type", b"ROUTER"))],
    "property name in lower case": [GOOD, command(b"READY", prop(b"socket-type", b"ROUTER"))],
    "message before READY": [GOOD, frame(b"early")],
    "other command before READY": [GOOD, command(b"HELLO", b"x")],
    "READY twice": [GOOD, ready(ROUTER), ready(ROUTER), frame(b"x")],
    "ERROR": [GOOD, command(b"ERROR", b"\x03bad")],
    "ERROR cut short": [GOOD, command(b"ERROR", b"\x09bad")],
    "ERROR with a status": [GOOD, command(b"ERROR", b"\x03400")],
    "unknown command later": [GOOD, ready(ROUTER), command(b"NOSUCH", b"x"), frame(b"after")],
    "command of length 0": [GOOD, ready(ROUTER), bytes([4, 0]), frame(b"after")],
    "command with a name too long": [GOOD, ready(ROUTER), bytes([4, 2, 200, 65]), frame(b"after")],
    "PING cut short": [GOOD, ready(ROUTER), command(b"PING", b"\x00"), frame(b"after")],
    "PING without TTL": [GOOD, ready(ROUTER), command(b"PING"), frame(b"after")],
    "SUBSCRIBE to a DEALER": [GOOD, ready(ROUTER), command(b"SUBSCRIBE", b"a"), frame(b"after")],
    "frame too large": [GOOD, ready(ROUTER), frame(b"x" * 2001)],
    "frame just not too large": [GOOD, ready(ROUTER), frame(b"x" * 2000)],
    "reserved flags": [GOOD, ready(ROUTER), bytes([0xF0, 1, 65]), frame(b"after")],
    "command with more": [GOOD, ready(ROUTER), bytes([5, 5]) + b"\x04PING", frame(b"after")],
    "length of 63 bits": [GOOD, ready(ROUTER), bytes([2]) + b"\x7f" + b"\xff" * 7],
    "length with the top bit": [GOOD, ready(ROUTER), bytes([2]) + b"\x80" + bytes(7)],
    "long form of a short frame": [GOOD, ready(ROUTER), bytes([2]) + (3).to_bytes(8, "big") + b"abc"],
    "2.0 with a type that does not fit": [SIGNATURE, bytes([1, PULL]), frame(b"")],
    "2.0 with an unknown type": [SIGNATURE, bytes([1, 77]), frame(b"")],
    "2.0 with a long identity": [SIGNATURE, bytes([1, ROUTER]), frame(b"i" * 256), frame(b"x")],
    "1.0 with a frame of length 0": [b"\x01\x00", b"\x00"],
    "byte by byte": [bytes([byte]) for byte in GOOD + ready(ROUTER, b"slow")],
}


def mistake(steps, connects):
    def scene(talk):
        talk.open(DEALER, [(MAXMSGSIZE, struct.pack("=q", 2000))], connects)
        talk.hear()
        for at, step in enumerate(steps):
            talk.say(step)
            if len(steps) < 10 or at == len(steps) - 1:
                talk.hear()
        talk.call("recv_all s0")
        talk.call("recv_all s0")
        talk.events()

    return scene


def plain_server(name, password, status, connects):
    def scene(talk):
        talk.open(PULL, [(PLAIN_SERVER, number(1))], connects)
        talk.call("socket s1 c0 4")
        talk.call(f"bind s1 x{b'inproc://zeromq.zap.01'.hex()}")
        talk.hear()
        talk.say(SIGNATURE + greeting(1, b"PLAIN"))
        talk.hear()
        talk.say(command(b"HELLO", bytes([len(name)]) + name + bytes([len(password)]) + password))
        talk.call("poll 700 s1 1")
        talk.call("recv_all s1")
        for part in (b"1.0", b"1", status, b"text", b"someone"):
            talk.call(f"send s1 x{part.hex()} 2")
        talk.call("send s1 x 0")
        talk.hear()
        talk.say(command(b"INITIATE", prop(b"Socket-Type", b"PUSH")))
        talk.hear()
        talk.say(frame(b"secret message"))
        talk.call("poll 700 s0 1")
        talk.call("msg_recv m0 s0 1")
        talk.call(f"msg_gets m0 x{b'User-Id'.hex()}")
        talk.events()

    return scene


BAD_HELLOS = {
    "no HELLO": frame(b"x"),
    "HELLO empty": command(b"HELLO"),
    "HELLO cut short": command(b"HELLO", b"\x04us"),
    "HELLO without password": command(b"HELLO", b"\x01u"),
    "HELLO too long": command(b"HELLO", b"\x01u\x01ptail"),
    "READY instead": ready(PUSH),
    "INITIATE instead": command(b"INITIATE", prop(b"Socket-Type", b"PUSH")),
}


def plain_bad_hello(hello, connects):
    def scene(talk):
        talk.open(PULL, [(PLAIN_SERVER, number(1))], connects)
        talk.hear()
        talk.say(SIGNATURE + greeting(1, b"PLAIN"))
        talk.hear()
        talk.say(hello)
        talk.hear()
        talk.events()

    return scene


def plain_client(connects):
    def scene(talk):
        talk.open(PUSH, [(PLAIN_USERNAME, b"user"), (PLAIN_PASSWORD, b"secret"), (LINGER, number(0))], connects)
        talk.hear()
        talk.say(SIGNATURE + greeting(1, b"PLAIN", 1))
        talk.hear()
        talk.say(command(b"WELCOME"))
        talk.hear()
        talk.say(command(b"READY", prop(b"Socket-Type", b"PULL")))
        talk.call(f"poll 700 s0 2")
        talk.call(f"send s0 x{b'm'.hex()} 1")
        talk.hear()
        talk.events()

    return scene


def shape(data):
    """Where keys and what is encrypted with them begin: length and start of each frame are what can be compared."""
    at, parts = 0, []
    if data[:1] == b"\xff":
        parts.append(data[: min(64, len(data))])
        at = 64
    while at + 2 <= len(data):
        size = data[at + 1] if not data[at] & 2 else int.from_bytes(data[at + 1 : at + 9], "big")
        head = 2 if not data[at] & 2 else 9
        body = data[at + head : at + head + size]
        parts.append(data[at : at + head] + body[: 1 + body[0]] if body else data[at : at + head])
        at += head + size
    ended = b"<end>" if data.endswith(b"<end>") else b""
    return b"|".join(parts) + b" of %d" % len(data) + ended


KEY = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"


def curve_client(connects):
    def scene(talk):
        keys = [(CURVE_SERVERKEY, KEY), (CURVE_PUBLICKEY, KEY), (CURVE_SECRETKEY, SECRET)]
        talk.open(PUSH, keys, connects)
        talk.hear()
        talk.say(SIGNATURE + greeting(1, b"CURVE", 1))
        talk.hear(shape)
        talk.say(command(b"WELCOME", bytes(160)))
        talk.hear(shape)
        talk.events()

    return scene


def curve_server(connects):
    def scene(talk):
        talk.open(PULL, [(CURVE_SERVER, number(1)), (CURVE_SECRETKEY, SECRET)], connects)
        talk.hear()
        talk.say(SIGNATURE + greeting(1, b"CURVE"))
        talk.hear(shape)
        talk.say(command(b"HELLO", b"\x01\x00" + bytes(192)))
        talk.hear(shape)
        talk.events()

    return scene
