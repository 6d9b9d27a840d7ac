"""A pytest plugin that writes down what happens, test by test, so that a crash or a hang costs one test alone."""

import faulthandler
import json
import os

_TIMEOUT_S = float(os.environ["WITNESS_TIMEOUT_S"])
_events = open(os.environ["WITNESS_EVENTS"], "a", buffering=1)
# pytest puts a file of its own in the place of descriptor 2 while a test runs, and what is in there is lost with the process.
_complaints = os.fdopen(os.dup(2), "w")


def _write(**event):
    _events.write(json.dumps(event) + "\n")


def pytest_runtest_logstart(nodeid, location):
    # Ends the whole process with status 1, whatever it hangs in; `Suite` goes on with the next test.
    faulthandler.dump_traceback_later(_TIMEOUT_S, exit=True, file=_complaints)
    _write(test=nodeid, outcome="started")


def pytest_runtest_logreport(report):
    if report.failed:
        _write(test=report.nodeid, outcome="fail", reason=str(report.longrepr)[-2000:])
    elif report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _write(test=report.nodeid, outcome="skip", reason=why.removeprefix("Skipped: "))
    elif report.when == "call":
        _write(test=report.nodeid, outcome="pass")


def pytest_runtest_logfinish(nodeid, location):
    faulthandler.cancel_dump_traceback_later()
    _write(test=nodeid, outcome="finished")
