"""Several perturbations at once, of which each image has only to be fooled by one."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.arguments import Count, CountOrNone
from brittle.core.attack import finite_length, fraction_below_one
from brittle.errors import InputError
from brittle.types import Mask
from brittle.universal_attacks.crops import are_cropped, check_scale, views
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.loud import Loud
from brittle.universal_attacks.objective import Aim, Objective, away
from brittle.universal_attacks.pull import Pull, climbed, faint, falling, first_length, settled
from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState


@dataclass(frozen=True)
class JointAscent(UniversalAttack):
    """Brittle's own: k perturbations, each climbing for the images that it moves farthest, as k-means moves centres.

    Before every pass each image goes to the perturbation with which its objective is largest; then each perturbation is
    moved by the mini-batches of its own images, with the steps of `ascent`. An attacker who may try k times, or who
    chooses by what the network says of the clean image, fools more images so than by one perturbation.

    Attributes:
        count: of perturbations, k.
        passes: over the images; each shows every image to all perturbations and moves one of them by it.
        warm: passes at the beginning in which each image stays where it was drawn to, so that all perturbations begin
            with their share.
        batch: images for one step.
        step: length of the first step as a fraction of the radius; by default as of `ascent`, for the steps that one
            perturbation makes.
        momentum: fraction of the older directions that is kept at each step.
        loss: "cosine", "cross_entropy" or "margin".
        clip: for the last two, the value beyond which an image pulls no more.
        crops: whether images are seen through random crops; by default where both sides are at least 64 pixels.
        scale: the least fraction of the sides that a crop keeps.
        loud: what it is worth beside the objective that the convolutions are loud, as of `ascent`.

    Example:
        >>> JointAscent(count=3).most_passes
        12
    """

    keeps_best: ClassVar[bool] = False
    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf", "patch", "frame")
    count: Count = 5
    passes: Count = 12
    warm: CountOrNone = 2
    batch: Count = 10
    step: float | None = None
    momentum: float = 0.9
    loss: Objective = "cosine"
    clip: float = 9.0
    crops: bool | None = None
    scale: float = 0.7
    loud: float | None = None

    def __post_init__(self):
        finite_length("step", self.step)
        finite_length("loud", self.loud)
        fraction_below_one("momentum", self.momentum)
        check_scale(self.scale)
        if self.count < 2:
            raise InputError(f"count is {self.count}; expected at least 2 perturbations (one alone is `ascent`)")

    @property
    def makes(self) -> int:
        """The number given."""
        return self.count

    @property
    def most_passes(self) -> int:
        """The passes given."""
        return self.passes

    @property
    def step_images(self) -> int:
        """The images of a mini-batch."""
        return self.batch

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin each with other faint noise, and draw a perturbation for each image."""
        generator, images = problem.generator(-1), problem.given()
        zeros = problem.zeros()
        noise = torch.rand((self.count, *zeros.shape), generator=generator).to(zeros)
        every = torch.stack([faint(problem, one) for one in noise])
        owners = torch.randperm(len(images), generator=generator) % self.count
        return _state(every, torch.zeros_like(every), owners, len(images.clean_logits), 0)

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Give each image to a perturbation, and go over the mini-batches of all in a random order."""
        images, generator = problem.given(), problem.generator(number)
        every, velocities, owners = state.every, [*state.extras["momentum"]], state.extras["owners"].cpu()
        forward, backward, aim = state.forward, state.backward, away(self.loss, self.clip)
        if number >= self.warm:
            owners = torch.stack([_objectives(images, v, aim) for v in every], 1).argmax(1)
            forward += len(images) * self.count
        perturbations = [*every]
        steps = _shares(owners, self.count, self.batch, generator)
        first = first_length(self.step, self.passes * len(steps) / self.count)
        loud = Loud.of(problem, self.loud, usual=are_cropped(images, self.crops))
        for index, (owner, rows) in enumerate(steps):
            length = falling(first * problem.reach, (number + index / len(steps)) / self.passes)
            some, clean, asked = views(images, rows, self.crops, self.scale, generator)
            pull = Pull(problem, some, clean, aim, generator, loud, len(rows))
            gradient, v, velocity = pull.gradient(perturbations[owner]), perturbations[owner], velocities[owner]
            perturbations[owner], velocities[owner] = climbed(problem, v, velocity, gradient, self.momentum, length)
            forward, backward = forward + asked + len(rows), backward + len(rows)
            problem.progress((index + 1) / len(steps))
        every = torch.stack(perturbations)
        if number + 1 == self.passes:
            every = torch.stack([settled(problem, one) for one in every])
            order = by_gain(images.fooled_by_each(every))
            every, velocities = every[order], [velocities[one] for one in order]
            forward += self.count * len(images)
        return _state(every, torch.stack(velocities), owners, forward, backward)


def by_gain(fooled: Mask) -> list[int]:
    """Order perturbations so that each fools as many as possible of the images that those before it leave.

    Args:
        fooled: which images each one fools, (k, n).

    Example:
        >>> by_gain(torch.tensor([[True, True, False], [True, False, False], [False, False, True]]))
        [0, 2, 1]
    """
    left, rest, order = torch.ones(fooled.shape[1], dtype=torch.bool), list(range(len(fooled))), list[int]()
    while rest:
        gains = [int((fooled[one] & left).sum()) for one in rest]
        order.append(rest.pop(gains.index(max(gains))))
        left = left & ~fooled[order[-1]]
    return order


def _state(every: Tensor, velocities: Tensor, owners: Tensor, forward: int, backward: int) -> UniversalState:
    extras = {"more": every[1:], "momentum": velocities, "owners": owners}
    return UniversalState(every[0], extras, forward, backward)


@torch.no_grad()
def _objectives(images: ImageSet, v: Tensor, aim: Aim) -> Tensor:
    """What the objective is of each image with a perturbation, (n,)."""
    logits = images.clean_logits
    return images.each(lambda rows: aim(images.logits(images.at(rows), v, rows), logits[rows].to(v)).cpu())


def _shares(owners: Tensor, count: int, batch: int, generator: torch.Generator) -> list[tuple[int, Tensor]]:
    """Part the images of each perturbation into mini-batches, and shuffle those of all."""
    order = torch.randperm(len(owners), generator=generator)
    own = [order[owners[order] == owner].split(batch) for owner in range(count)]
    parts = [(owner, rows) for owner in range(count) for rows in own[owner] if len(rows)]
    return [parts[place] for place in torch.randperm(len(parts), generator=generator).tolist()]
