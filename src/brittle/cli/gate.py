"""How a command ends that is a gate as well."""

from typing import TYPE_CHECKING

import typer

from brittle.errors import quoted
from brittle.evaluation.gate import ExitCode

if TYPE_CHECKING:
    from brittle.evaluation.drop import DropGate
    from brittle.evaluation.gate import Gate


def fraction(text: str) -> float:
    """Read a number from 0 to 1.

    Raises:
        typer.BadParameter: it is none, such as one in per cent.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise typer.BadParameter(f"{quoted(text)} is given; expected a fraction from 0 to 1: 0.8 for 80 %")
    return value


def end_as(gate: "Gate | DropGate | None", *, silent: bool) -> None:
    """End as a gate says, if there is one, with its reason where it does not pass.

    Args:
        gate: the gate.
        silent: say nothing of one that passes.
    """
    from brittle import terminal

    if gate is not None and gate.code is ExitCode.DONE and not silent:
        terminal.explain(("PASS", "bold green"), f" {gate.line}")
    if gate is not None and gate.code is not ExitCode.DONE:
        terminal.fail(gate.reason)
        raise typer.Exit(gate.code)
