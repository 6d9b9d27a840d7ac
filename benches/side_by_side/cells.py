"""What is measured, and what is aimed at: one `Cell` a run of zmqbench, one `Row` a figure of it in the table."""

from dataclasses import dataclass, replace
from itertools import product

TRANSPORTS = ("tcp", "ipc", "inproc")
SIZES = (10, 64, 128, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
QUICK_SIZES = (10, 64, 256, 4096, 65536, 1048576)
CONNECTIONS = (1, 4, 16, 64, 256, 1024, 4096)
TOPICS = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
# From here on a message is held to what a bare socket does with the same bytes.
LARGE = 262144


@dataclass(frozen=True)
class Aim:
    """A bound on a figure: on its ratio to libzmq's, to the bare socket's or to NULL's, or on itself."""

    of: str  # "ratio", "raw", "null" or "value"
    bound: float

    def met(self, figure, better):
        return figure >= self.bound if better == "more" else figure <= self.bound

    def text(self, better):
        sign = "≥" if better == "more" else "≤"
        suffix = {"ratio": "×", "raw": "× raw", "null": "× NULL", "value": ""}[self.of]
        return f"{sign} {self.bound:g}{suffix}"


@dataclass(frozen=True)
class Row:
    metric: str  # its key in what zmqbench prints
    unit: str
    better: str = "more"  # "more" or "less"
    aims: tuple = ()
    name: str = ""  # what sets it apart from the cell's other rows


@dataclass(frozen=True)
class Cell:
    group: str
    name: str  # unique; "throughput/tcp/64/copy"
    command: tuple  # of zmqbench, without seconds=
    rows: tuple
    raw: tuple = ()  # the bare sockets' command, measured beside it
    null: tuple = ()  # the same with NULL, on our library, measured beside it
    theirs: tuple = ()  # libzmq's command, where it cannot do the same
    quick: bool = False
    timed: bool = True  # whether it takes seconds=
    at_least_s: float = 0.0  # shorter runs would say nothing
    program: str = "zmqbench"
    memory_mib: int = 0  # the original needs so much; left out on smaller machines
    label: str = ""


# Of all sides together. Shown in columns of its own beside the cell's first figure.
CPU = Row("cpu_s_per_million", "CPU s/million", "less", (Aim("ratio", 0.6),), "CPU")


def everything():
    """All cells, in the order of the table."""
    return [
        *throughput(),
        *growing_io_threads(),
        *round_trips(),
        *publishing(),
        *topics(),
        *fan_in(),
        *set_up(),
        *security(),
        *post_quantum(),
        *polling(),
        *proxies(),
        *memory(),
        *python(),
    ]


def throughput():
    for transport in TRANSPORTS:
        for parts in (1, 3):
            for size, api in product(SIZES, ("copy", "msg")):
                calls = "zmq_send, zmq_recv" if api == "copy" else "zmq_msg_*"
                name = f"throughput/{transport}/{size}/{api}{'/3 frames' if parts > 1 else ''}"
                words = (f"transport={transport}", f"size={size}", f"api={api}", f"parts={parts}")
                raw = ("raw-copy", *words[:2]) if size >= LARGE and transport != "inproc" and parts == 1 else ()
                yield Cell(
                    f"PUSH/PULL over {transport}" + (", 3 frames a message" if parts > 1 else ""),
                    name,
                    ("throughput", *words),
                    (Row("messages_per_s", "messages/s", aims=tuple(_throughput_aims(transport, size, raw))), CPU),
                    raw,
                    quick=(api, parts) == ("copy", 1) and size in QUICK_SIZES or name in _QUICK,
                    label=f"{amount(size)}, {calls}",
                )
    yield Cell(
        "PUSH/PULL over tcp, no high-water mark",
        "throughput/tcp/64/copy/no high-water mark",
        ("throughput", "transport=tcp", "size=64", "hwm=0"),
        (Row("messages_per_s", "messages/s", aims=(Aim("ratio", 4),)), CPU),
        label="64 B, zmq_send, zmq_recv",
    )


_QUICK = {f"throughput/{transport}/64/msg/3 frames" for transport in TRANSPORTS}


def _throughput_aims(transport, size, raw):
    if transport == "inproc":
        if size <= 256:
            yield Aim("ratio", 3)
    elif size <= 128:
        yield Aim("ratio", 4)
    elif size < LARGE:
        yield Aim("ratio", 2.5)
    else:
        yield Aim("ratio", 1.2)
        if raw:
            yield Aim("raw", 0.85)


def growing_io_threads():
    fair = Row("fairness", "least heard/mean", "more", (Aim("value", 0.9),), "fairness")
    for io_threads in (1, 2):
        yield Cell(
            "16 connections, by I/O threads",
            f"io threads/{io_threads}",
            ("fan-in", "connections=16", f"io_threads={io_threads}"),
            (Row("messages_per_s", "messages/s"), CPU, fair),
            label=f"{io_threads} I/O thread{'s' if io_threads > 1 else ''}, 64 B",
        )


def round_trips():
    for transport in TRANSPORTS:
        for idle_ms in (0, 10):
            for wait in ("recv", "poll", "epoll"):
                words = (f"transport={transport}", "size=64", f"idle_ms={idle_ms}")
                calls = {"recv": "zmq_recv", "poll": "zmq_poll", "epoll": "epoll on ZMQ_FD"}[wait]
                raw = ("raw-round-trip", *words) if transport != "inproc" else ()
                limits = (Aim("ratio", 0.3), Aim("raw", 1.5)) if raw else (Aim("ratio", 0.5),)
                yield Cell(
                    f"REQ/REP round trip over {transport}" + (", after 10 ms of idling" if idle_ms else ""),
                    f"round trip/{transport}/{wait}/{'idle' if idle_ms else 'hot'}",
                    ("round-trip", *words, f"wait={wait}"),
                    (
                        Row("p50_us", "µs", "less", limits, "p50"),
                        Row("p99_us", "µs", "less", limits, "p99"),
                        # Too few samples for a thousandth where each takes 10 ms.
                        *(() if idle_ms else (Row("p99.9_us", "µs", "less", (), "p99.9"),)),
                        CPU,
                    ),
                    raw,
                    quick=not idle_ms or wait == "recv",
                    at_least_s=0.5,  # hot: some 5,000 samples, of which a p99.9 can be told
                    label=calls,
                )


def publishing():
    for size in (64, 16384):
        for subscribers in (1, 16, 256):
            for nodrop in (1, 0):
                aims = (Aim("ratio", 3),) if subscribers == 256 and nodrop else ()
                yield Cell(
                    "PUB to SUBs over tcp, messages delivered",
                    f"publish/{subscribers}/{size}{'' if nodrop else '/dropping'}",
                    ("publish", f"subscribers={subscribers}", f"size={size}", f"nodrop={nodrop}"),
                    (Row("messages_per_s", "messages/s", aims=aims), CPU),
                    quick=bool(nodrop),
                    at_least_s=0.3,
                    label=f"{subscribers} SUB, {amount(size)}" + ("" if nodrop else ", ZMQ_XPUB_NODROP off"),
                )


def topics():
    for count in TOPICS:
        heavy = count >= 1000
        weight = (Aim("value", 200),) if count == 100_000 else ()
        yield Cell(
            f"{count:,} topics of 30 bytes" if count > 1 else "1 topic of 30 bytes",
            f"topics/{count}",
            ("topics", f"topics={count}"),
            (
                Row("subscribe_s", "s", "less", (), "subscribing, until in force"),
                Row("unmatched_per_s", "messages/s", "more", (), "published, without a subscriber"),
                Row("messages_per_s", "messages/s", "more", (), "published, with a subscriber"),
                *(
                    Row(f"{side}_bytes_per_topic", "bytes/topic", "less", weight, f"memory of the {side}")
                    for side in ("publisher", "subscriber")
                    if heavy
                ),
            ),
            quick=count in (1000, 100_000),
            at_least_s=0.3,
            memory_mib=6000 if count == 1_000_000 else 0,
        )


def fan_in():
    for count in CONNECTIONS:
        fair = (Row("fairness", "least heard/mean", "more", (Aim("value", 0.5),), "fairness"),) if count == 256 else ()
        yield Cell(
            "Many PUSH to one PULL over tcp, 64 B",
            f"fan-in/{count}",
            ("fan-in", f"connections={count}"),
            (
                Row("messages_per_s", "messages/s"),
                CPU,
                *fair,
                *((Row("until_all_heard_s", "s", "less", (), "until all are heard"),) if count >= 1024 else ()),
            ),
            quick=count in (1, 16, 256),
            # Less is no flood: what lies ready in the pipes would be all that is read.
            at_least_s=1.0 if count >= 256 else 0.2,
            label=f"{count:,} connection{'s' if count > 1 else ''}",
        )


def set_up():
    for transport in ("tcp", "ipc"):
        for security in ("null", "plain", "curve"):
            for batch in (1, 64):
                yield Cell(
                    "Connections with a handshake, a question and an answer",
                    f"set-up/{transport}/{security}/{batch}",
                    ("set-up", f"transport={transport}", f"security={security}", f"batch={batch}"),
                    (Row("connections_per_s", "connections/s"), CPU),
                    quick=transport == "tcp" and batch == 64,
                    label=f"{transport}, {security.upper()}, {'one after the other' if batch == 1 else '64 at once'}",
                )


def security():
    for mechanism in ("plain", "curve"):
        for transport in ("tcp", "ipc"):
            for size in (64, 1024, 16384):
                aims = (Aim("ratio", 3 if size == 64 else 2),) if mechanism == "curve" else ()
                yield Cell(
                    f"PUSH/PULL with {mechanism.upper()}",
                    f"throughput/{transport}/{size}/{mechanism}",
                    ("throughput", f"transport={transport}", f"size={size}", f"security={mechanism}"),
                    (Row("messages_per_s", "messages/s", aims=aims), CPU),
                    quick=transport == "tcp",
                    label=f"{transport}, {amount(size)}",
                )


def post_quantum():
    """QZMQ is held to NULL on the same library, and to libzmq's CURVE."""
    rates = Row("messages_per_s", "messages/s")
    for transport, size in (*product(("tcp",), (64, 1024, 16384, 1048576)), ("ipc", 64), ("ipc", 16384)):
        least = {64: 0.9, 1024: 0.8}.get(size, 0.6)
        aims = (Aim("null", least), Aim("ratio", 4)) if transport == "tcp" else ()
        yield _quantum_cell(
            f"throughput/{transport}/{size}/qzmq",
            "PUSH/PULL with QZMQ; libzmq with CURVE",
            ("throughput", f"transport={transport}", f"size={size}"),
            replace(rates, aims=aims),
            f"{transport}, {amount(size)}",
        )
    # Debian's libzmq has no ws:// at all.
    yield replace(
        _quantum_cell(
            "throughput/ws/1024/qzmq",
            "PUSH/PULL with QZMQ over ws; libzmq with CURVE over tcp",
            ("throughput", "transport=ws", "size=1024"),
            rates,
            "ws, 1 KiB",
        ),
        theirs=("throughput", "transport=tcp", "size=1024", "security=curve"),
    )
    yield from _pauses()
    yield _quantum_cell(
        "round trip/tcp/qzmq",
        "REQ/REP round trip with QZMQ; libzmq with CURVE",
        ("round-trip", "transport=tcp", "size=64"),
        Row("p50_us", "µs", "less", (Aim("null", 1.15),), "p50"),
        "tcp, zmq_recv",
        at_least_s=0.5,
    )
    for batch in (1, 64):
        # Of both ends, with all that belongs to a connection.
        cpu = replace(CPU, aims=(Aim("value", 1000),))
        yield _quantum_cell(
            f"set-up/tcp/qzmq/{batch}",
            "Connections with QZMQ's handshake, a question and an answer; libzmq with CURVE",
            ("set-up", "transport=tcp", f"batch={batch}"),
            Row("connections_per_s", "connections/s", aims=(Aim("ratio", 1),)),
            "tcp, " + ("one after the other" if batch == 1 else "64 at once"),
            cpu=cpu,
        )


def _pauses():
    """What a receiver waits for the next message, with key updates as often as they may come, and without. The longest wait is the
    scheduler's, with NULL as well: no figure of its own is aimed at."""
    command = ("pauses", "transport=tcp", "size=1024")
    for updates, what in ((1000, "a key update each 1,000 records, four a second at most"), (0, "no key update")):
        yield Cell(
            "PUSH/PULL with QZMQ, time from one message to the next; libzmq with CURVE",
            f"pauses/tcp/{'qzmq-update' if updates else 'qzmq'}",
            (*command, "security=qzmq", f"updates={updates}"),
            (Row("max_us", "µs", "less", (), "longest"), Row("p99.9_us", "µs", "less", (), "p99.9")),
            null=(*command, "security=null"),
            theirs=(*command, "security=curve"),
            at_least_s=3,
            label=f"tcp, 1 KiB, {what}",
        )


def _quantum_cell(name, group, words, row, label, cpu=None, at_least_s=0.0):
    null, theirs = ((*words, f"security={mechanism}") for mechanism in ("null", "curve"))
    cpu = cpu or replace(CPU, aims=())
    command = (*words, "security=qzmq")
    return Cell(group, name, command, (row, cpu), null=null, theirs=theirs, at_least_s=at_least_s, label=label)


def polling():
    for count in (1, 100, 2000):
        aims = (Aim("value", 50),) if count == 2000 else ()
        yield Cell(
            "zmq_poll, one socket of many ready",
            f"poll/{count}",
            ("poll", f"sockets={count}"),
            (Row("p50_us", "µs", "less", aims, "p50"), Row("p99_us", "µs", "less", (), "p99"), CPU),
            quick=True,
            label=f"{count:,} socket{'s' if count > 1 else ''}",
        )


def proxies():
    for transport in ("tcp", "inproc"):
        yield Cell(
            "zmq_proxy between PULL and PUSH, 64 B",
            f"proxy/{transport}",
            ("proxy", f"transport={transport}"),
            (Row("messages_per_s", "messages/s"), CPU),
            quick=True,
            label=transport,
        )


def memory():
    yield Cell(
        "Idle",
        "idle sockets",
        ("idle-sockets",),
        (
            Row("bytes_per_socket", "bytes", "less", (Aim("value", 4096),), "memory"),
            Row("descriptors_per_socket", "", "less", (Aim("value", 0),), "descriptors"),
        ),
        quick=True,
        timed=False,
        label="a socket",
    )
    for transport in ("tcp", "ipc"):
        yield Cell(
            "Idle",
            f"idle connections/{transport}",
            ("idle-connections", f"transport={transport}"),
            (
                Row("bound_bytes_per_connection", "bytes", "less", (Aim("value", 8192),), "bound end"),
                Row("connecting_bytes_per_connection", "bytes", "less", (Aim("value", 8192),), "connecting end"),
                Row("bound_descriptors_per_connection", "", "less", (), "descriptors"),
            ),
            quick=transport == "tcp",
            timed=False,
            label=f"a connection over {transport}",
        )


def python():
    for size in (64, 65536):
        yield Cell(
            "pyzmq, the wheel from PyPI, PUSH/PULL over tcp",
            f"pyzmq/{size}",
            (f"size={size}",),
            (Row("messages_per_s", "messages/s"), CPU),
            program="pyzmq",
            label=amount(size),
        )


def amount(size):
    """`65536` as `64 KiB`."""
    for factor, unit in ((1048576, "MiB"), (1024, "KiB")):
        if size >= factor:
            return f"{size // factor} {unit}"
    return f"{size} B"
