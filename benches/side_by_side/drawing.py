"""Line charts as SVG, with nothing but text: axes that may be logarithmic, a grid, a legend."""

import math
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 84, 206, 48, 62
# About the width of a letter of a tick.
LETTER = 7.5
# Told apart by the colour-blind as well; the marks help where colour does not.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56606a", "#e69f00", "#56b4e9", "#000000")
MARKS = ("circle", "square", "diamond", "triangle")
STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}.tick{font-size:12px;fill:#444}"
    ".grid{stroke:#ddd}.axis{stroke:#444}"
)


@dataclass(frozen=True)
class Line:
    name: str
    points: list  # of (x, y)
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """Logarithmic unless `linear`. `ticks` are (value, text); decades or powers of two where none are given."""

    label: str
    ticks: tuple = ()
    linear: bool = False


def chart(title, x, y, lines):
    """The whole SVG file."""
    lines = [Line(line.name, _drawable(line, x, y), line.colour, line.dashed) for line in lines]
    lines = [line for line in lines if line.points]
    across = _Scale(x, [point[0] for line in lines for point in line.points], LEFT, WIDTH - RIGHT)
    up = _Scale(y, [point[1] for line in lines for point in line.points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text((LEFT + WIDTH - RIGHT) / 2, 26, title, "middle", "title"),
        *_across(across),
        *_up(up),
        *(part for place, line in enumerate(lines) for part in _line(line, place, across, up)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    def __init__(self, axis, values, begin, end):
        self.axis, self.begin, self.end = axis, begin, end
        low, high = (min(values), max(values)) if values else (1, 10)
        self.ticks = list(axis.ticks) or (_linear_ticks(high) if axis.linear else _decades(low, high))
        known = [tick for tick, _ in self.ticks] + [low, high]
        self.low, self.high = self._place(min(known)), self._place(max(known))

    def at(self, value):
        share = (self._place(value) - self.low) / ((self.high - self.low) or 1)
        return self.begin + share * (self.end - self.begin)

    def _place(self, value):
        return value if self.axis.linear else math.log10(value)


def _drawable(line, x, y):
    return [
        (a, b)
        for a, b in line.points
        if b is not None and (x.linear or a > 0) and (y.linear or b > 0)
    ]


def _decades(low, high):
    """1, 10, 100 …, and 2 and 5 between where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    values = [factor * 10**power for power in range(first, last + 1) for factor in factors]
    inside = [value for value in values if low / 2.5 <= value <= high * 2.5]
    return [(value, short(value)) for value in (inside if len(inside) > 1 else values)]


def _linear_ticks(high):
    step = 10 ** math.floor(math.log10(high or 1))
    step = next((step * part for part in (0.2, 0.5, 1) if high / (step * part) <= 6), step * 2)
    return [(step * place, short(step * place)) for place in range(math.ceil((high or 1) / step) + 1)]


def short(value):
    """`20000` as `20 k`."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{suffix}"
    return f"{value:g}"


def _across(scale):
    bottom, taken = HEIGHT - BOTTOM, 0.0
    for value, text in scale.ticks:
        x = scale.at(value)
        half = len(text) * LETTER / 2
        yield f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        # A text that would run into the one before it is left out; its line stays.
        if x - half > taken:
            taken = x + half
            yield _text(x, bottom + 18, text, "middle", "tick")
    yield f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>'
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, scale.axis.label, "middle")


def _up(scale):
    for value, text in scale.ticks:
        y = scale.at(value)
        yield f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, text, "end", "tick")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>'
    yield (
        f'<text x="20" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 20 {middle:.1f})">'
        f"{escape(scale.axis.label)}</text>"
    )


def _line(line, place, across, up):
    colour = COLOURS[line.colour % len(COLOURS)]
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    points = [(across.at(x), up.at(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    mark = MARKS[line.colour % len(MARKS)]
    yield from (_mark(mark, x, y, colour) for x, y in points)
    left, y = WIDTH - RIGHT + 16, TOP + 12 + place * 22
    yield f'<line x1="{left}" y1="{y}" x2="{left + 26}" y2="{y}" stroke="{colour}" stroke-width="2"{dash}/>'
    yield _mark(mark, left + 13, y, colour)
    yield _text(left + 33, y + 4, line.name)


def _mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    corners = {
        "square": ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        "diamond": ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)),
        "triangle": ((0, -4.5), (4, 3), (-4, 3)),
    }[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def _text(x, y, text, anchor="start", kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
