"""Audits made by hand: rows with the figures that a test wants, and networks so small that all can be worked out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from brittle import FGSM, PGD, Attack, Classifier, DeepFool, Lp, RandomNoise, Square, Threat
from brittle.core.problem import Problem
from brittle.core.result import Result
from brittle.health.context import AttackRun, HealthContext
from brittle.health.counting import CountingClassifier
from brittle.health.rerun import PathObserver, Rerun
from brittle.runs.finding import Finding

RADIUS = 0.1
ONE_STEP, STEPS, SEARCH, NOISE, BOX = FGSM(), PGD(steps=10), DeepFool(), RandomNoise(), Square()


def rows(count: int, broken: Collection[int] = (), wrong: Collection[int] = (), **columns: object) -> pa.Table:
    """Rows of so many images: which were broken, which were wrong before; `size` stands in every norm's column."""
    hit, right = (np.isin(np.arange(count), list(some)) for some in (broken, wrong))
    right = ~right
    size = np.broadcast_to(np.asarray(columns.pop("size", 0.05), dtype=np.float64), (count,))
    size = np.where(hit, size, np.where(right, np.inf, 0.0))
    plain: dict[str, object] = dict.fromkeys(("l0", "l1", "l2", "linf", "pixels", "flow"), size)
    plain |= dict.fromkeys(("nonfinite_outputs", "nonfinite_gradients"), np.zeros(count, np.int64))
    plain |= {"index": np.arange(count), "label": np.zeros(count, np.int64), "correct": right, "success": hit}
    plain |= {"size": size, "rounded_success": hit, "clean_prediction": np.where(right, 0, 1)}
    plain |= {"forward": np.full(count, 10), "backward": np.full(count, 10), "iterations": np.ones(count, np.int64)}
    return pa.table({**plain, **columns})


def attempt(attack: Attack, table: pa.Table, threat: Threat | None = None, title: str | None = None) -> AttackRun:
    """An attack with rows that it did not make: at `RADIUS` in linf by default, or without one where it searches."""
    if threat is None:
        threat = Lp("inf") if isinstance(attack, DeepFool) else Lp("inf", RADIUS)
    return AttackRun(title or type(attack).__name__, attack, threat, table)


class Bright(nn.Module):
    """Class 1 where the first pixel is above `at`, class 0 elsewhere: class 0 leads by 20 (at - x)."""

    def __init__(self, classes: int = 2, at: float = 0.5):
        super().__init__()
        self.classes, self.at = classes, at

    def forward(self, images: Tensor) -> Tensor:
        first = images[:, 0, 0, 0]
        rest = [torch.full_like(first, -9.0) for _ in range(self.classes - 2)]
        return 10 * torch.stack([2 * self.at - first, first, *rest], 1)


def images_of(*first: float, flags: Sequence[float] = (), dtype: torch.dtype = torch.float32) -> Tensor:
    """Images of 2x2 by their first pixel; the second one is a flag for attacks, the others are 0 and 1."""
    made = torch.zeros(len(first), 1, 2, 2, dtype=dtype)
    made[:, 0, 0, 0] = torch.tensor(first, dtype=dtype)
    made[:, 0, 0, 1] = torch.tensor(flags or [0.0] * len(first), dtype=dtype)
    made[:, 0, 1, 1] = 1
    return made


def case(
    *attempts: AttackRun, module: nn.Module | None = None, images: Tensor | None = None, **options: object
) -> HealthContext:
    """The audit of these attempts: of images that `Bright` calls class 0, unless others are given."""
    count = attempts[0].table.num_rows
    images = images_of(*[0.4] * count) if images is None else images
    bounds = options.pop("bounds", (0.0, 1.0))
    given: dict[str, object] = {"labels": torch.zeros(len(images), dtype=torch.int64), "threat": Lp("inf", RADIUS)}
    given |= {
        "index": torch.arange(len(images)),
        "thorough": True,
        "meter": CountingClassifier(Classifier(module or Bright(), bounds)),
    }
    return HealthContext(images=images, attempts=attempts, **{**given, **options})


def result(images: Tensor, *, success: bool = True, size: float = 0.05, trace: Sequence[float] | None = None) -> Result:
    """What an attack returned for one image."""
    one, whole = torch.tensor([size], dtype=torch.float64), torch.tensor([1])
    named = dict.fromkeys(("clean_confidence", "confidence", "margin"), one)
    counted = dict.fromkeys(("forward", "backward", "iterations", "nonfinite_outputs", "nonfinite_gradients"), whole)
    said = {"clean_prediction": torch.tensor([0]), "prediction": torch.tensor([int(success)])}
    return Result(
        adversarial=images,
        success=torch.tensor([success]),
        already=torch.tensor([False]),
        size=one,
        sizes=dict.fromkeys(("l0", "l1", "l2", "linf", "pixels", "flow"), one),
        seconds=one,
        trace=None if trace is None else torch.tensor([trace], dtype=torch.float64),
        **named,
        **counted,
        **said,
    )


def again(
    of: AttackRun, found: Result, place: int = 0, clean: Tensor | None = None, seen: float = np.inf, points: int = 1
) -> Rerun:
    """An image attacked once more, with the smallest adversarial change that a witness saw."""
    witness = PathObserver(images_of(0.4)[0] if clean is None else clean, 0, of, (0.0, 1.0), seen, points)
    return Rerun(of, place, place, found, witness)


def repeated(made: HealthContext, *repeats: Rerun) -> HealthContext:
    """The case whose images, attacked once more, gave this."""
    made.__dict__["repeats"] = list(repeats)
    return made


def verdict(finding: Finding) -> tuple[str, float | None]:
    """Status and number of a finding that no error made."""
    assert "ended with an error" not in finding.text, finding.text
    return finding.status, finding.value


@dataclass(frozen=True)
class Brightens(Attack):
    """Raises the first pixel by its radius, but not within radii that an image's flag, in its second pixel, names.

    Attributes:
        steps: told to whoever asks for an attack of many steps.
        lame: it raises no image whose flag is above 0 where the radius is above this.
    """

    threats: ClassVar[tuple[str, ...]] = ("linf",)
    needs_radius: ClassVar[bool] = True
    steps: int = 2
    lame: float = 9.0

    def perturb(self, problem: Problem) -> None:
        """Look at one point, and count a pass back, as an attack by gradients would take."""
        radius = torch.as_tensor(problem.threat.radius, dtype=problem.images.dtype).expand(len(problem))
        flagged = problem.images[:, 0, 0, 1] > 0
        reach = torch.where(flagged & (radius > self.lame), 0.0, radius)
        moved = problem.images.clone()
        moved[:, 0, 0, 0] += reach
        problem.probe(moved, graph=False)
