"""`brittle study`: one published table, or all of them, and what was found again of the published figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from brittle.cli.options import (
    Address,
    EngineName,
    Fields,
    FileLimits,
    Shard,
    Title,
    Workers,
    named_engine,
    refuse_given,
)
from brittle.evaluation.gate import ExitCode
from brittle.specs import SEARCHING, Effort
from brittle.terminal import console, line_of, put_table
from brittle.words import plural, time_in_words

if TYPE_CHECKING:
    from brittle.studies.bench.overview import Overview
    from brittle.studies.bench.result import StudyResult

ALL_STUDIES = "all"
"""In place of a study's name."""


def study(
    name: Annotated[str, typer.Argument(help="See `brittle list studies`; or FILE.py:STUDY, or all.")],
    effort: Annotated[Effort, Fields(without=("budget", "eot_samples", "batch", *SEARCHING))],
    out: Annotated[Path, typer.Option(help="Folder for the cells, which are kept, the tables and the plots.")] = Path(
        "studies"
    ),
    data: Annotated[Path | None, typer.Option(envvar="BRITTLE_DATA", help="Folder with mnist/, cifar10/, ...")] = None,
    models: Annotated[Path | None, typer.Option(envvar="BRITTLE_MODELS", help="Folder with networks (.pt2).")] = None,
    scale: Annotated[
        str, typer.Option(help="small takes minutes, full up to an hour on two cores; paper is the published size.")
    ] = "small",
    shard: Shard = None,
    engine: EngineName = None,
    address: Address = None,
    workers: Workers = None,
    title: Title = "",
    limits: FileLimits = None,
) -> None:
    """Reproduce a published table beside the published figures; cells once computed are kept.

    brittle study planted-faults

    brittle study deepfool-robustness --scale full --data data/

    brittle study uap-fooling --engine processes
    """
    from brittle import terminal
    from brittle.report.study_page import write_study
    from brittle.studies import run_studies, run_study

    chosen: dict[str, Any] = {"data": data, "models": models, "scale": scale, "device": effort.device or "cpu"}
    chosen |= {"seed": effort.seed or 0, "watch": terminal.tell, "engine": named_engine(engine, address, workers)}
    if name == ALL_STUDIES:
        from brittle.report.overview_page import write_overview

        refuse_given({"shard": shard is not None}, "with all studies, which several calls share as they are")
        overview = run_studies(out, each=write_study, **chosen)
        show_overview(overview)
        terminal.say(f"page   {write_overview(overview, title=title).resolve()}")
        return
    result = run_study(name, out, shard=shard, **chosen)
    if result.left:
        return
    show_study(result)
    terminal.say(f"page   {write_study(result, title=title).resolve()}")
    if result.missing and not result.computed + result.reused:
        terminal.fail(
            f"nothing of {result.name} can be computed here: not one of {plural(result.missing, 'piece')} of work; "
            f"the first: {result.rows[0].notes[-1]}"
        )
        raise typer.Exit(ExitCode.REFUSED)


def show_overview(overview: Overview) -> None:
    """Print a line for each study: what was found again of the published figures."""
    from brittle.studies.bench.overview import OUTCOMES

    rows: list[list[Text]] = []
    for line in overview.lines:
        pairs = line.pairs or {}
        counts = [line.published, line.beside, line.inside, line.ordered, *(pairs.get(one, 0) for one in OUTCOMES[:3])]
        row = [line_of(str(one)) for one in counts] if not line.failed else [line_of("–")] * len(counts)
        rows.append([line_of(line.name), *row, line_of(time_in_words(line.seconds))])
    heads = ("study", "published", "beside", "inside", "in order", "kept", "open", "reversed", "time")
    put_table(Console(highlight=False), heads, rows)
    for line in overview.lines:
        if line.failed:
            console.print(line_of((f"{line.name}: {line.failed}", "dim")))
    console.print(line_of(overview.sentence()))


def show_study(result: StudyResult) -> None:
    """Print a study network by network, measured beside published, with every note."""
    from brittle.studies.bench.comparison import Comparison
    from brittle.studies.bench.tables import NOTHING, elsewhere, rows_here, sheets

    written = sheets(result)
    times = Counter(what for sheet in written for what in {what for what, _ in sheet.heads})
    kinds = sorted({kind for sheet in written for _, kind in sheet.heads})  # measured before published
    out = Console(highlight=False)
    for number, row in enumerate(rows_here(result)):
        table: list[list[Text | str]] = []
        for sheet in written:
            lines: dict[str, dict[str, Text]] = {}
            for (what, kind), place in zip(sheet.heads, sheet.rows[number][1], strict=True):
                if place.line != NOTHING:
                    label = f"{sheet.title}: {what}" if times[what] > 1 else what
                    lines.setdefault(label, {})[kind] = line_of(place.line)
            for what, texts in lines.items():
                table.append([line_of(what), *(texts.get(kind, "") for kind in kinds)])
        out.print(line_of((row.title, "italic")))
        put_table(out, ["", *kinds], table)
        for note in row.notes:
            console.print(line_of((f"  {note}", "dim")))
    for note in (elsewhere(result), *Comparison(result).lines(), *result.study.notes):
        if note:
            console.print(line_of(note))
