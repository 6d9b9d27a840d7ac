"""The programs in a page of the documentation: every fenced block of Python or C is a whole one."""

import re
from dataclasses import dataclass

from .places import Problem

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENDINGS = {"python": "py", "c": "c"}


@dataclass(frozen=True)
class Program:
    name: str  # the page and the line where it begins
    language: str
    text: str

    @property
    def file(self):
        return f"program.{_ENDINGS[self.language]}"


def programs(page):
    """All of them, in order. A page without any is one that has been changed past recognition."""
    text = page.read_text()
    found = [
        Program(f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}", match.group(1), match.group(2))
        for match in _FENCE.finditer(text)
        if match.group(1) in _ENDINGS
    ]
    if not found:
        raise Problem(f"no programs in {page}")
    return found
