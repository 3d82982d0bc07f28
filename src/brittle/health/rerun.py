"""Some images attacked once more, one by one, with a witness of every point that the attack shows to the network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from brittle.classifiers.classifier import Classifier
from brittle.classifiers.refusals import refused
from brittle.classifiers.search_mode import is_hurried
from brittle.core.problem import UNCERTAIN
from brittle.core.result import Result
from brittle.health.context import FRACTION, REPEATS, AttackRun, HealthContext
from brittle.maths.losses import mistaken
from brittle.metrics.estimate import Floats

MOST = 32
"""Images of each attack that are attacked again, where nothing else limits them."""


@dataclass
class PathObserver:
    """What was seen of one image: the smallest change that the network took for another class.

    Attributes:
        image: (c, h, w).
        label: its class.
        attempt: which attack; its norm and radius.
        bounds: of the images.
        best: size of that change, infinite where there was none.
        points: how many points were seen.
        classifier: whose outputs these are; None where it refuses nothing.
        largest: logit of the clean image, without its sign; None before the first pass.
    """

    image: Tensor
    label: int
    attempt: AttackRun
    bounds: tuple[float, float]
    best: float = float("inf")
    points: int = 0
    classifier: Classifier | None = None
    largest: float | None = None

    def __call__(self, images: Tensor, logits: Tensor) -> None:
        """Look at one forward pass."""
        self.points += len(images)
        if is_hurried():  # what it says is no verdict
            return
        wrong = mistaken(logits, self.label)
        wrong &= self._surely(logits)
        wrong = wrong if self.classifier is None else wrong & ~refused(self.classifier, logits)
        moved = images[wrong].double()
        if not len(moved):
            return
        sizes = self.attempt.threat.measured(self.image.double().cpu().numpy(), moved.cpu().numpy())
        inside = in_box(moved.cpu().numpy(), self.bounds)
        radius = np.inf if self.attempt.radius is None else self.attempt.radius
        found = sizes[inside & (sizes <= radius)]
        self.best = min([self.best, *found.tolist()])

    def _surely(self, logits: Tensor) -> Tensor:
        """Say which points win by more than the rounding of logits, as a search for the smallest change asks for."""
        if self.largest is None:  # the clean image comes first
            self.largest = float(logits.abs().amax())
        if self.attempt.radius is not None or not self.attempt.gradients:
            return torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        lead = logits.scatter(1, torch.full_like(logits[:, :1], self.label, dtype=torch.int64), -torch.inf).amax(1)
        unit = torch.finfo(logits.dtype).eps * logits.abs().amax(1).clamp_min(self.largest)
        return lead - logits[:, self.label] >= UNCERTAIN * unit


def in_box(images: Floats, bounds: tuple[float, float]) -> np.ndarray:
    """Say which images lie within the bounds, (m,); none may lie beyond them at all."""
    flat = images.reshape(len(images), -1)
    return np.asarray((flat >= bounds[0]).all(axis=1) & (flat <= bounds[1]).all(axis=1))


@dataclass(frozen=True)
class Rerun:
    """One image attacked once more.

    Attributes:
        attempt: which attack.
        place: of the image in the case.
        row: of the image in the tables.
        result: one row.
        witness: what was seen.
    """

    attempt: AttackRun
    place: int
    row: int
    result: Result
    witness: PathObserver = field(repr=False)


def attack_again(case: HealthContext, attempt: AttackRun, places: Sequence[int]) -> list[Rerun]:
    """Attack images one by one as the audit did, with the same seed."""
    bounds = (case.classifier.bounds.lower, case.classifier.bounds.upper)
    found: list[Rerun] = []
    for place in places:
        witness = PathObserver(case.images[place], int(case.labels[place]), attempt, bounds, classifier=case.classifier)
        with case.meter.heard(witness):
            result = case.attack(attempt.attack, attempt.threat, [place], quantization=case.quantization, trace=True)
        found.append(Rerun(attempt, place, int(case.rows[place]), result, witness))
    return found


def repeats(case: HealthContext) -> list[Rerun]:
    """Attack some images of every attempt again, in turn one that stood and one that fell, as far as there is room.

    Where there is room for none, the one that was cheapest is taken.
    """
    found: list[Rerun] = []
    for attempt in case.attempts:
        room = float("inf") if case.thorough else REPEATS * FRACTION * float(attempt.cost.sum())
        chosen: list[int] = []
        costs = {place: float(attempt.cost[case.rows[place]]) for place in in_turn(case, attempt)}
        for place, cost in costs.items():
            if len(chosen) < MOST and cost <= room:
                chosen.append(place)
                room -= cost
        if costs and not chosen:
            chosen = [min(costs, key=lambda place: costs[place])]
        found += attack_again(case, attempt, chosen)
    return found


def in_turn(case: HealthContext, attempt: AttackRun) -> list[int]:
    """Places of the images that were right before: in turn one that the attempt did not break and one that it did."""
    right = [place for place, row in enumerate(case.rows) if case.correct[row]]
    stood = [place for place in right if not attempt.broken[case.rows[place]]]
    fell = [place for place in right if attempt.broken[case.rows[place]]]
    longest = max(len(stood), len(fell))
    return [some[turn] for turn in range(longest) for some in (stood, fell) if turn < len(some)]
