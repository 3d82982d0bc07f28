"""Arrays of images and labels in an npz file, read row by row; no pickle is ever loaded."""

import math
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from brittle.data.arrays import layout, to_pixels
from brittle.data.classes import checked_names, read_names
from brittle.data.fit import Fit, Picture
from brittle.data.source import Item, Source
from brittle.data.survey import UNLABELLED
from brittle.errors import DataError, LabelError, quoted
from brittle.limits import check_limit
from brittle.reading import open_ordinary, open_zip

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
        max_images: how many of the first images are used.
        skip_bad: of no effect here: an array has no single file to leave out.

    Raises:
        DataError: if the file cannot be read, or its arrays are not as said above.
        OverLimit: if an array declares more than the limits allow.
        LabelError: if the labels are not integers, one for each image.
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
    ):
        super().__init__(spec or str(path), fit=fit, max_images=max_images, skip_bad=skip_bad)
        self._path = path
        with reading(path) as archive:
            arrays = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            found = [name for name in IMAGE_ARRAYS if name in arrays]
            if not found:
                raise DataError(
                    f"{path} has no array of images; it has {quoted(', '.join(arrays))}; expected 'images' or 'x'"
                )
            self._array, where = found[0], f"{path}: array {found[0]!r}"
            with opened(archive, self._array, path) as (_, shape, self._dtype):
                self._grid, self._last = layout(shape, self._dtype, where)
            check_limit("pixels", math.prod(self._grid[: 2 if self._last else 3][-2:]), f"an image of {where}")
            self.total = shape[0]
            self._labels = read_labels(archive, arrays, path, self.total)
            named = read_names_in(archive, path) if "classes" in arrays else ()
        self.labelled = self._labels is not None
        self.classes = named or read_names(path.parent)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Yield the images start..stop - 1; a name is "images/17"."""
        row = math.prod(self._grid) * self._dtype.itemsize
        with reading(self._path) as archive, opened(archive, self._array, self._path) as (member, *seen):
            if seen != [(self.total, *self._grid), self._dtype]:
                raise DataError(f"{self._path} was changed since it was opened; start again")
            member.seek(start * row, 1)
            for index in range(start, stop):
                content = member.read(row)
                if len(content) < row:
                    raise DataError(f"{self._path} ends within image {index} of {self.total}; is it complete?")
                label = UNLABELLED if self._labels is None else int(self._labels[index])
                yield Item(index, f"{self._array}/{index}", label, lambda c=content, i=index: self._picture(c, i))

    def content(self) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        with open_ordinary(self._path) as file:
            while piece := file.read(PIECE):
                yield piece

    def _picture(self, content: bytes, index: int) -> Picture:
        values = np.frombuffer(content, self._dtype).reshape(self._grid)
        return to_pixels(values, self._last, f"image {index} of {self._path}")


@contextmanager
def reading(path: Path) -> Generator[zipfile.ZipFile]:
    """Open the archive; what goes wrong in it while it is open becomes a DataError."""
    try:
        with open_zip(path, str(path)) as archive:
            yield archive
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; expected an npz file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:  # RuntimeError: a password
        raise DataError(f"{path} cannot be read as npz: {quoted(error)}; is it complete?") from error


@contextmanager
def opened(
    archive: zipfile.ZipFile, name: str, path: Path, limit: str = "array"
) -> Generator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
    """Open an array whose shape, type and size agree, and keep a limit where it is compressed or read whole.

    Args:
        archive: the file.
        name: of the array.
        path: of the file, for messages.
        limit: the name of the limit; `array` concerns compressed arrays alone.

    Yields:
        The bytes of the values, not read yet; shape; type.

    Raises:
        DataError: it is no array in C order, holds pickled objects, or is not as large as its shape says.
        OverLimit: it would take too much.
    """
    where, known = f"{path}: array {name!r}", archive.getinfo(f"{name}.npy")
    if limit != "array" or known.compress_type != zipfile.ZIP_STORED:
        check_limit(limit, known.file_size, where)
    with archive.open(known) as member:
        shape, dtype = read_header(member, where)
        declared, held = math.prod(shape) * dtype.itemsize, known.file_size - member.tell()
        if declared != held:
            raise DataError(f"{where} declares {declared:,} bytes (shape {shape}) and holds {held:,}; is it complete?")
        yield member, shape, dtype


def read_header(member: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of an array in C order; raises DataError for any other, and for pickled objects."""
    try:
        version = np.lib.format.read_magic(member)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[version](member)
        if not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError(f"its shape is {shape}")
    except Exception as error:  # NumPy takes the header apart as Python's own source; a damaged one raises anything
        raise DataError(f"{where} is no array that can be read: {quoted(error)}") from error
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are pickled, and a pickle can run code; save plain numbers"
        )
    if fortran and len(shape) > 1:
        raise DataError(f"{where} is in Fortran order, which cannot be streamed; save numpy.ascontiguousarray of it")
    return shape, dtype


def read_names_in(archive: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    """Read the names of the classes; raises DataError for what is no list of them."""
    with opened(archive, "classes", path, "text") as (member, shape, dtype):
        if dtype.kind not in "USiu" or dtype.itemsize == 0:
            raise DataError(f"{path}: array 'classes' is {dtype}; expected names, as text")
        try:
            names = np.frombuffer(member.read(), dtype, count=math.prod(shape)).tolist()
            return checked_names((str(name) for name in names), f"{path}: array 'classes'")
        except (ValueError, SystemError) as error:  # numbers that are no letters, of which NumPy says either
            raise DataError(f"{path}: array 'classes' is no text: {quoted(error)}") from error


def read_labels(archive: zipfile.ZipFile, arrays: list[str], path: Path, total: int) -> NDArray[Any] | None:
    """Read the labels, None if there are none; raises LabelError."""
    found = [name for name in LABEL_ARRAYS if name in arrays]
    if not found:
        return None
    with opened(archive, found[0], path, "cell") as (member, shape, dtype):
        single = len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
        if dtype.kind not in "iu" or not single:
            raise LabelError(
                f"{path}: labels are {dtype} of shape {shape}; expected integers of shape ({total},) "
                "(of one-hot labels, save their argmax(1))"
            )
        labels = np.frombuffer(member.read(), dtype)
    if len(labels) != total:
        raise LabelError(f"{path}: {len(labels)} labels for {total} images; expected as many of both")
    return labels
