"""Images in batches, which become smaller where the memory of a GPU does not suffice."""

from collections.abc import Callable

import torch


def in_batches(
    count: int,
    batch: int,
    work: Callable[[slice, int], None],
    *,
    again: bool = True,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Do work for all images, batch after batch; where the memory does not suffice, once more with half of the batch.

    Args:
        count: number of images; without any, work is done once for none.
        batch: most images in one batch.
        work: gets the positions of a batch and the most images that a batch has now; what it did before it ran out of
            memory must not count.
        again: whether work may be done once more; otherwise the error goes on.
        progress: told how many images each finished batch had.

    Raises:
        torch.cuda.OutOfMemoryError: a single image does not fit, or nothing may be done again.

    Example:
        >>> in_batches(5, 2, lambda rows, most: print(rows, most))
        slice(0, 2, None) 2
        slice(2, 4, None) 2
        slice(4, 5, None) 2
    """
    first, most = 0, batch
    while first < max(count, 1):
        rows = slice(first, min(first + most, count))
        if _fits(work, rows, most, last=most == 1 or not again):
            if progress is not None:
                progress(rows.stop - first)
            first += max(rows.stop - first, 1)
        else:  # the error is gone, and with it the last hold of what filled the memory
            torch.cuda.empty_cache()
            most //= 2


def _fits(work: Callable[[slice, int], None], rows: slice, most: int, *, last: bool) -> bool:
    """Do work, and say whether the memory sufficed; where this is the last try, let the error go on."""
    try:
        work(rows, most)
    except torch.cuda.OutOfMemoryError:
        if last:
            raise
        return False
    return True
