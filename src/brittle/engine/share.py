"""What each worker gets of the machines that there are."""

import os
from dataclasses import dataclass

from brittle.errors import InputError
from brittle.words import plural

MOST_WORKERS = 16
"""Workers without a GPU that are started on one machine where their number is not given: each holds the network."""


@dataclass(frozen=True)
class Share:
    """How many workers there are, and what each of them gets.

    Attributes:
        workers: their number.
        cores: of a machine, each.
        threads: that each calculates with.
        gpus: of a machine, each.
    """

    workers: int
    cores: int
    threads: int
    gpus: int = 0

    def said(self) -> str:
        """Say what each gets."""
        return f"{plural(self.cores, 'core')}{' and a GPU' * bool(self.gpus)}"


def share(machines: list[tuple[int, int]], workers: int | None, device: str) -> Share:
    """Divide machines among workers.

    Args:
        machines: of each, the number of cores and of GPUs.
        workers: how many there are to be; by default one for each GPU or core.
        device: on which they calculate, such as "cpu" or "cuda".

    Raises:
        InputError: there is no room for so many, or there is no GPU.

    Example:
        >>> share([(4, 0), (8, 0)], None, "cpu"), share([(4, 0), (8, 0)], 3, "cpu")
        (Share(workers=12, cores=1, threads=1, gpus=0), Share(workers=3, cores=4, threads=4, gpus=0))
    """
    gpu = device.partition(":")[0] == "cuda"
    places = [(cores, gpus if gpu else min(cores, MOST_WORKERS)) for cores, gpus in machines]
    places = [(cores, most) for cores, most in places if cores and most]
    there = f"there are {plural(sum(cores for cores, _ in machines), 'core')}"
    if gpu:
        there += f" and {plural(sum(gpus for _, gpus in machines), 'GPU')}"
    if not places:
        raise InputError(f"{there}, and the network is to run on {device}; give another --device (`device` in Python)")
    count = sum(most for _, most in places) if workers is None else workers
    for cores in range(max(cores for cores, _ in places), 0, -1):
        if sum(min(own // cores, most if gpu else own) for own, most in places) >= count:
            return Share(count, cores, cores, int(gpu))
    raise InputError(f"{plural(count, 'worker')} are asked for, and {there}; ask for fewer")


def cores_here() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
