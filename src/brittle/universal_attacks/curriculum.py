"""What TRM-UAP and PSP-UAP share: ever busier artificial images, and when to validate, to halve and to end."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from brittle.core.attack import at_least, fraction
from brittle.types import Images
from brittle.universal_attacks.artificial import grey_noise_views, mosaics
from brittle.universal_attacks.excitation import ActivationAttack, ActivationState
from brittle.universal_attacks.gd_uap import is_settled
from brittle.universal_attacks.layer_kinds import LayerKind
from brittle.universal_attacks.loudness import within
from brittle.universal_attacks.search import UniversalProblem

ArtificialPrior = Literal["none", "gauss", "jigsaw"]
EVERY, SHORTEST = 400, 200
"""More steps than these lie between two validations; the second where the variable is saturated and settled."""
DOUBLED: dict[ArtificialPrior, tuple[int, ...]] = {"none": (), "gauss": (1600, 2400, 3200), "jigsaw": (1600, 3200)}
"""Steps from which on twice as many images are shown."""
FIRST_DEVIATION, WIDER, WIDENED = 10.0, 10.0, 400
"""Noise: its first deviation in grey levels, by how much it grows, and every how many steps."""
CUTS, CUT_EVERY, LAST_CUT = 1, 600, 4200
"""Mosaics: cuts at first, every how many steps there is one more, and from which step on no more."""
FAINT = 1e-9
"""Added to each size, so that a silent layer has a logarithm."""


@dataclass(frozen=True)
class CurriculumAttack(ActivationAttack):
    """A perturbation that excites convolutions on artificial images, which grow from simple to busy ones.

    Liu et al., ICCV 2023, and the authors' code. Adam has a rate of 0.1 of the span of the bounds, so that every step
    leads to the edge of the radius. Images are noise around grey whose deviation grows by 10 grey levels every 400
    steps ("gauss"), or mosaics with one more cut every 600 ("jigsaw"), and become twice as many after 1,600, 2,400
    (noise only) and 3,200 steps. Validated after 401 steps, or 201 where the variable is saturated; it ends when 5
    validations in all were no better than the best before them.

    Deviations: the best validated perturbation is returned, where the code returns the last one; the perturbation is
    shown as strongly as it is applied to images, where the code adds it to normalised images in training and to images
    in its tests; a saturated variable is always halved.

    Attributes:
        iterations: most steps.
        patience: validations without improvement, in all, after which it ends.
        step: Adam's rate, as a fraction of the span of the bounds.
        prior: what the perturbation is added to: "none" (grey), "gauss" or "jigsaw".
        positive: fraction of the convolutions, from the first on, that are to be loud; of one at least.
        batch: artificial images of the first steps.
    """

    shortest: ClassVar[int] = SHORTEST + 1
    longest: ClassVar[int] = EVERY + 1
    kind: ClassVar[LayerKind] = "convolutions"
    clamps: ClassVar[bool] = True
    step: float = 0.1
    prior: ArtificialPrior = "gauss"
    positive: float = 0.8
    batch: int = 1

    def __post_init__(self):
        super().__post_init__()
        at_least("batch", self.batch, 1)
        fraction("positive", self.positive)

    @property
    def samples(self) -> int:
        """How many images are made of each artificial image: here itself alone."""
        return 1

    @property
    def shown(self) -> int:
        """The samples of a batch."""
        return self.batch * self.samples

    def batch_at(self, step: int) -> int:
        """Return how many artificial images there are in a step, counted from 0."""
        return self.batch * 2 ** sum(step + 1 >= doubled for doubled in DOUBLED[self.prior])

    def shown_in(self, steps: int) -> int:
        """Return how many images the first steps show together."""
        more = (self.batch_at(at - 1) // 2 * max(0, steps - at + 1) for at in DOUBLED[self.prior])
        return self.samples * (self.batch * steps + sum(more))

    def background(self, problem: UniversalProblem, generator: torch.Generator, course: ActivationState) -> Images:
        """Return the artificial images of one step."""
        step, count = course.steps + 1, self.batch_at(course.steps)
        if self.prior == "none":
            return super().background(problem, generator, course).expand(count, -1, -1, -1)
        if self.prior == "gauss":
            deviation = FIRST_DEVIATION + WIDER * (step // WIDENED)
            return within(problem, grey_noise_views(problem.shape, deviation, count, generator))
        cuts = CUTS + min(step, LAST_CUT - 1) // CUT_EVERY
        return within(problem, mosaics(problem.shape, cuts, count, generator))

    def pause(self, course: ActivationState, before: float, since: int) -> tuple[bool, bool]:
        """Validate after 401 steps, or 201 once the variable is saturated and settled; then it is halved, too."""
        settled = is_settled(course, before)
        return since > EVERY or (settled and since > SHORTEST), settled

    def halved(self, course: ActivationState, radius: float, counted: int) -> tuple[ActivationState, int]:
        """Halve the variable; neither the steps to the next validation nor the saturation are counted anew."""
        return replace(course, raw=course.raw / 2), counted

    def stale(self, scores: Sequence[float]) -> int:
        """Return how many validations were no better than the best before, or than nothing."""
        best = [0.0, *itertools.accumulate(scores, max)]
        return sum(score <= before for score, before in zip(scores, best, strict=False))
