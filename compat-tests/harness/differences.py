"""What is known to differ from the original, and its rows in docs/differences.md."""

from dataclasses import dataclass
from typing import Callable

from .places import PROJECT, Problem

PAGE = PROJECT / "docs" / "differences.md"


@dataclass(frozen=True)
class Known:
    """One known difference."""

    row: str  # how its row in docs/differences.md begins
    explains: Callable  # whether it explains what was seen; with which arguments is up to the test
    # Whether the two go different ways from there on, so that nothing behind it can be compared.
    parts: bool = True


def check(known):
    """Fails where something is known that the page does not tell."""
    rows = [line.removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    untold = [one.row for one in known if not any(row.startswith(one.row) for row in rows)]
    if untold:
        raise Problem(f"no row in {PAGE.name} begins with: {untold[0]}")
