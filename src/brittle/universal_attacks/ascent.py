"""The fast solver: ascent over mini-batches of images seen through random crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from brittle.arguments import CountOrNone
from brittle.core.attack import at_least, finite_length, fraction_below_one
from brittle.errors import InputError
from brittle.types import Logits
from brittle.universal_attacks.crops import are_cropped, check_scale, views
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.loud import Loud
from brittle.universal_attacks.objective import Aim, Objective, towards
from brittle.universal_attacks.only_classes import OnlyClasses
from brittle.universal_attacks.pull import Pull, climbed, faint, falling, first_length, settled
from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState


@dataclass(frozen=True)
class UniversalAscent(UniversalAttack):
    """Ascent of the fooling objective over mini-batches, with momentum, steps of the norm and projection.

    The problem is that of Moosavi-Dezfooli et al., CVPR 2017; solved by stochastic gradients as in Shafahi et al.,
    "Universal adversarial training", AAAI 2020 (algorithm 2), with the loss of Zhang et al., "Understanding adversarial
    examples from the mutual influence of images and perturbations", CVPR 2020. Our own: the momentum of normalised
    gradients with a step of the norm that shrinks on a cosine to nothing, and photographs seen each time through
    another crop, scale and mirror, without which these are fooled and the unseen ones are not. A pass over X is a
    forward and a backward pass of each image; for crops a forward pass more, of what they shall leave.

    A patch (Brown et al., "Adversarial patch", 2017) is moved likewise from flat grey, half of the span in place of the
    radius; at every step each image wears it at a new random place (expectation over transformation).

    Attributes:
        passes: over the images.
        batch: images for one step; fewer where there are fewer.
        step: length of the first step as a fraction of the radius; by default such that all steps together are
            20 radii long, but at most 0.3: of many steps smaller ones fool more of the images that are not in X. Where
            convolutions are loud, at least 0.13.
        momentum: fraction of the older directions that is kept at each step.
        loss: "cosine", "cross_entropy" or "margin".
        clip: for the last two, the value beyond which an image pulls no more.
        target: the class that all images shall be taken for; any other than their own by default.
        classes: the classes whose images alone shall be fooled, while others stay what they are taken for; all by
            default. As text `classes=3+5`.
        crops: whether images are seen through random crops; by default where both sides are at least 64 pixels.
        scale: the least fraction of the sides that a crop keeps.
        loud: what it is worth beside the objective that the convolutions are loud, as the weight of the mean logarithm
            of the squared norms of the first four fifths of them; by default 1 where something is added to images
            that are seen through crops, and all shall be fooled, whatever they are taken for.
        large: images of which the gradients of mini-batches are aggregated to one step, as in SGA (Liu et al., ICCV
            2023); 0 steps after every mini-batch.
        rounds: how often each of these is seen before the step.

    Example:
        >>> UniversalAscent(passes=5, target=3).target
        3
    """

    threats: ClassVar[tuple[str, ...]] = ("l1", "l2", "linf", "patch", "frame")
    dense: ClassVar[bool] = True
    passes: int = 10
    batch: int = 10
    step: float | None = None
    momentum: float = 0.9
    loss: Objective = "cosine"
    clip: float = 9.0
    target: int | None = None
    classes: tuple[CountOrNone, ...] = ()
    crops: bool | None = None
    scale: float = 0.7
    loud: float | None = None
    large: int = 0
    rounds: int = 4

    def __post_init__(self):
        at_least("passes", self.passes, 1)
        at_least("batch", self.batch, 1)
        at_least("large", self.large, self.batch if self.large else 0)
        at_least("rounds", self.rounds, 1)
        finite_length("step", self.step)
        finite_length("loud", self.loud)
        at_least("target", 0 if self.target is None else self.target, 0)
        fraction_below_one("momentum", self.momentum)
        if len({*self.classes}) < len(self.classes):
            raise InputError(f"classes is {self.classes}; expected each once")
        if self.classes and (self.target is not None or self.large):
            raise InputError("classes goes neither with a target nor with aggregated gradients; give one of them")
        check_scale(self.scale)

    @property
    def aims_at(self) -> int | None:
        """The target."""
        return self.target

    @property
    def only(self) -> tuple[int, ...]:
        """The classes."""
        return self.classes

    @property
    def most_passes(self) -> int:
        """The passes given."""
        return self.passes

    @property
    def step_images(self) -> int:
        """The images of a mini-batch."""
        return self.batch

    def start(self, problem: UniversalProblem) -> UniversalState:
        """Begin with faint noise."""
        zeros = problem.zeros()
        noise = torch.rand(zeros.shape, generator=problem.generator(-1)).to(zeros)
        images = problem.given()
        kept = self.target is None and not are_cropped(images, self.crops) and not images.pixels
        looks = len(images.clean_logits) if kept else 0
        return UniversalState(faint(problem, noise), {"momentum": zeros}, looks)

    def advance(self, problem: UniversalProblem, state: UniversalState, number: int) -> UniversalState:
        """Go over the shuffled images once, a mini-batch a step."""
        images, generator = problem.given(), problem.generator(number)
        aim = (
            images.answers.away(self.loss, self.clip)
            if self.target is None
            else towards(self.loss, self.target, self.clip)
        )
        parts: Sequence[Tensor] = torch.randperm(len(images), generator=generator).split(self.large or self.batch)
        if self.classes:
            parts = OnlyClasses(self.classes).parts(images.clean, self.batch, generator)
        usual = are_cropped(images, self.crops) and self.target is None and not self.classes and not images.pixels
        loud = Loud.of(problem, self.loud, usual=usual)
        first = first_length(self.step, self.passes * len(parts), loud=loud is not None)
        v, velocity, forward, backward = state.perturbation, state.extras["momentum"], state.forward, state.backward
        for index, rows in enumerate(parts):
            some, clean, asked = views(
                images, rows, self.crops, self.scale, generator, clean=self.target is None, every=self.large > 0
            )
            done = (number + index / len(parts)) / self.passes
            length = falling(first * problem.reach, done)
            count = None if self.large else len(rows)
            pull = Pull(problem, some, clean, self._aim(aim, images, clean, len(rows)), generator, loud, count)
            if self.large:
                gradient, looks = pull.aggregated(v, self.batch, self.rounds, length)
            else:
                gradient, looks = pull.gradient(v), len(rows)
            v, velocity = climbed(problem, v, velocity, gradient, self.momentum, length)
            forward, backward = forward + asked + looks, backward + looks
            problem.progress((index + 1) / len(parts))
        v = settled(problem, v) if number + 1 == self.passes else v
        return UniversalState(v, {"momentum": velocity}, forward, backward)

    def _aim(self, away: Aim, images: ImageSet, clean: Logits, count: int) -> Aim:
        """Return what grows in one step on so many images, given what the network says of this process's share."""
        if not self.classes:
            return away
        return OnlyClasses(self.classes).aim(away, images.team.joined(clean.argmax(1) if len(clean) else clean, count))
