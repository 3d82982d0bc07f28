"""The images of a universal perturbation: those that it is made from, and those kept aside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from brittle.base.stored import StoredImages
from brittle.data import Source
from brittle.errors import InputError
from brittle.evaluation.subject import OpenedSubject
from brittle.maths.quantization import as_bytes
from brittle.threats import SharedThreat
from brittle.types import Images
from brittle.universal_attacks.answers import CLASSES, Answers
from brittle.universal_attacks.images import ImageSet

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
        cls,
        subject: OpenedSubject,
        held_out: int | None,
        batch: int,
        seed: int,
        folder: Path | None = None,
        *,
        made_from: Source | None = None,
        answers: Answers = CLASSES,
    ) -> "Split":
        """Decode all images once into a file, in `folder`, and part them by a permutation that the seed determines.

        Where X is a source of its own, `made_from`, nothing is parted: all others are kept aside. `answers` are as of
        `ImageSet`.
        """
        every = _Read.of(subject.source, folder)
        if made_from is not None:
            first = _Read.of(made_from, folder)
            if shared := len(first.contents & every.contents):
                raise InputError(
                    f"{shared} of the images of {made_from.spec}, which it shall be made from, are among those of "
                    f"{subject.source.spec} that judge it; give others, or leave them out, so that a part is kept aside"
                )
            return cls._of_both(subject, first, every, batch, answers)
        count = len(every.names)
        aside = count // 2 if held_out is None else held_out
        if not 0 <= aside < count:
            raise InputError(
                f"held_out is {aside}, and there are {count} images; at least one must be left to make it from"
            )
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        first, second = (every.part(part) for part in (order[: count - aside], order[count - aside :]))
        return cls._of_both(subject, first, second, batch, answers)

    @classmethod
    def _of_both(cls, subject: OpenedSubject, first: "_Read", second: "_Read", batch: int, answers: Answers) -> "Split":
        sets = [
            ImageSet(subject.classifier, some.images, batch, ids=torch.tensor(some.index), answers=answers)
            if some.names
            else None
            for some in (first, second)
        ]
        assert sets[0] is not None
        return cls(sets[0], sets[1], (first.names, second.names), (first.index, second.index))

    def under(self, threat: SharedThreat) -> "Split":
        """Return the same images, on which perturbations are put as a threat says."""
        held_out = None if self.held_out is None else self.held_out.under(threat)
        return replace(self, training=self.training.under(threat), held_out=held_out)

    @property
    def judging(self) -> ImageSet:
        """The images kept aside; X where there are none."""
        return self.held_out or self.training

    @property
    def groups(self) -> list[tuple[str, ImageSet, list[str], list[int]]]:
        """Return what there is as (kind, images, names, places)."""
        both = zip(("seen", "unseen"), (self.training, self.held_out), self.names, self.places, strict=True)
        return [(kind, images, names, places) for kind, images, names, places in both if images is not None]


@dataclass(frozen=True)
class _Read:
    """Images in a file, with their names and their places in the source."""

    images: StoredImages
    names: list[str]
    index: list[int]

    @classmethod
    def of(cls, source: Source, folder: Path | None) -> "_Read":
        """Decode all images of a source."""
        names, index = list[str](), list[int]()

        def images() -> Iterator[Images]:
            for block in source.blocks(READ):
                names.extend(block.names)
                index.extend(block.index.tolist())  # numbers: small tensors between blocks pin the heap
                yield block.images

        stored = StoredImages.of(images(), folder)
        if not names:
            raise InputError(f"{source.spec} holds no images that can be read")
        return cls(stored, names, index)

    @property
    def contents(self) -> set[bytes]:
        """A digest of every image, as 8-bit levels."""
        rows = (torch.tensor([place]) for place in range(len(self.images)))
        levels = (
            image if image.dtype == torch.uint8 else as_bytes(image) for image in map(self.images.__getitem__, rows)
        )
        return {sha256(image.numpy().tobytes()).digest() for image in levels}

    def part(self, rows: Tensor) -> "_Read":
        """Return the images at some positions."""
        places = rows.tolist()
        names, index = ([values[place] for place in places] for values in (self.names, self.index))
        return _Read(self.images.chosen(rows), names, index)
