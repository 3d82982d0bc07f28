"""What Fast Feature Fool and GD-UAP share: Adam on the perturbation, so that layers answer as loudly as they can."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from brittle.core.attack import at_least, finite_length
from brittle.maths import adam
from brittle.maths.substitutes import substitutes
from brittle.types import Images
from brittle.universal_attacks.augment import augmented
from brittle.universal_attacks.layer_kinds import LayerKind
from brittle.universal_attacks.layers import Layers
from brittle.universal_attacks.loudness import activation_objective, grey_of, loss_gradient, named_layers, within
from brittle.universal_attacks.search import Pass, UniversalAttack, UniversalProblem, UniversalState

STEP = 0.1 / 255
"""Adam's rate, as a fraction of the span of the bounds."""
FLOOR = adam.TINY * 255
"""What Adam adds to a gradient's size, for a span of 1; 1e-8 for the published span of 255."""
CANVAS = 500 / 224
"""Sides of the Gaussian image that views are taken of, in sides of the network's input."""


@dataclass(frozen=True)
class ActivationState:
    """Where the optimisation stands.

    Attributes:
        raw: the variable (c, h, w); the perturbation is what clipping to the radius leaves of it.
        first, second: Adam's moments.
        steps: made so far.
        saturation: fraction of the values at the radius after the last step.
    """

    raw: Tensor
    first: Tensor
    second: Tensor
    steps: int = 0
    saturation: float = 0.0

    @classmethod
    def of(cls, state: UniversalState) -> "ActivationState":
        """Read a course from what a search keeps."""
        kept = state.extras
        steps, saturation = int(kept["steps"]), float(kept["saturation"])
        return cls(kept["raw"], kept["first"], kept["second"], steps, saturation)

    def state(self, perturbation: Tensor, forward: int, backward: int) -> UniversalState:
        """Return what a search must keep to go on to the same bits."""
        tensors = {"raw": self.raw, "first": self.first, "second": self.second}
        numbers = {
            "steps": torch.tensor(self.steps),
            "saturation": torch.tensor(self.saturation, dtype=torch.float64),
        }
        return UniversalState(perturbation, tensors | numbers, forward, backward)

    def clamped(self, radius: float) -> "ActivationState":
        """Return the course with the variable within the radius."""
        return replace(self, raw=self.raw.clamp(-radius, radius))

    def halved(self, radius: float) -> "ActivationState":
        """Return the course with half the variable, so that no value is at the radius any more."""
        return replace(self, raw=self.raw / 2, saturation=saturation_of(self.raw / 2, radius))

    def stepped(self, gradient: Tensor, step: float, floor: float) -> "ActivationState":
        """Return the course after a step of Adam down the gradient, in the form that the authors' TensorFlow takes."""
        steps = self.steps + 1
        first, second = adam.with_gradient(self.first, self.second, gradient)
        raw = self.raw - adam.step_with_epsilon_hat(first, second, steps, step, floor)
        return ActivationState(raw, first, second, steps, self.saturation)


def saturation_of(raw: Tensor, radius: float) -> float:
    """Return the fraction of the values that the radius cuts off.

    Example:
        >>> saturation_of(torch.tensor([-0.2, 0.05, 0.1, 0.0]), 0.1)
        0.5
    """
    return float((raw.abs() >= radius).double().mean())


@dataclass(frozen=True)
class ActivationAttack(UniversalAttack):
    """A perturbation that excites the layers of a network; a pass is what lies between two validations.

    Attributes:
        iterations: most steps; those of the paper.
        patience: validations without improvement after which it ends.
        step: Adam's rate, as a fraction of the span of the bounds.
        layers: names of the layers, or one text with a plus between them; found by `layers_of` where none are given.
        mean: of the images, for all channels or each, as fractions of the span; mid grey for networks whose mean is not
            known. What is shown to the network without a prior. The paper's networks take images less their mean, so
            that this is 0.
    """

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    shortest: ClassVar[int]
    """The fewest steps between two validations."""
    longest: ClassVar[int]
    """The most."""
    kind: ClassVar[LayerKind] = "activations"
    """Of the layers that are found where none are named."""
    clamps: ClassVar[bool] = False
    """Whether the variable itself is brought back within the radius after a step: then all of it keeps a gradient."""
    iterations: int = 10_000
    patience: int = 5
    step: float = STEP
    layers: str | tuple[str, ...] = ()
    mean: float | tuple[float, ...] = 0.5

    def __post_init__(self):
        for name in ("iterations", "patience"):
            at_least(name, getattr(self, name), 1)
        finite_length("step", self.step)

    @property
    def needs_images(self) -> bool:
        """None are needed."""
        return False

    @property
    @abstractmethod
    def shown(self) -> int:
        """Images that the first step shows to the network."""

    @property
    def looks(self) -> int:
        """Forward passes of each image that a step shows."""
        return 1

    def shown_in(self, steps: int) -> int:
        """Return how many images the first steps show to the network together: of all steps as many."""
        return steps * self.shown

    @abstractmethod
    def loudness(self, output: Tensor) -> Tensor:
        """Return how loud a layer is, given what it says of some images: one number, or several that differ in kind.

        That of all images is their sum.
        """

    def objective(self, sizes: Tensor) -> Tensor:
        """Return the loss, which is made small, of the loudness of each layer (l,) or (l, kinds)."""
        return activation_objective(sizes)

    @abstractmethod
    def pause(self, course: ActivationState, before: float, since: int) -> tuple[bool, bool]:
        """Say whether to validate now, and whether to halve the variable thereafter.

        Args:
            course: after a step.
            before: the saturation before that step.
            since: steps since the last validation or halving.
        """

    @property
    def most_passes(self) -> int:
        """The most validations that so many iterations can have."""
        return -(-self.iterations // self.shortest)

    def finished(self, history: Sequence[Pass]) -> bool:
        """Say whether the iterations are spent, or the best validation is `patience` ones ago."""
        if not history:
            return False
        spent = history[-1].backward >= self.shown_in(self.iterations)
        return spent or self.stale([one.score for one in history]) >= self.patience

    def stale(self, scores: Sequence[float]) -> int:
        """Return for how many validations nothing has improved: here since the best one."""
        return len(scores) - 1 - scores.index(max(scores))

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin with uniform noise within the radius."""
        noise = torch.rand(problem.shape, generator=problem.generator(-1)) * 2 - 1
        raw = problem.radius * noise.to(problem.zeros())
        return ActivationState(raw, problem.zeros(), problem.zeros()).state(raw, 0, 0)

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Go on until the next validation, or until the iterations are spent."""
        course, perturbation = ActivationState.of(state), state.perturbation
        generator, bounds = problem.generator(number), problem.classifier.bounds
        layers = named_layers(problem, self.layers, self.kind)
        began = counted = course.steps
        most, validates = min(self.longest, self.iterations - began), False
        while course.steps < self.iterations and not validates:
            images = self.background(problem, generator, course)
            gradient = self._gradient(problem, layers, images, course.raw, generator)
            before = course.saturation
            course = course.stepped(gradient, self.step * bounds.span, FLOOR / bounds.span)
            course = course.clamped(problem.radius) if self.clamps else course
            course = replace(course, saturation=saturation_of(course.raw, problem.radius))
            validates, halves = self.pause(course, before, course.steps - counted)
            perturbation = problem.project(course.raw)
            if halves:
                course, counted = self.halved(course, problem.radius, counted)
            problem.progress(min(1.0, (course.steps - began) / most))
        spent = self.shown_in(course.steps) - self.shown_in(began)
        return course.state(perturbation, state.forward + self.looks * spent, state.backward + spent)

    def halved(self, course: ActivationState, radius: float, counted: int) -> tuple[ActivationState, int]:
        """Halve the variable; return the step, too, from which those to the next validation are counted."""
        return course.halved(radius), course.steps

    def background(self, problem: UniversalProblem, generator: torch.Generator, course: ActivationState) -> Images:
        """Return the images that the perturbation is added to in one step: here the mean image."""
        return grey_of(problem, self.mean).expand(1, *problem.shape)

    def sizes(
        self, problem: UniversalProblem, layers: Layers, images: Images, change: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the loudness of each layer, given some images with the perturbation as the change."""
        return torch.stack([self.loudness(output) for output in layers(images + change)])

    def _gradient(
        self, problem: UniversalProblem, layers: Layers, images: Images, raw: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return the loss's gradient; values that the radius cuts off have none, as published."""
        variable = raw.detach().clone().requires_grad_()
        perturbation = variable.clamp(-problem.radius, problem.radius)
        return loss_gradient(
            variable, images, lambda part: self.sizes(problem, layers, part, perturbation, generator), self.objective
        )


def noise_image(shape: tuple[int, int, int], generator: torch.Generator) -> Images:
    """Return an image of Gaussian noise (1, c, h, w) in [0, 1], larger than the network's input."""
    channels, height, width = shape
    return substitutes((channels, round(height * CANVAS), round(width * CANVAS)), 1, generator)


def noise_views(problem: UniversalProblem, image: Images, count: int, generator: torch.Generator) -> Images:
    """Return views of an image of noise, within the bounds."""
    return within(problem, augmented(image.expand(count, -1, -1, -1), *problem.shape[1:], generator))


def image_views(problem: UniversalProblem, count: int, generator: torch.Generator) -> Images:
    """Return views of images of X, drawn without repetition where there are enough.

    Raises:
        InputError: there are no images.
    """
    images = problem.given()
    order = torch.randperm(len(images), generator=generator)
    rows = order.repeat(-(-count // len(images)))[:count]
    return augmented(images.at(rows), *problem.shape[1:], generator)
