"""Where some images pull a perturbation: the gradient of their mean objective, of all at once or of small batches."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from brittle.classifiers.callable_module import no_gradients
from brittle.maths import norms
from brittle.threats import SharedThreat
from brittle.types import Images, Logits
from brittle.universal_attacks.loud import Loud
from brittle.universal_attacks.objective import Aim
from brittle.universal_attacks.problem import UniversalProblem

FIRST = 0.05
"""Size of the noise at the start as a fraction of the radius."""
LONGEST, PATH = 0.3, 20.0
"""Length of the first step, at most, and of all steps together, in radii. Along a cosine, a step is on the average half
as long as the first one."""
WIDEST_SEED = 2**62
"""Seeds of places are drawn below it."""
LOUD_STEPS = 300
"""Number of steps beyond which they get no shorter where convolutions are loud; chosen on MobileNet v2."""
SPARSE = 0.01
"""Fraction of the values that a step in l1 moves."""


@dataclass(frozen=True)
class Pull:
    """Some images that shall be fooled.

    Attributes:
        problem: the network, its bounds and the radius.
        images: (n, c, h, w); of a batch that a team shares those of this process, see `views`.
        clean: what the network says of them, (n, k).
        aim: what grows as an image is fooled, given the logits with the perturbation and without.
        loud: what it is worth beside it that convolutions are loud; None for nothing.
        generator: of all draws, on the CPU; of places, for patches, a new one for each image and gradient.
        count: how many images the whole batch has; by default those that are given.
    """

    problem: UniversalProblem
    images: Images
    clean: Logits
    aim: Aim
    generator: torch.Generator
    loud: Loud | None = None
    count: int | None = None

    def gradient(self, perturbation: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return the gradient (c, h, w) of the mean objective of the whole batch, or of the images in some rows.

        That of a mean is the mean of the shares' gradients, weighted by their numbers of images.

        Args:
            perturbation: (c, h, w).
            rows: positions in the images, which are then all of the batch, also in a team.

        Raises:
            ModelError: the network has no gradients.
        """
        team, seed, count = self.problem.team, 0, len(self.images) if self.count is None else self.count
        if self.problem.threat.placed:
            seed = int(torch.randint(WIDEST_SEED, (), generator=self.generator))
        images, clean, count = self.images, self.clean, count if rows is None else len(rows)
        mine = team.mine(count)
        if rows is not None:
            images, clean = images[rows[mine]], self._clean_of(rows[mine])
        gradient = torch.zeros_like(perturbation)
        if len(images):
            ids = torch.arange(count)[mine]
            gradient = self._gradient(perturbation, images, clean, ids, seed) * (len(images) / count)
        gradient = team.total(gradient)
        return gradient.where(gradient.isfinite(), 0)  # one value without a slope would stop all others

    def _clean_of(self, rows: Tensor) -> Logits:
        """Return what the network says of the images in some rows; of pixels all rows of these images."""
        if len(self.clean) == len(self.images):
            return self.clean[rows]
        return self.clean.unflatten(0, (len(self.images), -1))[rows].flatten(0, 1)

    def _gradient(self, perturbation: Tensor, images: Images, clean: Logits, ids: Tensor, seed: int) -> Tensor:
        """Return the gradient of the mean objective of some images of the batch.

        Args:
            perturbation: (c, h, w).
            images: (m, c, h, w).
            clean: what the network says of them.
            ids: their positions in the batch, by which they wear a patch at the same places whoever has them.
            seed: of these places.
        """
        classifier, moving = self.problem.classifier, perturbation.detach().clone().requires_grad_()
        worn = self.problem.threat.put_on(images, moving, classifier.bounds, ids, seed)
        logits, more = (classifier.logits(worn), None) if self.loud is None else self.loud.beside(classifier, worn)
        if not logits.requires_grad:
            raise no_gradients(
                "its outputs do not depend on the images in a way that torch can differentiate", universal=True
            )
        value = self.aim(logits, clean).mean()
        value = value if more is None else value + more.mean()
        (gradient,) = torch.autograd.grad(value, moving, allow_unused=True)
        if cast("Tensor | None", gradient) is None:
            raise no_gradients("one of its layers passes no gradient on to the images", universal=True)
        return gradient

    def aggregated(self, perturbation: Tensor, small: int, rounds: int, length: float) -> tuple[Tensor, int]:
        """Return the mean of gradients along a search in small batches, which is thrown away, and the images seen.

        Liu et al., "Enhancing generalization of universal adversarial perturbation through gradient aggregation", ICCV
        2023, algorithm 1, inner loop.

        Args:
            perturbation: (c, h, w), where the search begins.
            small: images in a step, drawn anew each time.
            rounds: how many steps there are, in units of those that see every image once.
            length: of a step.
        """
        count, small = len(self.images), min(small, len(self.images))
        steps, inner, total = max(1, rounds * count // small), perturbation, torch.zeros_like(perturbation)
        for _ in range(steps):
            rows = torch.randperm(count, generator=self.generator)[:small].to(self.images.device)
            gradient = self.gradient(inner, rows)
            inner = self.problem.project(inner + length * direction(gradient, self.problem.threat))
            total = total + gradient
        return total / steps, steps * small


def climbed(
    problem: UniversalProblem, perturbation: Tensor, velocity: Tensor, gradient: Tensor, momentum: float, length: float
) -> tuple[Tensor, Tensor]:
    """Return perturbation and velocity after a step of a length along the momentum of normalised gradients."""
    velocity = momentum * velocity + gradient / _magnitude(gradient)
    return problem.project(perturbation + length * direction(velocity, problem.threat)), velocity


def faint(problem: UniversalProblem, noise: Tensor) -> Tensor:
    """Return a faint perturbation of noise in [0, 1]: where nothing is changed, the cosine has no gradient."""
    return problem.project(problem.blank() + FIRST * problem.reach * direction(noise * 2 - 1, problem.threat))


def settled(problem: UniversalProblem, perturbation: Tensor) -> Tensor:
    """Return what is left once the steps have fallen to nothing; in linf values beyond half of the radius go up to it.

    Ever smaller steps leave values within the radius that had been at it; on three networks for photographs doubling
    all of them fooled up to two more of a hundred unseen photographs, and never fewer.
    """
    return problem.project(2 * perturbation) if problem.threat.name == "linf" else perturbation


def first_length(step: float | None, steps: float, *, loud: bool = False) -> float:
    """Return the length of the first of some steps, in radii: what is asked, or what all steps together come to.

    Where convolutions are loud, many steps are no shorter than those of `LOUD_STEPS`: shorter ones stay with the first
    perturbation that is loud.
    """
    return step if step is not None else min(LONGEST, 2 * PATH / (min(steps, LOUD_STEPS) if loud else steps))


def falling(first: float, done: float) -> float:
    """Return the length of a step that falls along a cosine to nothing, once a fraction of all is done."""
    return first * (1 + math.cos(math.pi * done)) / 2


def _magnitude(gradient: Tensor) -> Tensor:
    """Measure a gradient by its mean absolute value; a vanishing one counts as the smallest number there is."""
    return gradient.abs().mean().clamp_min(torch.finfo(gradient.dtype).tiny)


def direction(velocity: Tensor, threat: SharedThreat) -> Tensor:
    """Return the steepest change of the norm's unit length; in l1, where that is one value, along the largest ones.

    The largest hundredth of the values move by the same, as in Tramèr & Boneh, "Adversarial training and robustness for
    multiple perturbations", NeurIPS 2019, section 3.
    """
    if threat.exponent != 1:
        return norms.steepest(velocity[None], threat.exponent)[0]
    count = max(1, round(SPARSE * velocity.numel()))
    places = velocity.abs().flatten().topk(count).indices
    sparse = torch.zeros_like(velocity).flatten().index_copy(0, places, velocity.flatten()[places].sign())
    return sparse.reshape(velocity.shape) / count
