"""What a result is about, so that it can say and show itself: the attack, the question, and a few of the images."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.core.attack import Attack
from brittle.core.called import allowed, called, keeps_to_radius
from brittle.metrics.estimate import Estimate, Floats, quantile, without_interval
from brittle.metrics.formats import Units
from brittle.threats import Threat
from brittle.types import Images, Mask


@dataclass(frozen=True)
class Terms:
    """What was asked of `run`.

    Attributes:
        attack: the method.
        threat: how changes are measured, and how large they may be.
        bounds: least and greatest value of an image.
        originals: the first few of the images that were broken, as they were given, copied.
        goal: what was to be reached in place of any other class (`goal_text`); "" for that.
    """

    attack: Attack
    threat: Threat
    bounds: Bounds
    originals: Images
    goal: str = ""

    @property
    def searches(self) -> bool:
        """Whether the smallest change was looked for."""
        return not keeps_to_radius(self.attack, self.threat)

    @property
    def units(self) -> Units:
        """How sizes are written."""
        return Units(self.bounds.span)

    def sentence(self, images: str) -> str:
        """Return what was asked in one line."""
        said = [called(self.attack), self.goal, allowed(self.threat, self.bounds), images]
        return ", ".join(part for part in said if part)

    def drawn(self, images: Images) -> list[Floats]:
        """Return images as values in [0, 1], for pictures."""
        values = (images.detach().cpu().double() - self.bounds.lower) / self.bounds.span
        return [*values.numpy().astype(np.float64)]


def median_change(size: Tensor, tried: Mask, success: Mask) -> Estimate | None:
    """Return the median of the smallest changes, infinite for images that were not broken; None of no images."""
    sizes = size.double().where(success, float("inf"))[tried].cpu().numpy()
    return quantile(sizes, 0.5) if len(sizes) else None


NOTHING_TRIED = ("success rate", "none, as there was no image to break")
"""What is printed in place of a rate of no images: there were none, or all were wrong or at the goal from the start."""


def size_line(terms: Terms, size: Tensor, tried: Mask, success: Mask) -> list[tuple[str, str]]:
    """Return the median change of a search, or the mean number of what an attack within a radius changed."""
    name = terms.threat.name
    if terms.searches:
        median = median_change(size, tried, success)
        return [] if median is None else [("median change", terms.units.estimate(median, name))]
    found = size[success].double()
    if not len(found):
        return []
    largest = without_interval(float(found.max()), len(found))
    return [("largest change", f"{terms.units.text(largest.value, name)}  (of {largest.n} that are broken)")]
