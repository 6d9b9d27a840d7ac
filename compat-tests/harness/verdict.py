"""What a pair of outcomes means: on the original, and on ours."""

import tomllib
from dataclasses import dataclass

from .places import Problem


@dataclass(frozen=True)
class Verdict:
    kind: str  # "pass", "fail" or "skip"
    reason: str = ""


class Race(str):
    """The reason of a test that may pass or not, as its threads happen to run."""


class Excuses:
    """The rows of an excused.toml: tests that need not pass yet, or never will, a reason each."""

    def __init__(self, file):
        rows = tomllib.loads(file.read_text()).get("excused", []) if file.exists() else []
        self.file = file
        self._rows = {}
        for row in rows:
            if not {"test", "reason"} <= row.keys() <= {"test", "version", "build", "races", "reason"}:
                raise Problem(f"{file}: a row needs test and reason, may have version, build and races: {row}")
            key = row["test"], row.get("version"), row.get("build")
            if not row["reason"].strip() or key in self._rows:
                raise Problem(f"{file}: an empty reason or a second row for {key}")
            self._rows[key] = Race(row["reason"]) if row.get("races") else row["reason"]

    def reason(self, test, version=None, build=None):
        """Why `test` is excused, or `None`. A row without version or build holds for all of them."""
        for key in {(test, v, b) for v in (version, None) for b in (build, None)}:
            if key in self._rows:
                return self._rows[key]
        return None

    def rows(self):
        """All rows, as (test, version, build)."""
        return list(self._rows)

    def tests(self):
        """The names in all rows."""
        return sorted({test for test, _, _ in self._rows})

    def check_names(self, known):
        """Fails on a row for a test that there is not: it would go unnoticed for ever."""
        unknown = sorted(set(self.tests()) - set(known))
        if unknown:
            raise Problem(f"{self.file}: no such test: {', '.join(unknown)}")


def judge(original, ours, excuse):
    """`original` and `ours` are outcomes with `verdict` and `reason`; `excuse` a reason or `None`."""
    if ours.verdict == "pass" and isinstance(excuse, Race):
        return Verdict("pass")
    if ours.verdict == "pass":
        return Verdict("fail", f"passes, yet it is excused ({excuse})") if excuse else Verdict("pass")
    if excuse:
        return Verdict("skip", f"excused: {excuse}")
    if original.verdict == "skip":
        return Verdict("skip", "the original skips it too")
    if original.verdict == "fail":
        return Verdict("skip", f"fails on the original too ({original.reason} there, {ours.reason} here)")
    return Verdict("fail", "skips, the original passes" if ours.verdict == "skip" else ours.reason)
