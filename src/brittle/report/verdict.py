"""The verdict, in plain words."""

import math
from dataclasses import dataclass

from brittle.metrics.formats import THIN, interval, percent, title
from brittle.report.formats import placeless
from brittle.report.run_data import RunData
from brittle.threats import described
from brittle.tolerance import TOLERANCE
from brittle.words import plural

UNFINISHED = "Not finished: no result yet."
GO_ON = "Go on with the audit: give its command again."
FEW = 50
"""Fewer images than this and the interval is wider than ±14 points at worst: the verdict says so."""
HARDLY_SEEN = 8 / 255
"""Up to this fraction of the range, and up to the usual radius, a change of every value is hard to see."""
HALF_LEVEL = 0.5 / 255
"""A change by less than this fraction of the range is gone once an image is saved in 8 bits."""


@dataclass(frozen=True)
class Verdict:
    """The verdict.

    Attributes:
        headline: a few words.
        sentences: what was done and what came of it.
        robust: number of images that stand.
        broken: number of images that were right and fall.
        wrong: number of images that were wrong before.
        remedy: where the run is not finished or a check of the evaluation failed, what to do first; "" otherwise.
        unreliable: whether it is so, so that no number of the page is a result.
        failed: whether a check failed.
    """

    headline: str
    sentences: tuple[str, ...]
    robust: int
    broken: int
    wrong: int
    remedy: str = ""
    unreliable: bool = False
    failed: bool = False


def verdict(evidence: RunData) -> Verdict:
    """Say what the run found; holds for every outcome, also when nothing was right or nothing broke."""
    right, broken = int(evidence.correct.sum()), int(evidence.fallen.sum())
    sentences = [*_outcome(evidence, right, broken), *_reservations(evidence)]
    health = evidence.health
    failed = [] if health is None else health.ordered("fail")
    remedy = failed[0].remedy if failed else ""
    headline = health.headline if health is not None and failed else _headline(evidence, right, broken)
    if evidence.unfinished:
        headline, remedy = UNFINISHED, GO_ON
        sentences = [*_missing(evidence), *sentences]
    return Verdict(
        headline=headline,
        sentences=tuple(sentences),
        robust=right - broken,
        broken=broken,
        wrong=evidence.n - right,
        remedy=remedy,
        unreliable=bool(failed) or evidence.unfinished,
        failed=bool(failed),
    )


def allowed_change(evidence: RunData) -> str:
    """The change that the question allows, as the beginning of a sentence."""
    if evidence.radius is None:
        return f"A change of whatever size it takes (measured in {title(evidence.norm)})"
    size = evidence.units.size(evidence.radius, evidence.norm)
    return described(evidence.norm).sentence(size)


def _headline(evidence: RunData, right: int, broken: int) -> str:
    if right == 0:
        return "There was nothing to break."
    if broken == 0:
        return "No image fell."
    median = evidence.smallest
    if evidence.radius is None and median and math.isfinite(median.value) and right > 1:
        size = evidence.units.size(median.value, evidence.norm)
        return f"Half of the images fall to a change of {size} ({title(evidence.norm)})."
    if broken == right:
        return "Every image it got right falls." if right > 1 else "The one image it got right falls."
    fraction = broken / right
    steps = [
        (0.9, "Nearly every image it got right falls."),
        (0.5, "Most images it got right fall."),
        (0.1, "Some images it got right fall."),
    ]
    return next((text for least, text in steps if fraction >= least), "Few images fall.")


def _outcome(evidence: RunData, right: int, broken: int) -> list[str]:
    level = f"95{THIN}% interval {interval(evidence.robust)}, n = {evidence.n:,}"
    shown = f"Robust accuracy is {percent(evidence.robust.value)} ({level})"
    if right == 0:
        return [
            f"The network got none of the {plural(evidence.n, 'image')} right before any attack.",
            "Check that the labels belong to this network and that the images are prepared as it expects.",
        ]
    change = allowed_change(evidence)
    tried = "the attack tried" if len(evidence.attacks) == 1 else f"the {len(evidence.attacks)} attacks tried"
    if broken == 0:
        limit = change[0].lower() + change[1:]
        return [
            f"With {limit}, {tried} broke none of the {plural(right, 'image')} that the network got right.",
            f"{shown}, the same as without an attack.",
            "This is what was found, not a proof: a stronger attack may break more.",
        ]
    unseen = _visibility(evidence)
    first = f"{change}{unseen} breaks {broken:,} of the {plural(right, 'image')} that the network got right."
    return [first, f"{shown}; without an attack it is {percent(evidence.clean.value)}.", *_median(evidence)]


def _visibility(evidence: RunData) -> str:
    if evidence.radius is None or not described(evidence.norm).levels:
        return ""
    fraction = evidence.radius / evidence.units.span
    shape = evidence.manifest.network.input_shape
    usual = None if shape is None else described(evidence.norm).usual_radius(shape)
    if usual is not None and fraction > usual[0] * (1 + TOLERANCE):
        return ""
    return ", which is hardly visible," if fraction <= HARDLY_SEEN * (1 + TOLERANCE) else ""


def _median(evidence: RunData) -> list[str]:
    median = evidence.smallest
    if median is None or median.n < 2:
        return []
    if math.isinf(median.value):
        return ["The searches found a change for less than half of the images, whatever its size."]
    size = evidence.units.size(median.value, evidence.norm)
    found = f"{title(evidence.norm)}, {evidence.finders}"
    kept, number = evidence.smallest_rounded
    return [
        f"Half of the images it got right fall to a change of {size} or less ({found}); {kept:,} of these "
        f"{number:,} smallest changes still fool it when saved in 8 bits."
    ]


def _reservations(evidence: RunData) -> list[str]:
    lines: list[str] = []
    classes = len(evidence.manifest.data.classes)
    right = evidence.clean
    if right.value > 0 and classes > 1 and right.low <= 1 / classes:
        lines.append(
            f"Before any attack it is right on {percent(right.value)}, which is no better than guessing among "
            f"{classes:,} classes: check labels and preparation before reading on."
        )
    elif 0 < right.value < 0.5:
        lines.append(f"Before any attack it is right on only {percent(right.value)} of the images.")
    norm, span = evidence.norm, evidence.units.span
    if evidence.radius is not None and described(norm).levels and evidence.radius < HALF_LEVEL * span:
        lines.append(
            f"A change of at most {evidence.units.size(evidence.radius, norm)} is less than half a grey level: no "
            "image saved in 8 bits can change so little."
        )
    if evidence.n < FEW:
        lines.append(f"Only {plural(evidence.n, 'image')}: the interval is wide, and more images would narrow it.")
    return lines


def _missing(evidence: RunData) -> list[str]:
    """Say what an unfinished run still lacks: images, attacks, checks."""
    total = evidence.manifest.data.images
    lines = [
        f"This run is not finished: {evidence.n:,} of {plural(total, 'image')} have been through every attack begun."
    ]
    if evidence.waiting:
        lines.append(f"Not begun: {', '.join(placeless(info.spec) for info in evidence.waiting)}.")
    if evidence.health is None:
        lines.append("The checks of the evaluation have not run.")
    return lines
