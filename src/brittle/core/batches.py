"""Images in batches, which become smaller where the memory of a GPU does not suffice."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch


@dataclass
class Batches:
    """The positions of all images, batch after batch; where the memory does not suffice, once more half as many.

    A loop and a context within it, and no function around the work, for what stands above a pass is read in every
    error.

    Attributes:
        count: number of images; without any, there is one empty batch.
        most: most images in one batch now.
        again: whether work may be done once more; otherwise the error goes on.
        progress: told how many images each finished batch had.

    Example:
        >>> batches = Batches(5, 2)
        >>> for rows in batches:
        ...     with batches.tried():
        ...         print(rows)
        slice(0, 2, None)
        slice(2, 4, None)
        slice(4, 5, None)
    """

    count: int
    most: int
    again: bool = True
    progress: Callable[[int], None] | None = None
    _fitted: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[slice]:
        """Yield the positions of a batch, the same first one again where it did not fit."""
        first = 0
        while first < max(self.count, 1):
            rows = slice(first, min(first + self.most, self.count))
            self._fitted = False
            yield rows
            if self._fitted:
                first += max(rows.stop - first, 1)
                if self.progress is not None:
                    self.progress(rows.stop - rows.start)
            else:  # the error is gone by now, and with it the last hold of what filled the memory
                torch.cuda.empty_cache()
                self.most //= 2

    @contextmanager
    def tried(self) -> Generator[None]:
        """Within it a batch is worked on; what was done before the memory was full must not count.

        Raises:
            torch.cuda.OutOfMemoryError: a single image does not fit, or nothing may be done again.
        """
        try:
            yield
            self._fitted = True
        except torch.cuda.OutOfMemoryError:
            if self.most == 1 or not self.again:
                raise
