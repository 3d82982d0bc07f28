"""The images of a universal perturbation: those that it is made from, and those kept aside."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brittle.errors import InputError
from brittle.evaluation.subject import OpenedSubject
from brittle.maths.quantization import levels_of
from brittle.types import Images
from brittle.universal.images import ImageSet

READ = 100
"""Images decoded at a time."""
ON_LEVEL = 1e-3
"""A value this near to one of 8 bits, in levels, is that one."""


@dataclass(frozen=True)
class Split:
    """The images that a perturbation is made from and those kept aside, with their places in the source."""

    training: ImageSet
    held_out: ImageSet | None
    names: tuple[list[str], list[str]]
    places: tuple[list[int], list[int]]

    @classmethod
    def of(cls, subject: OpenedSubject, held_out: int | None, batch: int, seed: int) -> "Split":
        """Hold all images as 8-bit values, and part them by a permutation that the seed determines."""
        blocks = [block for block in subject.source.blocks(READ) if len(block)]
        if not blocks:
            raise InputError(f"{subject.source.spec} holds no images that can be read")
        images = torch.cat([_compact(block.images) for block in blocks])
        names, index = [name for block in blocks for name in block.names], torch.cat([block.index for block in blocks])
        count = len(images)
        aside = count // 2 if held_out is None else held_out
        if not 0 <= aside < count:
            raise InputError(
                f"held_out is {aside}, and there are {count} images; at least one must be left to make it from"
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        parts = order[: count - aside], order[count - aside :]
        sets = [ImageSet(subject.classifier, images[part], batch) if len(part) else None for part in parts]
        assert sets[0] is not None
        return cls(
            sets[0],
            sets[1],
            ([names[row] for row in parts[0].tolist()], [names[row] for row in parts[1].tolist()]),
            (index[parts[0]].tolist(), index[parts[1]].tolist()),
        )

    @property
    def groups(self) -> list[tuple[str, ImageSet, list[str], list[int]]]:
        """Return what there is as (kind, images, names, places)."""
        both = zip(("seen", "unseen"), (self.training, self.held_out), self.names, self.places, strict=True)
        return [(kind, images, names, places) for kind, images, names, places in both if images is not None]


def _compact(images: Images) -> Tensor:
    """Return images as 8-bit levels where they lie on them, as nearly all do; a quarter of the memory."""
    levels = levels_of(images)
    return levels.round().to(torch.uint8) if bool(((levels - levels.round()).abs() < ON_LEVEL).all()) else images
