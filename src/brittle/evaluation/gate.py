"""Whether an audit passes a threshold, and with which code a command ends."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the exit codes are known before anything is imported that evaluates
    from brittle.runs.summary import Summary


class ExitCode(IntEnum):
    """With what a command ends."""

    DONE = 0
    BELOW_GATE = 1
    """The robust accuracy is below `--fail-under`; nothing else ends with 1."""
    REFUSED = 2
    """It cannot be done as asked; the message says how it can."""
    UNRELIABLE = 3
    """The robust accuracy would pass, but a check failed that may make it too high."""
    UNEXPECTED = 70
    """An error that nobody foresaw."""
    INTERRUPTED = 130


@dataclass(frozen=True)
class Gate:
    """What a threshold says of an audit.

    Attributes:
        least: the lowest robust accuracy that passes.
        code: done, below the gate, or unreliable.
        reason: in a sentence; "" where it passes.
        reached: what let it pass; "" where it does not.
    """

    least: float
    code: ExitCode
    reason: str = ""
    reached: str = ""

    @classmethod
    def of(cls, summary: "Summary", least: float, *, ignore_health: bool = False) -> "Gate":
        """Judge an audit.

        A number below the threshold stays below it when it turns out to be too high, so that this is said first.

        Args:
            summary: of the audit.
            least: what the lower end of the robust accuracy's interval must reach.
            ignore_health: pass whatever the checks found.
        """
        low, value = summary.robust.low, summary.robust.value
        reached = f"the lower bound of the robust accuracy, {low:.1%}"
        if low < least:
            return cls(least, ExitCode.BELOW_GATE, f"{reached}, is below {least:.1%}")
        failures = [] if summary.health is None or ignore_health else summary.health.flattering
        if not failures:
            return cls(least, ExitCode.DONE, reached=f"{reached}, is at least {least:.1%}")
        named = ", ".join(f"“{one.title}”" for one in failures)
        return cls(
            least,
            ExitCode.UNRELIABLE,
            f"the robust accuracy of {value:.1%} cannot be relied on, it may be too high: {named} failed; first: "
            f"{failures[0].remedy} (--ignore-health lets it pass all the same)",
        )

    @property
    def line(self) -> str:
        """Say whether it passes, and why."""
        return gate_line(self.code, self.reason, self.reached)

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        return {
            "least": self.least,
            "passed": self.code is ExitCode.DONE,
            "code": int(self.code),
            "reason": self.reason,
        }


def gate_line(code: ExitCode, reason: str, reached: str) -> str:
    """Return what the terminal and pages say of a gate.

    Args:
        code: as which it ends.
        reason: why it does not pass.
        reached: why it does.

    Example:
        >>> gate_line(ExitCode.DONE, "", "the lower bound of the robust accuracy, 88.1%, is at least 80.0%")
        'gate passed: the lower bound of the robust accuracy, 88.1%, is at least 80.0%'
    """
    return f"gate passed: {reached}" if code is ExitCode.DONE else f"gate not passed: {reason}"
