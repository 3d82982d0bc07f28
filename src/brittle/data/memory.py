"""Images in memory: tensors or arrays with their labels, and what torch's data sets and loaders give."""

from collections.abc import Iterator, Sized
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from brittle.arguments import seen
from brittle.data.arrays import layout, to_pixels
from brittle.data.fit import Fit, Picture
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import DataError, LabelError
from brittle.words import with_article

EXPECTED = (
    "expected text such as 'digits', a list of image files, a source, (images, labels), images alone where no labels "
    "are needed, or a Dataset or DataLoader of torch"
)


class Memory(Source):
    """Images and labels as tensors or arrays.

    Args:
        images: uint8, or float in [0, 1]; n x h x w, n x h x w x c or n x c x h x w with c = 1 or 3.
        labels: whole numbers, one for each image; None where there are none.
        spec: how they are called in a report.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: of no effect here: an array has no single file to leave out.

    Raises:
        DataError: images of another shape or type.
        LabelError: labels that are not whole numbers, one for each image.

    Example:
        >>> len(Memory(torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 2])))
        3
    """

    def __init__(
        self,
        images: object,
        labels: object = None,
        *,
        spec: str = "tensors",
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
    ):
        super().__init__(spec, fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._images = _array(images, "images")
        self._grid, self._last = layout(self._images.shape, self._images.dtype, f"images of {spec}")
        self.total, self.labelled = len(self._images), labels is not None
        self._labels = None if labels is None else _numbers(_array(labels, "labels"), self.total)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the images start..stop - 1; a name is "images/17"."""
        for index in range(start, stop):
            label = UNLABELLED if self._labels is None else int(self._labels[index])
            yield Item(index, f"images/{index}", label, lambda i=index: self._picture(i))

    def content(self) -> Iterator[bytes]:
        """Yield type and shape of an image, and the bytes of images and labels."""
        yield f"{self._images.dtype} {self._grid} {self._last}\0".encode()
        for index in range(len(self)):
            yield np.ascontiguousarray(self._images[index]).tobytes()
        if self._labels is not None:
            yield self._labels[: len(self)].astype(np.int64).tobytes()

    def _picture(self, index: int) -> Picture:
        return to_pixels(self._images[index], self._last, f"image {index} of {self.spec}")


def from_memory(given: object, *, fit: Fit | None, max_images: int | None, skip_bad: bool) -> Source:
    """Return a source of what a caller holds.

    Args:
        given: (images, labels) as tensors or arrays; a data set whose items are (image, label); a loader whose batches
            are (images, labels); or images alone in these forms, which then have no labels. A set or a loader is gone
            through once, in its own order, up to `max_images`, and held in memory as it gives the images. Of a loader
            that shuffles (`shuffle=True`) that is the order of its set.
        fit: how images are brought to the form that the network takes.
        max_images: use only the first N images.
        skip_bad: as of every source.

    Raises:
        DataError: something else, or a loader that draws images at random in another way than by shuffling all of
            them, so that the same call would give other images.
    """
    given = (given, None) if isinstance(given, Tensor | np.ndarray) else given
    if isinstance(given, tuple | list) and len(cast("tuple[object, ...]", given)) == 2:
        images, labels = cast("tuple[object, object]", tuple(given))
        return Memory(images, labels, fit=fit, max_images=max_images, skip_bad=skip_bad)
    if isinstance(given, DataLoader):
        name, loader = type(given.dataset).__name__, _in_order(cast("DataLoader[Any]", given))
    elif isinstance(given, Dataset):
        name, loader = type(given).__name__, DataLoader(cast("Dataset[Any]", given), batch_size=1)
    else:
        raise DataError(f"the images are {seen(given)}; {EXPECTED}")
    images, labels = _gathered(loader, name, max_images)
    return Memory(images, labels, spec=name, fit=fit, max_images=max_images, skip_bad=skip_bad)


def _in_order(loader: "DataLoader[Any]") -> "DataLoader[Any]":
    """A loader that gives the same batches whenever it is asked: of one that shuffles, the set in its own order."""
    sampler = loader.sampler
    if not isinstance(sampler, RandomSampler | SubsetRandomSampler | WeightedRandomSampler):
        return loader
    total = len(cast("Sized", loader.dataset))
    if not isinstance(sampler, RandomSampler) or sampler.replacement or sampler.num_samples != total:
        raise DataError(
            f"the DataLoader draws some of its images with {with_article(type(sampler).__name__)}, so that the same "
            "call would not give the same images again; expected one with shuffle=True or False, or its dataset"
        )
    how: dict[str, Any] = {"num_workers": loader.num_workers, "collate_fn": loader.collate_fn}
    return DataLoader(loader.dataset, batch_size=loader.batch_size or 1, **how)


def _gathered(loader: "DataLoader[Any]", name: str, max_images: int | None) -> tuple[Tensor, Tensor | None]:
    """All batches of a loader in one; the global random state, of which a loader takes a number, stays as it is."""
    images: list[Tensor] = []
    labels: list[Tensor] = []
    with torch.random.fork_rng(devices=[]):
        for batch in loader:
            parts: Any = (batch,) if isinstance(batch, Tensor) else batch
            listed = isinstance(parts, tuple | list) and len(cast("Sized", parts)) > 0
            if not listed or not all(isinstance(one, Tensor) for one in parts[:2]):
                raise DataError(f"{name} gives {seen(batch)}; expected (images, labels) as tensors in each batch")
            images.append(parts[0].detach().cpu())
            labels += [one.detach().cpu().reshape(-1) for one in parts[1:2]]
            if max_images is not None and sum(map(len, images)) >= max_images:
                break
    if not images:
        raise DataError(f"{name} gives no images; expected at least one")
    if len({one.shape[1:] for one in images}) > 1:
        raise DataError(f"{name} gives images of several shapes; expected one, resized in the data set's transform")
    if labels and len(labels) < len(images):
        raise DataError(f"{name} gives labels with some batches alone; expected them with each, or with none")
    return torch.cat(images), torch.cat(labels) if labels else None


def _array(values: object, what: str) -> NDArray[Any]:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    if isinstance(values, np.ndarray | list | tuple):
        return np.asarray(values)
    raise DataError(f"{what} are {seen(values)}; expected a tensor or an array")


def _numbers(labels: NDArray[Any], total: int) -> NDArray[Any]:
    if labels.dtype.kind not in "iu" or labels.shape not in ((total,), (total, 1)):
        raise LabelError(
            f"labels are {labels.dtype} of shape {labels.shape}; expected integers of shape ({total},) (of one-hot "
            "labels, their argmax(1))"
        )
    return labels.reshape(-1)
