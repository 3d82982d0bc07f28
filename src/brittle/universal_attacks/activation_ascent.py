"""Brittle's own search without data: ascent of what all convolutions say of crops of the perturbation itself."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.core.attack import at_least, finite_length, fraction_above_zero, fraction_below_one
from brittle.types import Images
from brittle.universal_attacks.artificial import grey_noise_views
from brittle.universal_attacks.layer_kinds import first_of
from brittle.universal_attacks.layers import Layers
from brittle.universal_attacks.loudness import activation_objective, grey_of, loss_gradient, named_layers, within
from brittle.universal_attacks.pseudo_semantics import Views, crops
from brittle.universal_attacks.pull import climbed, direction, falling
from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState


@dataclass(frozen=True)
class ActivationAscent(UniversalAttack):
    """Makes all convolutions loud on crops of the perturbation itself, by momentum steps of the norm that shrink.

    Brittle's own; not published elsewhere. It takes from PSP-UAP (Lee et al., CVPR 2025) that enlarged crops of the
    perturbation serve as images, to which it is added again, and the views in which they are shown; from GD-UAP
    (Mopuri et al., TPAMI 2018) the loss, minus the sum over the layers of log ||activation||^2; from TRM-UAP (Liu et
    al., ICCV 2023) that layers are what convolutions give before normalisation, of either sign here, so that those
    without an activation count, too. What is new is how it climbs: as `ascent` with data does, by the momentum of
    normalised gradients, with a step of the norm that falls along a cosine to nothing. Adam with steps of ten times the
    radius, as published, leads to and fro between the corners of the box.

    Attributes:
        passes: after each of which the perturbation is looked at; the last one is returned, so that no image has a say.
        steps: in a pass; each shows `batch` images.
        batch: crops in a step.
        step: length of the first step as a fraction of the radius.
        momentum: fraction of the older directions that is kept at each step.
        part: fraction of the convolutions, from the first on, that are to be loud; of one at least.
        noise: deviation of the noise that lies under the crops, in grey levels of 255; without any they are grey.
        varied: whether crops are rotated a little, given another contrast or shuffled.
        layers: names of the layers, or one text with a plus between them; all convolutions where none are given.
        mean: of the images, for all channels or each, as fractions of the span; mid grey for networks whose mean is not
            known.

    Example:
        >>> ActivationAscent(passes=5).most_passes
        5
    """

    keeps_best: ClassVar[bool] = False
    passes: int = 5
    steps: int = 120
    batch: int = 1
    step: float = 0.3
    momentum: float = 0.9
    part: float = 0.8
    noise: float = 0.0
    varied: bool = True
    layers: str | tuple[str, ...] = ()
    mean: float | tuple[float, ...] = 0.5

    def __post_init__(self):
        for name in ("passes", "steps", "batch"):
            at_least(name, getattr(self, name), 1)
        finite_length("step", self.step)
        finite_length("noise", self.noise)
        fraction_above_zero("part", self.part)
        fraction_below_one("momentum", self.momentum)

    @property
    def needs_images(self) -> bool:
        """None are needed."""
        return False

    @property
    def most_passes(self) -> int:
        """The passes given."""
        return self.passes

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin with uniform noise within the radius."""
        noise = torch.rand(problem.shape, generator=problem.generator(-1)) * 2 - 1
        first = problem.radius * direction(noise.to(problem.zeros()), problem.threat)
        return UniversalState(problem.project(first * noise.abs().to(first)), {"momentum": problem.zeros()})

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Make the steps of one pass."""
        generator, layers = problem.generator(number), named_layers(problem, self.layers, "convolutions")
        v, velocity = state.perturbation, state.extras["momentum"]
        for index in range(self.steps):
            gradient = self._gradient(problem, layers, v, generator)
            length = falling(self.step * problem.radius, (number + index / self.steps) / self.passes)
            v, velocity = climbed(problem, v, velocity, -gradient, self.momentum, length)
            problem.progress((index + 1) / self.steps)
        shown = self.steps * self.batch
        return UniversalState(v, {"momentum": velocity}, state.forward + shown, state.backward + shown)

    def _gradient(self, problem: UniversalProblem, layers: Layers, v: Tensor, generator: torch.Generator) -> Tensor:
        """Return the gradient of the loss on fresh crops."""
        grey, variable = grey_of(problem, self.mean), v.detach().clone().requires_grad_()

        def sizes(samples: Images) -> Tensor:
            moved = samples + variable
            if self.varied:
                moved = Views.drawn(len(samples), *problem.shape[1:], generator).of(moved, grey)
            return torch.stack([output.square().sum() for output in layers(moved)])

        carriers = self._carriers(problem, grey, generator) + v
        return loss_gradient(variable, crops(carriers, generator), sizes, self._loss)

    def _carriers(self, problem: UniversalProblem, grey: Tensor, generator: torch.Generator) -> Images:
        """Return what the perturbation is added to before it is cropped."""
        if not self.noise:
            return grey.expand(self.batch, *problem.shape)
        return within(problem, grey_noise_views(problem.shape, self.noise, self.batch, generator))

    def _loss(self, sizes: Tensor) -> Tensor:
        return activation_objective(sizes[: first_of(self.part, len(sizes))] / 2)
