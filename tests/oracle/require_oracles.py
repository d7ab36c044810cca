"""pytest plugin of ./test: with TQ_REQUIRE_ORACLES=1, a test that skips because an oracle or a program is missing
fails the run, so that a broken set-up can't pass as a green one. Other skips stay skips."""
import os
import re

MISSING = re.compile(r"not installed|could not import|TQ_[A-Z]+|no model")
_missing = []


def _note(report):
    if report.skipped and os.environ.get("TQ_REQUIRE_ORACLES") == "1" and MISSING.search(str(report.longrepr)):
        _missing.append(f"{report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else ''}")


def pytest_runtest_logreport(report):
    _note(report)


def pytest_collectreport(report):
    _note(report)


def pytest_sessionfinish(session):
    if _missing:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for line in _missing:
        terminalreporter.write_line(f"FAILED (skipped, but oracles are required) {line}")
