"""A contender in its own process: loads network and images once, then attacks on request."""

from __future__ import annotations

import contextlib
import copy
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.contenders import CONTENDERS, Call, Task
from benchmarks.counting import Counted, Pass, replay
from benchmarks.judge import Verdict, classes_of, judge, predicted
from benchmarks.peers import seed
from benchmarks.suites import Suite

WARM = 80
"""Passes made bare before the clock runs: the first ones of a process are slower, and the attack has had its own."""


@dataclass(frozen=True)
class Order:
    """What a worker is started with.

    Attributes:
        contender: a key of `CONTENDERS`.
        suite: what is compared.
        network: as `brittle` spells it.
        weights: for networks that bring none.
        data: as `brittle` spells it.
        images: how many.
        batch: most images in one forward pass.
        threads: of torch.
        clock: which of the times counts, wall or cpu.
    """

    contender: str
    suite: Suite
    network: str
    weights: Path | None
    data: str
    images: int
    batch: int
    threads: int
    clock: str = "wall"


@dataclass(frozen=True)
class Count:
    """What the untimed run found."""

    verdict: Verdict
    forward: int
    backward: int


@dataclass(frozen=True)
class Time:
    """Seconds of one round: of the attack, and of the same passes with nothing around them."""

    wall: float
    cpu: float
    raw_wall: float
    raw_cpu: float


class Worker:
    """Does what its process is told to."""

    def __init__(self, order: Order):
        torch.set_num_threads(order.threads)
        self.order = order
        self.module, self.images, self.labels = load(order)
        self.frozen = copy.deepcopy(self.module)
        classes = classes_of(self.module, self.images)
        suite = order.suite
        radius = suite.radius_for(order.network)
        self.task = Task(suite.attack, suite.p, radius, suite.steps, order.batch, classes)
        self.call: Call = CONTENDERS[order.contender](self.module, self.task)
        self.passes: list[Pass] = []

    def count(self) -> Count:
        """Attack once with every pass written down; judge what comes back."""
        counted = Counted(copy.deepcopy(self.module))
        seed()
        moved = CONTENDERS[self.order.contender](counted, self.task)(self.images.clone(), self.labels.clone())
        self.passes = list(counted.log.passes)
        replay(self.passes[:WARM], self.frozen, self.images)
        verdict = judge(self.frozen, self.images, self.labels, moved.detach(), self.task.p, self.task.radius)
        return Count(verdict, counted.log.forward, counted.log.backward)

    def time(self) -> Time:
        """Attack, then make the same passes bare."""
        images, labels = self.images.clone(), self.labels.clone()
        seed()
        wall, cpu = _timed(lambda: self.call(images, labels))
        raw_wall, raw_cpu = _timed(lambda: replay(self.passes, self.frozen, self.images))
        return Time(wall, cpu, raw_wall, raw_cpu)


def load(order: Order) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the network, frozen, the images and the labels; if asked for, only images that the network gets right."""
    from brittle.data import open_source
    from brittle.models.open import open_network

    module = open_network(order.network, weights=order.weights).module.eval().requires_grad_(False)
    spare = order.images // 4 if order.suite.right_only else 0
    blocks = list(open_source(order.data, max_images=order.images + spare).blocks(order.images + spare))
    images, labels = blocks[0].images, blocks[0].labels
    if order.suite.right_only:
        right = predicted(module, images) == labels
        images, labels = images[right], labels[right]
    return module, images[: order.images].contiguous(), labels[: order.images]


def serve(connection: Connection, order: Order) -> None:
    """Answer requests until told to stop; an exception is an answer too.

    Args:
        connection: sends `Count`, `Time`, "ready" or an exception; receives "count", "time" or "stop".
        order: what to do.
    """
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # peers print
        try:
            worker = Worker(order)
            connection.send("ready")
            while (request := connection.recv()) != "stop":
                connection.send({"count": worker.count, "time": worker.time}[request]())
        except Exception as error:  # whatever a peer raises is shown in its row
            connection.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
