"""Image files that are named one by one."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from brittle.addresses import is_address
from brittle.data.decode import suffixes
from brittle.data.fit import Fit
from brittle.data.folder import contents, items_of
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import DataError, quoted
from brittle.files import path_of
from brittle.near import files_like, or_said
from brittle.remote import fetched


class ImageFiles(Source):
    """Image files without labels, in the order in which they are named.

    A name is the path below the folder that holds all of them.

    Args:
        paths: the files, each named once.
        spec: what the user wrote; the first name and how many more by default.
        fit: how images are brought to the form that the network takes.
        max_images: how many of the first images are used.
        skip_bad: whether images that cannot be read are left out and listed in `bad`.

    Raises:
        DataError: there are none, one is named twice, or two lie on different drives.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.png", "a.png"):
        ...     Image.new("L", (4, 4)).save(folder / name)
        >>> next(iter(ImageFiles([folder / "b.png", folder / "a.png"]).blocks(2))).names
        ('b.png', 'a.png')
    """

    ahead = True

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        spec: str = "",
        fit: Fit | None = None,
        max_images: int | None = None,
        skip_bad: bool = False,
    ):
        if not paths:
            raise DataError("there are no images; name at least one file")
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        super().__init__(spec or f"{paths[0]}{more}", fit=fit, max_images=max_images, skip_bad=skip_bad)
        absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100  # links are followed when files are opened
        if twice := [place for place, count in Counter(absolute).items() if count > 1]:
            raise DataError(f"{quoted(twice[0])} is named more than once; name each image once")
        try:
            self._root = Path(os.path.commonpath([os.path.dirname(one) for one in absolute]))  # noqa: PTH120  # as above
        except ValueError as error:
            raise DataError(f"the images lie on different drives ({error}); name those of one at a time") from error
        self._files = [(Path(one).relative_to(self._root).as_posix(), UNLABELLED) for one in absolute]
        self.labelled, self.total = False, len(self._files)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the files start..stop - 1."""
        yield from items_of(self._root, self._files, start, stop)

    def content(self) -> Iterator[bytes]:
        """Yield name, size and bytes of each file; of a file that cannot be read, that it cannot."""
        yield from contents(self._root, self._files[: len(self)])


def named_one_by_one(specs: Iterable[str]) -> list[Path]:
    """Return the files that are named one by one, those at addresses fetched.

    Raises:
        DataError: one does not exist, or is no image file.
    """
    found: list[Path] = []
    for spec in specs:
        path = fetched(spec) if is_address(spec) else path_of(spec)
        if path.is_dir() or path.suffix.lower() not in suffixes():
            what = "a folder" if path.is_dir() else "no image file"
            raise DataError(f"{quoted(spec)} is {what}; where several images are named, expected image files alone")
        if not path.exists():
            raise DataError(f"{quoted(spec)} does not exist{or_said(list(map(str, files_like(path))))}")
        found.append(path)
    return found
