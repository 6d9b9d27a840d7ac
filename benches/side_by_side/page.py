"""Fills what was measured into docs/performance/README.md and README.md, between marks; the rest is written by hand."""

import re
from itertools import groupby
from statistics import median

from harness.places import PROJECT, Problem

from . import figures, headline, plots, table
from .libraries import OURS

FOLDER = PROJECT / "docs" / "performance"
PAGE = FOLDER / "README.md"
FRONT = PROJECT / "README.md"
RESULTS = FOLDER / "results.json"


def write(cells, results):
    headline.check(cells)
    record = results["cells"]
    rows = figures.of(cells, record)
    drawn = plots.draw(record, FOLDER)
    _fill(FRONT, {"front": f"{headline.front(rows)}\n\n{_machine(results)}."})
    _fill(
        PAGE,
        {
            "headline": headline.all_of_them(rows),
            "worse": headline.worse(rows),
            "run": _run(results, rows),
            "plots": "\n\n".join(f"![{caption}]({name}.svg)" for name, caption in drawn if not name.startswith("growth")),
            "growth": _growth(record, drawn),
            "table": table.markdown(rows),
            "open": _open(rows),
        },
    )


def _fill(page, parts):
    """Writes each part between its marks."""
    text = page.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        text, count = pattern.subn(lambda _: f"{begin}\n{part}\n{end}", text)
        if count != 1:
            raise Problem(f"{page} has {count} places for {begin}, not one")
    page.write_text(text)


def _run(results, rows):
    versions = ", ".join(f"{name} ({each['version']})" for name, each in results["libraries"].items())
    sums = ", ".join(f"{count} {verdict}" for verdict, count in table.verdicts(rows).items())
    return (
        f"{_machine(results)}; {results['rounds']} rounds of {results['seconds']:g} s a cell; {versions}.\n\n"
        f"{_distances(results['cells'])}Of {len(rows)} figures: {sums}."
    )


def _machine(results):
    machine = results["machine"]
    return (
        f"{machine['when']}; {machine['processor']}, {machine['cpus']} processors, {machine['memory_mib']} MiB, "
        f"Linux {machine['kernel']}"
    )


def _distances(record):
    """Where the processors lay."""
    each, moved = figures.distances(record)
    if not each:
        return ""
    return (
        f"A line of memory went from one processor to the other and back in {median(each):.0f} ns (median; {min(each)} to "
        f"{max(each)}). In {moved} of {len(each)} rounds that changed, although they were repeated.\n\n"
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
    """What does not meet its aim, group by group."""
    lines = []
    for group, found in groupby(rows, key=lambda figure: figure.cell.group):
        missed = [_missed(figure) for figure in found if figure.verdict in ("misses", "slower", "missing")]
        if missed:
            lines += [f"- **{group}**", *(f"  - {each}" for each in missed)]
    return "\n".join(lines) or f"Nothing: {OURS} meets all aims."


def _missed(figure):
    name = " ".join(part for part in (figure.cell.label, figure.row.name) if part)
    reasons = [
        f"{aim.text(figure.row.better)}, is {value:.3g}" for aim, value in figure.aimed() if not aim.met(value, figure.row.better)
    ]
    if not reasons and figure.ratio is not None:
        reasons = [f"ratio {figure.ratio:.3g}"]
    return f"{name}: {'; '.join(reasons) or figure.missing}"
