"""The command `audit`, which is a gate as well."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brittle.cli.audit_dense import TASKS, audit_dense
from brittle.cli.gate import end_as
from brittle.cli.options import Fields, FileLimits, Force, Json, Junit, Quiet, Sarif, Title, refuse_given
from brittle.errors import InputError
from brittle.evaluation.gate import Gate
from brittle.near import meant
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

if TYPE_CHECKING:
    from collections.abc import Callable

    from brittle.report.result_files import ResultFiles
    from brittle.runs.summary import Summary


CLASSIFICATION = "classification"
"""The task of networks with one class per image."""


def audit(
    model: ModelSpec,
    data: DataSpec,
    question: Annotated[Question, Fields(without=("target",))],
    effort: Effort,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder; by default runs/MODEL-DATA-NORM, and after it what is not as by default."),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="NAME:FIELD=VALUE,...; repeat for several. See `brittle list attacks`."),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Run all health checks, with no cap on their passes (5 % by default).")
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Exit with 1 when the lower bound of the robust accuracy is below this, and with 3 when a check of "
            "the evaluation failed that may make it too high.",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            metavar="TASK",
            help="classification, or segmentation or depth: the network has a class or a depth for every pixel, and "
            "what it says of the clean image is what pixels are to leave.",
        ),
    ] = CLASSIFICATION,
    share: Annotated[
        float | None,
        typer.Option(help="With --task segmentation or depth: of the pixels that must be wrong; 0.99 by default."),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option(help="With --task depth: by which factor a depth must be off to be wrong; 1.25 by default."),
    ] = None,
    ignore_health: Annotated[
        bool, typer.Option("--ignore-health", help="Let --fail-under pass whatever the checks of the evaluation say.")
    ] = False,
    junit: Junit = None,
    sarif: Sarif = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Attack a network on images, keep every row, and write a report.

    Interrupted at any moment and started again with the same words, it goes on where it stopped.

        brittle audit digits-lenet --data digits --eps 0.1

        brittle audit model.pt2 --data val.parquet --max-images 200 --norm linf --eps 4/255 --attack
        pgd:steps=40,restarts=5

    With --defence the network is attacked twice: as if nobody knew of the defence, and by someone who does.

        brittle audit digits-lenet --data digits --eps 0.1 --defence bit-depth:bits=2

    With --task segmentation or depth the smallest change of each image is looked for that breaks almost all of its
    pixels.

        brittle audit segmenter.pt2 --data photographs/ --task segmentation --attack pixel-descent:steps=50
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.audit import audit as run_audit
    from brittle.evaluation.usual_folder import usual_folder
    from brittle.report import write_report
    from brittle.report.result_files import ResultFiles
    from brittle.runs.printed import Origin
    from brittle.runs.summary import summarise

    folder = out or usual_folder(
        model, data, question, effort, attack or (), task="" if task == CLASSIFICATION else task
    )
    if task in TASKS:
        classified = {"thorough": thorough, "fail_under": fail_under is not None, "ignore_health": ignore_health}
        files_of_classes = {"junit": junit is not None, "sarif": sarif is not None}
        refuse_given({**classified, **files_of_classes}, f"with --task {task}")
        asked = {"model": model, "data": data, "out": folder, "question": question, "effort": effort, "force": force}
        audit_dense(task, asked, attack or (), share, ratio, title=title, quiet=quiet, json=json)
        return
    if task != CLASSIFICATION:
        raise InputError(
            f"the task is {task!r}{meant(task, (CLASSIFICATION, *TASKS))}; expected "
            f"{', '.join((CLASSIFICATION, *TASKS[:-1]))} or {TASKS[-1]}"
        )
    refuse_given({"share": share is not None, "ratio": ratio is not None}, "without a --task of pixels")
    files, judge = ResultFiles(junit, sarif, force), partial(_judged, least=fail_under, ignore_health=ignore_health)
    files.check()
    if model.defence is not None and not model.naive:
        chosen = {"question": question, "effort": effort, "attacks": attack or (), "thorough": thorough, "force": force}
        _close(_both(model, data, folder, chosen, judge, title, quiet=quiet, json=json), folder, files)
        return
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        run = run_audit(
            model,
            data,
            folder,
            question=question,
            attacks=attack or (),
            effort=effort,
            thorough=thorough,
            force=force,
            command=["brittle", *sys.argv[1:]],
            watch=bar,
        )
        summary, page = summarise(run), write_report(folder, title=title)
    gate = judge(summary)
    if json:
        figures = {**summary.plain(), "gate": None if gate is None else gate.plain(), "report": str(page)}
        terminal.print_json("audit", figures, Origin.of(run.manifest))
    if quiet or json:
        terminal.show_failures(summary.health)
    else:
        terminal.show_summary(summary)
        terminal.say(f"report           {page.resolve()}")
    _close(gate, folder, files)


def _judged(summary: "Summary", *, least: float | None, ignore_health: bool) -> Gate | None:
    return None if least is None else Gate.of(summary, least, ignore_health=ignore_health)


def _close(gate: Gate | None, folder: Path, files: "ResultFiles") -> None:
    """Write the files for machines, and end as the gate says, if there is one."""
    from brittle.evaluation.verdicts import verdicts_in

    if files.asked:
        files.write([verdicts_in(folder, gate)])
    end_as(gate)


def _both(
    model: ModelSpec,
    data: DataSpec,
    folder: Path,
    chosen: dict[str, Any],
    judge: "Callable[[Summary], Gate | None]",
    title: str | None,
    *,
    quiet: bool,
    json: bool,
) -> Gate | None:
    """Audit a defended network naively and adaptively, show both, and judge the figures that count."""
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.defence import audit_defence
    from brittle.report import write_report
    from brittle.runs.defence import DefenceSummary
    from brittle.runs.printed import Origin

    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = audit_defence(model, data, folder, **chosen, command=["brittle", *sys.argv[1:]], watch=bar)
        for run in (made.naive, made.adaptive):
            write_report(run.path)
        both, page = DefenceSummary.of(made), write_report(folder, title=title)
    gate = judge(both.adaptive)
    if json:
        figures = {**both.plain(), "gate": None if gate is None else gate.plain(), "report": str(page)}
        terminal.print_json("defence", figures, Origin.of(made.adaptive.manifest))
    if quiet or json:
        terminal.show_failures(both.adaptive.health)
    else:
        terminal.show_defence(both)
        terminal.say(f"report           {page.resolve()}")
    return gate
