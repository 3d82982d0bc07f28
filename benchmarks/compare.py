"""Runs a suite: one process per contender, rounds in turn."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.judge import Verdict
from benchmarks.worker import Count, Order, Time, serve


@dataclass
class Score:
    """What is known of a contender.

    Attributes:
        contender: its name.
        images: how many it was given.
        clock: wall, or cpu where others use the machine (with one thread alone).
        verdict: of the benchmark.
        forward, backward: passes per image.
        times: one for each round.
        error: what it raised, if it did.
    """

    contender: str
    images: int = 0
    clock: str = "wall"
    verdict: Verdict | None = None
    forward: float = float("nan")
    backward: float = float("nan")
    times: list[Time] = field(default_factory=list)
    error: str = ""

    @property
    def seconds(self) -> list[float]:
        """Seconds per image, round by round."""
        return [self._of(time)[0] / self.images for time in self.times]

    @property
    def overhead(self) -> float:
        """Time over the time of the same passes, median over the rounds."""
        return median(attack / raw for attack, raw in map(self._of, self.times))

    def _of(self, time: Time) -> tuple[float, float]:
        return (time.cpu, time.raw_cpu) if self.clock == "cpu" else (time.wall, time.raw_wall)

    def against(self, other: Score) -> float:
        """Time per image over another's in the same round, median over the rounds."""
        return median(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=False))


class Process:
    """A contender's process, seen from outside."""

    def __init__(self, order: Order):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, order), daemon=True)
        self._process.start()
        theirs.close()
        self.score = Score(order.contender, order.images, order.clock)
        self._receive()

    def count(self) -> None:
        """Have it attack once with every pass written down."""
        counted = self._ask("count")
        if isinstance(counted, Count):
            self.score.images = len(counted.verdict.right)
            self.score.verdict = counted.verdict
            self.score.forward = counted.forward / self.score.images
            self.score.backward = counted.backward / self.score.images

    def time(self, patience: float) -> None:
        """Have it attack against the clock, unless another round would go beyond `patience` seconds in all."""
        times = self.score.times
        if times and sum(time.wall + time.raw_wall for time in (*times, times[-1])) > patience:
            return
        timed = self._ask("time")
        if isinstance(timed, Time):
            times.append(timed)

    def stop(self) -> None:
        """End the process."""
        if not self.score.error:
            self._connection.send("stop")
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()

    def _ask(self, request: str) -> Any:
        if self.score.error:
            return None
        self._connection.send(request)
        return self._receive()

    def _receive(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            answer = RuntimeError("its process died")
        if isinstance(answer, Exception):
            self.score.error = str(answer)
        return answer


def compare(orders: list[Order], rounds: int, patience: float, tell: Callable[[str], None]) -> list[Score]:
    """Run every contender of a suite.

    Args:
        orders: one for each contender.
        rounds: timed ones; A B C A B C ...
        patience: a contender gets no further round once its rounds would take longer than this in all, in seconds.
        tell: told what goes on.

    Returns:
        The scores in the order of the orders; raises nothing that a contender raises.
    """
    processes: list[Process] = []
    try:
        for order in orders:
            tell(f"{order.contender}: counting passes of {order.images} images")
            processes.append(Process(order))
            processes[-1].count()
        for number in range(rounds):
            for process in processes:
                tell(f"{process.score.contender}: round {number + 1} of {rounds}")
                process.time(patience)
    finally:
        for process in processes:
            process.stop()
    return [process.score for process in processes]
