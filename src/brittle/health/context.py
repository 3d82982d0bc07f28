"""What the checks look at: the network, some images, and what every attack did to all of them."""

# pyright: reportUnknownParameterType=false
# pyarrow ships no types
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from brittle import metrics
from brittle.attacks.noise import RandomDirection, RandomNoise
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.eot import mean_logits
from brittle.classifiers.frozen import preserving_state
from brittle.classifiers.search_mode import PLAIN, SearchMode
from brittle.core.attack import Attack, search_of, uses_gradients
from brittle.core.inputs import placed
from brittle.core.randomness import LOOKS
from brittle.core.result import Result
from brittle.core.run import run
from brittle.health.counting import CountingClassifier
from brittle.metrics.estimate import Flags, Integers
from brittle.metrics.rows import flags, integers
from brittle.threats import Threat
from brittle.types import Images, Labels

if TYPE_CHECKING:
    from brittle.health.rerun import Rerun

FRACTION = 0.04
"""Of the audit's own passes, what the cheap checks plan with: at most 5 % are promised."""
OUTPUTS, STABILITY, REPEATS, RADII = 0.2, 0.1, 0.4, 0.1
"""What of this each group of checks may take; the radii are asked twice or three times."""


@dataclass(frozen=True)
class AttackRun:
    """An attack with its rows.

    Attributes:
        title: what the user wrote.
        attack: the value that ran.
        threat: with the radius where it ran at one.
        table: its rows, those of all attempts about the same images in the same order.
    """

    title: str
    attack: Attack
    threat: Threat
    table: pa.Table

    @cached_property
    def gradients(self) -> bool:
        """Whether it differentiates the network."""
        return uses_gradients(self.attack)

    @property
    def baseline(self) -> bool:
        """Whether it only draws at random."""
        return isinstance(self.attack, RandomNoise | RandomDirection)

    @property
    def black_box(self) -> bool:
        """Whether it searches by outputs alone."""
        return not self.gradients and not self.baseline

    @property
    def fixed(self) -> bool:
        """Whether it ran at a radius; otherwise it searched for the smallest change."""
        return self.threat.bounded

    @property
    def radius(self) -> float | None:
        """Its radius; None for none."""
        return float(self.threat.radius) if self.fixed else None

    @property
    def norm(self) -> str:
        """How it measures changes."""
        return self.threat.name

    @cached_property
    def iterative(self) -> bool:
        """Whether it follows gradients for more than one step: by its settings, or by what it did."""
        return self.gradients and (_many(self.attack) or bool((integers(self.table, "iterations") > 1).any()))

    @cached_property
    def broken(self) -> Flags:
        """Which images it broke, at its own radius."""
        return metrics.broken(self.table, self.norm, self.radius)

    @cached_property
    def cost(self) -> Integers:
        """Forward plus backward passes of each image."""
        return integers(self.table, "forward") + integers(self.table, "backward")


def _many(attack: Attack) -> bool:
    steps = getattr(attack, "steps", 1)
    return (isinstance(steps, int) and steps > 1) or any(_many(part) for part in attack.parts())


@dataclass(frozen=True)
class HealthContext:
    """An audit as the checks see it.

    Attributes:
        meter: the network; every pass of a check is counted there.
        images, labels, index: the images that checks may show it again, (n, c, h, w), spread over the audit's.
        threat: the question, with its radius where it has one.
        attempts: every attack with its rows.
        weights: digest of the network before the audit.
        seed, batch, quantization: as in the audit.
        thorough: whether the passes are not limited, and the expensive checks are made.
        eot_samples: how often every point was looked at, more than once for randomised networks.
        confidence: by how many logits a success had to be won while it was searched for.
        search: how attacks that differentiate the network asked it while they searched.
        silent: whether the network may not be asked anything more, because its queries are budgeted.
        known: how the attacks met a defence that they know, in a few words; "" where there is none, or none is known.
    """

    meter: CountingClassifier
    images: Images
    labels: Labels
    index: Labels
    threat: Threat
    attempts: tuple[AttackRun, ...]
    weights: str = ""
    seed: int = 0
    batch: int = 256
    quantization: int | None = None
    thorough: bool = False
    silent: bool = False
    eot_samples: int = 1
    confidence: float = 0.0
    search: SearchMode = PLAIN
    known: str = ""

    @cached_property
    def classifier(self) -> Classifier:
        """The network, counted."""
        return self.meter.metered()

    @property
    def radius(self) -> float | None:
        """The largest change of the question; None for no limit."""
        return float(self.threat.radius) if self.threat.bounded else None

    @property
    def norm(self) -> str:
        """How the question measures changes."""
        return self.threat.name

    @property
    def span(self) -> float:
        """Greatest less least value of an image."""
        return self.classifier.bounds.span

    @cached_property
    def passes(self) -> int:
        """Passes that the audit took."""
        return int(sum(attempt.cost.sum() for attempt in self.attempts))

    @cached_property
    def correct(self) -> Flags:
        """Which of all images were right before."""
        return flags(self.attempts[0].table, "correct")

    @cached_property
    def rows(self) -> Integers:
        """Where the rows of `images` stand in the tables."""
        everywhere = integers(self.attempts[0].table, "index")
        return np.searchsorted(everywhere, self.index.numpy())

    def affordable_images(self, fraction: float, cost: float) -> int:
        """How many images, at least one, a check may look at that costs so many passes for each."""
        room = len(self.images) if self.thorough else int(fraction * FRACTION * self.passes / cost)
        return max(1, min(room, len(self.images)))

    @cached_property
    def probed(self) -> int:
        """How many of `images` the checks of the outputs look at: the first of them."""
        return self.affordable_images(OUTPUTS, LOOKS + 4)

    @cached_property
    def shown(self) -> Images:
        """These images as the network takes them."""
        return placed(self.images[: self.probed], self.classifier)

    @cached_property
    def outputs(self) -> Tensor:
        """Logits of the probed images, `LOOKS` times over, (looks, m, k)."""
        with preserving_state(self.meter, self.seed), torch.no_grad():
            return torch.stack([self.logits(self.shown) for _ in range(LOOKS)])

    def attack(  # what a check may vary of the audit's own runs
        self,
        attack: Attack,
        threat: Threat,
        places: Sequence[int],
        *,
        seed: int | None = None,
        quantization: int | None = None,
        trace: bool = False,
    ) -> Result:
        """Attack some of `images` as the audit did, but for what is given."""
        rows = torch.tensor(places)
        return run(
            attack,
            self.classifier,
            self.images[rows],
            self.labels[rows],
            threat=threat,
            seed=self.seed if seed is None else seed,
            batch=self.batch,
            ids=self.index[rows],
            quantization=quantization,
            eot_samples=self.eot_samples,
            confidence=self.confidence,
            trace=trace,
            **asdict(replace(search_of(attack, self.search), compile=False)),  # what counts the passes is not compiled
        )

    def logits(self, images: Images) -> Tensor:
        """Ask the network, a batch at a time."""
        return torch.cat([self.classifier.logits(part) for part in images.split(self.batch)])

    def judged(self, images: Images) -> Tensor:
        """Ask the network as the audit judged it: the mean over its samples where it is randomised."""
        return mean_logits(self.classifier, images, self.eot_samples, seed=self.seed, batch=self.batch)

    @cached_property
    def repeats(self) -> "list[Rerun]":
        """Some images of every attempt attacked once more, each alone."""
        from brittle.health.rerun import repeats  # it needs the case

        return repeats(self)

    def attacked(self, *, gradients: bool = True) -> "list[AttackRun]":
        """The attempts that use gradients, or the others."""
        return [attempt for attempt in self.attempts if attempt.gradients == gradients]
