"""What the command `audit` does with `--task segmentation`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brittle.errors import InputError
from brittle.output import user_prints_aside
from brittle.specs import DataSpec, Effort, ModelSpec, Question

if TYPE_CHECKING:
    from brittle.runs.segmentation_summary import SegmentationSummary


def audit_segmentation(
    model: ModelSpec,
    data: DataSpec,
    folder: Path,
    question: Question,
    effort: Effort,
    attacks: Sequence[str],
    share: float | None,
    *,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Attack a network with a class for every pixel, write the page, and print what came of it."""
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.segmentation import ATTACK, SHARE
    from brittle.evaluation.segmentation import audit_segmentation as run_audit
    from brittle.report import write_report

    if len(attacks) > 1:
        raise InputError(f"{len(attacks)} attacks are given; expected one: run each into a folder of its own")
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        made = run_audit(
            model,
            data,
            folder,
            question=question,
            attack=attacks[0] if attacks else ATTACK,
            share=SHARE if share is None else share,
            effort=effort,
            force=force,
            watch=bar,
        )
        page = write_report(made.folder)
    if json:
        terminal.print_json({**made.summary.plain(), "report": str(page)})
    elif not quiet:
        _show(made.summary, made.said)
        terminal.say(f"report           {page.resolve()}")


def _show(summary: "SegmentationSummary", said: Sequence[str]) -> None:
    """Print how many images are broken, by how little, and which classes suffer."""
    from brittle import terminal
    from brittle.bars import console
    from brittle.metrics.formats import Units
    from brittle.words import plural

    limit = "" if summary.radius is None else f" up to {terminal.radius_text(summary.radius, summary.norm)}"
    title = f"{plural(summary.images, 'image')}, {summary.norm}{limit}, {100 * summary.asked:.4g} % of the pixels"
    figures = (
        f"{summary.broken.value:.1%}",
        Units(1.0).text(summary.median.value, summary.norm),
        f"{summary.share.value:.1%}",
        *(f"{one:,.1f}" for one in (summary.forward, summary.backward, summary.seconds)),
    )
    terminal.show_table(
        title,
        ("attack", "broken", "median", "pixels", "forward", "backward", "seconds"),
        [(terminal.line_of(summary.attack), *figures)],
        "median: of the smallest change; pixels: median share segmented otherwise; the rest: means",
    )
    console.print(f"broken           {terminal.percent(summary.broken)}", soft_wrap=True)
    if summary.median.has_interval:
        terminal.say(f"median change    {Units(1.0).estimate(summary.median, summary.norm)}")
    for one in summary.classes:
        name = terminal.line_of(f"{one.name:<16} loses {one.lost / one.pixels:.1%} of {one.pixels:,} pixels")
        console.print(name, soft_wrap=True)
    terminal.say("labels           the network's own clean segmentation; no masks were read")
    for line in said:
        terminal.tell(f"images           {line}")
