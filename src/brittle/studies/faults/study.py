"""`planted-faults`: every check of an evaluation on a case with exactly its fault, and on its sound twin."""

from collections.abc import Mapping, Sequence

from brittle.health.examine import CHECKS
from brittle.health.thorough import THOROUGH_CHECKS
from brittle.runs.finding import Finding
from brittle.studies.bench.study import Cell, Column, Measured, Row, Setting, Study
from brittle.studies.faults.planted import PLANTED, Planted


def _cells(setting: Setting) -> Sequence[Cell]:
    return [_cell(one) for one in PLANTED]


def _cell(planted: Planted) -> Cell:
    return Cell(planted.key, "check", lambda: _both(planted), lambda: _identity(planted))


def _identity(planted: Planted) -> Mapping[str, object]:
    check = planted.check
    return {"check": check.name, "rule": check.rule, "fault": planted.fault, "twin": planted.twin}


def _both(planted: Planted) -> Measured:
    fault, twin = planted.check(planted.faulty()), planted.check(planted.sound())
    caught, passes = fault.status in ("fail", "warn"), twin.status == "pass"
    remark = "" if caught and passes else "NOT AS IT SHOULD BE: the fault must be caught and its twin must pass"
    return Measured(
        {"fault": _said(fault), "twin": _said(twin)},
        {"fault": fault.text, "twin": f"{planted.twin}: {twin.text}"},
        remark,
    )


def _said(finding: Finding) -> str:
    return finding.status.upper()


PLANTED_FAULTS = Study(
    name="planted-faults",
    title="Evaluation health: planted faults and their sound twins",
    source="the sources that docs/health.md names for each check",
    cells=_cells,
    rows=tuple(Row(one.key) for one in PLANTED),
    columns=(
        Column("fault", "with the fault", "number", "Caught and passed"),
        Column("twin", "without it", "number", "Caught and passed"),
    ),
    published=lambda row, column: None,
    notes=(
        f"{len(CHECKS) + len(THOROUGH_CHECKS) + 1} checks, {len(PLANTED)} planted faults, on the built-in digits and "
        "their network. A check is right when it warns or fails on the fault and passes on the twin.",
    ),
    of="Check: fault",
    minutes={"small": 0.5, "full": 0.5, "paper": 0.5},
)
