"""Where the two libraries are known to differ. Each has its row in docs/differences.md."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Known:
    """One known difference."""

    row: str  # how its row in docs/differences.md begins
    # Whether it explains that `call`, the words of the last of `calls`, gave `theirs` and `ours`.
    explains: Callable
    # Whether the two go different ways from there on, so that nothing behind it can be compared.
    parts: bool = True


RECEIVING = ("recv", "recv_all", "recviov", "msg_recv", "echo")
LOOKING = ("poll", "getsockopt")
PUB, SUB, REQ, REP, DEALER, ROUTER, XPUB, XSUB, STREAM = 1, 2, 3, 4, 5, 6, 9, 10, 11


def text(word):
    """An argument that is bytes, as text."""
    return bytes.fromhex(word[1:]).decode("latin-1") if word.startswith("x") else word


def types(calls):
    """The type of each socket that there ever was, by slot, the last one of a slot."""
    return {words[1]: int(words[3]) for words in map(str.split, calls) if words[0] == "socket"}


def sends(calls):
    """What was sent: the socket and the words of the call."""
    ways = {"send": 1, "send_const": 1, "sendiov": 1, "sendmsg": 1, "msg_send": 2}
    return [(words[ways[words[0]]], words) for words in map(str.split, calls) if words[0] in ways]


def options_set(calls, number):
    """The values, as bytes in hex, that an option was given on whatever socket."""
    return [words[3] for words in map(str.split, calls) if words[0] == "setsockopt" and words[2] == str(number)]


def in_parts(calls, *kinds):
    """Whether a socket of one of these types was given a message in parts."""
    kind_of = types(calls)
    return any(kind_of.get(slot) in kinds and int(words[-1]) & 2 for slot, words in sends(calls))


def foreign_transport(call, theirs, ours, calls):
    schemes = ("udp:", "ws:", "wss:", "tipc:", "vsock:")
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).startswith(schemes)


def curve_missing(call, theirs, ours, calls):
    return call[0] == "curve_public" and ours == "-1 95" or call[0] == "has" and text(call[1]) == "curve"


def draft_type(call, theirs, ours, calls):
    return call[0] == "socket" and 12 <= int(call[3]) <= 20 and theirs == "ok" and ours == "-1 22"


def conflates(call, theirs, ours, calls):
    return "x01000000" in options_set(calls, 54)


def odd_port(call, theirs, ours, calls):
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).endswith(":-1")


def sticky_shared(call, theirs, ours, calls):
    return call[0] == "msg_get" and call[2] == "3" and (theirs, ours) == ("1", "0")


def bad_envelope(call, theirs, ours, calls):
    return call[0] in LOOKING and REP in types(calls).values()


def unsubscribed_one(call, theirs, ours, calls):
    return any(value.startswith("x01") for value in options_set(calls, 7))


def subscription_in_parts(call, theirs, ours, calls):
    return in_parts(calls, XSUB)


def subscriber_to_subscriber(call, theirs, ours, calls):
    kinds = set(types(calls).values())
    return call[0] in (*RECEIVING, *LOOKING, "msg_look") and kinds & {SUB, XSUB} and not kinds & {PUB, XPUB}


def vanished_while_sending(call, theirs, ours, calls):
    gone = any(earlier.split()[0] in ("close", "disconnect", "unbind") for earlier in calls)
    sending = call[0] in ("echo", "send", "send_const", "sendiov", "sendmsg", "msg_send")
    return sending and gone and "-1 11" in theirs and theirs.count("-1 11") > ours.count("-1 11")


def odd_reply(call, theirs, ours, calls):
    return call[0] == "events" and REQ in types(calls).values()


def revived_timer(call, theirs, ours, calls):
    return call[0] == "timers" and "c" in call


def found_nothing(call, theirs, ours, calls):
    emptied = call[0] in ("msg_look", "msg_send", "sendmsg") and {XPUB, STREAM} & set(types(calls).values())
    return emptied and any(earlier.startswith("msg_recv") for earlier in calls)


def unbound(call, theirs, ours, calls):
    """Over the network, connections end with their listener."""
    far = any("@" in earlier for earlier in calls)
    return far and any(earlier.split()[0] in ("unbind", "disconnect", "close") for earlier in calls)


def freed_early(call, theirs, ours, calls):
    return call[0] == "freed" and int(theirs) < int(ours) and len(sends(calls)) > 0


def refused_pipe(call, theirs, ours, calls):
    return call[0] == "events" and 0 in types(calls).values()


KNOWN = [
    Known("When the free callback of a small message runs", freed_early, parts=False),
    Known("A connection whose pipe the socket has refused", refused_pipe),
    Known("Timers: a cancelled timer in `set_interval`, `reset`", revived_timer, parts=False),
    Known("`zmq_msg_recv` that finds nothing", found_nothing, parts=False),
    Known("`udp://`, `ws://`", foreign_transport, parts=False),
    Known("CURVE", curve_missing, parts=False),
    Known("Draft sockets", draft_type),
    Known("Ports above 65535 or below 0", odd_port),
    Known("`ZMQ_SHARED` of a message", sticky_shared, parts=False),
    Known("A request without an empty frame", bad_envelope),
    Known("Unsubscribing from a topic that begins with a byte 1", unsubscribed_one),
    Known("XSUB: an unsubscription from what is not subscribed to, in a message of several frames", subscription_in_parts),
    Known("SUBSCRIBE and CANCEL commands to sockets other than PUB and XPUB", subscriber_to_subscriber),
    Known("A peer that goes in the middle of a message being sent", vanished_while_sending),
    Known("REQ: a peer whose replies have the wrong shape", odd_reply),
    Known("`zmq_unbind`, `zmq_close` of a bound socket", unbound),
    Known("`ZMQ_CONFLATE` with messages of several frames", conflates),
]


def explain(calls, theirs, ours):
    """The known difference in the answers to the last of `calls`, or `None`."""
    call = calls[-1].split()
    return next((known for known in KNOWN if known.explains(call, theirs, ours, calls)), None)
