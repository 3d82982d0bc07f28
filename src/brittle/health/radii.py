"""Checks at larger radii, where an attack must break more, and in the end everything."""

from dataclasses import replace

import torch

from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import folded, of_classes
from brittle.core.inputs import placed
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import FRACTION, RADII, AttackRun, HealthContext
from brittle.health.sources import CHECKLIST, INDICATORS, SYMPTOM
from brittle.maths.losses import mistaken
from brittle.metrics.rows import floats
from brittle.types import Mask, PerImage
from brittle.words import plural

NO_FLAT_IMAGE = "A change of this kind cannot make every image the same, or has no size there."
LOST = 0.05
"""Fraction of the images that may fall at a radius and stand at a larger one before the check fails; ours."""


def strongest(case: HealthContext) -> AttackRun | None:
    """The attempt by gradients at a radius that broke the most images, of equal ones the cheapest; None for none."""
    fixed = [one for one in case.attacked() if one.fixed and one.iterative and one.threat.flattens]
    return max(fixed, key=lambda one: (int(one.broken.sum()), -int(one.cost.sum())), default=None)


def _broken_at(case: HealthContext, attempt: AttackRun, places: list[int], radius: PerImage) -> Mask:
    """Run an attempt again at other radii."""
    result = case.attack(attempt.attack, attempt.threat.within(radius), places)
    return result.success | result.already


def standing(case: HealthContext, attempt: AttackRun, places: list[int], radii: PerImage) -> tuple[int, int]:
    """Run an attempt again at a radius for each image of the case: how many stood, of how many there was room for."""
    room = float("inf") if case.thorough else case.meter.passes + RADII * FRACTION * case.passes
    stood = looked = 0
    few, before = 1, case.meter.passes
    while looked < len(places) and few:
        chosen = places[looked : looked + few]
        stood += int((~_broken_at(case, attempt, chosen, radii[chosen].to(case.classifier.dtype))).sum())
        looked += len(chosen)
        each = (case.meter.passes - before) / looked
        few = len(places) if case.thorough else int((room - case.meter.passes) / max(each, 1))
        few = max(min(few, 2 * looked), 0)
    return stood, looked


def _right(case: HealthContext) -> list[int]:
    return [place for place, row in enumerate(case.rows) if case.correct[row]]


def _wider(case: HealthContext) -> Outcome:
    lost, looked, parts = 0, 0, list[str]()
    for small, large in _pairs(case):
        less, more = int(small.broken.sum()), int(large.broken.sum())
        lost, looked = lost + max(less - more, 0), looked + less
        parts.append(f"{large.title} broke {more}, {small.title} {less}")
    attempt = strongest(case)
    fell = [] if attempt is None else [place for place in _right(case) if attempt.broken[case.rows[place]]]
    if attempt is not None and fell:
        stood, few = standing(case, attempt, fell, torch.full((len(case.images),), 2 * (attempt.radius or 0.0)))
        lost, looked = lost + stood, looked + few
        parts.append(f"of {plural(few, 'image')} that {attempt.title} broke, {few - stood} fall at twice the radius")
    if not looked:
        return skipped("No image was broken by an iterative attack at a radius.")
    return graded(lost / looked, 0.0, LOST, "; ".join(parts))


def _pairs(case: HealthContext) -> list[tuple[AttackRun, AttackRun]]:
    """The same attack at two radii, smaller first."""
    fixed = [one for one in case.attempts if one.fixed and one.gradients]
    return [
        (small, large)
        for small in fixed
        for large in fixed
        if small.attack == large.attack and small.norm == large.norm and (small.radius or 0) < (large.radius or 0)
    ]


WIDER = Check(
    "monotone",
    "No fewer images broken by a larger radius",
    f"What an attack breaks at a radius it breaks at twice the radius, and at every larger one of the plan; the check "
    f"fails above {LOST:.0%} lost.",
    f"{CHECKLIST} (success rises with the radius); {SYMPTOM}",
    "A decrease means a flawed attack: more steps, a step size in proportion to the radius, another loss.",
    _wider,
)


def grey_images(case: HealthContext) -> tuple[list[int], PerImage]:
    """Places of the right images that one flat grey image proves to be breakable, and how far it lies from each."""
    bounds = case.classifier.bounds
    right = _right(case)
    images = placed(case.images, case.classifier)
    grey = torch.full_like(images[:1], (bounds.lower + bounds.upper) / 2)
    with preserving_state(case.meter, case.seed), torch.no_grad():
        logits = case.judged(grey).cpu()
    distance = case.threat.size(images, grey.expand_as(images)).cpu()

    def fools(place: int) -> bool:
        return bool(mistaken(folded(case.classifier, logits, case.labels[place, None]), int(case.labels[place])))

    return [place for place in right if fools(place)], distance


def _guessing(case: HealthContext) -> Outcome:
    if not case.threat.flattens:
        return skipped(NO_FLAT_IMAGE)
    places, distance = grey_images(case)
    if not places:
        return skipped("No image was right before that a flat grey one proves to be breakable.")
    parts: list[str] = []
    missed, searched = 0, 0
    for search in (one for one in case.attacked() if not one.fixed and one.norm == case.norm):
        sizes = torch.from_numpy(floats(search.table, "size")[case.rows])
        worse = int((sizes[places] > distance[places].double() * (1 + 1e-4)).sum())
        missed, searched = missed + worse, searched + len(places)
        parts.append(f"{search.title} needed more than the way to grey for {worse} of {len(places)}")
    attempt, classes = strongest(case), of_classes(case.classifier, case.outputs).shape[2]
    if attempt is None or attempt.norm != case.norm:
        if not searched:
            return skipped("There was no search, and no iterative attack at a radius, by gradients.")
        return graded(missed / searched, 0.0, 1 / classes, "; ".join(parts))
    stood, few = standing(case, attempt, places, distance * 1.001)
    parts.append(f"{attempt.title} with room for that way left {stood} of {few} standing")
    seen = graded(stood / few, 0.0, 1 / classes, "; ".join(parts))
    return replace(seen, status="warn") if missed and seen.status == "pass" else seen


GUESSING = Check(
    "guessing",
    "No better than guessing at a huge radius",
    "Where a change reaches the same flat grey image from every image, no classifier beats guessing: attacks break "
    "every image that grey is no example of, and searches find no longer way. Up to one in as many images as there are "
    "classes is a warning, and so is a search that misses beside an attack at the radius that does not.",
    f"{CHECKLIST} (no better than guessing at L∞ = 0.5); the proof by a grey image is ours",
    "An adversarial image is known and the attack misses it: its steps, its loss or the gradients fail.",
    _guessing,
)


def _unbounded(case: HealthContext) -> Outcome:
    attempt = strongest(case)
    if attempt is None:
        return skipped("There was no iterative attack by gradients at a radius.")
    places = _right(case)
    if not places:
        return skipped("No image was right before.")
    images = placed(case.images, case.classifier)
    stood, few = standing(case, attempt, places, attempt.threat.max_size(images, case.classifier.bounds).cpu())
    text = f"{attempt.title} at a radius that allows every image left {stood} of {few} standing"
    return graded(stood / few, 0.0, LOST, text)


UNBOUNDED = Check(
    "unbounded",
    "Everything broken with all the room",
    f"At a radius that reaches every image there is, the strongest attack breaks every image; the check fails above "
    f"{LOST:.0%} standing.",
    f"{INDICATORS}, unconstrained attack failure; {CHECKLIST} (unbounded attacks)",
    "The optimisation fails, not the room: look at gradients, loss and step size.",
    _unbounded,
)

RADIUS_CHECKS = (WIDER, GUESSING, UNBOUNDED)
