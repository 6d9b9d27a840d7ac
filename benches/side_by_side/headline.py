"""The few figures that README.md and the top of docs/performance begin with, and those that are worse than libzmq's."""

from dataclasses import dataclass

from harness.places import Problem

from . import table
from .cells import CPU
from .libraries import DEBIANS, OURS


@dataclass(frozen=True)
class Headline:
    words: str
    cell: str  # a Cell's name
    metric: str  # a Row's
    front: bool = False  # whether it is one of the six in README.md


HEADLINES = (
    Headline("PUSH/PULL, 64 bytes over tcp", "throughput/tcp/64/copy", "messages_per_s", front=True),
    Headline("PUSH/PULL, 64 bytes over inproc", "throughput/inproc/64/copy", "messages_per_s"),
    Headline("PUSH/PULL, 1 MiB over tcp", "throughput/tcp/1048576/copy", "messages_per_s", front=True),
    Headline("PUSH/PULL with CURVE, 64 bytes over tcp", "throughput/tcp/64/curve", "messages_per_s", front=True),
    Headline("PUB to 256 SUB over tcp, 64 bytes", "publish/256/64", "messages_per_s"),
    Headline("4,096 PUSH to one PULL over tcp, 64 bytes", "fan-in/4096", "messages_per_s"),
    Headline("REQ/REP round trip over tcp, median", "round trip/tcp/recv/hot", "p50_us", front=True),
    Headline("REQ/REP round trip over inproc, median", "round trip/inproc/recv/hot", "p50_us"),
    Headline("REQ/REP round trip over inproc, 99th percentile", "round trip/inproc/recv/hot", "p99_us", front=True),
    Headline("Connections with a handshake over tcp", "set-up/tcp/null/1", "connections_per_s"),
    Headline("zmq_poll over 2,000 sockets, one ready", "poll/2000", "p50_us"),
    Headline("Memory of an idle tcp connection, bound end", "idle connections/tcp", "bound_bytes_per_connection", front=True),
    Headline("Memory of an idle socket", "idle sockets", "bytes_per_socket"),
    Headline("pyzmq, 64 bytes over tcp", "pyzmq/64", "messages_per_s"),
)


def check(cells):
    """Fails where a headline names what is not measured."""
    metrics = {(cell.name, row.metric) for cell in cells for row in cell.rows}
    for one in HEADLINES:
        if (one.cell, one.metric) not in metrics:
            raise Problem(f"{one.words}: no figure {one.metric} in a cell {one.cell}")


def front(rows):
    """The six figures of README.md."""
    return _table(_found(rows, [one for one in HEADLINES if one.front]))


def all_of_them(rows):
    return _table(_found(rows, HEADLINES))


def worse(rows):
    """Every figure whose median ratio is on the wrong side of 1, the worst first."""
    found = [figure for figure in rows if figure.ratio is not None and _loss(figure) > 1.005]
    if not found:
        return f"No figure of {OURS} is worse than that of {DEBIANS}."
    found.sort(key=_loss, reverse=True)
    named = [(_name(figure), figure) for figure in found]
    return f"{len(found)} of {len(rows)} figures have a median ratio on the wrong side of 1:\n\n{_table(named)}"


def _found(rows, wanted):
    """Each with its words; without those that this machine could not measure."""
    known = {(figure.cell.name, figure.row.metric): figure for figure in rows}
    return [(one.words, known[one.cell, one.metric]) for one in wanted if (one.cell, one.metric) in known]


def _table(named):
    lines = [f"| | {DEBIANS} | {OURS} | ratio | spread of the rounds | better is |", "|---|---:|---:|---:|---:|---|"]
    for words, figure in named:
        # The unit of processor times says what they are.
        unit = f", {figure.row.unit}" if figure.row.unit and figure.row != CPU else ""
        least, greatest = figure.spread or (None, None)
        cells = [
            words + unit,
            table.number(figure.medians.get(DEBIANS)),
            table.number(figure.medians.get(OURS)),
            f"**{table.digits(figure.ratio)}**",
            f"{table.digits(least)} to {table.digits(greatest)}",
            figure.row.better,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _name(figure):
    return ", ".join(part for part in (figure.cell.group, figure.cell.label, figure.row.name) if part)


def _loss(figure):
    """How much worse: above 1 where libzmq is better."""
    if figure.row.better == "less":
        return figure.ratio
    return 1 / figure.ratio if figure.ratio else float("inf")
