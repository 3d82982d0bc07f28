"""Images of noise, for what is made and judged without data."""

from collections.abc import Iterator

import torch

from brittle.data.fit import Fit, Pixels
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import DataError
from brittle.maths.quantization import rounded
from brittle.maths.substitutes import substitutes

IMAGES = 200
"""How many by default."""


class Noise(Source):
    """Gaussian noise with the mean and standard deviation of photographs, of the size that the network takes.

    Every image is determined by its number alone. There are no labels.

    Args:
        total: how many.
        fit: the size; three channels where it does not say.
        max_images: how many of the first images are used.
        skip_bad: of no effect here.

    Raises:
        DataError: no size, or fewer images than 1.

    >>> next(Noise(3, fit=Fit(3, 8, 8)).blocks(3)).images.shape
    torch.Size([3, 3, 8, 8])
    """

    labelled = False

    def __init__(
        self, total: int = IMAGES, *, fit: Fit | None = None, max_images: int | None = None, skip_bad: bool = False
    ):
        super().__init__(f"noise:{total}", fit=fit, max_images=max_images, skip_bad=skip_bad)
        if total < 1:
            raise DataError(f"noise:{total} has no image; expected at least 1")
        if self.fit.height is None or self.fit.width is None:
            raise DataError("noise has no size of its own and the network names none; give one, e.g. --size 224")
        self.total = total
        self._shape_of_one = self.fit.channels or 3, self.fit.height, self.fit.width

    @classmethod
    def of(cls, rest: str, *, fit: Fit | None, max_images: int | None, skip_bad: bool) -> "Noise":
        """Read what stands behind `noise:`."""
        if rest and not rest.isdecimal():
            raise DataError(f"noise:{rest} names no number of images; expected noise or, e.g., noise:500")
        return cls(int(rest or IMAGES), fit=fit, max_images=max_images, skip_bad=skip_bad)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the images start..stop - 1."""
        for index in range(start, stop):
            yield Item(index, f"noise/{index}", UNLABELLED, lambda index=index: self._image(index))

    def content(self) -> Iterator[bytes]:
        """Yield what determines the images: number and size."""
        yield f"noise {len(self)} {self._shape_of_one}".encode()

    def _image(self, index: int) -> Pixels:
        image = substitutes(self._shape_of_one, 1, torch.Generator().manual_seed(index))[0]
        return rounded(image).numpy()
