"""The rotation and translation that break an image: all of a grid, or a few at random."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from brittle.base.rows import Rows
from brittle.core.attack import Attack, at_least
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.maths import geometry
from brittle.types import Images

TOGETHER = 32
"""Most candidates of one image that are looked at before it is asked whether one of them broke it."""


@dataclass(frozen=True)
class RotationTranslationState(Rows):
    """The candidates of each image, the one with the smallest T-norm first.

    Attributes:
        angles: in degrees, (n, candidates).
        shifts: down and to the right, in pixels, (n, candidates, 2).
        lengths: the T-norms of their fields, in pixels, (n, candidates).
    """

    angles: Tensor
    shifts: Tensor
    lengths: Tensor

    @staticmethod
    def ordered(angles: Tensor, shifts: Tensor, images: Images) -> "RotationTranslationState":
        """Sort candidates (n, candidates) that are to be tried on images."""
        flat = geometry.rigid_length(angles.flatten(), shifts.flatten(0, 1), *images.shape[2:])
        lengths, order = flat.reshape(angles.shape).sort(dim=1, stable=True)
        shifts = shifts.gather(1, order[:, :, None].expand(-1, -1, 2))
        return RotationTranslationState(angles.gather(1, order), shifts, lengths)


@dataclass(frozen=True)
class RotationTranslation(Attack):
    """The mildest rotation and translation of a grid, or of a few drawn at random, that breaks an image; a black box.

    Engstrom, Tran, Tsipras, Schmidt, Madry, ICML 2019, section 3 (arXiv:1712.02779): "grid" tries 5 x 5 translations
    times 31 rotations, evenly spaced between the limits, "random" the worst of 10 drawn uniformly between them. Nothing
    but the predicted classes is used. The candidates are tried in the order of their T-norms, so that the first success
    is the smallest and the image is done; where none succeeds all of them have been tried, and the image stands as it
    does in the paper. Within a radius only the candidates that it allows are tried: a rotation by 30 degrees moves the
    corners of 28 x 28 pixels by 9.9, so `Flow(math.inf)` is the paper's question.

    Deviations: places beyond the border show the border, the paper's show black. A random candidate counts if it breaks
    the image, the paper asks whether the one with the largest loss does; a candidate that breaks it is found in both.
    What is returned is the smallest change that breaks the image, not the one with the largest loss.

    Attributes:
        search: "grid" or "random".
        angles: how many rotations the grid has; 31.
        shifts: how many translations the grid has along each axis; 5.
        draws: how many candidates are drawn at random; 10.
        degrees: the largest rotation, both ways; 30.
        reach: the largest translation along each axis, both ways, as a fraction of the image's side. 3 / 28 gives the
            paper's 3 pixels of MNIST's 28 and 24 of ImageNet's 224; of CIFAR's 32 the paper's 3 are 3 / 32.

    Example:
        >>> RotationTranslation(search="random").draws
        10
    """

    threats: ClassVar[tuple[str, ...]] = ("flow",)
    gradients: ClassVar[bool] = False
    search: Literal["grid", "random"] = "grid"
    angles: int = 31
    shifts: int = 5
    draws: int = 10
    degrees: float = 30.0
    reach: float = 3 / 28

    def __post_init__(self):
        if self.search not in ("grid", "random"):
            raise InputError(f"search is {self.search!r}; expected grid or random")
        for name in ("angles", "shifts", "draws"):
            at_least(name, getattr(self, name), 1)
        for name in ("degrees", "reach"):
            at_least(name, getattr(self, name), 0)

    def perturb(self, problem: Problem) -> None:
        """Try the candidates, a growing number at a time, on the images that none has broken yet."""
        poses = self._grid(problem) if self.search == "grid" else self._drawn(problem)
        first, count = 0, poses.lengths.shape[1]
        while first < count:
            spent = problem.record.spent(problem.ids)
            within = problem.threat.allows(poses.lengths[:, first], problem.classifier.bounds.span)
            keep = (~problem.solved & ~spent & within).nonzero()[:, 0]
            if not len(keep):
                return
            if len(keep) < len(problem):
                problem, poses = problem.rows(keep), poses.rows(keep)
            lot = min(first + 1, TOGETHER, count - first)
            _look(problem, poses, first, lot)
            problem.record.iterations[problem.ids] += 1
            first += lot

    def _grid(self, problem: Problem) -> RotationTranslationState:
        """Combine every rotation with every translation; the one that changes nothing is left out."""
        like, (height, width) = problem.images, problem.images.shape[2:]

        def spread(most: float, count: int) -> Tensor:
            return (
                like.new_tensor([0.0])
                if count == 1
                else torch.linspace(-most, most, count, dtype=torch.float64).to(like)
            )

        ways = (
            spread(self.degrees, self.angles),
            spread(self.reach * height, self.shifts),
            spread(self.reach * width, self.shifts),
        )
        all_of_them = torch.cartesian_prod(*ways)
        moving = all_of_them[all_of_them.abs().sum(1) > 0]
        poses = RotationTranslationState.ordered(moving[None, :, 0], moving[None, :, 1:], like)
        return poses.rows(torch.zeros_like(problem.ids))

    def _drawn(self, problem: Problem) -> RotationTranslationState:
        """Draw each image's own candidates."""
        height, width = problem.images.shape[2:]
        most = problem.images.new_tensor([self.degrees, self.reach * height, self.reach * width])
        drawn = (2 * problem.streams.uniform(problem.ids, (self.draws, 3)) - 1) * most
        return RotationTranslationState.ordered(drawn[..., 0], drawn[..., 1:], problem.images)


def _look(problem: Problem, poses: RotationTranslationState, first: int, lot: int) -> None:
    """Let the network see the next candidates of every image; fields are made for one forward pass at a time."""
    places = torch.arange(len(problem), device=problem.images.device)
    lots = slice(first, first + lot)
    for part in places.split(max(1, problem.max_points // lot)):
        angles, shifts = poses.angles[part, lots].flatten(), poses.shifts[part, lots].flatten(0, 1)
        fields = geometry.rigid(angles, shifts, *problem.images.shape[2:])
        problem.rows(part).probe(fields, of=(part - part[0]).repeat_interleave(lot), graph=False)
