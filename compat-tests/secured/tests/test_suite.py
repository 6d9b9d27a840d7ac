"""What is told of a test that does not end, by the means that run these tests here."""

import sys

from harness.sandbox import Sandbox
from harness.suite import Suite

TESTS = """
import time


def test_that_passes():
    pass


def test_that_hangs():
    print("captured")
    time.sleep(60)


def test_that_comes_after():
    pass
"""


def test_a_test_that_hangs_is_told_as_one_and_where(tmp_path):
    (tmp_path / "test_them.py").write_text(TESTS)
    outcomes = Suite(sys.executable, tmp_path, Sandbox(), 2).outcomes("test_them.py", ())
    told = {name.rpartition("::")[2]: outcome for name, outcome in outcomes.items()}
    assert {name: outcome.verdict for name, outcome in told.items()} == {
        "test_that_passes": "pass",
        "test_that_hangs": "fail",
        "test_that_comes_after": "pass",
    }
    reason = told["test_that_hangs"].reason
    # Its process ends with status 1, as that of a test that fails.
    assert reason.startswith("no end after 2 s, at test_them.py:11\n") and "in test_that_hangs" in reason
