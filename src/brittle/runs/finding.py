"""What the checks of an audit found, as it lies in the run folder: ``health.json``."""

import json
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field

from brittle.errors import OverLimit
from brittle.files import write_atomically
from brittle.reading import parse_json, read_text
from brittle.runs.manifest import Name, Strict
from brittle.runs.older import with_todays_fields

HEALTH = "health.json"
MOST_FINDINGS = 1000
"""There are no more checks."""
Status = Literal["fail", "warn", "pass", "skipped"]
Error = Literal["too high", "too low", "either", "uncertain"]
"""How the robust accuracy errs where a check fails: gradients that are hidden make it too high, an attack that leaves
its radius too low, and few images uncertain either way, which its interval says."""
ORDER: tuple[Status, ...] = ("fail", "warn", "pass", "skipped")
"""How findings are shown: what changes a conclusion first."""


class Finding(Strict):
    """What one check found.

    Attributes:
        check: short name, as in the documentation.
        title: what was checked, in a few words.
        status: "fail" where a number of the audit is wrong or means nothing, "warn" where it may, "skipped" where the
            check does not apply or there was no room for it.
        value: the check's number; None where it has none.
        text: what was seen, with that number and of how many images.
        rule: what must hold, with the threshold.
        source: where it is published.
        remedy: what to do where it does not hold.
        error: how the robust accuracy errs where it does not hold.
    """

    check: str
    title: Name
    status: Status
    value: float | None
    text: Name
    rule: str
    source: str
    remedy: Name
    error: Error = "either"

    @property
    def flatters(self) -> bool:
        """Whether a failure may make the network look more robust than it is."""
        return self.status == "fail" and self.error in ("too high", "either")


class Health(Strict):
    """The findings of all checks of a run.

    Attributes:
        run: identity of the run that they are about.
        thorough: whether the expensive checks were made too.
        passes: forward plus backward passes that the checks took.
        fraction: the same as a fraction of the audit's own passes.
        findings: one for each check.
    """

    format: Literal[1] = 1
    run: str
    thorough: bool
    passes: int
    fraction: float
    findings: list[Finding] = Field(max_length=MOST_FINDINGS)

    def count(self, status: Status) -> int:
        """How many findings have this status."""
        return Counter(finding.status for finding in self.findings)[status]

    @property
    def reliable(self) -> bool:
        """Whether no check failed: with one that did, the robust accuracy is no result."""
        return not self.count("fail")

    @property
    def headline(self) -> str:
        """What an unreliable evaluation is called everywhere, before any number; "" for a reliable one."""
        failed = self.ordered("fail")
        if not failed:
            return ""
        count = "a check" if len(failed) == 1 else f"{len(failed)} checks"
        verb = "it is" if len(failed) == 1 else "the first is"
        return f"The evaluation cannot be relied on: {count} of it failed; {verb} “{failed[0].title}”."

    @property
    def flattering(self) -> "list[Finding]":
        """The failures that may make the network look more robust than it is; a gate must not pass with any."""
        return [finding for finding in self.findings if finding.flatters]

    def ordered(self, *statuses: Status) -> list[Finding]:
        """The findings with these statuses (all by default), what matters most first."""
        wanted = statuses or ORDER
        chosen = [finding for finding in self.findings if finding.status in wanted]
        return sorted(chosen, key=lambda finding: ORDER.index(finding.status))


def write_health(folder: Path, health: Health) -> None:
    """Write ``health.json`` whole or not at all.

    Raises:
        RunError: the folder cannot be written.
    """
    write_atomically(folder / HEALTH, (health.model_dump_json(indent=1) + "\n").encode())


def read_health(folder: Path, run: str) -> Health | None:
    """Read the findings of a run; None where there are none, or those of another run or of another format.

    Args:
        folder: the run folder.
        run: the identity in its manifest.
    """
    try:
        content = parse_json(read_text(folder / HEALTH), HEALTH)
        health = Health.model_validate_json(json.dumps(with_todays_fields(content, Health.model_fields)))
    except (OSError, OverLimit, ValueError):
        return None
    return health if health.run == run else None
