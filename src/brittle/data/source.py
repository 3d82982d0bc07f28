"""Source: labelled images in a fixed order, streamed in blocks that can be started anywhere."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

import numpy as np
import torch

from brittle.data.fit import Fit, Picture, Pixels
from brittle.errors import BadImage, InputError, LabelError
from brittle.types import Images, Labels

UNLABELLED = -1
"""The label of an image whose class is not known."""


@dataclass(frozen=True, eq=False)
class Block:
    """A run of consecutive images, ready for a network.

    Attributes:
        images: float32, n x c x h x w, in [0, 1].
        labels: int64, the class of each; -1 where the source has no labels.
        index: int64, position in the source: the image's identity. Bad images keep their number and are left out here.
        names: what each is called: a file, a path inside a Parquet file, "digits/17".
    """

    images: Images
    labels: Labels
    index: Labels
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Bad:
    """An image that could not be read and was left out.

    Attributes:
        index: its position in the source.
        name: what it is called.
        reason: what is wrong with it.
    """

    index: int
    name: str
    reason: str


@dataclass(frozen=True)
class Item:
    """An image not yet decoded.

    Attributes:
        index: position in the source.
        name: what it is called.
        label: its class, -1 if not known.
        load: decodes it; raises BadImage.
    """

    index: int
    name: str
    label: int
    load: Callable[[], Picture]


class Source(ABC):
    """Images in a fixed order. `open_source` makes one from what the user wrote.

    A subclass sets `classes`, `labelled` and `total` when it is made, and says how to walk over its items and over the
    bytes of its content.

    Attributes:
        spec: what the user wrote.
        classes: names of the classes in the order of the labels; empty if not known.
        labelled: whether the images have labels; if not, every label is -1.
        total: number of images there are, before `limit`.
        fit: how images are brought to the form that the network takes.
        limit: how many of the first images are used; None for all.
        skip_bad: whether an image that cannot be read is left out and listed in `bad`, or stops the stream.
        bad: the images left out so far, each once however often they were met.

    Raises:
        InputError: for a limit below 1.
    """

    classes: tuple[str, ...] = ()
    labelled: bool = True
    total: int

    def __init__(self, spec: str, *, fit: Fit | None = None, limit: int | None = None, skip_bad: bool = False):
        if limit is not None and limit < 1:
            raise InputError(f"limit={limit}: give at least 1 image, or None for all")
        self.spec, self.fit, self.limit, self.skip_bad = spec, fit or Fit(), limit, skip_bad
        self.bad: list[Bad] = []
        self._noted: set[int] = set()
        self._shape: tuple[tuple[int, ...], str] | None = None
        self._digest: str | None = None

    @abstractmethod
    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the items start..stop - 1 without decoding any."""

    @abstractmethod
    def content(self) -> Iterator[bytes]:
        """Yield everything that determines the images and labels gone through, piece by piece."""

    def __len__(self) -> int:
        """Return how many images the source goes through: `limit` applied, bad ones included."""
        return self.total if self.limit is None else min(self.limit, self.total)

    def blocks(self, size: int, start: int = 0) -> Iterator[Block]:
        """Stream the images; only one block is in memory at a time, and nothing before `start` is decoded.

        Args:
            size: images of a block.
            start: index of the first image. Block i holds the indices from start + i * size on, less the bad images;
                a block of bad images alone is empty (shape 0 x c x h x w, zeros for what is not known yet).

        Yields:
            Block: the next `size` images, the last time what is left.

        Raises:
            InputError: if size < 1, if start is outside 0..len, or if images differ in shape after the fit.
            BadImage: if an image cannot be read and `skip_bad` is off.
            LabelError: if a label is not one of the classes.
        """
        if size < 1:
            raise InputError(f"size={size}: a block has at least 1 image")
        if not 0 <= start <= len(self):
            raise InputError(f"start={start} is outside this source of {len(self)} images")
        return self._stream(size, start)

    def digest(self) -> str:
        """Return the SHA-256 of the content in hexadecimal: two sources with the same digest give the same images.

        It is computed once, as a stream, over the files that the source goes through (those that `limit` leaves out
        are not read); of a single Parquet or npz file it is what `sha256sum` prints.
        """
        if self._digest is None:
            total = sha256()
            for piece in self.content():
                total.update(piece)
            self._digest = total.hexdigest()
        return self._digest

    def _stream(self, size: int, start: int) -> Iterator[Block]:
        items = self.items(start, len(self))
        for _ in range(start, len(self), size):
            yield self._block(islice(items, size))

    def _block(self, items: Iterable[Item]) -> Block:
        kept: list[Item] = []
        pixels: list[Pixels] = []
        for item in items:
            try:
                decoded = self.fit.apply(item.load())
            except BadImage as error:
                if not self.skip_bad:
                    raise
                self._note(Bad(item.index, item.name, error.reason))
                continue
            self._check(item, decoded)
            kept.append(item)
            pixels.append(decoded)
        shape = self._shape[0] if self._shape else (self.fit.channels or 0, self.fit.height or 0, self.fit.width or 0)
        return Block(
            images=torch.from_numpy(np.stack(pixels) if pixels else np.empty((0, *shape), dtype=np.float32)),
            labels=torch.tensor([item.label for item in kept], dtype=torch.int64),
            index=torch.tensor([item.index for item in kept], dtype=torch.int64),
            names=tuple(item.name for item in kept),
        )

    def _note(self, bad: Bad) -> None:
        if bad.index not in self._noted:
            self._noted.add(bad.index)
            self.bad.append(bad)

    def _check(self, item: Item, pixels: Pixels) -> None:
        if self._shape is None:
            self._shape = pixels.shape, item.name
        shape, first = self._shape
        if pixels.shape != shape:
            raise InputError(
                f"images differ: {first!r} is {shown(shape)}, {item.name!r} is {shown(pixels.shape)}; give the size "
                "that all shall have, e.g. Fit(3, 224, 224) in Python or --crop 224 on the command line"
            )
        if self.labelled and (item.label < 0 or (self.classes and item.label >= len(self.classes))):
            count = len(self.classes)
            expected = f"0..{count - 1}, as there are {count} classes" if count else "0, 1, 2, ..."
            note = "; -1 usually marks unlabelled images: take another split" if item.label == UNLABELLED else ""
            where = f"image {item.name!r} (number {item.index})"
            raise LabelError(f"{where} has label {item.label}; expected {expected}{note}")


def shown(shape: tuple[int, ...]) -> str:
    """Return channels x height x width in words."""
    channels, height, width = shape
    return f"{height} x {width} pixels with {channels} channel{'s' if channels > 1 else ''}"
