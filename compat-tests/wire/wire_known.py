"""Conversations that are known to differ. Each has its row in docs/differences.md."""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Known:
    """One known difference."""

    row: str  # how its row in docs/differences.md begins
    explains: Callable  # whether it explains the complaint about a scene


KNOWN = []
