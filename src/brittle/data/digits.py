"""The built-in digits: no file, no network."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brittle.data.fit import Fit
from brittle.data.order import balanced_order
from brittle.data.source import Item, Source
from brittle.errors import DataError
from brittle.maths.quantization import as_bytes
from brittle.near import meant

TEST_IMAGES = 500
"""Images of the test split: 50 of each digit. The other 1,297 are for training."""
SIDE = 28
"""Height and width after upsampling, those of MNIST."""
SPLITS = ("train", "test")


class Digits(Source):
    """Handwritten digits that come with scikit-learn (UCI, 1,797 images of 8 x 8 in 17 greys), upsampled to 28 x 28.

    Both splits are in the order of `balanced_order`: every ten images of the test split are the ten digits. The split
    is by image, not by writer: some of the 13 writers are in both, so accuracies flatter a little.

    Args:
        split: "test" or "train".
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: of no effect here.

    Raises:
        DataError: for another split.

    >>> next(Digits(max_images=20).blocks(20)).images.shape
    torch.Size([20, 1, 28, 28])
    """

    classes = tuple("0123456789")

    def __init__(
        self, split: str = "test", *, fit: Fit | None = None, max_images: int | None = None, skip_bad: bool = False
    ):
        if split not in SPLITS:
            raise DataError(
                f"the digits have no split {split!r}{meant(split, SPLITS)}; expected digits:train or digits:test"
            )
        super().__init__(f"digits:{split}", fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._images, self._labels = upsampled()
        self._order = _order()[:TEST_IMAGES] if split == "test" else _order()[TEST_IMAGES:]
        self.total = len(self._order)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the digits start..stop - 1; the number in a name is scikit-learn's."""
        for index in range(start, stop):
            original = self._order[index]
            image = Image.fromarray(self._images[original])
            yield Item(index, f"digits/{original}", int(self._labels[original]), lambda image=image: image)

    def content(self) -> Iterator[bytes]:
        """Yield the pixels and the labels in order."""
        used = self._order[: len(self)]
        yield self._images[used].tobytes()
        yield self._labels[used].tobytes()


@cache
def upsampled() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return scikit-learn's digits as uint8 1797 x 28 x 28 (bilinear), and their labels."""
    from sklearn.datasets import load_digits  # a second to import: only who uses the digits waits for it

    raw: Any = load_digits()
    small = as_bytes(raw.images, span=16)
    large = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in small]
    return np.stack([np.asarray(image) for image in large]), raw.target.astype(np.int64)


@cache
def _order() -> list[int]:
    labels = upsampled()[1].tolist()
    return balanced_order(labels, [f"digits/{i}" for i in range(len(labels))])
