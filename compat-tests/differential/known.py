"""Where the two libraries are known to differ. Each has its row in docs/differences.md."""

import re

import vocabulary
from vocabulary import (
    CHANNEL, CLIENT, DGRAM, DISH, GATHER, PEER, PUB, RADIO, REP, REQ, ROUTER, SCATTER, SERVER, STREAM, SUB, XPUB, XSUB,
)
from harness.differences import Known

RECEIVING = ("recv", "recv_all", "recviov", "msg_recv", "echo")
POLLING = ("poll", "ppoll", "poller_wait", "poller_wait_all")
LOOKING = (*POLLING, "getsockopt")
THREAD_SAFE = {SERVER, CLIENT, RADIO, DISH, GATHER, SCATTER, DGRAM, PEER, CHANNEL}


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
    if call[0] == "events":
        return any(text(words[2]).startswith("tipc:") for words in map(str.split, calls) if words[0] == "bind")
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).startswith(schemes)


def conflates(call, theirs, ours, calls):
    return "x01000000" in options_set(calls, 54)


def odd_port(call, theirs, ours, calls):
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).endswith(":-1")


def sticky_shared(call, theirs, ours, calls):
    return call[0] == "msg_get" and call[2] == "3" and (theirs, ours) == ("1", "0")


def bad_envelope(call, theirs, ours, calls):
    looks = call[0] in LOOKING or call[0] in RECEIVING and options_set(calls, 51)
    return looks and REP in types(calls).values()


def unsubscribed_one(call, theirs, ours, calls):
    return any(value.startswith("x01") for value in options_set(calls, 7))


def subscription_in_parts(call, theirs, ours, calls):
    return in_parts(calls, XSUB)


def pairs(calls):
    """The types of the two ends of each connection that was asked for."""
    kind_of, bound, last, connected = types(calls), {}, {}, []
    for at, words in enumerate(map(str.split, calls)):
        if words[0] not in ("bind", "connect"):
            continue
        name = last.get(f"s{words[2][1:]}", "nowhere") if words[2][0] == "@" else words[2]
        if words[0] == "bind":
            # A wildcard is another place each time.
            name = f"{name} {at}" if text(name.split()[0]).endswith("*") else name
            bound.setdefault(name, words[1])
        else:
            connected.append((words[1], name))
        last[words[1]] = name
    ends = ((kind_of.get(one), kind_of.get(bound.get(name))) for one, name in connected)
    return {pair for pair in ends if None not in pair}


def subscriber_to_subscriber(call, theirs, ours, calls):
    return call[0] in (*RECEIVING, *LOOKING, "msg_look") and any(
        {one, other} & {SUB, XSUB} and not {one, other} & {PUB, XPUB} for one, other in pairs(calls)
    )


def misfits(call, theirs, ours, calls):
    fitting = {tuple(sorted(pair)) for pair in vocabulary.PARTNERS} | {(STREAM, STREAM)}
    return any(tuple(sorted(pair)) not in fitting for pair in pairs(calls))


def late_probe(call, theirs, ours, calls):
    return "x01000000" in options_set(calls, 51) and _late_bind(calls)


def _late_bind(calls):
    names = [(words[0], words[2]) for words in map(str.split, calls) if words[0] in ("bind", "connect")]
    return any(("bind", name) in names[at:] for at, (what, name) in enumerate(names) if what == "connect")


def gone(calls):
    return any(earlier.split()[0] in ("close", "disconnect", "unbind", "ctx_shutdown") for earlier in calls)


def untold_unsubscription(call, theirs, ours, calls):
    publishers = {XPUB} | ({PUB} if call[0] == "getsockopt" and call[2] == "116" else set())
    heard = call[0] in (*RECEIVING, *LOOKING) and publishers & {*types(calls).values()} and gone(calls)
    # Bound first, the original is told or not, as its threads happen to run.
    return heard and (theirs == "-1 11" or any(one in publishers for one, _ in pairs(calls)) or _late_bind(calls))


def disconnected_twice(call, theirs, ours, calls):
    return call[0] in ("unbind", "disconnect") and (theirs, ours) == ("0", "-1 2") and gone(calls[:-1])


def looked_at(call, theirs, ours, calls):
    taken_back = any(earlier.split()[0] in ("disconnect", "unbind") for earlier in calls)
    return call[0] in (*RECEIVING, *LOOKING, "msg_look") and taken_back


def closed_routes(call, theirs, ours, calls):
    return call[0] in LOOKING and ROUTER in types(calls).values() and {*options_set(calls, 33)} - {"x00000000"}


def vanished_while_sending(call, theirs, ours, calls):
    if call[0] in LOOKING:
        return gone(calls) and in_parts(calls, *range(12))
    sending = call[0] in ("echo", "send", "send_const", "sendiov", "sendmsg", "msg_send")
    return sending and gone(calls) and "-1 11" in theirs and theirs.count("-1 11") > ours.count("-1 11")


def odd_reply(call, theirs, ours, calls):
    asked = call[0] == "events" or call[0] in LOOKING and ROUTER in types(calls).values() or ROUTER in types(calls).values() and _far(calls)
    return asked and REQ in types(calls).values()


def revived_timer(call, theirs, ours, calls):
    return call[0] == "timers" and "c" in call


def found_nothing(call, theirs, ours, calls):
    emptied = call[0] in ("msg_look", "msg_get", "msg_gets", "msg_send", "sendmsg", "msg_routing_id", "msg_group") and {XPUB, STREAM} & set(types(calls).values())
    return emptied and any(earlier.startswith("msg_recv") for earlier in calls)


def _far(calls):
    return any("@" in earlier for earlier in calls)


def unbound(call, theirs, ours, calls):
    """Over the network, connections end with their listener."""
    return _far(calls) and any(earlier.split()[0] in ("unbind", "disconnect", "close") for earlier in calls)


def freed_early(call, theirs, ours, calls):
    return call[0] == "freed" and int(theirs) < int(ours) and len(sends(calls)) > 0


def refused_pipe(call, theirs, ours, calls):
    return _far(calls) and (0, 0) in pairs(calls) and sum(call.startswith("connect") for call in calls) > 1


def gone_stream(call, theirs, ours, calls):
    return STREAM in types(calls).values() and theirs.replace("-1 11", "-1 113") == ours


def marks_changed(calls):
    """Whether a high-water mark was set on a socket after somebody had connected."""
    first = next((at for at, call in enumerate(calls) if call.startswith("connect")), len(calls))
    later = calls[first:]
    return options_set(later, 23) or options_set(later, 24)


def lowered_mark(call, theirs, ours, calls):
    return marks_changed(calls) and _far(calls) and ("-1 11" in theirs or call[0] in LOOKING)


def changed_mark(call, theirs, ours, calls):
    return marks_changed(calls) and not _far(calls)


def short_key(call, theirs, ours, calls):
    return call[0] == "curve_public" and len(call[1]) != 81 and theirs.startswith("0 ") and ours == "-1 22"


def correlated_late(call, theirs, ours, calls):
    return call[0] in (*RECEIVING, *LOOKING) and REQ in types(calls).values() and options_set(calls, 52)


def waits_early(call, theirs, ours, calls):
    return options_set(calls, 69) and "-1 11" in ours and {PUB, XPUB} & set(types(calls).values())


def has_drafts(call, theirs, ours, calls):
    return call[0] == "has" and text(call[1]) == "draft"


def odd_source(call, theirs, ours, calls):
    return call[0] in ("bind", "unbind", "disconnect") and ";" in text(call[2])


def polled_thread_safe(call, theirs, ours, calls):
    kind_of = types(calls)
    if call[0] not in ("poll", "ppoll") or not any(kind_of.get(word) in THREAD_SAFE for word in call):
        return False
    sockets = [word for word in call[2::2] if word.startswith("s")]
    twice = len(sockets) > len(set(sockets)) and theirs.split()[1:] == ours.split()[1:]
    odd_events = any(int(events) & ~15 for events in call[3::2])
    nothing = {"-1", *(word for word in sockets if word not in kind_of)} & {*call[2::2]}
    if theirs == "-1 22":
        return call[0] == "ppoll" or odd_events
    return twice or theirs == "-1 9" and nothing


def monitored(calls):
    return any(earlier.startswith("monitor") for earlier in calls)


def bind_failed_aloud(call, theirs, ours, calls):
    return call[0] == "bind" and theirs == "-1 11" and ours.startswith("-1 ") and monitored(calls)


def counted_topics(call, theirs, ours, calls):
    counts = call[0] == "getsockopt" and call[2] == "116" and theirs.startswith("0 4") and ours.startswith("0 4")
    number = lambda answer: int.from_bytes(bytes.fromhex(answer.split()[2][1:]), "little")
    return counts and types(calls).get(call[1]) in (SUB, XSUB) and number(theirs) > number(ours)


def long_group(call, theirs, ours, calls):
    return call[0] == "msg_group" and len(theirs) >= 31 and sum(earlier.startswith("msg_set_group") for earlier in calls) > 1


def odd_length(call, theirs, ours, calls):
    return call[0] == "setsockopt" and call[2] == "115" and len(call[3]) != 9 and (theirs, ours) == ("0", "-1 22")


def sent_nowhere(call, theirs, ours, calls):
    if DGRAM not in types(calls).values():
        return False
    if theirs == "-1 14":
        return any(earlier.split()[0] in ("msg_send", "sendmsg") for earlier in calls)
    sent = sends(calls[-1:])
    return sent and types(calls).get(sent[0][0]) == DGRAM and theirs.startswith("-1") and ours.startswith("-1")


def datagram_endpoint(call, theirs, ours, calls):
    if call[0] == "getsockopt":
        return call[2] == "32" and ours == theirs.replace("0 ", "0 udp://", 1)
    # What socket @1 is bound to.
    udp = any(words[0] in ("bind", "connect") and text(words[2]).startswith("udp:") for words in map(str.split, calls))
    return udp and call[0] in ("bind", "connect", "unbind", "disconnect") and call[2].startswith("@")


def uncounted_subscriptions(call, theirs, ours, calls):
    bare = lambda answer: [re.sub(r"^65536:2:\d+:\d+", "", event) for event in answer.split()]
    spread = {PUB, SUB, XPUB, XSUB} & {*types(calls).values()}
    return call[0] == "events2" and spread and bare(theirs) == bare(ours)


KNOWN = [
    Known("DGRAM: `zmq_send` with no endpoint", sent_nowhere),
    Known("`ZMQ_LAST_ENDPOINT` of `udp://`", datagram_endpoint),
    Known("SUB, XSUB: a whole subscription", uncounted_subscriptions, parts=False),
    Known("`zmq_bind` that fails on a monitored socket", bind_failed_aloud, parts=False),
    Known("`ZMQ_TOPICS_COUNT` of SUB and XSUB", counted_topics, parts=False),
    Known("`zmq_msg_set_group` on a message that has a group", long_group, parts=False),
    Known("`ZMQ_XSUB_VERBOSE_UNSUBSCRIBE` of another length", odd_length),
    Known("`zmq_poll` and `zmq_ppoll` with sockets of the draft types", polled_thread_safe, parts=False),
    Known("`tcp://` endpoints with a source address", odd_source),
    Known("Draft functions", has_drafts, parts=False),
    Known("`ZMQ_XPUB_NODROP` and a burst", waits_early),
    Known("`zmq_curve_public`: a secret key of another length", short_key, parts=False),
    Known("`ZMQ_REQ_CORRELATE` changed while a reply is awaited", correlated_late),
    Known("When the free callback of a small message runs", freed_early, parts=False),
    Known("A connection whose pipe the socket has refused", refused_pipe),
    Known("Timers: a cancelled timer in `set_interval`, `reset`", revived_timer, parts=False),
    Known("`zmq_msg_recv` that finds nothing", found_nothing),
    Known("`udp://`, `ws://`, `wss://`", foreign_transport, parts=False),
    Known("Ports above 65535 or below 0", odd_port),
    Known("`ZMQ_SHARED` of a message", sticky_shared, parts=False),
    Known("A request without an empty frame", bad_envelope),
    Known("Unsubscribing from a topic that begins with a byte 1", unsubscribed_one),
    Known("XSUB: an unsubscription from what is not subscribed to, in a message of several frames", subscription_in_parts),
    Known("SUBSCRIBE and CANCEL commands to sockets other than PUB and XPUB", subscriber_to_subscriber),
    Known("A peer that goes in the middle of a message being sent", vanished_while_sending),
    Known("REQ: a peer whose replies have the wrong shape", odd_reply),
    Known("`zmq_unbind`, `zmq_close` of a bound socket", unbound),
    Known("Sockets of types that do not fit each other, over `inproc://`", misfits),
    Known("A prober that binds a name that a ROUTER waits for", late_probe),
    Known("XPUB and a subscriber that closes, over `inproc://`", untold_unsubscription),
    Known("`zmq_disconnect` from an inproc peer that has closed", disconnected_twice),
    Known("A message that was announced, after `zmq_disconnect`", looked_at),
    Known("`ZMQ_ROUTER_MANDATORY`: whether the socket can be written to", closed_routes),
    Known("inproc: high-water marks changed after connecting", changed_mark),
    Known("A high-water mark lowered on a connection", lowered_mark),
    Known("STREAM: to a peer that has gone", gone_stream),
    Known("`ZMQ_CONFLATE` with messages of several frames", conflates),
]


def explain(calls, theirs, ours):
    """The known difference in the answers to the last of `calls`, or `None`."""
    call = calls[-1].split()
    return next((known for known in KNOWN if known.explains(call, theirs, ours, calls)), None)
