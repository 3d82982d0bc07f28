"""Data sets of torchvision by name."""

import os
from collections.abc import Iterator
from functools import partial
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from brittle.data.decode import normal_mode
from brittle.data.fit import Fit, Picture
from brittle.data.header import Header, header_of
from brittle.data.source import Item, Source
from brittle.errors import BadImage, DataError, quoted
from brittle.near import did_you_mean
from brittle.plugins.optional import optional


class Torchvision(Source):
    """A classification data set of torchvision, downloaded once into the user's cache folder.

    Args:
        name: as torchvision spells it (capitals do not matter), e.g. "CIFAR10".
        split: "test" by default, "train", or what the data set calls its splits.
        root: where the files lie or are downloaded to; by default `brittle/torchvision` in the user's cache folder.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.

    Raises:
        MissingExtra: if torchvision is not installed.
        DataError: if there is no such data set or split, or if it cannot be downloaded.
    """

    def __init__(
        self,
        name: str,
        split: str = "test",
        *,
        root: Path | None = None,
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
    ):
        super().__init__(f"torchvision:{name}:{split}", fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._set = make(name, split, root or cache_folder())
        self._name = name
        self.total = len(self._set)
        named = getattr(self._set, "classes", ())  # ImageNet has a tuple of synonyms for each class
        self.classes = tuple(", ".join(known) if isinstance(known, tuple) else str(known) for known in named)
        if not self.total:
            raise DataError(f"{self.spec} has no images")

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the items start..stop - 1. The data set decodes an image when it is asked for its label."""
        for index in range(start, stop):
            name = f"{self._name}/{index}"
            try:
                image, label = self._set[index]
            except Exception as error:  # data sets raise whatever their decoder raises
                yield Item(index, name, 0, partial(fail, name, f"{type(error).__name__}: {quoted(error)}"))
                continue
            if not isinstance(image, Image.Image) or not hasattr(label, "__index__"):
                raise DataError(
                    f"{self.spec} gives {type(image).__name__} and {type(label).__name__}; expected images with one "
                    "class each: is it a data set for classification?"
                )
            yield Item(index, name, int(label), partial(normal_mode, image, name), partial(look_at, image))

    def content(self) -> Iterator[bytes]:
        """Yield size, label and pixels of each image: one pass of decoding."""
        for item in self.items(0, len(self)):
            try:
                picture = item.load()
            except BadImage:
                yield f"{item.index} unreadable\0".encode()
                continue
            shape = picture.size if isinstance(picture, Image.Image) else picture.shape
            yield f"{shape} {item.label}\0".encode()
            yield picture.tobytes()


def make(name: str, split: str, root: Path) -> Any:
    """Make the data set; raises MissingExtra and DataError."""
    sets = optional("torchvision.datasets", "vision", f"the source torchvision:{name}", DataError)
    kind = find(sets, name)
    parameters = signature(kind).parameters
    options: dict[str, Any] = {"root": str(root)} if "root" in parameters else {}
    if "train" in parameters:
        if split not in ("train", "test"):
            raise DataError(f"torchvision:{name} has no split {split!r}; expected train or test")
        options["train"] = split == "train"
    elif "split" in parameters:
        options["split"] = split
    if "download" in parameters:
        options["download"] = True
    try:
        root.mkdir(parents=True, exist_ok=True)
        return kind(**options)
    except Exception as error:  # downloads, checksums, folders: each data set raises its own
        raise DataError(f"torchvision:{name}:{split} cannot be opened in {root}: {quoted(error)}") from error


def find(sets: ModuleType, name: str) -> Any:
    """Return the class of that name, whatever its capitals; raises DataError."""
    known = {known.lower(): known for known in getattr(sets, "__all__", dir(sets)) if not known.startswith("_")}
    if name.lower() in known:
        return getattr(sets, known[name.lower()])
    advice = did_you_mean(name, known.values(), "torchvision:") or "; see torchvision's list of data sets"
    raise DataError(f"torchvision has no data set {name!r}{advice}")


def look_at(image: Image.Image) -> tuple[Header, float]:
    """Return the header of what the data set has decoded; how dark an image may be is the data set's affair."""
    return header_of(image), 1.0


def fail(name: str, reason: str) -> Picture:
    """Raise BadImage for an image that the data set could not give."""
    raise BadImage(name, reason)


def cache_folder() -> Path:
    """Return where downloads are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "brittle" / "torchvision"
