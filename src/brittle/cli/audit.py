"""The command `audit`, which is a gate as well."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brittle.addresses import path_or_address
from brittle.arguments.numbers import parse_number
from brittle.cli.audit_dense import TASKS, audit_dense
from brittle.cli.audited import Ending, FailUnder, IgnoreHealth, Thorough, close
from brittle.cli.options import (
    Address,
    EngineName,
    Fields,
    FileLimits,
    Force,
    Json,
    Junit,
    Quiet,
    Sarif,
    Shard,
    Title,
    Workers,
    named_engine,
    refuse_given,
)
from brittle.errors import InputError
from brittle.evaluation.gate import Gate
from brittle.files import told
from brittle.near import meant
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

CLASSIFICATION = "classification"
"""The task of networks with one class per image."""
WHERE_IT_IS_JUDGED = "with --shard, as no shard knows the whole (`brittle merge` takes it)"
SHARED_AS_IT_IS = "whose audits several calls of the same command share as they are"


def audit(
    model: ModelSpec,
    data: DataSpec,
    question: Annotated[Question, Fields(without=("target",))],
    effort: Effort,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=path_or_address,
            metavar="PATH",
            help="The run folder, or its address such as s3://bucket/run; by default runs/MODEL-DATA-NORM, and after "
            "it what is not as by default.",
        ),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="NAME:FIELD=VALUE,...; repeat for several. See `brittle list attacks`."),
    ] = None,
    thorough: Thorough = False,
    fail_under: FailUnder = None,
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
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="With --task depth: by which factor a depth must be off to be wrong; 1.25 by default.",
        ),
    ] = None,
    ignore_health: IgnoreHealth = False,
    shard: Shard = None,
    engine: EngineName = None,
    address: Address = None,
    workers: Workers = None,
    junit: Junit = None,
    sarif: Sarif = None,
    title: Title = "",
    limits: FileLimits = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Attack a network on images, keep every row, and write a report.

    Interrupted at any moment and started again with the same words, it goes on where it stopped. Started several times
    at once, also on several machines with one disk, it shares the work.

        brittle audit digits-lenet --data digits --eps 0.1

        brittle audit model.pt2 --data val.parquet --max-images 200 --norm linf --eps 4/255 --attack
        pgd:steps=40,restarts=5

    With --defence the network is attacked twice: as if nobody knew of the defence, and by someone who does.

        brittle audit digits-lenet --data digits --eps 0.1 --defence bit-depth:bits=2

    With --task segmentation or depth the smallest change of each image is looked for that breaks almost all of its
    pixels.

        brittle audit segmenter.pt2 --data photographs/ --task segmentation --attack pixel-descent:steps=50
    """
    from brittle.bars import Bar
    from brittle.evaluation.audit import audit as run_audit
    from brittle.evaluation.usual_folder import usual_folder
    from brittle.report.result_files import ResultFiles
    from brittle.runs.command import without_option

    folder = out or usual_folder(
        model, data, question, effort, attack or (), task="" if task == CLASSIFICATION else task
    )
    if task in TASKS:
        classified = {"thorough": thorough, "fail_under": fail_under is not None, "ignore_health": ignore_health}
        others = {"junit": junit, "sarif": sarif, "engine": engine, "address": address, "workers": workers}
        given = {name: one is not None for name, one in {**others, "shard": shard}.items()}
        refuse_given({**classified, **given}, f"with --task {task}")
        asked = {"model": model, "data": data, "out": folder, "question": question, "effort": effort, "force": force}
        audit_dense(task, asked, attack or (), share, ratio, title=title, quiet=quiet, json=json)
        return
    if task != CLASSIFICATION:
        raise InputError(
            f"the task is {task!r}{meant(task, (CLASSIFICATION, *TASKS))}; expected "
            f"{', '.join((CLASSIFICATION, *TASKS[:-1]))} or {TASKS[-1]}"
        )
    refuse_given({"share": share is not None, "ratio": ratio is not None}, "without a --task of pixels")
    files, ending = ResultFiles(folder, junit, sarif, force), Ending(fail_under, ignore_health, quiet, json)
    if shard is not None:
        judged = {"fail_under": fail_under is not None, "ignore_health": ignore_health}
        refuse_given({**judged, "junit": files.junit is not None, "sarif": files.sarif is not None}, WHERE_IT_IS_JUDGED)
    files.check()
    chosen_engine = named_engine(engine, address, workers)
    if model.defence is not None and not model.naive:
        refuse_given({"shard": shard is not None}, f"with --defence, {SHARED_AS_IT_IS}")
        asked = {"question": question, "effort": effort, "attacks": attack or (), "force": force}
        chosen = {**asked, "thorough": thorough, "engine": chosen_engine}
        close(_both(model, data, folder, chosen, ending, title), folder, files, silent=ending.silent)
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
            command=without_option(["brittle", *sys.argv[1:]], "--shard"),
            watch=bar,
            shard=shard,
            engine=chosen_engine,
        )
        made = ending.paged(run, title) if run.manifest.status == "finished" else None
    if made is None:
        ending.show_share(run, str(shard))
        return
    close(ending.show(made), folder, files, silent=ending.silent)


def _both(
    model: ModelSpec,
    data: DataSpec,
    folder: Path,
    chosen: dict[str, Any],
    ending: Ending,
    title: str | None,
) -> Gate | None:
    """Audit a defended network naively and adaptively, show both, and judge the figures that count."""
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.defence import audit_defence
    from brittle.report import write_report
    from brittle.runs.defence import DefenceSummary
    from brittle.runs.printed import Origin

    with user_prints_aside(), Bar(quiet=ending.quiet or ending.json) as bar:
        made = audit_defence(model, data, folder, **chosen, command=["brittle", *sys.argv[1:]], watch=bar)
        for run in (made.naive, made.adaptive):
            write_report(run.path)
        both = DefenceSummary.of(made)
        gate = ending.judged(made.adaptive, both.adaptive, folder)
        page = write_report(folder, title=title)
    if ending.json:
        figures = {**both.plain(), "gate": None if gate is None else gate.plain(), "report": told(page)}
        terminal.print_json("defence", figures, Origin.of(made.adaptive.manifest))
    if ending.quiet or ending.json:
        terminal.show_failures(both.adaptive.health)
    else:
        terminal.show_defence(both)
        terminal.say(f"report           {told(page.resolve())}")
    return gate
