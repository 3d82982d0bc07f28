"""Pixel descent: brittle's own search for the smallest change that breaks almost all pixels."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.base.rows import column
from brittle.core.attack import State, Stepwise, at_least, finite_length, fraction_above_zero, fraction_below_one
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.dense.goal import PixelGoal
from brittle.errors import InputError
from brittle.maths import norms
from brittle.maths.schedule import cosine
from brittle.types import Images, PerImage

STRIDES = {2.0: 0.3, math.inf: 0.8}
MOMENTA = {2.0: 0.5, math.inf: 0.75}
GAMMAS = {2.0: (0.3, 0.02), math.inf: (0.15, 0.01)}
"""By the norm; chosen on four photographs at half the size with 48 steps, those of l2 also on affine pixels."""


@dataclass(frozen=True)
class PixelDescentState(State):
    """The points proposed next, and what each image has learnt.

    Attributes:
        velocity: the running sum of the gradients, each brought to length 1 in the dual norm.
        radius: of the ball that the next point lies in, (n,).
        smallest: size of the smallest change that met the goal, infinite before, (n,).
        scale: of the logits, by which losses are measured, (n,).
        done: how many steps have been made.
    """

    velocity: Images
    radius: PerImage
    smallest: PerImage
    scale: PerImage
    done: int = 0


@dataclass(frozen=True)
class PixelDescent(Stepwise[PixelDescentState]):
    """The smallest change, by steps for the pixels not won yet in a ball that shrinks once enough pixels are won.

    Brittle's own; not published elsewhere. Every step costs one forward and one backward pass, and one forward pass
    comes on top, of the last point.

    What is climbed is the cross-entropy of the pixels that count and are not won yet (or won by less than `cushion`),
    the others have no say: at 99 % of pixels it is the last per cent that decides, and a plain mean is given away to
    pixels that were won long before. This is the masked cross-entropy of Croce et al., ECCV 2024 (arXiv:2306.12941),
    who use it at a radius; SegPGD (Gu et al., ECCV 2022, arXiv:2207.12391) goes there by weights. Its slope is the
    softmax's, which pulls least at the pixels that are farthest from their boundary, so that a step is made for those
    that can be won now. Here the logits are divided by a temperature that goes with the clean image's mean lead, so
    that their scale does not matter. Of depths it is the logistic loss of |log d - log d*| less the logarithm of the
    ratio that is asked for; from a pixel that is where it was, the first step leads farther.

    The ball: its first radius is where the linear model of the mean margin has the mean lead vanish, times `first`; it
    becomes smaller by a fraction where the goal is met and larger where it is not, as in FMN (Pintor et al., NeurIPS
    2021, algorithm 1, arXiv:2102.12827), and stays below the smallest change known. Steps go along the steepest
    direction of the running sum of gradients (momentum), by a fraction of the radius. Both fractions fall along a
    cosine.

    Related: ALMA-prox (Rony et al., CVPR 2023, arXiv:2206.07179) learns a multiplier for every pixel instead, and its
    first step has a length in the units of the images, 0.001, which a network that breaks by less must wait to fall.

    In l2 a pixel that was won by more than it takes gives nothing back but by the ball's shrinking, and which pixels to
    give up is not searched for. On affine pixels of two classes, where the smallest change is known, 60 steps find one
    that is up to two fifths larger where half of the pixels are asked for (of depths up to a half); in linf it is the
    smallest to 2 %.

    Attributes:
        steps: 100.
        first: first radius, in units of the linear model's.
        first_stride, last_stride: of a step, as a fraction of the radius; the first is 0.8 for linf and 0.3 for l2 by
            default.
        first_gamma, last_gamma: by which fraction the radius changes; by default from 0.15 to 0.01 for linf, from 0.3
            to 0.02 for l2.
        momentum: fraction of the running sum that a step keeps; by default 0.75 for linf, 0.5 for l2.
        temperature: of the cross-entropy, as a fraction of the clean image's mean lead.
        cushion: by how much a pixel must be won to lose its say, likewise.

    Example:
        >>> PixelDescent(steps=50).momentum is None
        True
    """

    threats: ClassVar[tuple[str, ...]] = ("l2", "linf")
    fits_radius: ClassVar[bool] = True
    dense: ClassVar[bool] = True
    stops: ClassVar[bool] = False
    steps: int = 100
    first: float = 1.0
    first_stride: float | None = None
    last_stride: float = 0.03
    first_gamma: float | None = None
    last_gamma: float | None = None
    momentum: float | None = None
    temperature: float = 0.4
    cushion: float = 0.05

    def __post_init__(self):
        super().__post_init__()
        at_least("steps", self.steps, 1)
        finite_length("cushion", self.cushion)
        for name in ("first", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; expected a finite number above 0")
        for name in ("first_stride", "last_stride"):
            fraction_above_zero(name, 1 if (value := getattr(self, name)) is None else value)
        for name in ("first_gamma", "last_gamma", "momentum"):
            fraction_below_one(name, getattr(self, name) or 0)

    def length(self, problem: Problem) -> int:
        """The steps given."""
        return self.steps

    def start(self, problem: Problem) -> PixelDescentState:
        """Begin at the clean image; the radius is found with the first gradient."""
        goal = goal_of(problem)
        infinite = torch.full_like(problem.images[:, 0, 0, 0], torch.inf)
        lead = _mean(goal, goal.margins(problem.clean).neg().clamp_min(0))
        scale = lead.clamp_min(torch.finfo(lead.dtype).tiny ** 0.5)
        return PixelDescentState(problem.images, torch.zeros_like(problem.images), infinite, infinite, scale)

    def step(self, problem: Problem, state: PixelDescentState, probe: Probe) -> PixelDescentState:
        """Climb for the pixels that are not won, within the next ball."""
        threat, goal, done = problem.lp, goal_of(problem), state.done
        margins = goal.margins(probe.logits) - goal.confidence
        if done:
            late = margins < column(self.cushion * state.scale, margins)
            heat = self.temperature * state.scale
            gradient = probe.gradient(lambda logits: _mean(goal, goal.gain(logits, heat) * late))
        else:
            gradient = probe.gradient(lambda logits: _mean(goal, goal.margins(logits) * (margins < 0)))
        length = norms.size(gradient, threat.dual).clamp_min(torch.finfo(gradient.dtype).tiny ** 0.5)
        momentum = MOMENTA[threat.p] if self.momentum is None else self.momentum
        velocity = momentum * state.velocity + gradient / column(length, gradient)
        size = threat.size(problem.images, probe.points)
        smallest = torch.where(probe.met, torch.minimum(state.smallest, size), state.smallest)
        radius = self._radius(state, probe, smallest, threat.p) if done else self.first * state.scale / length
        most = torch.as_tensor(threat.radius, dtype=radius.dtype, device=radius.device)
        radius = torch.minimum(radius, threat.max_size(problem.images, problem.classifier.bounds).minimum(most))
        first = STRIDES[threat.p] if self.first_stride is None else self.first_stride
        stride = cosine(first, self.last_stride, done, self.steps) * radius
        moved = torch.addcmul(probe.points, threat.steepest(velocity), column(stride, velocity))
        x = problem.images + norms.project(moved - problem.images, threat.p, radius)
        return PixelDescentState(x, velocity, radius, smallest, state.scale, done + 1)

    def _radius(self, state: PixelDescentState, probe: Probe, smallest: PerImage, p: float) -> PerImage:
        """Change each radius by the fraction gamma, and keep it below the smallest change known."""
        first, last = GAMMAS[p]
        first = first if self.first_gamma is None else self.first_gamma
        last = last if self.last_gamma is None else self.last_gamma
        gamma = cosine(first, last, state.done, self.steps)
        shrunk = torch.minimum(state.radius, smallest) * (1 - gamma)
        grown = state.radius * (1 + gamma)
        return torch.where(probe.met, shrunk, grown).minimum(smallest * (1 - last))


def goal_of(problem: Problem) -> PixelGoal:
    """Return the goal of a dense network's pixels.

    Raises:
        InputError: another goal, as in `brittle.run`.
    """
    if not isinstance(problem.goal, PixelGoal):
        raise InputError(
            f"the goal is {type(problem.goal).__name__}, one class per image; expected one of a network with an "
            "answer for every pixel: call brittle.run_dense, or take another attack"
        )
    return problem.goal


def _mean(goal: PixelGoal, values: Tensor) -> PerImage:
    """Average over the pixels that count, (n,) of (n, p)."""
    return (values * goal.counted).sum(1) / goal.counted.sum(1)
