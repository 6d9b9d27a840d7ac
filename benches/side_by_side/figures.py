"""What a record says: medians, ratios within a round with their spread, and whether the aims are met."""

from dataclasses import dataclass
from statistics import median

from .libraries import DEBIANS, OMQ, OURS
from .rounds import NULL, RAW

# Memory that is not there at all has no ratio.
NOTHING = 1e-9


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    cell: object
    row: object
    medians: dict  # of each library, of the bare socket and of NULL, where measured
    ratio: float | None  # ours to Debian's, the median of the rounds
    spread: tuple | None  # the least and the greatest
    rival: float | None  # omq-libzmq to Debian's
    raw: float | None  # ours to the bare socket's
    null: float | None  # ours to NULL's on our library
    missing: str = ""

    @property
    def verdict(self):
        """`meets`, `misses`, `slower` (worse than libzmq in every round, unless that is within the aim), or `missing`."""
        if self.missing:
            return "missing"
        better = self.row.better
        met = all(aim.met(figure, better) for aim, figure in self.aimed())
        if self.spread and not (self.row.aims and met):
            least, greatest = self.spread
            if greatest < 1 if better == "more" else least > 1:
                return "slower"
        return "meets" if met else "misses"

    def aimed(self):
        """Each aim with the figure that it binds."""
        for aim in self.row.aims:
            figure = self._figure(aim.of)
            if figure is not None:
                yield aim, figure

    def _figure(self, of):
        return {"ratio": self.ratio, "raw": self.raw, "null": self.null, "value": self.medians.get(OURS)}[of]


def of(cells, record):
    """The rows of all cells that the record has."""
    return [_figure(cell, row, record[cell.name]) for cell in cells if cell.name in record for row in cell.rows]


def _figure(cell, row, runs):
    runs = _steady(runs)
    series = {name: [run.get(row.metric) for run in each] for name, each in runs.items()}
    medians = {name: median(known) for name, each in series.items() if (known := _known(each))}
    missing = next((run["missing"] for run in runs.get(OURS, ()) if "missing" in run), "")
    ratios = _ratios(series.get(OURS, ()), series.get(DEBIANS, ()))
    rivals = _ratios(series.get(OMQ, ()), series.get(DEBIANS, ()))
    raws = _ratios(series.get(OURS, ()), series.get(RAW, ()))
    nulls = _ratios(series.get(OURS, ()), series.get(NULL, ()))
    return Figure(
        cell,
        row,
        medians,
        median(ratios) if ratios else None,
        (min(ratios), max(ratios)) if ratios else None,
        median(rivals) if rivals else None,
        median(raws) if raws else None,
        median(nulls) if nulls else None,
        missing if OURS not in medians else "",
    )


def _steady(runs):
    """Without the rounds in which the machine has moved its processors, if there are others."""
    steady = [place for place, run in enumerate(runs.get(OURS, ())) if not run.get("moved")]
    if not steady:
        return runs
    return {name: [each[place] for place in steady if place < len(each)] for name, each in runs.items()}


def _ratios(left, right):
    """Round by round; rounds where one of the two failed count for nothing."""
    pairs = [(a, b) for a, b in zip(left, right) if a is not None and b is not None]
    return [a / b for a, b in pairs if abs(b) > NOTHING]


def _known(values):
    return [value for value in values if value is not None]


def distances(record):
    """How far apart the processors were, in ns, in each round of each cell; and in how many of them that changed."""
    runs = [run for cell in record.values() for run in cell.get(OURS, ()) if run.get("line_ns")]
    return [run["line_ns"] for run in runs], sum(run["moved"] for run in runs)


def middle(record, cell, metric, library):
    """The median of one metric of one library in one cell, or `None`."""
    known = _known([run.get(metric) for run in _steady(record.get(cell, {})).get(library, ())])
    return median(known) if known else None
