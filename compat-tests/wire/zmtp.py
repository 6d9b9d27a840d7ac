"""Bytes of ZMTP, as a peer of each version sends them. Sources: RFC 13 (1.0), 15 (2.0), 23 (3.0), 37 (3.1)."""

PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM = range(12)
NAMES = ["PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"]
SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"


def greeting(minor, mechanism=b"NULL", as_server=0):
    """What follows the signature in ZMTP 3."""
    return bytes([3, minor]) + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def frame(data, more=False, command=False):
    """A frame of ZMTP 2 and 3."""
    flags = (1 if more else 0) | (4 if command else 0)
    if len(data) > 255:
        return bytes([flags | 2]) + len(data).to_bytes(8, "big") + data
    return bytes([flags, len(data)]) + data


def old_frame(data, more=False):
    """A frame of ZMTP 1."""
    length = len(data) + 1
    head = bytes([length]) if length < 255 else b"\xff" + length.to_bytes(8, "big")
    return head + bytes([1 if more else 0]) + data


def command(name, body=b""):
    return frame(bytes([len(name)]) + name + body, command=True)


def prop(name, value):
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def ready(kind, identity=b"", *more):
    identities = prop(b"Identity", identity) if NAMES[kind] in ("REQ", "DEALER", "ROUTER") else b""
    return command(b"READY", prop(b"Socket-Type", NAMES[kind].encode()) + identities + b"".join(more))


class Version:
    """How a peer of one version says things."""

    def __init__(self, name):
        self.name = name

    def frame(self, data, more=False):
        return old_frame(data, more) if self.name == "1.0" else frame(data, more)

    def message(self, *parts):
        return b"".join(self.frame(part, at + 1 < len(parts)) for at, part in enumerate(parts))

    def subscription(self, topic, subscribe=True):
        if self.name == "3.1":
            return command(b"SUBSCRIBE" if subscribe else b"CANCEL", topic)
        return self.frame((b"\x01" if subscribe else b"\x00") + topic)

    def handshake(self, kind, identity=b""):
        """What the peer says until messages may flow, in the steps in which it waits for answers."""
        if self.name == "1.0":
            return [old_frame(identity)]
        if self.name == "2.0":
            return [SIGNATURE, bytes([1, kind]), frame(identity)]
        return [SIGNATURE, greeting(int(self.name[-1])), ready(kind, identity)]


VERSIONS = [Version(name) for name in ("3.1", "3.0", "2.0", "1.0")]
