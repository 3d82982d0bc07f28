"""How a command ends that is a gate as well."""

from typing import TYPE_CHECKING

import typer

from brittle.evaluation.gate import ExitCode

if TYPE_CHECKING:
    from brittle.evaluation.drop import DropGate
    from brittle.evaluation.gate import Gate


def end_as(gate: "Gate | DropGate | None", *, silent: bool) -> None:
    """End as a gate says, if there is one, with its reason where it does not pass.

    Args:
        gate: the gate.
        silent: say nothing of one that passes.
    """
    from brittle import terminal

    if gate is not None and gate.code is ExitCode.DONE and not silent:
        terminal.say(("PASS", "bold green"), f" {gate.line}")
    if gate is not None and gate.code is not ExitCode.DONE:
        terminal.fail(gate.reason)
        raise typer.Exit(gate.code)
