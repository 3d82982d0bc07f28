"""What makes changes found on one network break others: momentum, diverse inputs and smooth gradients."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated

import torch
from torch import Tensor, nn

from brittle.arguments import Within
from brittle.attacks.input_diversity import Placement
from brittle.core.attack import State, Stepwise
from brittle.core.probe import Probe
from brittle.core.problem import Problem
from brittle.errors import InputError
from brittle.threats import Threat
from brittle.types import Images, Points


@dataclass(frozen=True)
class Path(State):
    """Where a climb stands.

    Attributes:
        here: the points themselves, where `x` are these as they are shown to the network; None where both are the same.
        placed: how they are shown; None as they are.
        memory: of the gradients so far; None without momentum.
        left: steps left.
    """

    here: Points | None = None
    placed: Placement | None = None
    memory: Tensor | None = None
    left: int = 0


Momentum = Annotated[float, Within(0)]
Diversity = Annotated[float, Within(0, 1)]
KernelRows = Annotated[int, Within(1)]


class Transferable(Stepwise[Path]):
    """Steps along a gradient that may be accumulated (MI), taken at diverse inputs (DI) and smoothed (TI).

    - Momentum: Dong et al., CVPR 2018, algorithm 1 (arXiv:1710.06081): g = momentum g + grad / ||grad||_1. A gradient
      of 0 in one step leaves g as momentum makes it.
    - Diverse inputs: Xie et al., CVPR 2019, see `brittle.attacks.input_diversity`. The gradient is that of the image as
      it is shown, brought back to the image, at no more passes: what is shown is judged in place of the point,
      and counts where it lies within the threat. The last point is shown as it is.
    - Smooth gradients: Dong, Pang, Su & Zhu, CVPR 2019, section 3.3 (arXiv:1904.02884): the gradient is convolved with
      a Gaussian kernel, with zeros beyond the border, before it is accumulated. Its deviation is a third of its reach,
      as in the authors' code.

    Subclasses have the three as their last fields, off by default. They help a change to break networks that it was not
    made on, and cost success on the one that it was made on. An attack ends for an image once this network gets it
    wrong, which is early for that purpose: `run(..., confidence=ALL_THE_WAY)` goes on to the last step and returns the
    point of the largest margin.

    Attributes:
        momentum: of the gradients; 1 in the paper, 0 for none.
        diversity: the probability of another size and place in a step; 0.5 in the paper, 0 for none.
        kernel: rows of the kernel, odd; 15 in the paper for 299 x 299 pixels, 1 for none.
    """

    momentum: Momentum
    diversity: Diversity
    kernel: KernelRows

    def __post_init__(self):
        if self.kernel % 2 == 0:
            raise InputError(f"kernel is {self.kernel}; expected an odd number of rows, such as {self.kernel + 1}")

    def check(self, threat: Threat) -> None:
        """Refuse what the base refuses, and diverse inputs of threats that do not change pixels."""
        super().check(threat)
        if not threat.on_images and (self.diversity or self.kernel > 1):
            raise InputError(
                f"diversity and kernel are of images, and the points of {threat.name} are parameters; leave both out"
            )

    def onward(self, problem: Problem, path: Path, points: Points) -> Path:
        """Return the path at its next points, with what is shown of them; the last ones as they are."""
        left = path.left - 1
        if not self.diversity:
            return replace(path, x=points, left=left)
        if left <= 0:
            return replace(path, x=points, here=None, placed=None, left=left)
        bounds = problem.classifier.bounds
        placed = Placement.drawn(points, self.diversity, problem.streams, problem.ids)
        return replace(path, x=placed.of(points, bounds.lower), here=points, placed=placed, left=left)

    def begun(self, problem: Problem, points: Points) -> Path:
        """Return the path at its first points."""
        memory = torch.zeros_like(points) if self.momentum else None
        return self.onward(problem, Path(points, memory=memory, left=self.length(problem) + 1), points)

    def here(self, path: Path, probe: Probe) -> Points:
        """Return the points whose neighbours come next, within the box."""
        return probe.points if path.here is None else path.here

    def climbed(self, path: Path, gradient: Tensor) -> tuple[Tensor, Path]:
        """Return what to follow, given the gradient by what was shown, and the path that remembers it."""
        if path.placed is not None:
            gradient = path.placed.back(gradient)
        if self.kernel > 1:
            gradient = smoothed(gradient, self.kernel)
        if path.memory is None:
            return gradient, path
        length = gradient.abs().flatten(1).sum(1).clamp_min(torch.finfo(gradient.dtype).tiny)
        memory = self.momentum * path.memory + gradient / length.reshape(-1, *[1] * (gradient.ndim - 1))
        return memory, replace(path, memory=memory)


def smoothed(gradient: Images, rows: int) -> Images:
    """Convolve each channel with a Gaussian kernel of `rows` x `rows`, with zeros beyond the border.

    Example:
        >>> smoothed(torch.ones(1, 1, 9, 9), 3)[0, 0, 4, 4].isclose(torch.tensor(1.0))
        tensor(True)
    """
    channels = gradient.shape[1]
    line = _line(rows).to(gradient)
    for shape, padding in (((rows, 1), (rows // 2, 0)), ((1, rows), (0, rows // 2))):
        kernel = line.reshape(1, 1, *shape).expand(channels, 1, *shape)
        gradient = nn.functional.conv2d(gradient, kernel, padding=padding, groups=channels)
    return gradient


@cache
def _line(rows: int) -> Tensor:
    """One row of the kernel, which is the product of two."""
    line = torch.exp(-0.5 * torch.linspace(-3, 3, rows, dtype=torch.float64).square())
    return line / line.sum()
