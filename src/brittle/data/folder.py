"""A folder of class folders, a flat folder of images, or one image file."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from brittle.data.classes import read_entries
from brittle.data.decode import SUFFIXES, decode
from brittle.data.fit import Fit, Picture
from brittle.data.order import balanced_order
from brittle.data.source import UNLABELLED, Item, Source
from brittle.errors import BadImage, DataError

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))
PIECE = 1 << 20  # bytes of a file that are hashed at a time


class Folder(Source):
    """Image files. The names of the folders they lie in are the classes.

    Labels: the class folders in sorted order are 0, 1, ... (in numerical order if all are whole numbers); a
    `classes.json` in the folder gives another order, and may list classes that have no images here. Files below a class
    folder are found at any depth; hidden files and those that are not named like images are passed over.

    Order: shuffled, in rounds of one image of each class (`balanced_order`), so that a limit still sees all classes.
    A folder that holds images and no folders is unlabelled, and sorted by name; so is a single file.

    Args:
        path: the folder, or one image file.
        spec: what the user wrote; the path by default.
        fit: how images are brought to the form that the network takes.
        limit: how many of the first images are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.

    Raises:
        DataError: if there are no images, or if it is not clear what the classes are.
    """

    def __init__(
        self,
        path: Path,
        *,
        spec: str | None = None,
        fit: Fit | None = None,
        limit: int | None = None,
        skip_bad: bool = False,
    ):
        super().__init__(spec or str(path), fit=fit, limit=limit, skip_bad=skip_bad)
        if path.is_file():
            self._root, files, self.labelled = path.parent, [(path.name, UNLABELLED)], False
        else:
            self._root = path
            files = self._survey(path)
        if not files:
            raise DataError(f"folder {path} has no images; expected {hint(path)}")
        order = balanced_order([label for _, label in files], [name for name, _ in files]) if self.labelled else None
        self._files = [files[i] for i in order] if order else files
        self.total = len(files)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the files start..stop - 1; a name is the path below the folder."""
        for index in range(start, stop):
            name, label = self._files[index]
            yield Item(index, name, label, partial(load, self._root / name, name))

    def content(self) -> Iterator[bytes]:
        """Yield name, label, size and bytes of each file; of a file that cannot be read, that it cannot."""
        for name, label in self._files[: len(self)]:
            path = self._root / name
            try:
                with path.open("rb") as file:
                    yield os.fsencode(f"{name}\0{label}\0{os.fstat(file.fileno()).st_size}\0")
                    while piece := file.read(PIECE):
                        yield piece
            except OSError:
                yield os.fsencode(f"{name}\0{label}\0unreadable\0")

    def _survey(self, path: Path) -> list[tuple[str, int]]:
        """Find the files and their labels; sets `classes` and `labelled`."""
        try:
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
            folders = [entry for entry in entries if entry.is_dir()]
            flat = [entry for entry in entries if is_image(entry)]
        except OSError as error:
            raise DataError(f"folder {path} cannot be read: {error.strerror or error}") from error
        if not folders:
            self.labelled = False
            return [(entry.name, UNLABELLED) for entry in flat]
        if flat:
            raise DataError(
                f"folder {path} holds both images ({flat[0].name!r}, {len(flat)} in all) and folders "
                f"({folders[0].name!r}, {len(folders)} in all); expected class folders, or unlabelled images alone"
            )
        names = [folder.name for folder in folders]
        if len(names) <= 4 and all(name.lower() in SPLITS for name in names):
            raise DataError(f"folder {path} holds splits, not classes: {', '.join(names)}; name one, e.g. {folders[0]}")
        label_of = self._number(path, names)
        return [(file, label_of[folder.name]) for folder in folders for file in walk(folder)]

    def _number(self, path: Path, names: Sequence[str]) -> dict[str, int]:
        """Give each class folder its label; sets `classes`."""
        entries = read_entries(path)
        if not entries:
            numerical = all(name.isascii() and name.isdecimal() for name in names)
            self.classes = tuple(sorted(names, key=int) if numerical else names)
            return {name: label for label, name in enumerate(self.classes)}
        self.classes = tuple(entry["name"] for entry in entries)
        known = {entry[key]: entry["label"] for key in ("short", "name", "wnid") for entry in entries if key in entry}
        missing = [name for name in names if name not in known]
        if missing:
            raise DataError(
                f"{path / 'classes.json'} does not list the class folder {missing[0]!r} ({len(missing)} in all)"
            )
        return {name: known[name] for name in names}


def load(path: Path, name: str) -> Picture:
    """Read and decode one file."""
    try:
        return decode(path.read_bytes(), name)
    except OSError as error:
        raise BadImage(name, error.strerror or str(error)) from error


def is_image(path: Path) -> bool:
    """Return whether the name is that of an image, and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def walk(folder: Path) -> list[str]:
    """Return the image files at any depth below a class folder, as paths from the folder above it, sorted."""
    found = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    return sorted(path.relative_to(folder.parent).as_posix() for path in found if is_image(path))


def hint(path: Path) -> str:
    """Return what was expected in a folder without images."""
    below = next(path.glob("*/*.parquet"), None) if path.is_dir() else None
    if below is not None:
        return f"images, but found Parquet files: name their folder, {below.parent}"
    return "class folders with images (cat/1.png, dog/2.jpg), or Parquet files"
