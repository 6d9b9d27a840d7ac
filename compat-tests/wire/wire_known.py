"""Conversations that are known to differ. Each has its row in docs/differences.md."""

from harness.differences import Known


def starts(*starts):
    return lambda name, complaint: name.startswith(starts)


KNOWN = [
    Known("REQ: a peer whose replies have the wrong shape", lambda name, complaint: name.startswith("REQ ") and "<end>" in complaint),
    Known("SUB, XSUB: a whole subscription", lambda name, complaint: name.startswith("XSUB ") and "SUBSCRIBE" in complaint),
    Known("A greeting that comes at once and is refused", starts("another mechanism", "unknown mechanism", "mechanism without padding")),
    Known("A PING that is cut short", starts("PING cut short", "PING without TTL", "command with more")),
    Known("SUBSCRIBE and CANCEL commands to sockets other than PUB and XPUB", starts("SUBSCRIBE to a DEALER")),
    Known("A PLAIN server without an authenticator", starts("PLAIN server alone")),
]
