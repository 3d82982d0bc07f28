"""The images of a substitute: those that it begins with, and others that it is measured on."""

import hashlib
from dataclasses import dataclass

import torch

from brittle.data import Source
from brittle.endpoint.protocol import digest_of_image
from brittle.errors import DataError
from brittle.types import Images, Labels

AT_ONCE = 500
"""Images that are read at a time."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """Images that a substitute begins with.

    Attributes:
        source: where they come from.
        images: n x c x h x w in [0, 1], each once.
    """

    source: Source
    images: Images

    @classmethod
    def of(cls, source: Source) -> "Seeds":
        """Read all images of a source.

        Raises:
            DataError: there are none.
        """
        found: dict[str, Images] = {}
        for block in source.blocks(AT_ONCE):
            found |= {digest_of_image(image): image for image in block.images}
        if not found:
            raise DataError(f"{source.spec} has no images to begin with; expected some of each class")
        return cls(source, torch.stack(list(found.values())))


@dataclass(frozen=True, eq=False)
class Unseen:
    """Images that a substitute is measured on.

    Attributes:
        source: where they come from.
        images: n x c x h x w in [0, 1]; labels: their own, int64.
    """

    source: Source
    images: Images
    labels: Labels

    @classmethod
    def of(cls, source: Source, seeds: Seeds, most: int) -> "Unseen":
        """Read the first images of a source that are no seeds.

        Args:
            source: labelled images, fitted as the seeds are.
            seeds: images that are passed over.
            most: how many are read at most.

        Raises:
            DataError: there are none.
        """
        taken = {digest_of_image(image) for image in seeds.images}
        images, labels = list[Images](), list[int]()
        for block in source.blocks(AT_ONCE):
            for image, label in zip(block.images, block.labels.tolist(), strict=True):
                if len(images) < most and digest_of_image(image) not in taken:
                    images.append(image)
                    labels.append(label)
            if len(images) >= most:
                break
        if not images:
            raise DataError(f"{source.spec} has no images but the seeds; expected others to measure the substitute on")
        return cls(source, torch.stack(images), torch.tensor(labels))


def content_of(images: Images) -> str:
    """Return the sha256, in hexadecimal, of images as they are shown."""
    return hashlib.sha256("".join(digest_of_image(image) for image in images).encode()).hexdigest()
