"""Processes of this machine that go in step: each has its share of every batch, and sums are the same on all of them.

What one does next depends on what all have just done, so that nothing can be handed out as parts. The sums are those of
torch.distributed: gloo on processors, by the loopback interface alone, and NCCL on GPUs.
"""

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from brittle.errors import RunError

T = TypeVar("T")
APART_BY = 1_000_000_007
"""Between the seeds of two."""
FAREWELL = 2.0
"""Seconds in which one that failed can say why."""


@dataclass(eq=False)
class Team:
    """One of the processes, as it sees the others; one that is alone has nothing to do.

    Attributes:
        rank: 0 for the process that began, which alone reads, measures and writes.
        size: how many there are.
        device: on which this one calculates.
        group: of torch.distributed; None for one that is alone.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    group: Any = None
    _lines: list[Connection] = field(default_factory=list[Connection])

    def mine(self, count: int) -> slice:
        """Return which of so many images are this one's; nobody gets a single one where two can be had together.

        Example:
            >>> Team(1, 2).mine(7), Team(1, 2).mine(3)
            (slice(4, 7, None), slice(3, 3, None))
        """
        return self._shares(count)[self.rank]

    def _shares(self, count: int) -> list[slice]:
        """Return the shares of all, of which the first one's is as large as any."""
        busy = max(1, min(self.size, count // 2))
        each, more = divmod(count, busy)
        ends = [0]
        for rank in range(self.size):
            ends.append(ends[-1] + (each + (rank < more) if rank < busy else 0))
        return [slice(*both) for both in pairwise(ends)]

    def seed(self, seed: int) -> int:
        """Return another seed for each, and the first one's own: shares that drew the same would see less of it."""
        return (seed + self.rank * APART_BY) % (1 << 63)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all, the same bits for each of them."""
        if self.size == 1:
            return values
        sums = values.detach().to(self.device, copy=True)
        with self._telling():
            torch.distributed.all_reduce(sums, group=self.group)
        return sums.to(values)

    def joined(self, part: Tensor, count: int) -> Tensor:
        """Return the rows of all, bit for bit and in their order.

        Args:
            part: as many rows for each image of this one's share; without a share anything.
            count: of the images, of which each has its share (`mine`).
        """
        if self.size == 1:
            return part
        shares = [one.stop - one.start for one in self._shares(count)]
        each, shape, kind = self.told((len(part) // max(shares[0], 1), part.shape[1:], part.dtype))
        rows = torch.zeros((each * shares[0], *shape), dtype=kind, device=self.device)
        if own := shares[self.rank]:
            rows[: each * own] = part.detach()
        every = [torch.empty_like(rows) for _ in shares]
        with self._telling():
            torch.distributed.all_gather([_bytes(one) for one in every], _bytes(rows), group=self.group)
        return torch.cat([one[: each * share] for one, share in zip(every, shares, strict=True)]).to(part.device)

    def told(self, value: T) -> T:
        """Return what the first says; it gives it, and the others give anything."""
        if self.size == 1:
            return value
        said: list[Any] = [value]
        with self._telling():
            torch.distributed.broadcast_object_list(said, src=0, group=self.group, device=self.device)
        return cast("T", said[0])

    @contextlib.contextmanager
    def _telling(self) -> Generator[None]:
        """Say why another one is gone, instead of what the network of processes makes of it."""
        try:
            yield
        except RuntimeError as error:
            until = time.monotonic() + FAREWELL
            for line in self._lines:
                with contextlib.suppress(EOFError, OSError):
                    if line.poll(max(until - time.monotonic(), 0)):
                        raise line.recv() from error
            raise RunError(
                f"one of {self.size} processes that went in step is gone; where memory ran out, take fewer workers; "
                "what is finished stays, and the same command goes on after it"
            ) from error


def _bytes(tensor: Tensor) -> Tensor:
    """Look at a tensor's bytes, which all kinds of groups send."""
    return tensor.flatten().view(torch.uint8)


ALONE = Team()
"""A process that has no others."""
