"""The block "Evaluation health": what the checks of the audit found, as the page shows it."""

from dataclasses import dataclass

from brittle.runs.finding import ORDER, Finding, Health, Status
from brittle.words import plural

WORDS: dict[Status, tuple[str, str]] = {
    "fail": ("✕", "fail"),
    "warn": ("!", "warn"),
    "pass": ("✓", "pass"),
    "skipped": ("–", "skipped"),
}
"""A sign and a word for each status: colour is never all there is."""


@dataclass(frozen=True)
class Line:
    """One finding as a line of the page."""

    sign: str
    word: str
    finding: Finding

    @property
    def remedy(self) -> str:
        """What to do; nothing where the check passed."""
        return self.finding.remedy if self.finding.status in ("fail", "warn") else ""


@dataclass(frozen=True)
class Block:
    """The block of the page.

    Attributes:
        headline: in a few words.
        failed: whether any check failed.
        counts: sign, word and number for each status that occurs.
        open, passed, skipped: its lines; passed and skipped ones are folded.
        cost: what the checks took.
    """

    headline: str
    failed: bool
    counts: tuple[tuple[str, str, int], ...]
    open: tuple[Line, ...]
    passed: tuple[Line, ...]
    skipped: tuple[Line, ...]
    cost: str


def block(health: Health | None) -> Block | None:
    """Lay the findings out; None for a run without any."""
    if health is None:
        return None
    lines = {status: tuple(_line(finding) for finding in health.ordered(status)) for status in ORDER}
    counts = tuple((*WORDS[status], len(lines[status])) for status in ORDER if lines[status] or status != "skipped")
    fraction = f"{100 * health.fraction:.1f}" if health.fraction >= 0.001 else "less than 0.1"
    more = "" if health.thorough else " --thorough makes the expensive ones too, on more images."
    return Block(
        _headline(len(lines["fail"]), len(lines["warn"])),
        bool(lines["fail"]),
        counts,
        lines["fail"] + lines["warn"],
        lines["pass"],
        lines["skipped"],
        f"The checks took {health.passes:,} passes, {fraction} % of the audit's own.{more}",
    )


def _line(finding: Finding) -> Line:
    return Line(*WORDS[finding.status], finding)


def _headline(failed: int, warned: int) -> str:
    if failed:
        which = "A check of the evaluation" if failed == 1 else f"{plural(failed, 'check')} of the evaluation"
        return f"{which} failed: do not rely on the robust accuracy before the remedy is tried."
    if warned:
        return f"{plural(warned, 'check')} of the evaluation {'asks' if warned == 1 else 'ask'} for a second look."
    return "No check of the evaluation found a fault."
