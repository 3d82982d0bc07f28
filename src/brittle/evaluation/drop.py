"""Whether audits that are compared with an earlier one pass: no drop of the robust accuracy beyond what is allowed."""

from dataclasses import dataclass
from typing import Any

from brittle.evaluation.gate import ExitCode, gate_line
from brittle.runs.comparison import ComparedAudit, Comparison, Difference


@dataclass(frozen=True)
class DropGate:
    """What a largest allowed drop says of a comparison.

    Attributes:
        most: the largest drop that passes, from 0 to 1.
        strict: whether a drop beyond it must be ruled out; otherwise it must be shown for the gate to fail.
        code: done, below the gate, or unreliable.
        reason: in a sentence; "" where all audits pass.
        fallen: names of the audits that do not pass for their drop.
    """

    most: float
    strict: bool
    code: ExitCode
    reason: str = ""
    fallen: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, comparison: Comparison, most: float, *, strict: bool = False, ignore_health: bool = False
    ) -> "DropGate":
        """Judge a comparison.

        The gate fails where the drop is larger than `most` with the probability that the comparison states, 95 % for
        two audits: so often two networks that are equally good pass. Where several audits are compared with the first
        one, the probability holds for all of them together (Bonferroni).

        Args:
            comparison: the audits.
            most: the largest drop that passes, a fraction of all images.
            strict: fail too where so large a drop cannot be ruled out.
            ignore_health: pass whatever the checks of the audits found.
        """
        said = {one.name: _too_far(found, most, strict=strict) for one, found in comparison.others}
        fallen = {name: reason for name, reason in said.items() if reason}
        if fallen:
            doubt = _doubt(comparison.first)
            reasons = "; ".join(f"{name}: {reason}{doubt}" for name, reason in fallen.items())
            return cls(most, strict, ExitCode.BELOW_GATE, reasons, (*fallen,))
        doubtful = [] if ignore_health else [one for one, _ in comparison.others if one.flattering]
        if doubtful:
            named = "; ".join(f"{one.name}: “{one.flattering[0]}”" for one in doubtful)
            return cls(
                most,
                strict,
                ExitCode.UNRELIABLE,
                f"no drop is seen, but the robust accuracy may be too high, as checks failed ({named}); mend what its "
                "report says first (--ignore-health lets it pass all the same)",
            )
        return cls(most, strict, ExitCode.DONE)

    @property
    def reached(self) -> str:
        """What let it pass."""
        seen = "cannot be more" if self.strict else "is not shown to be more"
        return f"the drop {seen} than {100 * self.most:g} points"

    @property
    def line(self) -> str:
        """Say whether it passes, and why."""
        return gate_line(self.code, self.reason, self.reached)

    def plain(self) -> dict[str, Any]:
        """Return what JSON says of it."""
        return {
            "max_drop": self.most,
            "strict": self.strict,
            "passed": self.code is ExitCode.DONE,
            "code": int(self.code),
            "reason": self.reason,
        }


def _too_far(found: Difference, most: float, *, strict: bool) -> str:
    """Say that the robust accuracy fell too far; "" where it did not."""
    fell = f"the robust accuracy fell by {-100 * found.robust.difference.value:.1f} points"
    if found.least_drop > most:
        return f"{fell}, by at least {100 * found.least_drop:.1f}, of which {100 * most:g} are allowed"
    if strict and found.most_drop > most:
        return f"a drop of {100 * found.most_drop:.1f} points cannot be ruled out, of which {100 * most:g} are allowed"
    return ""


def _doubt(first: ComparedAudit) -> str:
    """Say that the audit before may have been too good."""
    if not first.flattering:
        return ""
    return f" (a check of {first.name} failed, “{first.flattering[0]}”, so that it may have been too high before)"
