"""Checks of the finished rows alone: what the attacks' results say of each other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from brittle import metrics
from brittle.classifiers.refusals import of_classes
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import AttackRun, HealthContext
from brittle.health.sources import AUTOATTACK, CHECKLIST, INDICATORS, SYMPTOM
from brittle.metrics.estimate import Flags
from brittle.metrics.rows import changes, flags, within
from brittle.words import plural

POINTS = 0.002
"""By how much a black box may lower the robust accuracy (AutoAttack, checks.py: `check_square_sr`)."""
SEVERAL = 3
"""Images that one step must break beyond what many steps do before that is more than chance; ours."""
CLEARLY = 0.02
"""By how much more of the images one attack breaks than one that should not be weaker before the check fails; ours."""
SURVIVE = (0.9, 0.5)
"""Fractions of the broken images that stay broken in 8 bits below which the check warns and fails; ours."""
WIDTH = (0.2, 0.5)
"""Widths of the 95 % interval above which the check warns and fails; ours."""


def _within_question(case: HealthContext, attempts: Sequence[AttackRun]) -> Flags:
    """Which images these attempts broke within the question's radius, together."""
    hits = [metrics.broken(attempt.table, case.norm, case.radius) for attempt in attempts]
    return np.any(hits, axis=0) if hits else np.zeros_like(case.correct)


def _titles(attempts: Sequence[AttackRun]) -> str:
    return ", ".join(attempt.title for attempt in attempts)


def _against_gradients(case: HealthContext, against: Sequence[AttackRun], who: str, least: int) -> Outcome:
    """Compare attacks that do not use gradients with all that do; fewer than `least` images alone are no sign."""
    white, right = case.attacked(), int(case.correct.sum())
    if not against or not white or not right:
        missing = who if not against else "attack by gradients" if not white else "image right before"
        return skipped(f"There was no {missing} to compare.")
    theirs, ours = _within_question(case, against), _within_question(case, white)
    alone, total = int((theirs & ~ours).sum()), len(case.correct)
    beaten = int(theirs.sum()) > int(ours.sum()) and alone >= least
    text = (
        f"{_titles(against)} broke {int(theirs.sum())} of {right}, {alone} of them unbroken by gradients; "
        f"gradients broke {int(ours.sum())}"
    )
    if beaten or (alone / total > CLEARLY and alone >= least):
        return Outcome("fail", text, alone / total)
    return Outcome("warn" if alone >= least and alone / total > POINTS else "pass", text, alone / total)


def _black_box(case: HealthContext) -> Outcome:
    return _against_gradients(case, [one for one in case.attempts if one.black_box], "black box", 2)


BLACK_BOX = Check(
    "black-box",
    "Gradients no worse than a black box",
    f"Black boxes break no more than {POINTS:.1%} of the images alone (and more than one image); the check fails above "
    f"{CLEARLY:.0%}, or where they break more images in all.",
    f"{AUTOATTACK}, check_square_sr; {CHECKLIST} (gradient-free attacks); {SYMPTOM}",
    "Gradients are masked: differentiate a smooth surrogate of what hides them (BPDA), use another loss (margin), or "
    "trust the black box's number.",
    _black_box,
    asks=False,
)


def _noise(case: HealthContext) -> Outcome:
    return _against_gradients(case, [one for one in case.attempts if one.baseline], "random baseline", 1)


NOISE = Check(
    "noise",
    "Gradients no worse than random noise",
    f"Random changes break no image that gradients do not; the check fails above {CLEARLY:.0%}, or where they break "
    "more images in all.",
    f"{CHECKLIST} (random noise); {SYMPTOM}",
    "Gradients are masked or the attack is broken: see “Gradients” and “Convergence of the attacks”; --thorough draws "
    "10,000.",
    _noise,
    asks=False,
)


def _iterative(case: HealthContext) -> Outcome:
    fixed = [attempt for attempt in case.attacked() if attempt.fixed]
    singles = [attempt for attempt in fixed if not attempt.iterative]
    pairs = [
        (int(one.broken.sum()) - int(many.broken.sum()), one, many)
        for one in singles
        for many in fixed
        if many.iterative and one.norm == many.norm and (one.radius or 0) <= (many.radius or 0)
    ]
    if not pairs or not case.correct.any():
        return skipped("There was no single-step attack beside an iterative one in the same norm and radius.")
    lost, one, many = max(pairs, key=lambda pair: pair[0])
    fraction = max(lost, 0) / int(case.correct.sum())
    counts = f"{int(many.broken.sum())} of {int(case.correct.sum())}, {one.title} {int(one.broken.sum())}"
    seen = graded(fraction, 0.0 if lost < 1 else POINTS, max(CLEARLY / 2, POINTS), f"{many.title} broke {counts}")
    return replace(seen, status="warn") if seen.status == "fail" and lost < SEVERAL else seen


ITERATIVE = Check(
    "iterative",
    "Many steps better than one",
    "An iterative attack breaks at least as many images as one with a single step at the same radius; the check fails "
    f"from {CLEARLY / 2:.0%} of the images and {SEVERAL} of them on.",
    f"{CHECKLIST} (iterative attacks are at least as strong); {SYMPTOM}",
    "The iterative attack is wrong or badly set: more steps, a step size of about 2.5 radius / steps, restarts.",
    _iterative,
    asks=False,
)


def _unlimited(case: HealthContext) -> Outcome:
    searches = [one for one in case.attacked() if not one.fixed and one.threat.flattens]
    right = int(case.correct.sum())
    if not searches or not right:
        return skipped("There was no search by gradients without a limit.")
    lost = [right - int((flags(one.table, "success") & case.correct).sum()) for one in searches]
    worst = max(range(len(searches)), key=lambda number: lost[number])
    text = f"{searches[worst].title} found no change of whatever size for {lost[worst]} of {plural(right, 'image')}"
    return graded(lost[worst] / right, 0.0, 0.05, text)


UNLIMITED = Check(
    "unlimited",
    "Something found without a limit",
    "A search by gradients that may change an image by any amount breaks every image; the check fails above 5 %.",
    f"{INDICATORS}, unconstrained attack failure; {CHECKLIST} (unbounded attacks); {SYMPTOM}",
    "An image of another class is within reach, so the search failed: more steps, another search, or gradients that "
    "do not vanish.",
    _unlimited,
    asks=False,
)


def _allowed(case: HealthContext) -> Outcome:
    beyond, counted = 0, 0
    for attempt in case.attempts:
        success = flags(attempt.table, "success")
        counted += int(success.sum())
        beyond += int((success & ~within(changes(attempt.table, attempt.norm), attempt.radius)).sum())
    text = f"{beyond} of {plural(counted, 'change')} that count as a success are larger than their attack's radius"
    return Outcome("fail" if beyond else "pass", text, float(beyond))


ALLOWED = Check(
    "radius",
    "No change beyond the radius",
    "The change of every success, measured again on the image returned, is within the radius to 1e-6.",
    "AutoAttack prints the largest change after every run likewise",
    "The attack leaves the ball: project what it returns.",
    _allowed,
    asks=False,
    error="too low",
)


def _rounding(case: HealthContext) -> Outcome:
    fallen = _within_question(case, case.attempts)
    if not fallen.any():
        return skipped("No image was broken.")
    hits = [metrics.broken(one.table, case.norm, case.radius) for one in case.attempts]
    kept = np.any(
        [hit & flags(one.table, "rounded_success") for hit, one in zip(hits, case.attempts, strict=True)], axis=0
    )
    fraction = int(kept.sum()) / int(fallen.sum())
    text = f"{int(kept.sum())} of {plural(int(fallen.sum()), 'broken image')} stay broken in 8 bits"
    warn, fail = SURVIVE
    return Outcome("pass" if fraction >= warn else "warn" if fraction >= fail else "fail", text, fraction)


ROUNDING = Check(
    "rounding",
    "Success after saving in 8 bits",
    f"At least {SURVIVE[0]:.0%} of the broken images, worst case over attacks, are broken after rounding; the check "
    f"fails below {SURVIVE[1]:.0%}.",
    "Carlini & Wagner, S&P 2017, section V.D (discretised images); the thresholds are ours",
    "Ask for images that a file can hold, --quantization 256, or add an attack at the radius.",
    _rounding,
    asks=False,
    error="too low",
)


def _sample(case: HealthContext) -> Outcome:
    fallen = _within_question(case, case.attempts)
    robust = metrics.proportion(int((case.correct & ~fallen).sum()), len(case.correct))
    width = robust.high - robust.low
    text = (
        f"n = {robust.n}, robust accuracy {robust.value:.1%} with the 95 % interval {robust.low:.1%} to "
        f"{robust.high:.1%}, {100 * width:.1f} points wide"
    )
    return graded(width, *WIDTH, text)


SAMPLE = Check(
    "sample",
    "Enough images",
    f"The 95 % interval of the robust accuracy (Clopper and Pearson's) is at most {100 * WIDTH[0]:.0f} points wide; "
    f"the check fails above {100 * WIDTH[1]:.0f}. It speaks of images drawn like these.",
    "Clopper & Pearson 1934; the thresholds are ours",
    "Use more images: a quarter of the width takes sixteen times as many.",
    _sample,
    asks=False,
    error="uncertain",
)


def _right(case: HealthContext) -> Outcome:
    clean = metrics.proportion(int(case.correct.sum()), len(case.correct))
    classes = of_classes(case.classifier, case.outputs).shape[2]
    wrong = clean.n - int(case.correct.sum())
    text = f"{wrong} of {plural(clean.n, 'image')} ({wrong / clean.n:.1%}) were wrong before any attack; "
    text += f"guessing is wrong on {1 - 1 / classes:.1%}"
    if clean.low <= 1 / classes < clean.value:
        text += f", and {plural(clean.n, 'image')} cannot tell so much from it"
    status = "fail" if clean.low <= 1 / classes else "warn" if clean.value < 0.5 else "pass"
    return Outcome(status, text, wrong / clean.n)


RIGHT = Check(
    "right",
    "Right before the attack",
    "Right on most images, and surely better than guessing (lower end of the 95 % interval). Images that were wrong "
    "count against both accuracies and in no success rate.",
    f"{CHECKLIST} (clean accuracy is reported); the thresholds are ours",
    "Check that the labels are this network's and that images are prepared as in its training (--mean, --size, "
    "--resize, --crop).",
    _right,
    error="either",
)


def _strength(case: HealthContext) -> Outcome:
    white = case.attacked()
    iterative = [attempt for attempt in white if attempt.iterative]
    count = sum(max(len(attempt.attack.parts()), 1) for attempt in case.attempts)
    text = f"{plural(count, 'attack')}, {plural(len(white), 'run')} by gradients, "
    text += f"{len(iterative)} of these with many steps"
    if white and not iterative and any(bool((case.correct & ~one.broken).any()) for one in white):
        return Outcome("fail", text, float(len(iterative)))
    return Outcome("pass" if count > 1 else "warn", text, float(count))


STRENGTH = Check(
    "strength",
    "More than one attack, and never a single step alone",
    "At least two attacks, members of an ensemble counted, and where gradients are used an attack with many steps.",
    f"{CHECKLIST} (never FGSM alone, attacks that differ)",
    "Add attacks, such as the default ones: a single number of a single attack is an upper bound and no more.",
    _strength,
    asks=False,
)

ROW_CHECKS = (ITERATIVE, BLACK_BOX, NOISE, UNLIMITED, ALLOWED, ROUNDING, SAMPLE, RIGHT, STRENGTH)
