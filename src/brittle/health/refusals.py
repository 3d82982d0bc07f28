"""The check of the finished rows for images that a detector refused."""

import numpy as np

from brittle import metrics
from brittle.health.check import Check, Outcome, graded, skipped
from brittle.health.context import HealthContext
from brittle.health.sources import CHECKLIST
from brittle.metrics.rows import changes, within
from brittle.words import plural

REFUSED = (0.1, 0.25)
"""Fractions of the misclassified images, worst case over attacks, that a detector may save before the check warns and
fails; ours."""


def _refused(case: HealthContext) -> Outcome:
    if not case.classifier.rejects:
        return skipped("The network refuses no images.")
    tables = [(attempt.table, changes(attempt.table, case.norm)) for attempt in case.attempts]
    fooled = [metrics.broken(table, case.norm, case.radius) for table, _ in tables]
    caught = [metrics.caught(table) & within(sizes, case.radius) for table, sizes in tables]
    broken = np.any(fooled, axis=0)
    saved = np.any(caught, axis=0) & ~broken
    alarms = metrics.false_alarms(case.attempts[0].table)
    told = f"{alarms.value:.1%} of {plural(alarms.n, 'clean image')} were refused too"
    total = int(saved.sum()) + int(broken.sum())
    if not total:
        return Outcome("pass", f"No image was misclassified, refused or not; {told}", 0.0)
    text = f"{int(saved.sum())} of {plural(total, 'misclassified image')} were refused"
    unaware = ", and the attack does not know the detector" if case.classifier.oblivious else ""
    return graded(int(saved.sum()) / total, *REFUSED, f"{text}{unaware}; {told}")


REFUSALS = Check(
    "refused",
    "Attack past the detector",
    f"Of the images that are misclassified, worst case over attacks, a detector refuses at most {REFUSED[0]:.0%}; the "
    f"check fails above {REFUSED[1]:.0%}.",
    f"Carlini & Wagner, AISec 2017 (arXiv:1705.07263); {CHECKLIST} (adaptive attacks); the thresholds are ours",
    "The attack does not know the detector: attack class and detector together, by a margin (--confidence).",
    _refused,
    asks=False,
)
