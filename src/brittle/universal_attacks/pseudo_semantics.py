"""PSP-UAP's samples: crops of images that carry the perturbation, and the views in which they are shown."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from brittle.base.rows import column
from brittle.types import Images

AREAS, SHAPES = (0.08, 1.0), (3 / 4, 4 / 3)
"""Of a crop: its fraction of the image's area, and its width in units of its height."""
ANGLE = 6.0
"""Standard deviation and largest size of a rotation, in degrees."""
FACTORS = (0.8, 4.0)
"""By which a view's contrast is multiplied."""


def _between(ends: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * torch.rand(count, generator=generator)


def crops(images: Images, generator: torch.Generator) -> Images:
    """Return a random crop of each image, brought to the size of the whole.

    Lee et al., CVPR 2025, section 3.2, and the authors' code. Deviations: crops begin between pixels, too, and a side
    that does not fit is cut to the image's, where the code draws again.

    Args:
        images: (n, c, h, w).
        generator: of the draws, on the CPU.
    """
    count, height, width = len(images), images.shape[2], images.shape[3]
    area = _between(AREAS, count, generator) * height * width
    shape = _between(SHAPES, count, generator)
    sides = torch.stack([(area * shape).sqrt() / width, (area / shape).sqrt() / height], 1).clamp_max(1)
    places = 2 * torch.rand(count, 2, generator=generator) - 1
    linear = torch.diag_embed(sides)
    affine = torch.cat([linear, (places * (1 - sides))[:, :, None]], 2).to(images)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class Views:
    """How each image of a step is shown: rotated a little, with another contrast, or in four exchanged blocks.

    Lee et al., CVPR 2025, section 3.4, and the authors' code: each with a chance of one third. What a rotation leaves
    empty shows the image as it was.

    Attributes:
        kinds: which of the three, (n,).
        angles: of the rotations in degrees, (n,).
        factors: of the contrast, (n,).
        rows, columns: where each row and column of a shuffled image comes from, (n, h) and (n, w).
    """

    kinds: Tensor
    angles: Tensor
    factors: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def drawn(cls, count: int, height: int, width: int, generator: torch.Generator) -> "Views":
        """Draw one for each image; the generator is on the CPU."""
        kinds = torch.randint(3, (count,), generator=generator)
        # a normal variable within its standard deviation, by its inverse distribution function
        inside = _between((0.15865525, 0.84134475), count, generator)
        angles = ANGLE * torch.special.ndtri(inside)
        factors = _between(FACTORS, count, generator)
        return cls(kinds, angles, factors, _exchanged(count, height, generator), _exchanged(count, width, generator))

    def of(self, images: Images, grey: Tensor) -> Images:
        """Show images (n, c, h, w); contrast is multiplied around `grey`, which broadcasts with them."""
        kinds = self.kinds.to(images.device)
        louder = grey + column(self.factors.to(images), images) * (images - grey)
        rows, columns = (of.to(images.device) for of in (self.rows, self.columns))
        moved = images.gather(2, rows[:, None, :, None].expand_as(images))
        moved = moved.gather(3, columns[:, None, None, :].expand_as(images))
        other = torch.where(column(kinds == 1, images), louder, moved)
        return torch.where(column(kinds == 0, images), self._turned(images), other)

    def _turned(self, images: Images) -> Images:
        angles, (height, width) = self.angles.to(images).deg2rad(), images.shape[2:]
        sine, cosine, zero = angles.sin(), angles.cos(), torch.zeros_like(angles)
        first = torch.stack([cosine, -sine * height / width, zero], 1)
        affine = torch.stack([first, torch.stack([sine * width / height, cosine, zero], 1)], 1)
        grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
        turned = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return torch.where((grid.abs() <= 1).all(3)[:, None], turned, images)


def _exchanged(count: int, length: int, generator: torch.Generator) -> Tensor:
    """Return where each place comes from when two blocks of random lengths are exchanged or not, (n, length)."""
    draws = torch.rand(count, 2, generator=generator)
    cut = (draws[:, :1] / draws.sum(1, keepdim=True) * length).round().clamp(1, max(1, length - 1)).long()
    swaps = torch.randint(2, (count, 1), generator=generator)
    places = torch.arange(length)[None]
    return torch.where(swaps == 1, (places + cut) % length, places)
