"""The security curve: robust accuracy against the size of the change allowed."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from brittle.errors import InputError
from brittle.metrics.estimate import LEVEL, Estimate, Floats, proportion, quantile
from brittle.metrics.rates import broken
from brittle.metrics.rows import changes, common_images, flags, within
from brittle.tabular import Tabular

POINTS = 200
"""Most radii at which a curve is worked out unless it is told where."""


@dataclass(frozen=True)
class Outcome:
    """What one attack did.

    Attributes:
        table: its rows.
        radius: the radius that a fixed-budget attack was run at; None for a minimum-norm attack, whose changes have
            each their own size.
    """

    table: pa.Table
    radius: float | None = None


@dataclass(frozen=True)
class Curve(Tabular):
    """Robust accuracy at each radius.

    Attributes:
        radii: ascending, shape (m,), from 0.
        accuracy: the rate at each of them, with an interval that holds for each radius by itself.
        norm: of the radii, as in `security_curve`; "" where nobody said.
        goal: of the attacks, such as "targeted"; "" for any other class. Of another goal the rates are those of the
            images that are right before and not brought to the goal: no robust accuracy, and never below one.
    """

    radii: Floats
    accuracy: tuple[Estimate, ...]
    norm: str = ""
    goal: str = ""

    @property
    def measured(self) -> str:
        """What the rates are of."""
        return f"right before, and goal not reached ({self.goal})" if self.goal else "robust accuracy"

    def table(self) -> pa.Table:
        """Return one row per radius: the radius, the rate, both ends of its interval, and n.

        The rate is called `robust_accuracy`, of a curve for another goal `goal_not_reached`.
        """
        ends = ("value", "low", "high", "n")
        columns = {name: [getattr(rate, name) for rate in self.accuracy] for name in ends}
        name = "goal_not_reached" if self.goal else "robust_accuracy"
        return pa.table({"radius": self.radii, name: columns.pop("value"), **columns})

    def plot(self, *, span: float = 1.0) -> Any:
        """Draw the curve with its intervals.

        Args:
            span: greatest less least value of a pixel; where it is 1, radii in linf are written in 1/255.

        Returns:
            A figure of plotly, which shows itself where a notebook's cell ends with it, or by its `show`.
        """
        from brittle.metrics.curve_figure import curve_figure
        from brittle.metrics.formats import Units

        units = Units(span)
        return curve_figure(self, units.axis("largest change", self.norm), units.factor(self.norm))


def break_sizes(outcome: Outcome, p: str) -> Floats:
    """From which radius on each image counts as broken by this attack, shape (n,).

    0 for images that were wrong before, infinite where no change was found. A minimum-norm attack breaks an image from
    the size of its change on, a fixed-budget attack from its own radius on: it looked nowhere below.

    Args:
        outcome: the attack's rows.
        p: the norm of the curve.

    Returns:
        One radius per row.
    """
    table = outcome.table
    sizes = changes(table, p)
    if outcome.radius is not None:
        sizes = np.where(within(sizes, outcome.radius), outcome.radius, sizes)
    return np.where(flags(table, "correct"), np.where(broken(table), sizes, np.inf), 0.0)


def on_common_images(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Bring the rows of attacks to the images that all of them have, in the order of the images.

    Raises:
        InputError: as of `common_images`.
    """
    tables = common_images([outcome.table for outcome in outcomes])
    return [Outcome(table, outcome.radius) for table, outcome in zip(tables, outcomes, strict=True)]


def smallest_sizes(outcomes: Sequence[Outcome], p: str) -> Floats:
    """From which radius on each image counts as broken by some attack: the smallest of `break_sizes` per image.

    Args:
        outcomes: the attacks, their rows about the same images in the same order (`on_common_images`).
        p: the norm.

    Returns:
        One size per image: 0 where it was wrong before, infinite where no attack found a change.
    """
    return np.min([break_sizes(outcome, p) for outcome in outcomes], axis=0)


def median_smallest(outcomes: Sequence[Outcome], p: str, level: float = LEVEL) -> Estimate | None:
    """Median, over the images right before, of the smallest change that any search found for the image.

    It is the worst case per image, and at most the median of the best single attack: attacks excel on different images.

    Args:
        outcomes: the attacks; images that not all of them have are left out. Those run at a radius are no searches and
            leave the median as it is.
        p: the norm of the question.
        level: coverage of the interval.

    Returns:
        The median, infinite where less than half of the images were broken; None where no attack searched for the
        smallest change, or no image was right before.

    Raises:
        InputError: there are no outcomes.
    """
    aligned = on_common_images(outcomes)
    searches = [outcome for outcome in aligned if outcome.radius is None]
    right = flags(aligned[0].table, "correct")
    return quantile(smallest_sizes(searches, p)[right], 0.5, level) if searches and right.any() else None


def security_curve(
    outcomes: Sequence[Outcome], p: str, radii: Sequence[float] | None = None, level: float = LEVEL
) -> Curve:
    """Robust accuracy against the radius, worst case per image over all attacks given.

    Args:
        outcomes: the attacks; images that not all of them have are left out.
        p: the norm of the radius.
        radii: where to work it out; by default at every size at which it changes (thinned to `POINTS` by rank).
        level: coverage of the intervals.

    Returns:
        The curve; its value at 0 is the clean accuracy.

    Raises:
        InputError: there are no outcomes or no common images.
    """
    aligned = on_common_images(outcomes)
    sizes = smallest_sizes(aligned, p)
    if len(sizes) == 0:
        raise InputError("there is no image that every attack has done: the curve has no points")
    if radii is None:
        steps = np.unique(np.append(sizes[np.isfinite(sizes)], 0.0))
        kept = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(np.int64))
        places: Floats = steps[kept]
    else:
        places = np.sort(np.asarray(radii, dtype=np.float64))
    correct = flags(aligned[0].table, "correct")
    standing = [int((correct & ~within(sizes, radius)).sum()) for radius in places.tolist()]
    return Curve(places, tuple(proportion(count, len(sizes), level) for count in standing), p)
