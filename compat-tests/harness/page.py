"""What a page of the documentation has to be run: programs (every fenced block of Python or C is a whole one), commands."""

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


def blocks(page, language):
    """The text of all fenced blocks of a language, in order."""
    found = [match.group(2) for match in _FENCE.finditer(page.read_text()) if match.group(1) == language]
    if not found:
        raise Problem(f"no blocks of {language} in {page}")
    return found


def commands(page, word):
    """The lines of the one fenced block of shell commands in which `word` stands, without their comments."""
    blocks = [match.group(2) for match in _FENCE.finditer(page.read_text()) if match.group(1) == "sh"]
    found = [block for block in blocks if word in block]
    if len(found) != 1:
        raise Problem(f"{len(found)} blocks with {word} in {page}, not one")
    return [line.partition("#")[0].strip() for line in found[0].splitlines()]
