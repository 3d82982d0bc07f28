"""What a universal perturbation is looked for, and where a search for one stands."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from brittle.arguments import Count, Seed, check_fields
from brittle.classifiers.classifier import Classifier
from brittle.errors import InputError
from brittle.processes.team import ALONE, Team
from brittle.threats import SharedThreat
from brittle.universal_attacks.images import ImageSet

Judge = Callable[[Tensor], float]
"""Says how good a perturbation (c, h, w) is; larger is better. For classifiers, a fooling rate."""


def ignore_progress(fraction: float) -> None:
    """Tell nobody how far a pass is."""


@dataclass(frozen=True)
class UniversalProblem:
    """What a universal perturbation is looked for: a network, a size of images, a norm and a radius.

    Attributes:
        classifier: the network; methods without data take one whose outputs are no logits, too.
        shape: channels, height and width of an image.
        threat: norm and radius; or a patch or a frame with its side.
        images: the images X that it is made from; None for methods that need none.
        seed: of all random draws.
        progress: is told which fraction (0 to 1) of a pass is done.
    """

    classifier: Classifier
    shape: tuple[Count, Count, Count]
    threat: SharedThreat
    images: ImageSet | None = None
    seed: Seed = 0
    progress: Callable[[float], None] = field(default=ignore_progress, compare=False, repr=False)

    def __post_init__(self):
        check_fields(self)
        if self.classifier.rejects:
            raise InputError(
                "the network may refuse images, and universal perturbations are not judged by refusals; leave out the "
                "detector, or attack the images one by one"
            )
        if self.images is not None:
            object.__setattr__(self, "images", self.images.under(self.threat))

    @property
    def team(self) -> Team:
        """The processes that go in step, which the images X know."""
        return ALONE if self.images is None else self.images.team

    @property
    def radius(self) -> float:
        """The radius as one number."""
        return float(self.threat.radius)

    def generator(self, number: int) -> torch.Generator:
        """Return the source of a pass's random draws, on the CPU; a pass draws the same after an interruption."""
        mixed = (self.seed * 1_000_003 + number) % (1 << 63)
        return torch.Generator().manual_seed(mixed)

    @property
    def reach(self) -> float:
        """How far a search may move a value from where it begins: the radius; for patches half of the span."""
        return self.threat.reach(self.classifier.bounds)

    def blank(self) -> Tensor:
        """Return what a search begins at, beside the network: nothing added, or a flat grey patch."""
        blank = self.threat.blank_change(self.shape, self.classifier.bounds)
        return blank.to(self.classifier.device, self.classifier.dtype)

    def zeros(self) -> Tensor:
        """Return zeros of the perturbation's shape, beside the network."""
        return torch.zeros_like(self.blank())

    def project(self, perturbation: Tensor) -> Tensor:
        """Return the nearest perturbation within the radius that the bounds can hold."""
        return self.threat.project_change(perturbation, self.classifier.bounds)

    def given(self) -> ImageSet:
        """Return the images X.

        Raises:
            InputError: there are none.
        """
        if self.images is None:
            raise InputError("this method makes a perturbation from images and was given none; give X with images=")
        return self.images


@dataclass(frozen=True)
class UniversalState:
    """Where a search stands after a pass.

    Attributes:
        perturbation: (c, h, w), within the radius.
        extras: more tensors that the method needs to go on; `more`, perturbations (m, c, h, w) that it makes beside.
        forward, backward: passes of single images through the network so far, without those of the judge.
    """

    perturbation: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    forward: int = 0
    backward: int = 0

    def moved(self, device: torch.device | str) -> "UniversalState":
        """Return the same on a device."""
        extras = {name: tensor.to(device) for name, tensor in self.extras.items()}
        return replace(self, perturbation=self.perturbation.to(device), extras=extras)

    @property
    def every(self) -> Tensor:
        """The perturbation, and those made beside it, (1 + m, c, h, w)."""
        more = self.extras.get("more")
        return self.perturbation[None] if more is None else torch.cat([self.perturbation[None], more])


@dataclass(frozen=True)
class Pass:
    """One line of the history.

    Attributes:
        number: from 1 on.
        score: what the judge said of the perturbation after it; of classifiers the fooling rate.
        size: of the perturbation, by its norm.
        forward, backward: passes of single images so far.
        seconds: that it took, the judge's included.
        target: the class that images shall be taken for, which the score then is of.
        saturated: the fraction of the perturbation's values at the radius; None in other norms than linf.
        leading: the fraction of the images of X that are taken for the class that most are taken for; None where
            somebody else than X is the judge.
        only: the classes whose images alone shall be fooled; the score is then the fraction fooled of these minus that
            of the others.
    """

    number: int
    score: float
    size: float
    forward: int
    backward: int
    seconds: float
    target: int | None = None
    saturated: float | None = None
    leading: float | None = None
    only: Sequence[int] | None = None
