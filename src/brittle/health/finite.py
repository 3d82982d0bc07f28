"""The check of the finished rows for outputs and gradients that are not finite."""

import numpy as np

from brittle.health.check import Check, Outcome
from brittle.health.context import HealthContext
from brittle.health.sources import AUTOATTACK
from brittle.metrics.estimate import Flags
from brittle.metrics.rows import integers
from brittle.words import plural

UNDEFINED = 0.1
"""Fraction of the images that are not defined around themselves above which the check fails; ours."""


def _met(case: HealthContext, column: str) -> Flags:
    """Which images met one in any attack."""
    return np.any([integers(one.table, column) > 0 for one in case.attempts], axis=0)


def _finite(case: HealthContext) -> Outcome:
    outputs, gradients = _met(case, "nonfinite_outputs"), _met(case, "nonfinite_gradients")
    count, fraction = len(outputs), float(np.logical_or(outputs, gradients).mean())
    text = (
        f"{int(outputs.sum())} of {plural(count, 'image')} met an output that is NaN or infinite, "
        f"{int(gradients.sum())} a gradient with such an entry"
    )
    if float(outputs.mean()) > UNDEFINED:
        return Outcome("fail", text, fraction)
    return Outcome("warn" if fraction else "pass", text, fraction)


FINITE = Check(
    "finite",
    "Finite outputs and gradients",
    "No attack met an output, or an entry of a gradient, that is NaN or infinite. Such points count as no success, and "
    f"such entries as 0; the check fails where more than {UNDEFINED:.0%} of the images met such outputs.",
    f"{AUTOATTACK} stops at NaN in its results; the rule and the threshold are ours",
    "Look for 0 / 0, log or sqrt of 0 and overflow in the network: a slope that is NaN hides a pixel from every search "
    "by gradients. Attack without gradients beside (square).",
    _finite,
    asks=False,
)
