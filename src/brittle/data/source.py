"""Source: labelled images in a fixed order, streamed in blocks that can be started anywhere."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import ClassVar, Self

import numpy as np
import torch

from brittle.data.fit import Fit, Picture, Pixels
from brittle.data.header import Header, header_of_picture
from brittle.data.survey import Kinds, check_label, differing
from brittle.errors import BadImage, InputError, quoted
from brittle.types import Images, Labels


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
        look: its header and brightest value, where these are known without decoding all of it (see `decode.look`);
            raises BadImage.
    """

    index: int
    name: str
    label: int
    load: Callable[[], Picture]
    look: Callable[[], tuple[Header, float]] | None = None

    def seen(self) -> tuple[Header, float]:
        """Return the header and the brightest value, by `look` where there is one."""
        if self.look is not None:
            return self.look()
        picture = self.load()
        return header_of_picture(picture), float(picture.max()) if isinstance(picture, np.ndarray) else 1.0


class Source(ABC):
    """Images in a fixed order. `open_source` makes one from what the user wrote.

    A subclass sets `classes`, `labelled` and `total` when it is made, and says how to walk over its items and over the
    bytes of its content.

    Attributes:
        spec: what the user wrote.
        classes: names of the classes in the order of the labels; empty if not known.
        labelled: whether the images have labels; if not, every label is -1.
        total: number of images there are, before `max_images`.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used; None for all.
        skip_bad: whether an image that cannot be read is left out and listed in `bad`, or stops the stream.
        bad: the images left out so far, each once however often they were met.
        skipped: what lies beside the images and is not taken for one, counted by reason.
        remarks: what is to be said of the order of the classes.
        relabelled: the number that each class of the source has in the network, in the order of the source's own
            labels; None where these are taken as they are. See `with_classes`.

    Raises:
        InputError: for a limit below 1.
    """

    ahead: ClassVar[bool] = False  # whether another thread may read it, as files that are opened anew every time
    classes: tuple[str, ...] = ()
    labelled: bool = True
    total: int

    def __init__(self, spec: str, *, fit: Fit | None = None, max_images: int | None = None, skip_bad: bool = False):
        if max_images is not None and max_images < 1:
            raise InputError(f"max_images={max_images}: give at least 1 image, or None for all")
        self.spec, self.fit, self.max_images, self.skip_bad = spec, fit or Fit(), max_images, skip_bad
        self.bad: list[Bad] = []
        self.skipped: dict[str, int] = {}
        self.remarks: list[str] = []
        self.relabelled: tuple[int, ...] | None = None
        self._noted: set[int] = set()
        self._kinds: Kinds | None = None
        self._shape: tuple[tuple[int, int, int], tuple[int, str]] | None = None
        self._digest: str | None = None

    @abstractmethod
    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the items start..stop - 1 without decoding any."""

    @abstractmethod
    def content(self) -> Iterator[bytes]:
        """Yield everything that determines the images and labels gone through, piece by piece."""

    def __len__(self) -> int:
        """Return how many images the source goes through: `max_images` applied, bad ones included."""
        return self.total if self.max_images is None else min(self.max_images, self.total)

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

    def kinds(self) -> Kinds:
        """Return the headers of all images that the source goes through, counted, and the labels; they are read once.

        Raises:
            BadImage: if an image cannot be read and `skip_bad` is off.
            LabelError: if a label is not one of the classes.
        """
        if self._kinds is None:
            kinds = Kinds()
            for item in self.items(0, len(self)):
                try:
                    kinds.add(item.index, item.name, *item.seen())
                except BadImage as error:
                    self._refuse_or_note(item, error)
                    continue
                self._check_label(item)
                kinds.places.append(item.index)
                kinds.labels.append(item.label)
            self._kinds = kinds
        return self._kinds

    def conversions(self) -> dict[str, int]:
        """Return how many images are changed in which way before the network sees them, in words.

        Only headers are read, so this is the way to learn at once what would end a run after an hour.

        Raises:
            BadImage: if an image cannot be read and `skip_bad` is off.
            InputError: if images differ in shape after the fit.
            BoundsError: if all images are so dark that their depth was misunderstood.

        >>> from brittle.data import Fit, open_source
        >>> open_source("digits", fit=Fit(3, 32, 32), max_images=20).conversions()
        {'grey made RGB': 20, 'made larger': 20}
        """
        return self.kinds().conversions(self.fit, self.spec)

    def labels(self) -> tuple[Labels, Labels]:
        """Return the labels of all images that can be read, with their positions in the source, without decoding any.

        Raises:
            BadImage: if an image cannot be read and `skip_bad` is off.
            LabelError: if a label is not one of the classes.

        >>> from brittle.data import open_source
        >>> open_source("digits", max_images=3).labels()
        (tensor([4, 7, 1]), tensor([0, 1, 2]))
        """
        kinds = self.kinds()
        labels, places = (torch.from_numpy(np.array(one, dtype=np.int64)) for one in (kinds.labels, kinds.places))
        return labels if self.relabelled is None else torch.tensor(self.relabelled)[labels], places

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """Heights and widths after the fit, with the number of images that have them."""
        found: Counter[tuple[int, int]] = Counter()
        for header, count in self.kinds().counts.items():
            _, (_, height, width) = self.fit.conversions(header.channels, header.width, header.height)
            found[height, width] += count
        return found

    def with_classes(self, numbers: Sequence[int], classes: Sequence[str]) -> Self:
        """Return this source with the label `numbers[i]`, of `classes`, for the images of class i.

        Args:
            numbers: one for each of the source's classes.
            classes: the names that the new labels have.

        Raises:
            InputError: if the numbers are not one for each class, or not of the new classes.
        """
        if len(numbers) != len(self.classes) or not all(0 <= number < len(classes) for number in numbers):
            raise InputError(f"{len(numbers)} new labels for {len(self.classes)} classes, to be of {len(classes)}")
        source = copy(self)
        before = self.relabelled or range(len(self.classes))
        source.relabelled, source.classes = tuple(numbers[number] for number in before), tuple(classes)
        return source

    def digest(self, *, again: bool = False) -> str:
        """Return the SHA-256 of the content in hexadecimal: two sources with the same digest give the same images.

        It is computed once, as a stream, over the files that the source goes through (those that `max_images` leaves
        out are not read); of a single Parquet or npz file it is what `sha256sum` prints.

        Args:
            again: compute it once more, for a source that was opened long ago and whose files may be others now.
        """
        if self._digest is None or again:
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
        kept, pixels = list[Item](), list[Pixels]()
        for item in items:
            try:
                decoded = self.fit.apply(item.load())
            except BadImage as error:
                self._refuse_or_note(item, error)
                continue
            self._check(item, decoded)
            kept.append(item)
            pixels.append(decoded)
        shape = self._shape[0] if self._shape else (self.fit.channels or 0, self.fit.height or 0, self.fit.width or 0)
        return Block(
            images=torch.from_numpy(np.stack(pixels) if pixels else np.empty((0, *shape), dtype=np.float32)),
            labels=torch.tensor([self._number_of(item) for item in kept], dtype=torch.int64),
            index=torch.tensor([item.index for item in kept], dtype=torch.int64),
            names=tuple(item.name for item in kept),
        )

    def _number_of(self, item: Item) -> int:
        return item.label if self.relabelled is None else self.relabelled[item.label]

    def _refuse_or_note(self, item: Item, error: BadImage) -> None:
        if not self.skip_bad:
            raise error
        if item.index not in self._noted:
            self._noted.add(item.index)
            self.bad.append(Bad(item.index, item.name, error.reason))

    def _check(self, item: Item, pixels: Pixels) -> None:
        shape = pixels.shape[0], pixels.shape[1], pixels.shape[2]
        if self._shape is None:
            self._shape = shape, (item.index, item.name)
        if shape != self._shape[0]:
            raise InputError(differing(*self._shape, shape, (item.index, item.name)))
        self._check_label(item)

    def _check_label(self, item: Item) -> None:
        if self.labelled:
            count = len(self.classes if self.relabelled is None else self.relabelled)
            check_label(item.label, count, f"image {quoted(item.name)!r} (number {item.index})")
