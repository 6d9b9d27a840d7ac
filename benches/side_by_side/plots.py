"""Which charts are drawn from a record, and how steeply each cost grows."""

import math
from dataclasses import dataclass
from functools import partial

from . import cells
from .drawing import Axis, Line, chart
from .figures import middle
from .libraries import DEBIANS, OMQ, OURS
from .rounds import RAW

NAMES = {DEBIANS: 0, OURS: 1, OMQ: 3, RAW: 4}
SHARES = ((50, "p50"), (75, "p75"), (90, "p90"), (95, "p95"), (99, "p99"), (99.5, "p99.5"), (99.9, "p99.9"))


def draw(record, folder):
    """Writes every chart that the record has figures for. Returns their names and captions."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, caption, svg in _charts(record):
        if "<polyline" in svg:
            (folder / f"{name}.svg").write_text(svg)
            drawn.append((name, caption))
    return drawn


def _charts(record):
    for transport in cells.TRANSPORTS:
        yield from _throughput(record, transport)
    for transport in cells.TRANSPORTS:
        yield from _latency(record, transport)
    for growth in GROWTHS:
        yield growth.name, growth.title, _growth(record, growth)


def _throughput(record, transport):
    sizes = Axis("message size", tuple((size, cells.amount(size)) for size in cells.SIZES))
    for metric, unit, name in (("messages_per_s", "messages/s", "messages"), ("mib_per_s", "MiB/s", "bytes")):
        lines = _lines(f"throughput/{transport}/{{}}/copy".format, cells.SIZES, partial(_middle_of, record, metric))
        title = f"PUSH/PULL over {transport}, one I/O thread, {unit}"
        yield f"throughput-{transport}-{name}", title, chart(title, sizes, Axis(unit), lines)


def _latency(record, transport):
    # The further right, the rarer: each step to the right is a tenth of what was left.
    ticks = tuple((100 / (100 - share), text) for share, text in SHARES)
    lines = []
    for idle, dashed in (("hot", False), ("idle", True)):
        cell = f"round trip/{transport}/recv/{idle}"
        for library, colour in NAMES.items():
            points = [(100 / (100 - share), middle(record, cell, f"{text}_us", library)) for share, text in SHARES]
            if dashed:
                points = points[:5]  # too few samples for the rest
            if points[0][1] is not None:
                lines.append(Line(f"{library}, {'after 10 ms' if dashed else 'hot'}", points, colour, dashed))
    title = f"REQ/REP round trip over {transport}, 64 B, zmq_recv"
    yield f"latency-{transport}", title, chart(title, Axis("percentile", ticks), Axis("µs"), lines)


@dataclass(frozen=True)
class Growth:
    """How a cost grows with a number. `cost` makes the cost of what zmqbench printed."""

    name: str
    title: str
    over: str
    unit: str
    numbers: tuple
    cell: str  # with {} for the number
    metric: str
    cost: object


def _per_message_us(rate):
    return 1e6 / rate


def _same(value):
    return value


GROWTHS = (
    Growth("growth-connections", "Time per message, many PUSH to one PULL, tcp, 64 B", "connections", "µs per message",
           cells.CONNECTIONS, "fan-in/{}", "messages_per_s", _per_message_us),
    Growth("growth-connections-cpu", "CPU time per message, many PUSH to one PULL, tcp, 64 B", "connections",
           "CPU µs per message", cells.CONNECTIONS, "fan-in/{}", "cpu_s_per_million", _same),
    Growth("growth-connections-setup", "Until every one of many connections was heard, tcp", "connections", "s",
           cells.CONNECTIONS, "fan-in/{}", "until_all_heard_s", _same),
    Growth("growth-topics-match", "Publishing a message without a subscriber", "topics", "µs per message", cells.TOPICS,
           "topics/{}", "unmatched_per_s", _per_message_us),
    Growth("growth-topics-wanted", "Publishing a message with a subscriber, until it is received", "topics",
           "µs per message", cells.TOPICS, "topics/{}", "messages_per_s", _per_message_us),
    Growth("growth-topics-subscribe", "Subscribing, until the last one is in force", "topics", "s", cells.TOPICS[2:],
           "topics/{}", "subscribe_s", _same),
    Growth("growth-topics-memory", "Memory of a subscription at the publisher", "topics", "bytes per topic",
           cells.TOPICS[3:], "topics/{}", "publisher_bytes_per_topic", _same),
    Growth("growth-io-threads", "Time per message, 16 connections, tcp, 64 B", "I/O threads", "µs per message", (1, 2),
           "io threads/{}", "messages_per_s", _per_message_us),
    Growth("growth-poll", "zmq_poll, one socket of many ready", "sockets", "µs", (1, 100, 2000), "poll/{}", "p50_us",
           _same),
)


def _growth(record, growth):
    lines = _growth_lines(record, growth)
    ticks = tuple((number, f"{number:,}") for number in growth.numbers)
    return chart(growth.title, Axis(growth.over, ticks), Axis(growth.unit), lines)


def _growth_lines(record, growth):
    def cost(cell, library):
        value = middle(record, cell, growth.metric, library)
        return growth.cost(value) if value is not None and value > 0 else None

    return _lines(growth.cell.format, growth.numbers, cost)


def _middle_of(record, metric, cell, library):
    return middle(record, cell, metric, library)


def _lines(cell, numbers, figure):
    lines = []
    for library, colour in NAMES.items():
        points = [(number, value) for number in numbers if (value := figure(cell(number), library)) is not None]
        lines.append(Line(library, points, colour, library == RAW))
    return [line for line in lines if line.points]


def slopes(record):
    """For each growth: its title, over what, and each library's exponent and cost at either end.

    An exponent of 0 is a cost that stays, of 1 one that grows as the number does."""
    for growth in GROWTHS:
        found = {line.name: (slope(line.points), line.points) for line in _growth_lines(record, growth)}
        found = {name: each for name, each in found.items() if each[0] is not None}
        if found:
            yield growth, found


def slope(points):
    """The exponent of the power law that fits the points best (least squares of the logarithms)."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len(logs) < 2:
        return None
    mean_x, mean_y = (sum(log[axis] for log in logs) / len(logs) for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread if spread else None
