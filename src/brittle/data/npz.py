"""Arrays of images and labels in an npz file, read row by row; no pickle is ever loaded."""

import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from brittle.data.arrays import layout, to_pixels
from brittle.data.classes import read_names
from brittle.data.fit import Fit, Picture
from brittle.data.source import UNLABELLED, Item, Source
from brittle.errors import DataError, LabelError, quoted

IMAGE_ARRAYS = ("images", "x")
LABEL_ARRAYS = ("labels", "y")
PIECE = 1 << 20  # bytes that are hashed at a time


class Npz(Source):
    """Images in the array `images` or `x`, classes in `labels` or `y`, class names (optional) in `classes`.

    Images are uint8, or float in [0, 1]; n x h x w, n x h x w x c or n x c x h x w with c = 1 or 3. They are streamed
    out of the file, compressed (`numpy.savez_compressed`) or not, so memory does not grow with the array. Class names
    may also come from a `classes.json` beside the file.

    Args:
        path: the file.
        spec: what the user wrote; the path by default.
        fit: how images are brought to the form that the network takes.
        limit: how many of the first images are used.
        skip_bad: of no effect here: an array has no single file to leave out.

    Raises:
        DataError: if the file cannot be read, or its arrays are not as said above.
        LabelError: if the labels are not integers, one for each image.
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
        self._path = path
        with reading(path) as archive:
            arrays = [name.removesuffix(".npy") for name in archive.namelist()]
            found = [name for name in IMAGE_ARRAYS if name in arrays]
            if not found:
                raise DataError(
                    f"{path} has no array of images; it has {quoted(', '.join(arrays))}; expected 'images' or 'x'"
                )
            self._array = found[0]
            with archive.open(f"{self._array}.npy") as member:
                shape, self._dtype = read_header(member, f"{path}: array {self._array!r}")
            self._grid, self._last = layout(shape, self._dtype, f"{path}: array {self._array!r}")
            self.total = shape[0]
            self._labels = read_labels(archive, arrays, path, self.total)
            named = read_array(archive, "classes", path).ravel().tolist() if "classes" in arrays else []
        self.labelled = self._labels is not None
        self.classes = tuple(str(name) for name in named) or read_names(path.parent)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the images start..stop - 1; a name is "images/17"."""
        row = int(np.prod(self._grid)) * self._dtype.itemsize
        with reading(self._path) as archive, archive.open(f"{self._array}.npy") as member:
            read_header(member, str(self._path))
            member.seek(start * row, 1)
            for index in range(start, stop):
                content = member.read(row)
                if len(content) < row:
                    raise DataError(f"{self._path} ends within image {index} of {self.total}; is it complete?")
                label = UNLABELLED if self._labels is None else int(self._labels[index])
                yield Item(index, f"{self._array}/{index}", label, lambda c=content, i=index: self._picture(c, i))

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def _picture(self, content: bytes, index: int) -> Picture:
        values = np.frombuffer(content, self._dtype).reshape(self._grid)
        return to_pixels(values, self._last, f"image {index} of {self._path}")


@contextmanager
def reading(path: Path) -> Generator[zipfile.ZipFile]:
    """Open the archive; what goes wrong in it while it is open becomes a DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; expected an npz file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise DataError(f"{path} cannot be read as npz: {quoted(error)}; is it complete?") from error


def read_header(member: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of an array in C order; raises DataError for any other, and for pickled objects."""
    try:
        version = np.lib.format.read_magic(member)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[version](member)
    except (ValueError, KeyError) as error:
        raise DataError(f"{where} is no array that can be read: {quoted(error)}") from error
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are pickled, and a pickle can run code; save plain numbers"
        )
    if fortran and len(shape) > 1:
        raise DataError(f"{where} is in Fortran order, which cannot be streamed; save numpy.ascontiguousarray of it")
    return shape, dtype


def read_array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """Read a small array whole."""
    with archive.open(f"{name}.npy") as member:
        read_header(member, f"{path}: array {name!r}")
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def read_labels(archive: zipfile.ZipFile, arrays: list[str], path: Path, total: int) -> NDArray[Any] | None:
    """Read the labels, None if there are none; raises LabelError."""
    found = [name for name in LABEL_ARRAYS if name in arrays]
    if not found:
        return None
    labels = read_array(archive, found[0], path)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise LabelError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; expected integers of shape ({total},) "
            "(of one-hot labels, save their argmax(1))"
        )
    if len(labels) != total:
        raise LabelError(f"{path}: {len(labels)} labels for {total} images; expected as many of both")
    return labels
