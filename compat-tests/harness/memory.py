"""Outcomes on the original library, remembered: neither it nor the programs change."""

import json

from .places import WORK
from .sandbox import Outcome


def recall(program, library):
    """The outcome of `program` on `library` in an earlier run, if any."""
    try:
        return Outcome(**json.loads(_file(program, library).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remember(program, library, outcome):
    """A failure is not kept: it may have been chance, and the next run must see it again."""
    if outcome.verdict != "fail":
        file = _file(program, library)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"status": outcome.status, "seconds": outcome.seconds, "output": ""}))


def _file(program, library):
    return WORK / "results" / f"{program.parent.name}-{program.name}-{library.digest[:12]}.json"
