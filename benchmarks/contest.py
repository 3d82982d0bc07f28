"""A contest: attacks of brittle and the peers with the same task, on the same images."""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import brittle
from benchmarks.counting import Counted
from benchmarks.judge import classes_of, judge, predicted
from benchmarks.options import CLOCKS
from benchmarks.peers import peer, seed, wrapped_for_art

INSIDE = 1 / 512
"""How far from black and white values are kept for those who cannot move them: half a grey level."""
Call = Callable[[Any, Tensor, Tensor, Tensor], Tensor]
"""From network, images, labels and targets to changed images."""


@dataclass(frozen=True)
class Contest:
    """Who is compared, by which norm; `aimed`: only an image of its target, the class after its own, counts."""

    p: float
    about: str
    contenders: dict[str, Call]
    aimed: bool = False
    radius: float = math.inf


@dataclass(frozen=True)
class Line:
    """What a contender found on its images and what it cost, passes and seconds per image."""

    name: str
    images: int
    success: float
    mean: float
    median: float
    ours: float
    forward: float
    backward: float
    seconds: float


def measure(
    contest: Contest, module: nn.Module, images: Tensor, labels: Tensor, options: argparse.Namespace
) -> list[Line]:
    """Run a contest."""
    targets = (labels + 1) % classes_of(module, images)
    clock = CLOCKS[options.clock]
    lines: list[Line] = []
    first: np.ndarray | None = None
    for name, call in contest.contenders.items():
        if name in options.skip.split(","):
            continue
        n = min(options.slow_images, len(images)) if name in options.slow.split(",") else len(images)
        counted = Counted(copy.deepcopy(module).eval()).requires_grad_(False)
        seed()
        began = clock()
        moved = call(counted, images[:n].clone(), labels[:n].clone(), targets[:n].clone()).detach()
        seconds = clock() - began
        verdict = judge(module, images[:n], labels[:n], moved, contest.p, contest.radius)
        hit = verdict.success
        if contest.aimed:
            hit = hit & (predicted(module, moved) == targets[:n]).numpy()
        sizes = np.where(hit, verdict.size, np.inf)
        first = sizes if first is None else first
        mean = float(sizes[hit].mean()) if hit.any() else float("nan")
        middle = (float(np.median(sizes)), float(np.median(first[:n])))
        passes = (counted.log.forward / n, counted.log.backward / n)
        lines.append(Line(name, n, float(hit.mean()), mean, *middle, *passes, seconds / n))
        print(lines[-1], flush=True)
    return lines


def table(contest: Contest, lines: list[Line]) -> str:
    """Write a contest's lines."""
    head = ["", f"## {contest.about}", ""]
    head += ["| | images | success | mean | median | ours | forward | backward | ms / image | times the first's |"]
    head += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    body = [
        f"| {one.name} | {one.images} | {one.success:.1%} | {one.mean:.4g} | {one.median:.4g} | {one.ours:.4g} | "
        f"{one.forward:.0f} | {one.backward:.0f} | {1000 * one.seconds:.2f} | {one.seconds / lines[0].seconds:.2f} |"
        for one in lines
    ]
    return "\n".join([*head, *body, ""])


def ours(attack: brittle.Attack, threat: brittle.Threat, *, aimed: bool = False) -> Call:
    """Return an attack of brittle."""

    def call(module: nn.Module, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        goal = brittle.Targeted(targets) if aimed else brittle.Untargeted(labels)
        return brittle.run(attack, brittle.Classifier(module), images, goal=goal, threat=threat, batch=256).adversarial

    return call


class Positive(nn.Module):
    """Raises the logits of each image until all are positive; torchattacks' C&W compares others with 0."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return them."""
        return logits - logits.detach().amin(1, keepdim=True) + 1


def torchattacks(name: str, **options: Any) -> Call:
    """Return an attack of torchattacks; JSMA is given the targets.

    Its C&W is shown positive logits and images without black and white values, which it cannot move.
    """

    def call(module: nn.Module, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        if name == "CW":
            module, images = nn.Sequential(module, Positive()), images.clamp(INSIDE, 1 - INSIDE)
        attack = getattr(peer("torchattacks"), name)(module, **options)
        if name != "JSMA":
            return attack(images, labels)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack(images, targets)

    return call


class Single(nn.Module):
    """Rounds images to float32: some of ART's attacks ask about float64."""

    def forward(self, images: Tensor) -> Tensor:
        """Return them."""
        return images.float()


def art(name: str, **options: Any) -> Call:
    """Return an attack of ART; JSMA is given the targets."""

    def call(module: Counted, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        classes = classes_of(module.module, images)  # not counted
        shown = nn.Sequential(Single(), module, *([nn.Softmax(1)] if name == "SimBA" else []))  # it wants probabilities
        wrapped = wrapped_for_art(shown, tuple(images.shape[1:]), classes)
        attack = getattr(peer("art.attacks.evasion"), name)(wrapped, verbose=False, **options)
        wanted = targets if name == "SaliencyMapMethod" else labels
        return torch.from_numpy(attack.generate(images.numpy(), torch.eye(classes)[wanted].numpy()))

    return call
