"""A comparison of audits as a neutral list of verdicts: the gate, each audit, and the checks that failed."""

from brittle.evaluation.drop import DropGate
from brittle.evaluation.gate import ExitCode
from brittle.runs.comparison import ComparedAudit, Comparison, Difference
from brittle.runs.comparison_words import comparison_headline
from brittle.runs.verdicts import GATE, Line, Verdicts, portable


def verdicts_of(comparison: Comparison, gate: DropGate | None = None) -> Verdicts:
    """Return what a comparison comes to, line by line.

    Args:
        comparison: the audits.
        gate: what a largest drop says of it; None where there is none.

    Returns:
        A line for the gate where there is one, for each audit but the first, and for each check that failed.
    """
    fallen = () if gate is None else gate.fallen
    lines = [] if gate is None else [_gate(gate)]
    lines += [_audit(one, found, one.name in fallen) for one, found in comparison.others]
    lines += [_check(one, title) for one in comparison.audits for title in one.failed]
    return Verdicts(
        name="compare",
        target=portable(comparison.audits[-1].spec or comparison.audits[-1].network),
        network=portable(comparison.audits[-1].network),
        lines=lines,
        figures={
            "images": comparison.images,
            "norm": comparison.norm,
            "eps": comparison.radius,
            "data": portable(comparison.data),
            "before": comparison.first.name,
            "robust_accuracy_before": comparison.first.robust.estimate,
            **{f"version_{name}": version for name, version in comparison.versions.items()},
        },
        identity=comparison.audits[-1].identity,
        command=[portable(word) for word in comparison.command],
        exit_code=int(ExitCode.DONE if gate is None else gate.code),
        created=comparison.created,
        finished=comparison.created,
    )


def _gate(gate: DropGate) -> Line:
    allowed = f"{100 * gate.most:g} points"
    return Line(
        GATE,
        "max-drop",
        f"Robust accuracy falls by at most {allowed}",
        "passed" if gate.code is ExitCode.DONE else "failed",
        text=gate.reason or gate.reached,
        rule=f"{gate.reached}, and no check failed that may hide one",
        remedy="Look at the images that newly fall, on the page of the comparison.",
        figures={"max_drop": gate.most},
    )


def _audit(one: ComparedAudit, found: Difference, fell: bool) -> Line:
    change = found.robust.difference
    return Line(
        "audit",
        one.name,
        f"Audit {one.name}",
        "failed" if fell else "passed",
        text=f"robust accuracy {100 * change.value:+.1f} points; {found.robust.lost} images newly fall, "
        f"{found.robust.gained} newly stand. {comparison_headline(one.name, found)}",
        figures={
            "robust_accuracy": one.robust.estimate,
            "clean_accuracy": one.clean.estimate,
            "difference": change.estimate,
            "least_drop": found.least_drop,
            "lost": found.robust.lost,
            "gained": found.robust.gained,
            "chance": found.robust.chance,
        },
    )


def _check(one: ComparedAudit, title: str) -> Line:
    flatters = title in one.flattering
    return Line(
        "health",
        f"{one.name}: {title}",
        title,
        "failed" if flatters else "warned",
        text=f"a check of the audit {one.name} failed",
        remedy="The page of that audit says what to do.",
    )
