"""Where the two libraries are known to differ. Each has its row in docs/differences.md."""

import re

import vocabulary
from vocabulary import (
    CHANNEL, CLIENT, DGRAM, DISH, GATHER, PEER, PUB, RADIO, REP, REQ, ROUTER, SCATTER, SERVER, STREAM, SUB, XPUB, XSUB,
)
from harness.differences import Known

RECEIVING = ("recv", "recv_all", "recviov", "msg_recv", "echo")
POLLING = ("poll", "ppoll", "poller_wait", "poller_wait_all")
SENDING = ("echo", "send", "send_const", "sendiov", "sendmsg", "msg_send")
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


def looks(call):
    """Whether the call asks what a socket is ready for."""
    return call[0] in POLLING or call[0] == "getsockopt" and call[2] == "15"


def hears(call):
    """Whether the answer depends on what has come."""
    counts = call[0] == "getsockopt" and call[2] == "116"
    return looks(call) or counts or call[0] in (*RECEIVING, "msg_look", "msg_get", "msg_gets", "msg_group", "msg_routing_id", "freed")


def talks(call):
    """Whether the answer depends on what goes over connections."""
    return hears(call) or call[0] in (*SENDING, "events", "events2")


def asked(call, calls):
    """The types of the sockets in the call."""
    kind_of = types(calls)
    return {kind_of.get(word) for word in call[1:]} - {None}


def in_parts(calls, *kinds):
    """Whether a socket of one of these types was given a message in parts."""
    kind_of = types(calls)
    return any(kind_of.get(slot) in kinds and int(words[-1]) & 2 for slot, words in sends(calls))


def foreign_connection(call, theirs, ours, calls):
    return ours.startswith(("0", "route")) and foreign_transport(call, theirs, ours, calls)


def foreign_transport(call, theirs, ours, calls):
    schemes = ("udp:", "ws:", "wss:", "tipc:", "vsock:")
    if call[0] == "events":
        return any(text(words[2]).startswith("tipc:") for words in map(str.split, calls) if words[0] == "bind")
    return call[0] in ("bind", "connect", "connect_peer", "unbind", "disconnect") and text(call[2]).startswith(schemes)


def conflates(call, theirs, ours, calls):
    return talks(call) and "x01000000" in options_set(calls, 54)


def odd_port(call, theirs, ours, calls):
    return call[0] in ("bind", "connect", "unbind", "disconnect") and text(call[2]).endswith(":-1")


def sticky_shared(call, theirs, ours, calls):
    return call[0] == "msg_get" and call[2] == "3" and (theirs, ours) == ("1", "0")


def bad_envelope(call, theirs, ours, calls):
    # A REQ alone makes no such request, but for a probe and what else comes unasked for.
    unasked = any(options_set(calls, number) for number in (51, 110, 111, 114))
    others = {one for pair in pairs(calls) if REP in pair for one in pair} - {REP, REQ}
    seen = looks(call) or call[0] in RECEIVING and options_set(calls, 51)
    return seen and REP in types(calls).values() and (unasked or others)


def unsubscribed_one(call, theirs, ours, calls):
    return hears(call) and any(value.startswith("x01") for value in options_set(calls, 7))


def subscription_in_parts(call, theirs, ours, calls):
    return talks(call) and in_parts(calls, XSUB)


def pairs(calls):
    """The types of the two ends of each connection that was asked for."""
    kind_of, bound, last, connected = types(calls), {}, {}, []
    for at, words in enumerate(map(str.split, calls)):
        if words[0] not in ("bind", "connect", "connect_peer"):
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
    return hears(call) and any(
        {one, other} & {SUB, XSUB} and not {one, other} & {PUB, XPUB} for one, other in pairs(calls)
    )


def misfits(call, theirs, ours, calls):
    fitting = {tuple(sorted(pair)) for pair in [*vocabulary.PARTNERS, *vocabulary.DRAFT_PARTNERS]} | {(STREAM, STREAM)}
    return talks(call) and any(tuple(sorted(pair)) not in fitting for pair in pairs(calls))


def late_probe(call, theirs, ours, calls):
    return talks(call) and "x01000000" in options_set(calls, 51) and _late_bind(calls) and ROUTER in types(calls).values()


def _late_bind(calls):
    names = [(words[0], words[2]) for words in map(str.split, calls) if words[0] in ("bind", "connect")]
    return any(("bind", name) in names[at:] for at, (what, name) in enumerate(names) if what == "connect")


def gone(calls):
    return any(earlier.split()[0] in ("close", "disconnect", "unbind", "ctx_shutdown") for earlier in calls)


def untold_unsubscription(call, theirs, ours, calls):
    publishers = {XPUB} | ({PUB} if call[0] == "getsockopt" and call[2] == "116" else set())
    heard = hears(call) and publishers & {*types(calls).values()} and gone(calls)
    # Bound first, the original is told or not, as its threads happen to run.
    counted = call[0] == "getsockopt" and call[2] == "116"
    return heard and (theirs == "-1 11" or counted or any(one in publishers for one, _ in pairs(calls)) or _late_bind(calls))


def disconnected_twice(call, theirs, ours, calls):
    return call[0] in ("unbind", "disconnect") and (theirs, ours) == ("0", "-1 2") and gone(calls[:-1])


def looked_at(call, theirs, ours, calls):
    taken_back = any(earlier.split()[0] in ("disconnect", "unbind") for earlier in calls)
    keep = {ROUTER, REP, SUB, XSUB, STREAM}
    return hears(call) and taken_back and keep & (asked(call, calls) or {*types(calls).values()})


def closed_routes(call, theirs, ours, calls):
    mandatory = {*options_set(calls, 33)} - {"x00000000"}
    return looks(call) and ROUTER in asked(call, calls) and mandatory and (gone(calls) or in_parts(calls, ROUTER))


def vanished_while_sending(call, theirs, ours, calls):
    if looks(call):
        return gone(calls) and in_parts(calls, *vocabulary.TYPES)
    return call[0] in SENDING and gone(calls) and "-1 11" in theirs and theirs.count("-1 11") > ours.count("-1 11")


def odd_reply(call, theirs, ours, calls):
    kind_of = types(calls)
    unasked = any(options_set(calls, number) for number in (51, 110, 111, 114))
    # What the peer sends by itself: an echo has the right shape.
    odd = unasked or any(kind_of.get(slot) == ROUTER for slot, _ in sends(calls))
    asking = {tuple(sorted(pair)) for pair in pairs(calls)} & {(REQ, ROUTER), (REQ, REP) if unasked else ()}
    return odd and asking and (talks(call) if _far(calls) else looks(call))


def revived_timer(call, theirs, ours, calls):
    return call[0] == "timers" and {"c", "o"} & {*call}


def found_nothing(call, theirs, ours, calls):
    emptied = call[0] in ("msg_look", "msg_get", "msg_gets", "msg_send", "sendmsg", "msg_routing_id", "msg_group") and {XPUB, STREAM} & set(types(calls).values())
    return emptied and any(earlier.startswith("msg_recv") for earlier in calls)


def _far(calls):
    """Whether a connection goes over the network."""
    ends = [words[2] for words in map(str.split, calls) if words[0] in ("bind", "connect")]
    return any(end.startswith("@") or not text(end).lower().startswith("inproc:") for end in ends)


def unbound(call, theirs, ours, calls):
    """Over the network, connections end with their listener."""
    split = [earlier.split() for earlier in calls]
    bound = {words[1] for words in split if words[0] == "bind"}
    ended = any(words[0] in ("unbind", "disconnect", "close") and words[1] in bound for words in split)
    return _far(calls) and ended and (talks(call) or call[0] in ("unbind", "disconnect", "bind", "connect", "peer_state"))


def refused_pipe(call, theirs, ours, calls):
    return talks(call) and _far(calls) and {(0, 0), (CHANNEL, CHANNEL)} & pairs(calls) and sum(call.startswith("connect") for call in calls) > 1


def state_of_gone(call, theirs, ours, calls):
    return call[0] == "peer_state" and gone(calls) and ours == "-1 113" and not theirs.startswith("-1")


def gone_stream(call, theirs, ours, calls):
    return STREAM in types(calls).values() and theirs.replace("-1 11", "-1 113") == ours


def marks_changed(calls):
    """Whether a high-water mark was set on a socket after somebody had connected."""
    first = next((at for at, call in enumerate(calls) if call.startswith("connect")), len(calls))
    later = calls[first:]
    return options_set(later, 23) or options_set(later, 24)


def lowered_mark(call, theirs, ours, calls):
    return marks_changed(calls) and _far(calls) and ("-1 11" in theirs or looks(call))


def changed_mark(call, theirs, ours, calls):
    return talks(call) and marks_changed(calls) and not _far(calls)


def short_key(call, theirs, ours, calls):
    return call[0] == "curve_public" and len(call[1]) != 81 and theirs.startswith("0 ") and ours == "-1 22"


def correlated_late(call, theirs, ours, calls):
    first = next((at for at, earlier in enumerate(calls) if earlier.startswith("connect")), len(calls))
    return hears(call) and REQ in types(calls).values() and options_set(calls[first:], 52)


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


def turn_of_the_gone(call, theirs, ours, calls):
    # Both have something for the program, and there were more than two to choose from.
    both = not theirs.startswith("-1") and not ours.startswith("-1")
    clients = sum(earlier.startswith("connect") for earlier in calls)
    return both and call[0] in (*RECEIVING, "msg_look") and gone(calls) and clients > 2


def never_listened(call, theirs, ours, calls):
    told, here = theirs.split(), ours.split()
    extra = [event for event in told if event not in here]
    failed = all(re.match(r"128:(1:)?descriptor[:|](ipc:|\||$)", event) for event in extra)
    return call[0] in ("events", "events2") and extra and failed and [event for event in told if event in here] == here


def immediate(calls):
    return any(value != "x00000000" for value in options_set(calls, 39))


def stream_stays_away(call, theirs, ours, calls):
    return talks(call) and immediate(calls) and _far(calls) and (STREAM, STREAM) in pairs(calls)


def outlives_disconnect(call, theirs, ours, calls):
    left = any(earlier.startswith("disconnect") for earlier in calls)
    return talks(call) and immediate(calls) and _far(calls) and left


def no_listener(call, theirs, ours, calls):
    return call[0] == "bind" and theirs == "0" and ours in ("-1 88", "-1 9", "-1 22") and bool(options_set(calls, 89))


def cut_short(call, theirs, ours, calls):
    return call[0] in (*RECEIVING, "msg_look") and gone(calls) and theirs.startswith("-1 11") and ours.split()[0] == "0"


def written_at_once(call, theirs, ours, calls):
    marked = options_set(calls, 23) or options_set(calls, 24)
    return call[0] == "sendiov" and marked and _far(calls) and theirs == "-1 11" and not ours.startswith("-1")


def gone_peer(call, theirs, ours, calls):
    routed = {SERVER, PEER} & {*types(calls).values()}
    return routed and call[0] in SENDING and theirs.replace("-1 11", "-1 113") == ours


def long_membership(call, theirs, ours, calls):
    joined = any(words[0] in ("join", "leave") and len(words[2]) > 29 for words in map(str.split, calls))
    return talks(call) and joined and sum(earlier.startswith("connect") for earlier in calls) > 1


def not_built_in(call, theirs, ours, calls):
    return call[0] in ("bind", "connect") and theirs == "-1 95" and bool(options_set(calls, 92))


def counted_otherwise(call, theirs, ours, calls):
    return call[0] == "events2" and _bare(theirs) == _bare(ours)


def _bare(answer):
    """Events without how full the pipes are."""
    return [re.sub(r"^65536:2:\d+:\d+", "", event) for event in answer.split()]


def freed_early(call, theirs, ours, calls):
    empty = any(words[0] == "msg_init_data" and words[2] == "0" for words in map(str.split, calls))
    return call[0] == "freed" and int(theirs) < int(ours) and empty


KNOWN = [
    Known("RADIO, DISH: a group of more than 14 bytes, and several peers", long_membership),
    Known("SERVER, PEER: a message to a peer that has closed", gone_peer),
    Known("STREAM with `ZMQ_IMMEDIATE`: a connection that is lost", stream_stays_away),
    Known("`zmq_disconnect` with `ZMQ_IMMEDIATE`", outlives_disconnect),
    Known("`ZMQ_USE_FD` of what is no socket", no_listener),
    Known("A peer that vanishes in the middle of a message being received", cut_short),
    Known("`zmq_sendiov` against a low high-water mark", written_at_once),
    Known("`ZMQ_BINDTODEVICE`", not_built_in),
    Known("A bind that fails once its descriptor is there", never_listened, parts=False),
    Known("`ZMQ_EVENT_PIPES_STATS`", counted_otherwise, parts=False),
    Known("The turn of a peer that has gone", turn_of_the_gone),
    Known("DGRAM: `zmq_send` with no endpoint", sent_nowhere),
    Known("`ZMQ_LAST_ENDPOINT` of `udp://`", datagram_endpoint),
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
    Known("When the free callback of an empty message runs", freed_early, parts=False),
    Known("A connection whose pipe the socket has refused", refused_pipe),
    Known("`zmq_socket_get_peer_state` of a peer that has closed", state_of_gone, parts=False),
    Known("Timers: a cancelled timer in `set_interval`, `reset`", revived_timer, parts=False),
    Known("`zmq_msg_recv` that finds nothing", found_nothing),
    Known("`udp://`, `ws://`, `wss://`", foreign_connection),
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
