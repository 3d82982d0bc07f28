"""A folder of class folders, or a flat folder of images."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath

from brittle.data.classes import FILE, Order, read_entries, sort_names
from brittle.data.decode import decode, endings, look, suffixes
from brittle.data.fit import Fit, Picture
from brittle.data.header import Header
from brittle.data.order import balanced_order
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import BadImage, DataError, OverLimit, quoted
from brittle.files import path_of
from brittle.reading import open_ordinary, read_bytes

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))
PIECE = 1 << 20  # bytes of a file that are hashed at a time
HIDDEN, CLOSED = "hidden", "folders that cannot be read"
LOOP, GONE = "links back to a folder above", "links that lead nowhere"
"""Why something in a folder is passed over; that a name is no image's is said with its ending."""
MANY, WAYS = "folders to which too many links lead", 100
"""Links within links multiply: a folder is gone through by so many ways at most."""
MOST = 100
"""So many entries of a folder tell whether it holds images."""
OUTSIDE = "files behind links out of the folder"
"""What is read, and counted so that it can be said."""


class Folder(Source):
    """Image files. The names of the folders they lie in are the classes.

    Labels: the class folders in sorted order are 0, 1, ... (in numerical order if all are whole numbers, unless
    `class_order` says otherwise); a `classes.json` in the folder gives another order, and may list classes that have no
    images here. Files below a class folder are found at any depth, behind links too; how many lie outside of the folder
    for that is said in `remarks`. What is hidden (such as `.ipynb_checkpoints`) or not named like an image is passed
    over, and counted by reason in `skipped`.

    Order: shuffled, in rounds of one image of each class (`balanced_order`), so that a limit still sees all classes.
    A folder that holds images and no folders is unlabelled, and sorted by name.

    Args:
        path: the folder.
        spec: what the user wrote; the path by default.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.
        class_order: how class folders that are whole numbers are ordered, see `Order`.

    Raises:
        DataError: if there are no images, or if it is not clear what the classes are.
    """

    ahead = True

    def __init__(
        self,
        path: Path,
        *,
        spec: str | None = None,
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
        class_order: Order = "auto",
    ):
        super().__init__(spec or str(path), fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._class_order: Order = class_order
        self._root = path
        files = self._survey(path)
        if not files:
            passed = "".join(f"; passed over: {count} {reason}" for reason, count in self.skipped.items())
            raise DataError(f"folder {path} has no images; expected {hint(path)}{passed}")
        order = balanced_order([label for _, label in files], [name for name, _ in files]) if self.labelled else None
        self._files = [files[i] for i in order] if order else files
        self.total = len(files)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the files start..stop - 1; a name is the path below the folder."""
        yield from items_of(self._root, self._files, start, stop)

    def content(self) -> Iterator[bytes]:
        """Yield name, label, size and bytes of each file; of a file that cannot be read, that it cannot."""
        yield from contents(self._root, self._files[: len(self)])

    def _survey(self, path: Path) -> list[tuple[str, int]]:
        """Find the files and their labels; sets `classes` and `labelled`."""
        passed: Counter[str] = Counter()
        try:
            entries = sorted(entry for entry in path.iterdir() if entry.name != FILE)
            shown = [entry for entry in entries if not skipped_as_hidden(entry, passed)]
            folders = [entry for entry in shown if entry.is_dir()]
            flat = [entry for entry in shown if not entry.is_dir() and is_image(entry, passed)]
        except OSError as error:
            raise DataError(f"folder {path} cannot be read: {quoted(error.strerror or error)}") from error
        self.skipped = passed
        if not folders:
            self.labelled = False
            self._tell_outside(sum(leaves(entry, path.resolve()) for entry in flat))
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
        files = [(file, label_of[folder.name]) for folder in folders for file in walk(folder, passed)]
        self._tell_outside(passed.pop(OUTSIDE, 0))
        self.skipped = dict(sorted(passed.items()))
        if len(folders) == 1:
            self.remarks += [one_class(path, [name for name, _ in files])]
        return files

    def _tell_outside(self, count: int) -> None:
        """Say how many images lie outside of the folder, behind links."""
        self.remarks += [f"{count} images lie outside of {self._root}, behind links in it"] if count else []

    def _number(self, path: Path, names: Sequence[str]) -> dict[str, int]:
        """Give each class folder its label; sets `classes`."""
        entries = read_entries(path)
        if not entries:
            self.classes, self.remarks = sort_names(names, self._class_order)
            return {name: label for label, name in enumerate(self.classes)}
        self.classes = tuple(entry["name"] for entry in entries)
        known = {entry[key]: entry["label"] for key in ("short", "name", "wnid") for entry in entries if key in entry}
        missing = [name for name in names if name not in known]
        if missing:
            raise DataError(
                f"{path / 'classes.json'} does not list the class folder {missing[0]!r} ({len(missing)} in all)"
            )
        return {name: known[name] for name in names}


def items_of(root: Path, files: Sequence[tuple[str, int]], start: int, stop: int) -> Iterator[Item]:
    """Yield the files start..stop - 1 below a folder, each read when it is wanted."""
    for index in range(start, stop):
        name, label = files[index]
        path = root / name
        yield Item(index, name, label, partial(load, path, name), partial(look_at, path, name))


def contents(root: Path, files: Iterable[tuple[str, int]]) -> Iterator[bytes]:
    """Yield name, label, size and bytes of each file below a folder; of a file that cannot be read, that it cannot."""
    for name, label in files:
        try:
            with open_ordinary(root / name) as file:
                yield os.fsencode(f"{name}\0{label}\0{os.fstat(file.fileno()).st_size}\0")
                while piece := file.read(PIECE):
                    yield piece
        except OSError:
            yield os.fsencode(f"{name}\0{label}\0unreadable\0")


def read(path: Path, name: str) -> bytes:
    """Read one file; raises BadImage for one that is no ordinary file, cannot be read, or is too large."""
    try:
        return read_bytes(path, "cell")
    except OSError as error:
        raise BadImage(name, error.strerror or str(error)) from error
    except OverLimit as error:
        raise BadImage(name, str(error)) from error


def load(path: Path, name: str) -> Picture:
    """Read and decode one file."""
    return decode(read(path, name), name)


def look_at(path: Path, name: str) -> tuple[Header, float]:
    """Read one file, without decoding its pixels where that tells enough."""
    return look(read(path, name), name)


def skipped_as_hidden(path: Path, passed: Counter[str]) -> bool:
    """Return whether a file or folder is hidden; counts it then."""
    hidden = path.name.startswith(".")
    passed.update([HIDDEN] if hidden else ())
    return hidden


def is_image(path: Path, passed: Counter[str]) -> bool:
    """Return whether a file that is not hidden is named like an image; counts it by its ending otherwise."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        passed[GONE] += 1
    elif suffix in suffixes():
        return True
    elif suffix in endings():
        passed[f"{suffix}, a format that is not decoded"] += 1
    else:
        passed[f"{suffix or 'without an ending'}, no image"] += 1
    return False


def walk(folder: Path, passed: Counter[str]) -> list[str]:
    """Return the image files at any depth below a class folder, as paths from the folder above it, sorted.

    Links to folders are followed, except those that lead back to a folder above; what lies outside of the folder above
    is counted.
    """
    found: list[Path] = []
    root, ways = folder.parent.resolve(), Counter[Path]()
    waiting = [(folder, frozenset[Path]())]
    while waiting:
        place, above = waiting.pop()
        real = place.resolve()
        if real in above:
            passed[LOOP] += 1
            continue
        ways[real] += 1
        if ways[real] > WAYS:
            passed[MANY] += 1
            continue
        outside = not real.is_relative_to(root)
        try:
            entries = list(place.iterdir())
        except OSError:
            passed[CLOSED] += 1
            continue
        for entry in entries:
            if skipped_as_hidden(entry, passed):
                continue
            if entry.is_dir():
                waiting.append((entry, above | {real}))
            elif is_image(entry, passed):
                found.append(entry)
                passed[OUTSIDE] += outside or leaves(entry, root)
    return sorted(path.relative_to(folder.parent).as_posix() for path in found)


def leaves(file: Path, root: Path) -> bool:
    """Return whether a file is a link out of a folder, whose path is without links."""
    return file.is_symlink() and not file.resolve().is_relative_to(root)


def one_class(path: Path, files: Sequence[str]) -> str:
    """Return what to say of a folder with one class folder, and of the folder that may be meant instead.

    Args:
        path: the folder.
        files: the images in it, as paths from there; there may be none.

    Example:
        >>> one_class(Path("data"), ["all/photos/cat/1.png", "all/photos/dog/2.png"])
        "folder data holds one class folder alone, 'all', so that all images have one label; did you mean \
'data/all/photos', which holds 2 folders with images?"
    """
    parents = [PurePosixPath(name).parent.parts for name in files]
    shared = list(takewhile(lambda parts: len({*parts}) == 1, zip(*parents, strict=False)))
    depth = len(shared)
    inner = {parts[depth] for parts in parents if len(parts) > depth}
    alone = next((parts[0] for parts in parents), "")
    said = f"folder {path} holds one class folder alone, {quoted(alone)!r}, so that all images have one label"
    if len(inner) < 2 or any(len(parts) == depth for parts in parents):
        return said
    meant = quoted(path.joinpath(*(parts[0] for parts in shared)))
    return f"{said}; did you mean {meant!r}, which holds {len(inner)} folders with images?"


def without_labels(spec: str) -> str:
    """Return what to say of images without labels where some are needed, and of the class folders around them.

    Args:
        spec: what the user wrote.
    """
    said = f"{spec} has no labels, without which nobody can say what is right; give labelled images"
    path = path_of(spec)
    try:
        above = path.resolve().parent
        beside = [one for one in above.iterdir() if one.is_dir() and one.name[:1] != "."] if path.is_dir() else []
        classes = [one for one in beside if any(is_image(file, Counter()) for file in islice(one.iterdir(), MOST))]
    except OSError:
        return said
    if len(classes) < 2:
        return said
    return f"{said}; did you mean {quoted(path.parent)!r}, which holds {len(classes)} folders with images?"


def hint(path: Path) -> str:
    """Return what was expected in a folder without images."""
    below = next(path.glob("*/*.parquet"), None) if path.is_dir() else None
    if below is not None:
        return f"images, but found Parquet files: name their folder, {below.parent}"
    return "class folders with images (cat/1.png, dog/2.jpg), or Parquet files"
