"""The expensive checks of ``--thorough``: more steps, more restarts and many random draws change nothing."""

from dataclasses import fields, replace

import numpy as np
import torch

from brittle import metrics
from brittle.base.seeds import Streams
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import folded
from brittle.core.attack import Attack
from brittle.core.combinators import Restarts
from brittle.core.inputs import placed
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import AttackRun, HealthContext
from brittle.health.radii import NO_FLAT_IMAGE, grey_images, standing, strongest
from brittle.health.sources import CHECKLIST
from brittle.maths.losses import mistaken
from brittle.metrics.rows import floats
from brittle.words import plural

CHANGE = (0.01, 0.05)
"""Fractions of the images that fall anew above which a check warns and fails; ours."""
SHRINK = (0.02, 0.1)
"""Fractions by which the median size of the smallest change may shrink; ours."""
DRAWS = 10_000
"""Random changes of each image (Carlini et al. 2019: ten thousand and more)."""


def doubled(attack: Attack, setting: str) -> Attack | None:
    """Return an attack with a whole number of its own, or of the attacks within it, doubled; None where there is none.

    Example:
        >>> from brittle.attacks.pgd import PGD
        >>> doubled(PGD(steps=40), "steps").steps
        80
    """
    value = getattr(attack, setting, None)
    if isinstance(value, int):
        return replace(attack, **{setting: 2 * value})
    for field in fields(attack):
        inner = getattr(attack, field.name)
        if isinstance(inner, Attack) and inner in attack.parts():
            more = doubled(inner, setting)
            return None if more is None else replace(attack, **{field.name: more})
    return None


def _survivors(case: HealthContext) -> list[int]:
    """Places of the images that were right and that no attempt broke within the question's radius."""
    fallen = np.any([metrics.broken(one.table, case.norm, case.radius) for one in case.attempts], axis=0)
    return [place for place, row in enumerate(case.rows) if case.correct[row] and not fallen[row]]


def _newly(case: HealthContext, attempt: AttackRun, attack: Attack, what: str, seed: int) -> Outcome:
    places = _survivors(case)
    if not places:
        return Outcome("pass", f"None of {plural(len(case.images), 'image')} stood", 0.0)
    result = case.attack(attack, attempt.threat, places, seed=seed)
    fell = int((result.success & attempt.threat.allows(result.size, case.span)).sum())
    fraction = fell / len(case.images)
    text = f"{attempt.title} with {what}: {fell} of {plural(len(places), 'image')} that stood fell, "
    text += f"of {len(case.images)} in all"
    return graded(fraction if fell > 1 else 0.0, *CHANGE, text)


def _more_steps(case: HealthContext) -> Outcome:
    attempt = strongest(case)
    more = None if attempt is None else doubled(attempt.attack, "steps")
    if attempt is not None and more is not None:
        return _newly(case, attempt, more, "twice the steps", case.seed)
    searches = [(one, doubled(one.attack, "steps")) for one in case.attacked() if not one.fixed]
    shrunk = [(_shrink(case, one, more), one) for one, more in searches if more is not None]
    if not shrunk:
        return skipped("No attack by gradients has steps to be doubled.")
    least, one = min(shrunk, key=lambda pair: pair[0])
    return graded(least, *SHRINK, f"{one.title} with twice the steps: the median change is {least:.1%} smaller")


def _shrink(case: HealthContext, attempt: AttackRun, more: Attack) -> float:
    places = [place for place, row in enumerate(case.rows) if attempt.broken[row]]
    if not places:
        return 0.0
    then = np.median(floats(attempt.table, "size")[case.rows[places]])
    now = np.median(case.attack(more, attempt.threat, places).size.double().cpu().numpy())
    return max(0.0, 1 - float(now) / float(then)) if then else 0.0


MORE_STEPS = Check(
    "more-steps",
    "No gain from twice the steps",
    f"With its steps doubled the strongest attack breaks at most {CHANGE[0]:.0%} of the images (or one) that stood; "
    f"where there are only searches, the best median shrinks by at most {SHRINK[0]:.0%}. The check fails above "
    f"{CHANGE[1]:.0%} and {SHRINK[1]:.0%}.",
    f"{CHECKLIST} (doubling the iterations changes nothing)",
    "Use more steps until nothing changes; the robust accuracy is too high as it is.",
    _more_steps,
)


def _more_restarts(case: HealthContext) -> Outcome:
    attempt = strongest(case)
    if attempt is None:
        return skipped("There was no iterative attack by gradients at a radius.")
    more = doubled(attempt.attack, "restarts") or Restarts(attempt.attack, 2)
    return _newly(case, attempt, more, "twice the restarts and another seed", case.seed + 1)


MORE_RESTARTS = Check(
    "more-restarts",
    "Twice the restarts change nothing",
    f"With restarts doubled and another seed the strongest attack breaks at most {CHANGE[0]:.0%} of the images (or "
    f"one) that stood; the check fails above {CHANGE[1]:.0%}.",
    f"{CHECKLIST} (doubling the restarts changes nothing)",
    "Use more restarts until nothing changes.",
    _more_restarts,
)


def _more_draws(case: HealthContext) -> Outcome:
    places = _survivors(case)
    if case.radius is None or not places:
        return skipped("There is no radius to draw from." if case.radius is None else "No image stood.")
    few = places[: max(1, min(10, case.passes // (DRAWS * case.eot_samples)))]
    rows = torch.tensor(few)
    images, labels = placed(case.images[rows], case.classifier), case.labels[rows].to(case.classifier.device)
    each = max(1, case.batch // len(few))
    clean, owners = images.repeat(each, 1, 1, 1), torch.arange(each * len(few), device=images.device)
    fell = torch.zeros(len(few), dtype=torch.bool, device=images.device)
    with preserving_state(case.meter, case.seed), torch.no_grad():
        for turn in range(-(-DRAWS // each)):
            streams = Streams(case.seed + 1, owners + turn * len(owners), images.dtype)
            drawn = case.threat.draw(clean, streams, owners, case.classifier.bounds)
            seen = case.threat.seen(clean, drawn, case.classifier.bounds)[1]
            logits = folded(case.classifier, case.judged(seen), labels.repeat(each))
            fell |= mistaken(logits, labels.repeat(each)).reshape(each, len(few)).any(0)
    number = int(fell.sum())
    text = f"{number} of {plural(len(few), 'image')} that stood fell to one of {DRAWS:,} random changes"
    return Outcome("fail" if number else "pass", text, number / len(few))


MORE_DRAWS = Check(
    "more-draws",
    "Ten thousand random changes break nothing more",
    f"No image that stood falls to one of {DRAWS:,} random changes within the radius, on at most ten images and at no "
    "more than the audit's own passes.",
    f"{CHECKLIST} (random noise, ten thousand draws)",
    "Gradients are masked: noise finds what they do not. Use BPDA, another loss, or a black box.",
    _more_draws,
)


def _all_guessing(case: HealthContext) -> Outcome:
    if not case.threat.flattens:
        return skipped(NO_FLAT_IMAGE)
    places, distance = grey_images(case)
    fixed = [one for one in case.attacked() if one.fixed and one.iterative and one.norm == case.norm]
    if not fixed or not places:
        return skipped("There was no iterative attack at a radius, or no image that grey proves breakable.")
    left = [(standing(case, one, places, distance * 1.001)[0], one.title) for one in fixed]
    worst, title = max(left)
    return graded(
        worst / len(places), 0.0, 0.1, f"{title} left {worst} of {len(places)} standing, the most of {len(left)}"
    )


ALL_GUESSING = Check(
    "all-guessing",
    "No attack does better than guessing at a huge radius",
    "Every iterative attack, given the way to a flat grey image, breaks every image that grey proves to be breakable; "
    "the check fails above 10 %.",
    f"{CHECKLIST} (no better than guessing at L∞ = 0.5)",
    "This attack adds nothing but trust that it does not deserve: mend it or leave it out.",
    _all_guessing,
)

THOROUGH_CHECKS = (MORE_STEPS, MORE_RESTARTS, MORE_DRAWS, ALL_GUESSING)
