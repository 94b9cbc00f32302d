"""Everything that an attacker could try, for minutes: `make attack`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# The fuzzers take the time that the others leave.
PARTS = (
    *("test_modes.py", "end_to_end/test_secrets.py", "web/test_guard.py", "web/test_hosts.py"),
    *("web/test_limits.py", "web/test_sessions.py", "web/pages/test_operator_links.py"),
    *("oura/test_hostile_json.py", "accounts/test_hostile_imports.py"),
    *(
        "attack/test_unmaintained.py",
        "attack/test_names_in_graphite.py",
        "attack/test_wire.py",
        "attack/test_rights.py",
    ),
    *("attack/test_api_schema.py", "attack/test_fuzzers.py", "attack/test_exports.py"),
)


class Report:
    """A line per file as it goes, and the sum at the end."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._file = ""
        self._findings: list[str] = []
        self._tests = 0

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what is tried now."""
        name = nodeid.partition("::")[0].removeprefix("oura_pipeline_tests/")
        if name != self._file or "hostile_bytes" in nodeid:
            self._file = name
            self._say(nodeid.partition("::")[2] if "hostile_bytes" in nodeid else name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count, and say what was found at once."""
        self._tests += report.when == "call"
        if report.failed:
            self._findings.append(report.nodeid)
            self._say(f"FOUND: {report.nodeid}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the sum."""
        from oura_pipeline_tests.attack.effort import TRIED

        count = len(self._findings)
        found = "no finding" if not count else f"{count} finding{'s' * (count > 1)}"
        terminalreporter.write_line(
            f"Tried {TRIED['requests']:,} requests of the table of rights and the API's schema, "
            f"{TRIED['examples']:,} hostile inputs and {self._tests} tests "
            f"in {time.monotonic() - self._began:.0f} s: {found}."
        )

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:4.0f} s] {text}", flush=True)


def main() -> int:
    """Return the exit status: 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="default: 9")
    os.environ["ATTACK_MINUTES"] = str(parser.parse_args().minutes)
    places = [str(TESTS / part) for part in PARTS]
    quiet = ("-q", "--no-header", "-p", "no:cacheprovider", "--capture=fd", "-r", "fE")
    return pytest.main([*quiet, "--tb=short", *places], plugins=[Report()])


if __name__ == "__main__":
    sys.exit(main())
