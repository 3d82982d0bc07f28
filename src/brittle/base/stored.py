"""Images of any number in a file without a name, of which memory holds only the rows that are looked at."""

import math
import os
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from brittle.errors import RunError, quoted
from brittle.maths.quantization import as_bytes, levels_of, values_of
from brittle.types import Images

AT_ONCE = 100
"""Images that are copied at a time."""
ON_LEVEL = 1e-3
"""A value this near to one of 8 bits, in levels, is that one."""


@dataclass(frozen=True, eq=False)
class StoredImages:
    """Images in a file that vanishes with the last value that reads it; indexing by positions gives a tensor.

    Attributes:
        file: that holds all images one after the other.
        item: channels, height and width of one.
        dtype: uint8 where all values are levels of 8 bits; otherwise float32.
        order: which images of the file these are, (n,) int64.

    Example:
        >>> some = StoredImages.of([torch.zeros(2, 1, 4, 4), torch.ones(1, 1, 4, 4)])
        >>> some.shape, some.dtype, int(some[torch.tensor([2])].amax())
        (torch.Size([3, 1, 4, 4]), torch.uint8, 255)
    """

    file: "_File"
    item: tuple[int, ...]
    dtype: torch.dtype
    order: Tensor

    @classmethod
    def of(cls, parts: Iterable[Tensor], folder: Path | None = None, *, exact: bool = False) -> "StoredImages":
        """Write images away, part by part.

        Args:
            parts: each (n, c, h, w), float32 in [0, 1]; not all empty.
            folder: where the file lies; by default where temporary files do (`TMPDIR`).
            exact: keep float32, whatever the values are; they may be anything then, such as logits (n, k).

        Raises:
            RunError: the file cannot be written.
        """
        item, count = (0, 0, 0), 0
        try:
            file = _File(folder)
            for part in parts:
                if not len(part):
                    continue
                item = part.shape[1:]
                if not exact and not _on_levels(part):
                    exact = True
                    file.widen(count, math.prod(item))
                held = part.to(torch.float32) if exact else as_bytes(part)
                file.write(held.contiguous().numpy().tobytes())
                count += len(part)
        except OSError as error:
            raise _no_room(error) from error
        return cls(file, tuple(item), torch.float32 if exact else torch.uint8, torch.arange(count))

    def __len__(self) -> int:
        return len(self.order)

    @property
    def shape(self) -> torch.Size:
        """Number, channels, height and width."""
        return torch.Size([len(self), *self.item])

    @property
    def ndim(self) -> int:
        """How many axes there are: 4 of images."""
        return 1 + len(self.item)

    @property
    def device(self) -> torch.device:
        """Where the rows come to lie."""
        return torch.device("cpu")

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Read the images at some positions, (m, c, h, w)."""
        size = math.prod(self.item) * self.dtype.itemsize
        places: list[int] = self.order[rows].tolist()
        held = bytearray().join(self.file.read(place * size, size) for place in places)
        flat = torch.from_numpy(np.frombuffer(held, _numpy(self.dtype)))
        return flat.reshape(len(places), *self.item)

    def mapped(self) -> Tensor:
        """Return all images as one tensor, which is in a file of its own; memory holds what is looked at.

        Raises:
            RunError: the file cannot be written.
        """
        try:
            with tempfile.NamedTemporaryFile(prefix="brittle-") as file:
                for rows in torch.arange(len(self)).split(AT_ONCE):
                    file.write(self[rows].numpy().tobytes())
                file.flush()
                size = len(self) * math.prod(self.item)
                return torch.from_file(file.name, shared=False, size=size, dtype=self.dtype).reshape(self.shape)
        except OSError as error:
            raise _no_room(error) from error

    def chosen(self, rows: Tensor) -> "StoredImages":
        """Return the images at some positions without reading them."""
        return replace(self, order=self.order[rows])


def _no_room(error: OSError) -> RunError:
    return RunError(
        f"the images cannot be kept in a temporary file ({quoted(error)}); free some space, or set TMPDIR to a folder "
        "that has it"
    )


def _numpy(dtype: torch.dtype) -> type[np.generic]:
    return np.uint8 if dtype == torch.uint8 else np.float32


def _on_levels(images: Images) -> bool:
    levels = levels_of(images)
    return bool(((levels - levels.round()).abs() < ON_LEVEL).all())


class _File:
    """A file without a name, which is closed, and its space given back, when nobody holds it any more."""

    def __init__(self, folder: Path | None):
        self._number, name = tempfile.mkstemp(prefix="brittle-", dir=folder)
        weakref.finalize(self, os.close, self._number)
        Path(name).unlink()

    def write(self, held: bytes) -> None:
        """Write all of it at the end: a file may take less at a time than it is given."""
        rest = memoryview(held)
        while rest:
            rest = rest[os.write(self._number, rest) :]

    def read(self, place: int, size: int) -> bytes:
        """Return `size` bytes from a place on."""
        return os.pread(self._number, size, place)

    def widen(self, count: int, size: int) -> None:
        """Turn `count` images of `size` levels into float32, from the last to the first, each to its new place."""
        for place in reversed(range(count)):
            held = np.frombuffer(self.read(place * size, size), np.uint8)
            os.pwrite(self._number, values_of(held.astype(np.float32)).tobytes(), place * 4 * size)
        os.lseek(self._number, 0, os.SEEK_END)
