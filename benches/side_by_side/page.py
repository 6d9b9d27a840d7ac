"""Fills what was measured into docs/performance/README.md, between marks; the rest of it is written by hand."""

import re
from statistics import median

from harness.places import PROJECT, Problem

from . import figures, plots, table
from .libraries import OURS

FOLDER = PROJECT / "docs" / "performance"
PAGE = FOLDER / "README.md"
RESULTS = FOLDER / "results.json"


def write(cells, results):
    record = results["cells"]
    rows = figures.of(cells, record)
    drawn = plots.draw(record, FOLDER)
    text = PAGE.read_text()
    for name, part in {
        "run": _run(results, rows),
        "plots": "\n\n".join(f"![{caption}]({name}.svg)" for name, caption in drawn if not name.startswith("growth")),
        "growth": _growth(record, drawn),
        "table": table.markdown(rows),
        "open": _open(rows),
    }.items():
        text = _fill(text, name, part)
    PAGE.write_text(text)


def _fill(text, name, part):
    begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    filled, count = pattern.subn(lambda _: f"{begin}\n{part}\n{end}", text)
    if count != 1:
        raise Problem(f"{PAGE} has no place for {begin}")
    return filled


def _run(results, rows):
    machine = results["machine"]
    versions = ", ".join(f"{name} ({each['version']})" for name, each in results["libraries"].items())
    sums = ", ".join(f"{count} {verdict}" for verdict, count in table.verdicts(rows).items())
    return (
        f"{machine['when']}; {machine['processor']}, {machine['cpus']} processors, {machine['memory_mib']} MiB, "
        f"Linux {machine['kernel']}; {results['rounds']} rounds of {results['seconds']:g} s a cell; {versions}.\n\n"
        f"{_distances(results['cells'])}Of {len(rows)} figures: {sums}."
    )


def _distances(record):
    """Where the processors lay."""
    each, moved = figures.distances(record)
    if not each:
        return ""
    return (
        f"A line of memory went from one processor to the other and back in {median(each):.0f} ns (the median; from "
        f"{min(each)} to {max(each)}), which changed in the course of {moved} of {len(each)} rounds, for all that they were "
        "repeated.\n\n"
    )


def _growth(record, drawn):
    names = [name for name, _ in drawn]
    parts = []
    for growth, found in plots.slopes(record):
        each = "; ".join(
            f"{name}: slope **{slope:.2f}** ({table.number(points[0][1])} at {points[0][0]:,}, "
            f"{table.number(points[-1][1])} at {points[-1][0]:,})"
            for name, (slope, points) in found.items()
        )
        parts.append(f"**{growth.title}**, {growth.unit} over {growth.over}. {each}.")
        if growth.name in names:
            parts.append(f"![{growth.title}]({growth.name}.svg)")
    return "\n\n".join(parts)


def _open(rows):
    """What does not meet its aim, so that each can be explained."""
    lines = []
    for figure in rows:
        if figure.verdict in ("misses", "slower", "missing"):
            name = ": ".join(part for part in (figure.cell.group, figure.cell.label, figure.row.name) if part)
            reasons = [
                f"{aim.text(figure.row.better)}, is {value:.3g}"
                for aim, value in figure.aimed()
                if not aim.met(value, figure.row.better)
            ]
            if not reasons and figure.ratio is not None:
                reasons = [f"ratio {figure.ratio:.3g}"]
            lines.append(f"- {name}: {', '.join(reasons) or figure.missing}")
    return "\n".join(lines) or f"Nothing: {OURS} meets all aims."
