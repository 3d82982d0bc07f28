"""What `audit` and `merge` do with a run when it is there: its figures, its files for machines, and its gate."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from brittle.cli.gate import end_as, fraction
from brittle.evaluation.gate import Gate
from brittle.files import told

if TYPE_CHECKING:
    from brittle.report.result_files import ResultFiles
    from brittle.runs.store import RunFolder
    from brittle.runs.summary import Summary

Thorough = Annotated[
    bool, typer.Option("--thorough", help="Run all health checks, with no cap on their passes (5 % by default).")
]
FailUnder = Annotated[
    float | None,
    typer.Option(
        parser=fraction,
        metavar="FRACTION",
        help="Exit with 1 when the lower bound of the robust accuracy is below this, and with 3 when a check of the "
        "evaluation failed that may make it too high.",
    ),
]
IgnoreHealth = Annotated[
    bool, typer.Option("--ignore-health", help="Let --fail-under pass whatever the checks of the evaluation say.")
]


@dataclass(frozen=True)
class Ending:
    """How the user wants the command to end.

    Attributes:
        least: the robust accuracy that passes; None without a gate.
        ignore_health: let it pass whatever the checks say.
        quiet: print failures alone.
        json: print JSON.
    """

    least: float | None
    ignore_health: bool
    quiet: bool
    json: bool

    @property
    def silent(self) -> bool:
        """Whether nothing is printed of what goes well."""
        return self.quiet or self.json

    def judged(self, run: "RunFolder", summary: "Summary", folder: Path) -> Gate | None:
        """Return what the gate says of a run, and keep it in a folder."""
        from brittle.runs.kept_gate import keep_gate

        if self.least is None:
            return None
        gate = Gate.of(summary, self.least, ignore_health=self.ignore_health)
        command, identity = ["brittle", *sys.argv[1:]], run.manifest.identity
        keep_gate(folder, identity, gate.line, command, least=self.least, ignore_health=self.ignore_health)
        return gate

    def paged(self, run: "RunFolder", title: str | None) -> "Paged":
        """Write the page of a finished run, with what the gate says of it."""
        from brittle.report import write_report

        summary = run.summary()
        gate = self.judged(run, summary, run.path)
        page = write_report(run.path, title=title)
        return Paged(run, summary, gate, page)

    def show(self, made: "Paged") -> Gate | None:
        """Print the figures of a finished run, and return what the gate says of it."""
        from brittle import terminal
        from brittle.runs.printed import Origin

        run, summary, gate, page = made
        if self.json:
            figures = {**summary.plain(), "gate": None if gate is None else gate.plain(), "report": told(page)}
            terminal.print_json("audit", figures, Origin.of(run.manifest))
        if self.silent:
            terminal.show_failures(summary.health)
        else:
            terminal.show_summary(summary)
            terminal.say(f"report           {told(page.resolve())}")
        return gate

    def show_share(self, run: "RunFolder", shard: str) -> None:
        """Print as JSON how much of a run is done whose other shards are not; in words it was said when it ended."""
        from brittle import terminal
        from brittle.runs.printed import Origin

        if self.json:
            done, parts = run.progress()
            figures = {"shard": shard, "folder": told(run.path), "parts": parts, "done": done, "left": parts - done}
            terminal.print_json("shard", figures, Origin.of(run.manifest))


class Paged(NamedTuple):
    """A finished run, its figures, what the gate says of them, and its page."""

    run: "RunFolder"
    summary: "Summary"
    gate: Gate | None
    page: Path


def close(gate: Gate | None, folder: Path, files: "ResultFiles", *, silent: bool) -> None:
    """Write the files for machines, and end as the gate says, if there is one; `silent` as of `end_as`."""
    from brittle.evaluation.verdicts import verdicts_in

    if files.asked:
        files.write(verdicts_in(folder, gate))
    end_as(gate, silent=silent)
