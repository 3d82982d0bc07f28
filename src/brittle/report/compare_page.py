"""The page of a comparison of audits: what changed, how sure that is, and which images newly fall."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brittle.metrics.curve_figure import Figure
from brittle.metrics.formats import THIN, Units, interval, percent, significant, title
from brittle.names import restored
from brittle.pictures import data_uri
from brittle.reading import read_bytes
from brittle.report.content import picture_in, shown
from brittle.report.drawings import drawing_figures
from brittle.report.formats import command_text, subject
from brittle.report.gallery import SMALL, reduced
from brittle.report.template import fill
from brittle.runs.comparison import (
    STAGES,
    ChangedImage,
    ComparedAudit,
    Comparison,
    Difference,
    picture,
    read_comparison,
)
from brittle.runs.comparison_words import comparison_headline, points, points_ends
from brittle.runs.kept_gate import kept_gate
from brittle.runs.rate import Rate
from brittle.studies.bench.drawing import Curves
from brittle.words import plural

ROWS = 20
"""Rows of a table that are shown before all are asked for."""
RARE = 0.001
"""Chances below it are written as such."""


@dataclass(frozen=True)
class Shot:
    """An image that newly falls: what it is, how it falls, and its two pictures."""

    name: str
    text: str
    original: str
    adversarial: str
    small: bool


@dataclass(frozen=True)
class Section:
    """What changed from the first audit to another, as the page says it."""

    name: str
    headline: str
    cards: Sequence[tuple[str, str, str, str]]
    lost: Sequence[tuple[str, ...]]
    gained: Sequence[tuple[str, ...]]
    classes: Sequence[tuple[str, str, str, str, str, int]]
    shots: Sequence[Shot]
    differs: Sequence[str]
    failed: Sequence[str]


def compare_page(run: Path) -> str:
    """Return the page of a comparison, with what a gate said of it, if there was one.

    Raises:
        RunError: it is not there, or damaged.
    """
    comparison = read_comparison(run)
    with shown(run, "the folder of a comparison"):
        return render(run, comparison)


def render(folder: Path, comparison: Comparison) -> str:
    """The whole page as text."""
    units = Units(comparison.bounds[1] - comparison.bounds[0])
    radius = "" if comparison.radius is None else units.size(comparison.radius, comparison.norm)
    sections = [
        _section(folder, comparison, number, one, found, units)
        for number, (one, found) in enumerate(comparison.others, start=1)
    ]
    return fill(
        "compare.html",
        _curves(comparison, units),
        comparison=comparison,
        gate=kept_gate(folder, comparison.identity),
        names=[restored(one.name) for one in comparison.audits],
        question=f"{title(comparison.norm)} {radius}".strip(),
        data=subject(restored(comparison.data)),
        images=plural(comparison.images, "image"),
        rows=[_row(one, comparison, units) for one in comparison.audits],
        sections=sections,
        limit=ROWS,
        attacks=[restored(one) for one in comparison.attacks],
        command=command_text(comparison.command),
        notes=[restored(note) for note in comparison.notes],
        created=comparison.created[:10],
        version=comparison.versions.get("brittle", ""),
        level=f"{100 * comparison.level:.3g}{THIN}%",
    )


def _row(one: ComparedAudit, comparison: Comparison, units: Units) -> tuple[str, ...]:
    robust = None if one.difference is None else one.difference.robust
    median = "–" if one.median is None else units.size(one.median.value, comparison.norm)
    change = ("", "", "") if robust is None else (points(robust.difference.value), f"{robust.lost}", f"{robust.gained}")
    return (
        restored(one.name),
        subject(restored(one.network)),
        percent(one.clean.value),
        percent(one.robust.value),
        interval(one.robust.estimate),
        median,
        *change,
    )


def _section(
    folder: Path, comparison: Comparison, number: int, one: ComparedAudit, found: Difference, units: Units
) -> Section:
    lines = [[_line(image, comparison, units) for image in found.changed if image.side == side] for side in _SIDES]
    shots = [_shot(folder, number, image, comparison, units) for image in found.newly_broken]
    return Section(
        name=restored(one.name),
        headline=comparison_headline(restored(one.name), found),
        cards=_cards(comparison, found),
        lost=lines[0],
        gained=lines[1],
        classes=[
            (
                restored(each.name),
                f"{each.images:,}",
                f"{each.before:,}",
                f"{each.after:,}",
                f"{each.after - each.before:+d}".replace("-", "−"),
                each.after - each.before,
            )
            for each in found.classes
        ],
        shots=[shot for shot in shots if shot is not None],
        differs=[restored(line) for line in found.differs],
        failed=[restored(line) for line in one.failed],
    )


_SIDES = ("lost", "gained")


def _cards(comparison: Comparison, found: Difference) -> list[tuple[str, str, str, str]]:
    """Return the key figures: name, meaning, value, and interval or what else is to be said."""
    robust, clean = found.robust, found.clean
    chance = f"p < {RARE}" if robust.chance < RARE else f"p = {significant(robust.chance, 2)}"
    cards = [
        ("Robust accuracy", "points, after minus before", points(robust.difference.value), _ends(robust.difference)),
        ("Changed sides", "images that newly fall, and newly stand", f"{robust.lost} / {robust.gained}", chance),
        ("Clean accuracy", "points, after minus before", points(clean.difference.value), _ends(clean.difference)),
    ]
    if found.factor is not None:
        factor = found.factor.estimate
        value = f"×{significant(factor.value)}"
        reach = f"{significant(factor.low)}–{significant(factor.high)}" if factor.has_interval else interval(factor)
        cards.append((f"Smallest change, {title(comparison.norm)}", "median factor for an image", value, reach))
    return cards


def _ends(rate: Rate) -> str:
    return f"{points_ends(rate)}, n = {rate.n:,}"


def _line(image: ChangedImage, comparison: Comparison, units: Units) -> tuple[str, ...]:
    how = "wrong before any attack" if image.wrong else restored(image.attack)
    size = "–" if image.wrong else units.size(image.size, comparison.norm)
    return f"{image.index:,}", *map(restored, (image.name, image.label, image.prediction)), how, size


def _shot(folder: Path, number: int, image: ChangedImage, comparison: Comparison, units: Units) -> Shot | None:
    """Return the pictures of an image; None where there are none, which costs no figure."""
    paths = [picture(folder, number, image.index, stage) for stage in STAGES]
    if not all(path.is_file() for path in paths):
        return None
    found = [reduced(picture_in(read_bytes(path))) for path in paths]
    label, prediction, attack = map(restored, (image.label, image.prediction, image.attack))
    text = f"{label} → {prediction}, {units.size(image.size, comparison.norm)} by {attack}"
    return Shot(restored(image.name), text, data_uri(found[0]), data_uri(found[1]), max(found[0].size) <= SMALL)


def _curves(comparison: Comparison, units: Units) -> dict[str, Figure]:
    """Return the robust accuracy against the radius of every audit over each other; none where all have one radius."""
    if all(sum(radius > 0 for radius in _radii(one)) < 2 for one in comparison.audits):
        return {}
    factor = units.factor(comparison.norm)
    reach = max((radius for one in comparison.audits for radius in _radii(one)), default=0.0)
    lines = {
        restored(one.name): ([factor * radius for radius in (*_radii(one), reach)], [*one.accuracy, one.accuracy[-1]])
        for one in comparison.audits
    }
    axis = f"largest change, {title(comparison.norm)}{', in 1/255' if factor != 1 else ''}"
    figures = drawing_figures((Curves("", "", axis, "robust accuracy", lines),))
    layout = figures["drawing-0"]["layout"]
    for trace in figures["drawing-0"]["data"]:
        trace["mode"], trace["line"]["shape"] = "lines", "hv"
    layout["xaxis"]["rangemode"] = "tozero"
    layout["yaxis"] |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    return figures


def _radii(one: ComparedAudit) -> list[float]:
    return [radius for radius in one.radii if math.isfinite(radius)]
