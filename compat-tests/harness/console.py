"""Lines for people: coloured on a terminal, plain in a pipe."""

import os
import sys
import threading

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}
_lock = threading.Lock()


def paint(text, colour):
    """`text` in `colour` where someone sees it."""
    if (sys.stdout.isatty() or "CLICOLOR_FORCE" in os.environ) and "NO_COLOR" not in os.environ:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"
    return text


def say(text=""):
    """One whole line at a time, whichever thread speaks."""
    with _lock:
        print(text, flush=True)


def totals(passed, failed, skipped):
    """The last line of every program here."""
    line = f"{passed} passed, {failed} failed, {skipped} skipped"
    say(paint(line, "red" if failed else "green"))
