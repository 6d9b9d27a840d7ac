"""What matters of the output of a step that failed: the lines that name what failed, and those right behind them."""

import re
from collections import deque

# At the beginning of a line: verdicts of the programs here, of pytest, of cargo's tests and of compilers.
SIGN = re.compile(
    r"\s*(FAIL\b|FAILED\b|---- .* stdout ----|thread '.*panicked|test .* \.\.\. FAILED|error\b|Error\b|E  |Diff in |Traceback|\w*(Error|Exception)\b|make: \*\*\*)"
    r"|\s*\S*compat-tests/\S+: "
)
# It says no more than that something failed, which the lines before it say better.
EMPTY = re.compile(r"\s*(error: test failed, to rerun|error: \d+ targets? failed|error: could not compile)")
MAX_LINES = 15
MAX_LINE_CHARACTERS = 300
# Behind a sign stands what is said of it, as the message of a panic does.
LINES_BEHIND = 2


class Telling:
    """Takes the lines of one step, one by one."""

    def __init__(self):
        self._signs = deque(maxlen=MAX_LINES)
        self._last = deque(maxlen=MAX_LINES)
        self._behind = 0

    def take(self, line):
        line = line.rstrip()
        if not line.strip():
            return
        line = line if len(line) <= MAX_LINE_CHARACTERS else f"{line[:MAX_LINE_CHARACTERS]} ..."
        self._last.append(line)
        if SIGN.match(line) and not EMPTY.match(line):
            self._behind = LINES_BEHIND + 1
        if self._behind:
            self._signs.append(line)
            self._behind -= 1

    def lines(self):
        """At most `MAX_LINES`; the last ones of the step, where none is a sign."""
        return list(self._signs or self._last)
