"""What the command `audit` does with the tasks of dense networks: segmentation and depth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from brittle.cli.options import refuse_given
from brittle.errors import InputError
from brittle.output import user_prints_aside

if TYPE_CHECKING:
    from brittle.runs.dense_summary import DenseSummary
    from brittle.runs.depth_summary import DepthSummary
    from brittle.runs.segmentation_summary import SegmentationSummary

Task = Literal["segmentation", "depth"]
SEGMENTATION: Task = "segmentation"
DEPTH: Task = "depth"
TASKS: tuple[Task, ...] = (SEGMENTATION, DEPTH)
"""What a dense network says of each pixel: a class, or a depth."""


def audit_dense(
    task: Task,
    asked: dict[str, Any],
    attacks: Sequence[str],
    share: float | None,
    ratio: float | None,
    *,
    title: str | None,
    quiet: bool,
    json: bool,
) -> None:
    """Attack a network with an answer for every pixel, write the page, and print what came of it.

    Args:
        task: one of `TASKS`.
        asked: network, images, folder and the other arguments that both tasks take.
        attacks: at most one.
        share: of the pixels, None for the default; `ratio` of depths likewise.
        ratio: see `share`.
        title: of the page.
        quiet: print nothing.
        json: print JSON.
    """
    from brittle import terminal
    from brittle.bars import Bar
    from brittle.evaluation.depth import audit_depth
    from brittle.evaluation.segmentation import audit_segmentation
    from brittle.report import write_report
    from brittle.runs.read import origin_of

    if len(attacks) > 1:
        raise InputError(f"{len(attacks)} attacks are given; expected one: run each into a folder of its own")
    if task == SEGMENTATION:
        refuse_given({"ratio": ratio is not None})
    given = {"attack": attacks[0] if attacks else None, "share": share, "ratio": ratio}
    asked = asked | {name: one for name, one in given.items() if one is not None}
    with user_prints_aside(), Bar(quiet=quiet or json) as bar:
        if task == DEPTH:
            made = audit_depth(**asked, watch=bar)
            lines = _depths(made.summary)
        else:
            made = audit_segmentation(**asked, watch=bar)
            lines = _classes(made.summary)
        page = write_report(made.folder, title=title)
    if json:
        terminal.print_json(task, {**made.summary.plain(), "report": str(page)}, origin_of(made.folder))
    elif not quiet:
        _show(made.summary)
        for line in lines:
            terminal.say(line)
        terminal.say(f"labels           {made.summary.labels}; no true {made.summary.truth} were read")
        for line in made.said:
            terminal.tell(f"images           {line}")
        terminal.say(f"report           {page.resolve()}")


def _show(summary: "DenseSummary") -> None:
    """Print how many images are broken, and by how little."""
    from brittle import terminal
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
        "median: of the smallest change; pixels: median share that is wrong; the rest: means",
    )
    terminal.say(f"broken           {terminal.percent(summary.broken)}")
    if summary.median.has_interval:
        terminal.say(f"median change    {Units(1.0).estimate(summary.median, summary.norm)}")


def _classes(summary: "SegmentationSummary") -> list[str]:
    """Say which classes suffer."""
    return [f"{one.name:<16} loses {one.lost / one.pixels:.1%} of {one.pixels:,} pixels" for one in summary.classes]


def _depths(summary: "DepthSummary") -> list[str]:
    """Say how far depths are from what they were, by the field's measures."""
    before, after = summary.clean_absolute.value, summary.absolute.value
    near, still = summary.clean_within.value, summary.within.value
    return [
        f"wrong            too far or too near by a factor of {summary.ratio:g} at least",
        f"relative error   {after:.3g}, before {before:.3g} (median of the mean |d - d*| / d*)",
        f"within 1.25      {still:.1%} of the pixels, before {near:.1%} (median)",
    ]
