"""The table: for the terminal, and as Markdown."""

from itertools import groupby

from harness.console import paint, say

from .cells import CPU
from .libraries import DEBIANS, OMQ, OURS
from .rounds import NULL, RAW

COLOURS = {"meets": "green", "misses": "red", "slower": "red", "missing": "yellow"}
HEADS = ("", DEBIANS, OURS, "ratio", "spread", "aim", "", "CPU s/million", "CPU ratio", "")
# Where the two verdicts stand, from the end.
VERDICTS = (-4, -1)


def number(value, unit=""):
    """Three digits that matter; thousands and millions with k and M."""
    if value is None:
        return "-"
    for factor, suffix in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            return digits(value / (1e6 if suffix == "M" else 1e3)) + suffix
    return digits(value)


def digits(value):
    if value is None:
        return ""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def show(figures):
    """Prints the table by groups, with a line per figure, and the sum of the verdicts."""
    rival = any(figure.rival is not None for figure in figures)
    for group, rows in _groups(figures):
        say()
        say(paint(group, "bold"))
        lines = [_heads(rival), *(_line(figure, cpu, rival) for figure, cpu in _beside_cpu(rows))]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        for line in lines:
            padded = [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]
            for place in VERDICTS:
                if line[place]:
                    padded[place] = paint(padded[place], COLOURS[line[place]])
            say("  " + "  ".join(padded).rstrip())
    say()
    say(", ".join(f"{count} {paint(verdict, COLOURS[verdict])}" for verdict, count in verdicts(figures).items()))


def markdown(figures):
    """The same for a page."""
    rival = any(figure.rival is not None for figure in figures)
    heads = _heads(rival)
    parts = []
    for group, rows in _groups(figures):
        parts += ["", f"**{group}**", "", _markdown_line(heads), _markdown_line(["---"] + ["---:"] * (len(heads) - 1))]
        parts += [_markdown_line(_line(figure, cpu, rival)) for figure, cpu in _beside_cpu(rows)]
    return "\n".join(parts).strip()


def verdicts(figures):
    counts = {}
    for figure in figures:
        counts[figure.verdict] = counts.get(figure.verdict, 0) + 1
    return {verdict: counts[verdict] for verdict in COLOURS if verdict in counts}


def _groups(figures):
    return [(group, list(rows)) for group, rows in groupby(figures, key=lambda figure: figure.cell.group)]


def _beside_cpu(rows):
    """Each figure but the processor times, which go beside the first figure of their cell."""
    for _, cell in groupby(rows, key=lambda figure: figure.cell.name):
        cell = list(cell)
        cpu = next((figure for figure in cell if figure.row == CPU), None)
        for figure in cell:
            if figure.row != CPU:
                yield figure, cpu
                cpu = None


def _heads(rival):
    return [*HEADS[:3], *([f"{OMQ} ratio"] if rival else []), RAW, *HEADS[3:]]


def _line(figure, cpu, rival):
    row, medians = figure.row, figure.medians
    name = ", ".join(part for part in (figure.cell.label, row.name) if part)
    spread = f"{digits(figure.spread[0])} to {digits(figure.spread[1])}" if figure.spread else ""
    aims = ", ".join(aim.text(row.better) for aim in row.aims)
    unit = f" ({row.unit})" if row.unit else ""
    return [
        name + unit,
        number(medians.get(DEBIANS)),
        number(medians.get(OURS)),
        *([digits(figure.rival)] if rival else []),
        _beside(medians),
        digits(figure.ratio),
        spread,
        aims,
        figure.verdict,
        number(cpu.medians.get(OURS)) if cpu else "",
        digits(cpu.ratio) if cpu else "",
        cpu.verdict if cpu else "",
    ]


def _beside(medians):
    """The bare socket's figure, or that of NULL."""
    if RAW in medians:
        return number(medians[RAW])
    return f"{number(medians[NULL])} (NULL)" if NULL in medians else ""


def _markdown_line(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
