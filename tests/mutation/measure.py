"""Say which test runs which line, and for how long: once, before mutants are tried.

    python tests/mutation/measure.py --out .cache/mutation tests/core tests/maths tests/attacks tests/contract

What follows the options is handed to pytest, so `-n 2` works. It writes `lines` (coverage with one context a test) and
`seconds.json` into the folder.
"""

import argparse
import json
from pathlib import Path

import pytest


class Seconds:
    """Notes how long each test took that passed."""

    def __init__(self):
        self.of: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.of[report.nodeid] = report.duration


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--out", type=Path, default=Path(".cache/mutation"))
    given, rest = words.parse_known_args()
    given.out.mkdir(parents=True, exist_ok=True)
    settings = given.out / "coverage.ini"
    settings.write_text(
        f"[run]\nsource = brittle\nrelative_files = true\ndata_file = {given.out.absolute() / 'lines'}\n"
    )
    seconds = Seconds()
    coverage = [f"--cov-config={settings}", "--cov=brittle", "--cov-context=test", "--cov-report="]
    code = pytest.main(["-q", "-n", "0", "-p", "no:cacheprovider", *coverage, *rest], plugins=[seconds])
    (given.out / "seconds.json").write_text(json.dumps(seconds.of))
    raise SystemExit(code)
