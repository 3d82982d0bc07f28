"""What becomes of memory that a process frees: kept for the next request, where the C library is GNU's."""

import ctypes
import os
import sys

MMAP_MAX, TRIM_THRESHOLD = -4, -1
"""Numbers of mallopt(3): how many requests are mapped apart, and how much free memory at the end is kept."""
CHOSEN = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables of the environment by which somebody has chosen already."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for whatever it asks for next.

    The GNU C library maps every request above 32 MiB apart, and gives it back to the kernel when it is freed. A forward
    and backward pass of 64 photographs asks for gigabytes in such pieces, each of which the kernel zeroes page by page
    at its first use: of MobileNet v2 that is almost half of the time of an attack on a CPU. Kept, a piece is cleared
    once. The price is that memory stays with the process until it ends, and a peak that is up to a fifth higher.

    The command `brittle` and the workers that it starts do so. In a script of your own it is yours to decide, as it
    holds of the whole process: call this once, before large tensors are made. On GPUs nothing is gained.

    Returns:
        Whether it does: not with another C library, nor where the environment chooses already (`MALLOC_MMAP_MAX_`,
        `MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_` or `GLIBC_TUNABLES`).

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in CHOSEN):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(number, value) == 1 for number, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1)))
