"""The command `compare`, which is a gate as well."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brittle.addresses import path_or_address
from brittle.cli.gate import end_as, fraction
from brittle.cli.options import FileLimits, Force, Json, Junit, Quiet, Sarif, Title, refuse_given
from brittle.files import told
from brittle.names import without_folders
from brittle.output import user_prints_aside

if TYPE_CHECKING:
    from brittle.runs.comparison import ComparedAudit, Comparison, Difference

LISTED = 5
"""Images that newly fall which are named."""


def compare(
    run: Annotated[
        list[Path],
        typer.Argument(
            parser=path_or_address,
            metavar="RUN...",
            help="Run folders of audits, or their addresses: the one before, and one or more that came after it.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=path_or_address, metavar="PATH", help="The folder of the comparison; by default runs/A-then-B."
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            parser=fraction,
            metavar="FRACTION",
            help="Exit with 1 when the robust accuracy is shown to have fallen by more than this, such as 0.02, and "
            "with 3 when a check failed that may make it too high.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also where so large a drop cannot be ruled out.")
    ] = False,
    ignore_health: Annotated[
        bool, typer.Option("--ignore-health", help="Let --max-drop pass whatever the checks of the audits say.")
    ] = False,
    pictures: Annotated[
        int, typer.Option(min=0, help="Images that newly fall which the page shows; some are attacked once more.")
    ] = 6,
    junit: Junit = None,
    sarif: Sarif = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Say what changed from one audit to others of the same question about the same images, and write a page.

    Images are compared one by one, so that a difference shows with few of them.

    brittle audit old.pt2 --data val/ --out runs/old

    brittle audit new.pt2 --data val/ --out runs/new

    brittle compare runs/old runs/new --max-drop 0.02
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.compare import compare as compared
    from brittle.evaluation.compared_verdicts import verdicts_of
    from brittle.evaluation.drop import DropGate
    from brittle.evaluation.usual_folder import usual_comparison
    from brittle.report import write_report
    from brittle.report.result_files import ResultFiles
    from brittle.runs.kept_gate import keep_gate

    refuse_given(
        {} if max_drop is not None else {"strict": strict, "ignore_health": ignore_health}, "without --max-drop"
    )
    folder = out or usual_comparison(run)
    files = ResultFiles(folder, junit, sarif, force)
    files.check()
    command = ["brittle", *sys.argv[1:]]
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = compared(*run, out=folder, pictures=pictures, force=force, command=command, watch=bar)
        gate = None
        if max_drop is not None:
            gate = DropGate.of(made, max_drop, strict=strict, ignore_health=ignore_health)
            keep_gate(folder, made.identity, gate.line, command)
        page = write_report(folder, title=title)
    if json:
        figures = {**made.plain(), "gate": None if gate is None else gate.plain(), "report": told(page)}
        terminal.print_json("compare", figures, made.origin)
    elif not quiet:
        _show(made)
        terminal.say(f"report           {told(page.resolve())}")
    if files.asked:
        files.write(verdicts_of(made, gate))
    end_as(gate, silent=quiet or json)


def _show(made: "Comparison") -> None:
    """Print the audits as a table, and what changed from the first to each of the others."""
    from brittle import terminal
    from brittle.words import plural

    asked = f"{made.norm} {terminal.radius_text(made.radius, made.norm)}"
    terminal.show_table(
        f"{plural(made.images, 'image')} of {without_folders(made.data)}, {asked}",
        ("audit", "clean", "robust", "change", "newly fall", "newly stand"),
        [
            (terminal.line_of(one.name), f"{one.clean.value:.1%}", f"{one.robust.value:.1%}", *_change(one))
            for one in made.audits
        ],
    )
    for one, found in made.others:
        _show_difference(one, found, made)
    for note in made.notes:
        terminal.tell(f"note             {note}")


def _change(one: "ComparedAudit") -> list[str]:
    if one.difference is None:
        return ["", "", ""]
    robust = one.difference.robust
    return [f"{100 * robust.difference.value:+.1f}", f"{robust.lost:,}", f"{robust.gained:,}"]


def _show_difference(one: "ComparedAudit", found: "Difference", made: "Comparison") -> None:
    from brittle import terminal
    from brittle.metrics.formats import Units
    from brittle.runs.comparison_words import comparison_headline

    robust, size = found.robust.difference, Units(made.bounds[1] - made.bounds[0]).text
    ends = f"{100 * robust.low:+.1f} to {100 * robust.high:+.1f}"
    terminal.explain((comparison_headline(one.name, found), "bold"))
    terminal.say(f"robust accuracy  {100 * robust.value:+.1f} points  (95 % interval {ends}, n = {robust.n})")
    terminal.say(f"chance alone     p = {found.robust.chance:.2g}, exact McNemar test of the images that changed sides")
    terminal.say(f"clean accuracy   {100 * found.clean.difference.value:+.1f} points")
    if found.factor is not None:
        factor = terminal.percent(found.factor.estimate, ".3g")
        terminal.say(f"smallest change  times {factor}, median over the images")
    for image in found.newly_fallen[:LISTED]:
        how = "wrong before any attack" if image.wrong else f"{image.attack}, {size(image.size, made.norm)}"
        about = f"{image.label} → {image.prediction}  {how}"
        terminal.say("newly falls      ", (image.name, "bold"), f"  {about}")
    if (more := len(found.newly_fallen) - LISTED) > 0:
        terminal.say(f"                 and {more:,} more")
    for line in found.differs:
        terminal.tell(f"not the same     {line}")
    for line in one.failed:
        terminal.say(("FAIL", "bold red"), f" {line}, in the audit {one.name}")
