"""Random crops, scales and mirrors of images, so that a perturbation is made for more than the images given."""

import torch
from torch import Tensor
from torch.nn import functional

from brittle.errors import InputError
from brittle.types import Images, Logits
from brittle.universal_attacks.images import ImageSet

PHOTOGRAPH = 64
"""Images with a shorter side than this are no photographs that may be cropped and mirrored."""


def are_cropped(images: ImageSet, crops: bool | None) -> bool:
    """Say whether images are seen through crops: where that is asked, or, for None, where they are photographs."""
    return crops if crops is not None else min(images.shape[1:]) >= PHOTOGRAPH


@torch.no_grad()
def views(
    images: ImageSet,
    rows: Tensor,
    crops: bool | None,
    scale: float,
    generator: torch.Generator,
    *,
    clean: bool = True,
    every: bool = False,
) -> tuple[Images, Logits, int]:
    """Return some images as a search sees them, what the network says of them, and the forward passes that this took.

    Of a team each gets its share of the images alone, or, with `every`, all of them.

    What it says of a crop is asked anew: the logits of the whole image in their place fooled fewer unseen photographs
    at the same cost. What it says of whole images is asked once for all passes, but of every pixel, which is too much
    to keep. Nothing is asked where `clean` is off, and there are no logits, (n, 0), then.
    """
    count, mine, whole = len(rows), images.team.mine(len(rows)), not are_cropped(images, crops)
    seen = slice(count) if every else mine
    some = images.at(rows[seen])
    some = some if whole else through(some, drawn_crops(count, scale, generator)[seen])
    if not clean:
        return some, some.new_zeros(len(some), 0), 0
    if whole and not images.pixels:
        return some, images.clean_logits[rows[seen]].to(some), 0
    own = some[mine] if every else some
    logits = images.classifier.logits(own) if len(own) else some.new_zeros(0, 0)
    return some, images.team.joined(logits, count) if every else logits, count


def check_scale(scale: float) -> None:
    """Refuse a fraction of the sides that no crop can keep.

    Raises:
        InputError: with the value.
    """
    if not 0 < scale <= 1:
        raise InputError(f"scale is {scale}; expected a fraction of the sides above 0, at most 1")


def cropped(images: Images, scale: float, generator: torch.Generator) -> Images:
    """Return each image through a random crop, scaled back to its size, mirrored every second time.

    Args:
        images: (n, c, h, w).
        scale: the least fraction of the sides that a crop keeps; the fraction is uniform in [scale, 1], the same for
            both sides, and the crop lies anywhere within the image.
        generator: of the draws, on the CPU.

    Example:
        >>> cropped(torch.ones(2, 3, 8, 8), 0.5, torch.Generator()).shape
        torch.Size([2, 3, 8, 8])
    """
    return through(images, drawn_crops(len(images), scale, generator))


def drawn_crops(count: int, scale: float, generator: torch.Generator) -> Tensor:
    """Draw the crops of so many images, see `cropped`: where each of their pixels lies, as affine maps (n, 2, 3)."""
    kept = scale + (1 - scale) * torch.rand(count, generator=generator)
    centre = (torch.rand(count, 2, generator=generator) * 2 - 1) * (1 - kept)[:, None]
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(kept)
    first = torch.stack([kept * mirror, zero, centre[:, 0]], 1)
    second = torch.stack([zero, kept, centre[:, 1]], 1)
    return torch.stack([first, second], 1)


def through(images: Images, affine: Tensor) -> Images:
    """Return images seen through crops, one for each."""
    if not len(images):
        return images
    grid = functional.affine_grid(affine.to(images), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
