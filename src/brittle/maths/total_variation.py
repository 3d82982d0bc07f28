"""The image of least total variation that agrees with some pixels of another one."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TOLERANCE = 1e-5
"""An image is done when so small a part of its objective is gained by `BETWEEN` sweeps or steps."""
BETWEEN = 5
"""Sweeps over the dropped values from one look at the objective to the next."""
SWEEPS = 1000
"""Sweeps at most."""
RELAXATION = 1.3
"""By how much more than to its best value a pixel is moved; below 2 the objective never grows."""
FLAT = 1e-5
"""Two neighbouring rows or columns that differ by less count as differing by so much (L2 norm)."""
STEPS, STEPS_BETWEEN = 2000, 50
"""Primal-dual steps at most, and from one look at the objective to the next."""
PRIMAL, SHORTEST = 1e-3, 0.7
"""Length of a primal step as a multiple of the shorter side over the weight, and at least; that of a dual one is
1 / (8 primal), as 8 bounds the square of the differences' norm. Primal values add up over pixels, dual ones, none above
the weight, over rows and columns: with the steps of a small image a photograph takes ten times as many."""
AT_ONCE = 2**18
"""Values of images that are worked on together, so that they stay in the processor's cache."""


def total_variation(images: Tensor) -> Tensor:
    """Measure the total variation of every channel by whole rows and columns.

    The sum over neighbouring rows of the L2 norm of their difference, and the same over columns: TV_2 of Guo et al.,
    ICLR 2018, section 3.

    Args:
        images: (n, c, h, w).

    Returns:
        (n, c).

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 0.0], [3.0, 4.0]]]]))
        tensor([[6.]])
    """
    rows, columns = images.diff(dim=2).norm(dim=3).sum(2), images.diff(dim=3).norm(dim=2).sum(2)
    return rows + columns


def reconstruction_objective(found: Tensor, images: Tensor, kept: Tensor, weight: float) -> Tensor:
    """Measure what `reconstructed` minimises: L2 distance over the kept pixels, and `weight` times total variation.

    Args:
        found: (n, c, h, w), z of the paper.
        images: (n, c, h, w), x of the paper.
        kept: (c, h, w), True where a value counts.
        weight: of the total variation, lambda of the paper.

    Returns:
        (n, c).
    """
    return ((found - images) * kept).flatten(2).norm(dim=2) + weight * total_variation(found)


def reconstructed(images: Tensor, kept: Tensor, weight: float) -> Tensor:
    """Return the images of least `reconstruction_objective`, each channel by itself.

    What lies at dropped pixels has no influence whatever. First the kept values stay as they are, and the others take
    those of least total variation: its norms are bounded from above by quadratics that touch them where the search is
    (iteratively reweighted least squares), and these are lowered by red-black successive over-relaxation over all
    images at once. That is the answer wherever the distance, whose gradient has length 1 next to the kept values,
    outweighs the total variation's; of other images, at large weights, the search goes on by the primal-dual algorithm
    of Chambolle & Pock 2011 (algorithm 1, theta = 1), whose limit is the least there is.

    Args:
        images: (n, c, h, w), from 0 to 1.
        kept: (c, h, w), True for the values to agree with.
        weight: of the total variation, 0 for the limit in which kept pixels are exact.

    Returns:
        (n, c, h, w); an image is done, alone, when less than `TOLERANCE` of its objective is gained.

    Example:
        >>> line = torch.tensor([[[[0.0, 0.9, 0.2]]]])
        >>> reconstructed(line, torch.tensor([[[True, False, True]]]), 0.0).clamp(0, 0.2)[0, 0, 0, ::2]
        tensor([0.0000, 0.2000])
    """
    size = max(1, AT_ONCE // max(1, images[:1].numel()))
    return torch.cat([_solved(some, kept, weight) for some in images.split(size)]) if len(images) else images.clone()


def _solved(images: Tensor, kept: Tensor, weight: float) -> Tensor:
    found = _filled(images, kept)
    force = weight * (_Bound.at(found).pull(found) * kept).flatten(2).norm(dim=2)
    loose = (force > 1).any(1)
    if loose.any():
        found[loose] = _searched(found[loose], images[loose], kept, weight)
    return found


def _filled(images: Tensor, kept: Tensor) -> Tensor:
    """Give the dropped values those of least total variation, and leave the kept ones as they are."""
    found, left = _beginning(images, kept), torch.arange(len(images), device=images.device)
    height, width = images.shape[2:]
    place = torch.arange(height, device=images.device)[:, None] + torch.arange(width, device=images.device)
    colours = [~kept & (place % 2 == colour) for colour in (0, 1)]
    z = found.clone()
    before = torch.full((len(images),), torch.inf, device=images.device, dtype=images.dtype)
    for number in range(SWEEPS):
        bound = _Bound.at(z)
        if number % BETWEEN == 0:
            done = before - bound.variation <= TOLERANCE * bound.variation
            before = bound.variation
            if done.any():
                found[left[done]] = z[done]
                left, z, before = left[~done], z[~done], before[~done]
                if not len(left):
                    return found
                bound = _Bound.at(z)
        for colour in colours:
            z = z + RELAXATION * colour * bound.pull(z) / bound.total.clamp_min(torch.finfo(z.dtype).tiny)
    found[left] = z
    return found


def _searched(z: Tensor, x: Tensor, kept: Tensor, weight: float) -> Tensor:
    """Let kept values move too: Chambolle & Pock's primal-dual steps, of which the best image is returned."""
    rows, columns = torch.zeros_like(z.diff(dim=2)), torch.zeros_like(z.diff(dim=3))
    best, least, ahead = z, _objective(z, x, kept, weight), z
    primal = max(SHORTEST, PRIMAL * min(z.shape[2:]) / weight)
    dual = 1 / (8 * primal)
    done = torch.zeros_like(least, dtype=torch.bool)
    for number in range(1, STEPS + 1):
        rows = _within(rows + dual * ahead.diff(dim=2), 3, weight)
        columns = _within(columns + dual * ahead.diff(dim=3), 2, weight)
        free = z + primal * _spread(rows, columns, z)
        off = (free - x) * kept
        length = off.flatten(2).norm(dim=2)[..., None, None]
        new = torch.where(kept, x + off * (1 - primal / length.clamp_min(primal)), free)
        ahead, z = 2 * new - z, new
        if number % STEPS_BETWEEN == 0:
            value = _objective(z, x, kept, weight)
            better = (value < least) & ~done  # what is done stays: no image waits for its neighbours
            done |= least - value <= TOLERANCE * least.clamp_min(FLAT)
            best = torch.where(better[:, None, None, None], z, best)
            least = torch.where(better, value, least)
            if done.all():
                break
    return best


def _objective(z: Tensor, x: Tensor, kept: Tensor, weight: float) -> Tensor:
    return reconstruction_objective(z, x, kept, weight).sum(1)


def _within(differences: Tensor, dim: int, radius: float) -> Tensor:
    """Bring whole rows or columns of differences to a length of at most the radius."""
    return differences * (radius / differences.norm(dim=dim, keepdim=True).clamp_min(radius))


def _spread(rows: Tensor, columns: Tensor, like: Tensor) -> Tensor:
    """Give every value what the differences on either side of it pull: minus the adjoint of `diff`."""
    pull = torch.zeros_like(like)
    pull[:, :, :-1] += rows
    pull[:, :, 1:] -= rows
    pull[:, :, :, :-1] += columns
    pull[:, :, :, 1:] -= columns
    return pull


def _beginning(images: Tensor, kept: Tensor) -> Tensor:
    """Every dropped value as the mean of the kept ones around it: of 3 x 3, else of its channel, else one half."""
    there = kept.to(images.dtype).expand_as(images)
    total, count = (functional.avg_pool2d(one, 3, 1, 1) for one in (images * there, there.contiguous()))
    whole = (images * there).sum((2, 3), keepdim=True) / there.sum((2, 3), keepdim=True)
    whole = torch.where(whole.isfinite(), whole, 0.5)
    return torch.where(kept, images, torch.where(count > 0, total / count, whole))


@dataclass(frozen=True)
class _Bound:
    """A quadratic that lies above the total variation and touches it at one image.

    Attributes:
        rows: (n, c, h - 1, 1), one over the norm of each difference of neighbouring rows.
        columns: (n, c, 1, w - 1).
        total: (n, c, h, w), of the four around a pixel: the second derivative by it.
        variation: (n,), total variation there.
    """

    rows: Tensor
    columns: Tensor
    total: Tensor
    variation: Tensor

    @classmethod
    def at(cls, z: Tensor) -> "_Bound":
        rows = (z.diff(dim=2).square().sum(3, keepdim=True) + FLAT**2).sqrt()
        columns = (z.diff(dim=3).square().sum(2, keepdim=True) + FLAT**2).sqrt()
        variation = rows.flatten(1).sum(1) + columns.flatten(1).sum(1)
        rows, columns = 1 / rows, 1 / columns
        vertical = functional.pad(rows, (0, 0, 0, 1)) + functional.pad(rows, (0, 0, 1, 0))
        horizontal = functional.pad(columns, (0, 1)) + functional.pad(columns, (1, 0))
        return cls(rows, columns, vertical + horizontal, variation)

    def pull(self, z: Tensor) -> Tensor:
        """Return the negative gradient at an image: how its neighbours pull at each pixel."""
        return _spread(self.rows * z.diff(dim=2), self.columns * z.diff(dim=3), z)
