"""Data sets of the Hugging Face hub by name."""

from collections.abc import Iterator
from functools import cached_property, partial
from glob import escape
from pathlib import Path
from typing import Any

from brittle.data.columns import IMAGE_COLUMNS, LABEL_COLUMNS
from brittle.data.fit import Fit
from brittle.data.named_files import content_of
from brittle.data.parquet import load, look_at
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import BadImage, BrittleError, DataError, quoted
from brittle.files import path_of
from brittle.plugins.optional import optional

DEFAULT_SPLITS = ("test", "validation", "valid", "val")
"""The first of these that the data set has is used when none is named."""


class Hub(Source):
    """A split of a data set of the Hugging Face hub, downloaded once into the cache of `datasets`.

    Its images stay on disk, in Arrow tables (memory-mapped) or in files that these name by their path, and are decoded
    here, one by one. No code of the data set is run.

    Args:
        name: the repository, e.g. "uoft-cs/cifar10".
        split: by default the test split, or else the validation split, or else the only one.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.

    Raises:
        MissingExtra: if `datasets` is not installed.
        DataError: if there is no such data set or split, if it cannot be downloaded, or has no column of images.
    """

    def __init__(
        self,
        name: str,
        split: str | None = None,
        *,
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
    ):
        super().__init__(
            f"hf:{name}" + (f":{split}" if split else ""), fit=fit, max_images=max_images, skip_bad=skip_bad
        )
        self._set, self._image, self._label = open_set(name, split)
        self._name = name
        self.total, self.labelled = len(self._set), self._label is not None
        self.classes = tuple(getattr(self._set.features.get(self._label), "names", None) or ())
        if not self.total:
            raise DataError(f"{self.spec} has no images")

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the rows start..stop - 1; a name is the row's path, or the number of the row."""
        for index in range(start, stop):
            row = self._set[index]
            cell = row[self._image] or {}
            name = cell.get("path") or f"row {index}"
            label = UNLABELLED if self._label is None else row[self._label]
            number = UNLABELLED if label is None else label
            where = self._where(cell)
            yield Item(index, name, number, partial(load, cell, name, where), partial(look_at, cell, name, where))

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        return own_folders(self._name)

    def _where(self, cell: Any) -> tuple[Path, ...]:
        """Where the file of a cell without bytes may lie."""
        return self._folders if cell and cell.get("bytes") is None and cell.get("path") else ()

    def content(self) -> Iterator[bytes]:
        """Yield label, size and bytes of each row; no bytes where the image cannot be read."""
        for index in range(len(self)):
            row = self._set[index]
            try:
                content = content_of(row[self._image], "", self._where(row[self._image]))
            except BadImage:
                content = b""
            yield f"{row[self._label] if self._label else UNLABELLED} {len(content)}\0".encode()
            yield content


OLDEST = 4
"""Major version of `datasets` from which on it runs no script of a repository."""


def open_set(name: str, split: str | None) -> tuple[Any, str, str | None]:
    """Return the data set with encoded images, its column of images and that of labels; see `Hub` for the errors."""
    datasets = optional("datasets", "hub", f"the source hf:{name}", DataError)
    version = str(getattr(datasets, "__version__", "of an unknown version"))
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST:
        raise DataError(
            f"datasets {version} can run a program of the data set's repository; brittle opens hf: sources with "
            f"datasets {OLDEST} or later, which cannot: pip install -U datasets"
        )
    try:
        rows = datasets.load_dataset(name, split=split or default_split(name, datasets.get_dataset_split_names(name)))
    except BrittleError:
        raise
    except Exception as error:  # the hub, the network, the disk: each raises its own
        raise DataError(f"hf:{name} cannot be opened: {type(error).__name__}: {quoted(error)}") from error
    kinds = {column: type(feature).__name__ for column, feature in rows.features.items()}
    images = [column for column in IMAGE_COLUMNS if kinds.get(column) == "Image"][:1]
    images = images or [column for column, kind in kinds.items() if kind == "Image"]
    labels = [column for column in LABEL_COLUMNS if column in kinds][:1]
    labels = labels or [column for column, kind in kinds.items() if kind == "ClassLabel"]
    if len(images) != 1:
        seen = ", ".join(f"{column} ({kind})" for column, kind in kinds.items())
        raise DataError(
            f"hf:{name} has {len(images) or 'no'} columns of images; columns are {seen}; expected one 'image'"
        )
    label = labels[0] if len(labels) == 1 else None
    return rows.cast_column(images[0], datasets.Image(decode=False)), images[0], label


def own_folders(name: str) -> tuple[Path, ...]:
    """Return the folders where the files of a data set lie: its own, or those of the caches it is downloaded to.

    A table of a stranger's data set could name any other file of this machine.
    """
    folder = path_of(name)
    if folder.is_dir():
        found = [folder]
    else:
        import datasets
        import huggingface_hub

        own = f"datasets--{escape(name.replace('/', '--'))}"
        patterns = (own,) if "/" in name else (own, f"datasets--*--{escape(name)}")  # mnist is ylecun/mnist
        cache = Path(huggingface_hub.constants.HF_HUB_CACHE)
        found = [place for pattern in patterns for place in cache.glob(pattern)]
        found += [Path(datasets.config.DOWNLOADED_DATASETS_PATH), Path(datasets.config.EXTRACTED_DATASETS_PATH)]
    return tuple(dict.fromkeys(way for path in found for way in (path.absolute(), path.resolve())))


def default_split(name: str, splits: list[str]) -> str:
    """Return the split that is used when none is named; raises DataError if that is not clear."""
    for split in DEFAULT_SPLITS:
        if split in splits:
            return split
    if len(splits) == 1:
        return splits[0]
    raise DataError(f"hf:{name} has the splits {', '.join(splits)}; name one, e.g. hf:{name}:{splits[0]}")
