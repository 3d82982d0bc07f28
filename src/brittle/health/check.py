"""What a check is: a rule with its source and its remedy, and a function that looks whether it holds."""

from collections.abc import Callable
from dataclasses import dataclass

from brittle.errors import BrittleError
from brittle.health.context import HealthContext
from brittle.runs.finding import Error, Finding, Status


@dataclass(frozen=True)
class Outcome:
    """What a check's function saw; fields as in `Finding`."""

    status: Status
    text: str
    value: float | None = None


def graded(value: float, warn: float, fail: float, text: str) -> Outcome:
    """Pass up to and including `warn`, warn up to and including `fail`, fail above.

    Example:
        >>> [graded(value, 0.0, 0.1, "").status for value in (0.0, 0.05, 0.2)]
        ['pass', 'warn', 'fail']
    """
    return Outcome("pass" if value <= warn else "warn" if value <= fail else "fail", text, value)


def skipped(why: str) -> Outcome:
    """Say why a check was not made."""
    return Outcome("skipped", why)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: short, unique; the heading in the documentation.
        title: what is checked, in a few words.
        rule: what must hold, with the threshold.
        source: where it is published.
        remedy: what to do where it does not hold.
        look: sees whether it holds.
        asks: whether it shows images to the network; otherwise it only reads what there is.
        error: how the robust accuracy errs where the check fails.
    """

    name: str
    title: str
    rule: str
    source: str
    remedy: str
    look: Callable[[HealthContext], Outcome]
    asks: bool = True
    error: Error = "too high"

    def __call__(self, case: HealthContext) -> Finding:
        """Look, and say what was found; a network that fails under the check does not end the audit."""
        try:
            silent = case.silent and self.asks
            seen = skipped("Queries are budgeted, and a check may ask none.") if silent else self.look(case)
        except (BrittleError, RuntimeError, ValueError, AssertionError, TypeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            seen = Outcome("warn", f"The check itself ended with an error: {reason}")
        return Finding(
            check=self.name,
            title=self.title,
            status=seen.status,
            value=seen.value,
            text=seen.text,
            rule=self.rule,
            source=self.source,
            remedy=self.remedy,
            error=self.error,
        )
