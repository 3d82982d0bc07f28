"""Checks of what some images gave when they were attacked once more."""

from dataclasses import replace

import numpy as np
import torch

from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.refusals import folded
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import HealthContext
from brittle.health.rerun import Rerun, in_box
from brittle.health.sources import ATTACKBENCH, CHECKLIST, INDICATORS
from brittle.metrics.estimate import Floats
from brittle.metrics.rows import flags, floats
from brittle.tolerance import most_within
from brittle.words import plural

SIZE = 0.02
"""By how much a size may differ from the audit's: other batch, other rounding, another path; ours."""
HURRIED = 0.1
"""The same of a search in bf16 or compiled, whose path goes by coarser numbers, as verified changes do not."""
DIFFER = (0.1, 0.25)
"""Fractions of repeats that may come out otherwise before the check warns and fails; ours."""
BETTER = 1e-4
"""AttackBench: the best point on the path and the one returned agree to a relative 1e-4."""
LAST, MOVED = 10, 0.05
"""indicators.py: the loss, rescaled to 0..1, moves by more than 0.05 over the last 10 steps."""
FEW = 3
"""Unbroken images below which the check of convergence warns and does not fail."""
MOVING = (0.25, 0.5)
"""Fractions of unbroken images whose loss still moves above which the check warns and fails; ours."""


def _same(case: HealthContext) -> Outcome:
    if not case.repeats:
        return skipped("No image was right before.")
    size = HURRIED if case.search else SIZE
    other = [one for one in case.repeats if _differs(one, size)]
    named = f": {', '.join(dict.fromkeys(one.attempt.title for one in other))}" if other else ""
    text = f"{len(other)} of {plural(len(case.repeats), 'result')} came out otherwise, "
    text += f"each image alone and with its seed{named}"
    return graded(len(other) / len(case.repeats), *DIFFER, text)


def _differs(one: Rerun, size: float) -> bool:
    """Whether the outcome or the size of a repeat is another than in the audit."""
    table, row = one.attempt.table, one.row
    if bool(one.result.success[0]) != bool(flags(table, "success")[row]):
        return True
    then, now = float(floats(table, "size")[row]), float(one.result.size[0])
    return now != then and not abs(now - then) <= size * max(now, then)


SAME = Check(
    "repeatable",
    "Same result from the same seed",
    f"At least {1 - DIFFER[0]:.0%} of the results come out again, success and size to {SIZE:.0%} ({HURRIED:.0%} of a "
    f"search in bf16 or compiled), each image alone in its batch; the check fails below {1 - DIFFER[1]:.0%}.",
    f"{CHECKLIST} (results that others can repeat); the thresholds are ours",
    "Look for randomness in the network, for state kept between calls, and for images that influence each other.",
    _same,
    error="either",
)


def _allowed(case: HealthContext) -> Outcome:
    hits = [one for one in case.repeats if bool(one.result.success[0])]
    if not hits:
        return skipped("None of the images attacked again was broken.")
    bounds = (case.classifier.bounds.lower, case.classifier.bounds.upper)
    beyond = outside = right = 0
    largest = 0.0
    for one in hits:
        moved = one.result.adversarial.double().cpu().numpy()
        radius = one.attempt.radius
        size = float(one.attempt.threat.measured(_image(case, one), moved)[0])
        if radius and np.isfinite(size):
            largest = max(largest, size / radius)
            beyond += size > most_within(radius, case.span)
        outside += not bool(in_box(moved, bounds)[0])
    with preserving_state(case.meter, case.seed), torch.no_grad():
        for one in hits:
            moved = one.result.adversarial.to(case.classifier.device, case.classifier.dtype)
            label = case.labels[one.place : one.place + 1].to(moved.device)
            right += int(folded(case.classifier, case.judged(moved), label).argmax(1)) == int(label)
    text = f"of {plural(len(hits), 'change')} {beyond} are beyond the radius, {outside} leave the box, "
    text += f"{right} are no success"
    text += f"; the largest is {largest:.6f} of its radius" if largest else ""
    return Outcome("fail" if beyond or outside or right else "pass", text, float(beyond + outside + right))


def _image(case: HealthContext, one: Rerun) -> Floats:
    return case.images[one.place].double().numpy()


ALLOWED = Check(
    "constraints",
    "Radius, box and label in a second pass",
    "Every change, measured again in float64 by other code, is within its radius (to 1e-6), leaves no pixel beyond the "
    "bounds, and is misclassified in a fresh forward pass.",
    f"AutoAttack prints the largest change, NaN and the range likewise; {ATTACKBENCH} (beyond the box is a failure)",
    "The attack leaves what it is allowed: project and clamp before the network is asked.",
    _allowed,
    error="too low",
)


def _returned(case: HealthContext) -> Outcome:
    if case.quantization is not None:
        return skipped("Points on the path need not lie on the grid, on which results do.")
    if case.eot_samples > 1:
        return skipped(
            "A point of a randomised network is judged by the mean over its samples, which no single pass shows."
        )
    seen = [one for one in case.repeats if one.attempt.threat.on_images]
    if not seen:
        return skipped("No image was right before, or changes are deformations, whose size images do not show.")
    lost = [one for one in seen if one.witness.best < float(one.result.size[0]) * (1 - BETTER)]
    silent = sum(1 for one in lost if not bool(one.result.success[0]))
    points = sum(one.witness.points for one in seen)
    named = f" ({', '.join(dict.fromkeys(one.attempt.title for one in lost))})" if lost else ""
    text = f"{plural(points, 'point')} seen for {plural(len(seen), 'result')}: {silent} broken in silence, "
    text += f"{len(lost) - silent} with a smaller change on the path{named}"
    return Outcome("fail" if lost else "pass", text, float(len(lost)))


RETURNED = Check(
    "returned",
    "Best point on the path returned",
    "A witness before the network sees no adversarial point within radius and box that is smaller, by a relative 1e-4, "
    "than what the attack returned.",
    f"{INDICATORS}, silent success; {ATTACKBENCH}, best on path against returned",
    "The attack forgets points: show every point to the network through problem.probe, which keeps the best one.",
    _returned,
)


def _converged(case: HealthContext) -> Outcome:
    steps = [one for one in case.repeats if one.attempt.fixed and one.attempt.iterative]
    if not steps:
        return skipped("There was no iterative attack at a radius.")
    unbroken = [one for one in steps if not bool(one.result.success[0])]
    if not unbroken:
        return Outcome("pass", "Every image attacked again by an iterative attack at a radius was broken", 0.0)
    moves = [moved(one.result.trace[0].double().cpu().numpy()) for one in unbroken if one.result.trace is not None]
    moving = sum(move > MOVED for move in moves)
    text = f"{moving} of {plural(len(moves), 'unbroken image')} had a margin still growing, by {max(moves):.1%} at most"
    seen = graded(moving / len(moves), *MOVING, text)
    return replace(seen, status="warn") if seen.status == "fail" and len(moves) < FEW else seen


def moved(margins: Floats) -> float:
    """Return how far the best margin so far, rescaled to 0..1, moved over the last points.

    Deviation: over the last quarter where that is less than the published ten, which may be the whole of a short path.

    Example:
        >>> moved(np.arange(101.0)), moved(np.array([0.0, 1.0, *[1.0] * 20]))
        (0.1, 0.0)
    """
    best = np.maximum.accumulate(margins[np.isfinite(margins)])
    if len(best) < 2 or best[-1] == best[0]:
        return 0.0
    last = min(LAST, max(len(best) // 4, 1))
    return float((best[-1] - best[-1 - last]) / (best[-1] - best[0]))


CONVERGED = Check(
    "converged",
    "Convergence of the attacks",
    f"The best margin so far, rescaled to 0..1, moved by at most {MOVED:g} over the last {LAST} points (the last "
    f"quarter of a shorter path), for at least {1 - MOVING[0]:.0%} of the images still standing; the check fails below "
    f"{1 - MOVING[1]:.0%}.",
    f"{INDICATORS}, incomplete optimisation; the fractions are ours",
    "More steps, a larger step size, or more restarts; --thorough doubles them to see whether anything changes.",
    _converged,
)

REPEAT_CHECKS = (SAME, ALLOWED, RETURNED, CONVERGED)
