"""The images of a universal perturbation: those that it is made from, and those kept aside."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from brittle.base.stored import StoredImages
from brittle.data import Block
from brittle.errors import InputError
from brittle.evaluation.subject import OpenedSubject
from brittle.types import Images
from brittle.universal.images import ImageSet

READ = 100
"""Images decoded at a time."""


@dataclass(frozen=True)
class Split:
    """The images that a perturbation is made from and those kept aside, with their places in the source."""

    training: ImageSet
    held_out: ImageSet | None
    names: tuple[list[str], list[str]]
    places: tuple[list[int], list[int]]

    @classmethod
    def of(
        cls, subject: OpenedSubject, held_out: int | None, batch: int, seed: int, folder: Path | None = None
    ) -> "Split":
        """Decode all images once into a file, in `folder`, and part them by a permutation that the seed determines."""
        read = _Read([], [])
        images = StoredImages.of(read.through(subject.source.blocks(READ)), folder)
        if not len(images):
            raise InputError(f"{subject.source.spec} holds no images that can be read")
        names, index = read.names, read.index
        count = len(images)
        aside = count // 2 if held_out is None else held_out
        if not 0 <= aside < count:
            raise InputError(
                f"held_out is {aside}, and there are {count} images; at least one must be left to make it from"
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        parts = order[: count - aside], order[count - aside :]
        sets = [ImageSet(subject.classifier, images.chosen(part), batch) if len(part) else None for part in parts]
        assert sets[0] is not None
        return cls(
            sets[0],
            sets[1],
            ([names[row] for row in parts[0].tolist()], [names[row] for row in parts[1].tolist()]),
            ([index[row] for row in parts[0].tolist()], [index[row] for row in parts[1].tolist()]),
        )

    @property
    def groups(self) -> list[tuple[str, ImageSet, list[str], list[int]]]:
        """Return what there is as (kind, images, names, places)."""
        both = zip(("seen", "unseen"), (self.training, self.held_out), self.names, self.places, strict=True)
        return [(kind, images, names, places) for kind, images, names, places in both if images is not None]


@dataclass(frozen=True)
class _Read:
    """Names and places of the images that have passed."""

    names: list[str]
    index: list[int]

    def through(self, blocks: Iterator[Block]) -> Iterator[Images]:
        """Yield the images of each block."""
        for block in blocks:
            self.names.extend(block.names)
            self.index.extend(block.index.tolist())  # numbers: small tensors between blocks pin the heap
            yield block.images
