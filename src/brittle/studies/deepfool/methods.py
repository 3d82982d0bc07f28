"""What a table measures of a network: each method tells what determines its outcome, and does its work."""

import math
from dataclasses import dataclass, replace

import numpy as np

from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.attacks.lbfgs import LBFGS
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.core.attack import Attack
from brittle.core.run import run
from brittle.maths import norms
from brittle.metrics import Estimate, mean, proportion
from brittle.metrics.estimate import Floats
from brittle.studies.bench.study import Measured
from brittle.studies.bench.work import Work
from brittle.studies.deepfool.fast_gradient_sign import FRACTION, SignSteps, smallest_eps
from brittle.studies.shared.subject import Benchmark
from brittle.threats import Lp


@dataclass(frozen=True)
class ErrorRate(Work):
    """The fraction of test images that the network gets wrong."""

    subject: Benchmark
    name = "test error"

    def measure(self) -> Measured:
        """Classify every test image."""
        right, count = self.subject.count_right("test error")
        error = proportion(count - right, count)
        return Measured({"images": f"{count:,}", "error": error}, remark=self.subject.story())


FREE = Bounds(-9.0, 10.0)
"""Bounds that no change comes near: the problem as the papers state it has no box."""


@dataclass(frozen=True)
class ByDeepFool(Work):
    """DeepFool in the 2-norm, from the predicted class of every image.

    Attributes:
        subject: network and images.
        boxed: whether changed images stay in [0, 1]; the paper's problem has no such box.
    """

    subject: Benchmark
    boxed: bool = False
    identity_fields = ("attack",)

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"DeepFool{_within(self.boxed)}"

    @property
    def attack(self) -> DeepFool:
        """The attack; its nudge is a fraction of the bounds' span, and meant for a span of 1."""
        attack = DeepFool()
        return replace(attack, nudge=attack.nudge / _classifier(self).bounds.span)

    def measure(self) -> Measured:
        """Attack every test image: average robustness, iterations, passes and time."""
        rows, prefix = attacked(self.attack, _classifier(self), self.subject, Lp(2)), _prefix("deepfool", self.boxed)
        relative = rows.relative
        found = np.isfinite(relative)
        values, notes = _cost(rows, prefix)
        values[f"{prefix}.iterations"] = mean(rows.iterations)
        if not found.all():
            lost = f"{(~found).sum():,} of {len(found):,} images left out"
            notes[f"{prefix}.rho"] = f"({lost}: not fooled in {self.attack.steps} steps)"
        values[f"{prefix}.rho"] = mean(relative[found]) if found.any() else "no image fooled"
        return Measured(values, notes)


@dataclass(frozen=True)
class ByFastGradientSign(Work):
    """Fast gradient sign at the smallest eps that changes the class of 90 % of the images.

    Attributes:
        subject: network and images.
        boxed: whether changed images stay in [0, 1].
    """

    subject: Benchmark
    boxed: bool = False
    attack = FGSM()
    identity_fields = ("attack",)

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"fast gradient sign{_within(self.boxed)}"

    def measure(self) -> Measured:
        """Search the length of the step, and measure the steps of that length."""
        steps, prefix = SignSteps(self.subject, _classifier(self)), _prefix("sign", self.boxed)
        found = smallest_eps(steps.rate)
        rows = attacked(self.attack, _classifier(self), self.subject, Lp("inf", found.eps))
        values, notes = _cost(rows, prefix)
        rho, rate = f"{prefix}.rho", f"{100 * found.rate:.1f} % at ε = {found.eps:.3g}"
        if found.reached:
            values[rho], notes[rho] = mean(steps.relative(found.eps).numpy()), f"({rate})"
            if not self.boxed:
                values["linf.sign.rho"] = mean(steps.relative(found.eps, math.inf).numpy())
        else:
            values[rho], notes[rho] = f"{100 * FRACTION:.0f} % never reached", f"(at most {rate})"
            if not self.boxed:
                values["linf.sign.rho"] = values[rho]
        return Measured(values, notes)


@dataclass(frozen=True)
class ByLBFGS(Work):
    """Box-constrained L-BFGS, from the predicted class of every image; changed images stay in [0, 1].

    Attributes:
        subject: network and images, perhaps fewer than those of the other methods.
    """

    subject: Benchmark
    attack = LBFGS()
    name = "L-BFGS"
    identity_fields = ("attack",)

    def measure(self) -> Measured:
        """Attack every image: average robustness, passes and time."""
        rows = attacked(self.attack, self.subject.classifier, self.subject, Lp(2))
        relative = rows.relative
        found = np.isfinite(relative)
        values, notes = _cost(rows, "lbfgs")
        values["lbfgs.rho"] = mean(relative[found]) if found.any() else "no image fooled"
        values["same.lbfgs.rho"] = values["lbfgs.rho"]
        few = f"first {len(found):,} images" if self.subject.setting.scale != "paper" else ""
        lost = f"{(~found).sum():,} of {len(found):,} images left out: not fooled" if not found.all() else ""
        if few or lost:
            notes["lbfgs.rho"] = f"({', '.join(note for note in (few, lost) if note)})"
        return Measured(values, notes)


def unbounded(subject: Benchmark) -> Classifier:
    """Return the network without a box."""
    return Classifier(subject.classifier.module, FREE, binary=subject.classifier.binary)


def _classifier(work: ByDeepFool | ByFastGradientSign) -> Classifier:
    """The network with images and changed images in [0, 1], or without a box."""
    return work.subject.classifier if work.boxed else unbounded(work.subject)


def _within(boxed: bool) -> str:
    return " in [0, 1]" if boxed else ""


def _prefix(method: str, boxed: bool) -> str:
    return f"{method}.boxed" if boxed else method


@dataclass(frozen=True)
class Rows:
    """What attacking the test images gave, one number per image; `batch_seconds` one per batch, for an image."""

    size: Floats
    norm: Floats
    forward: Floats
    backward: Floats
    iterations: Floats
    batch_seconds: Floats

    @property
    def relative(self) -> Floats:
        """||r|| / ||x|| of each image, infinite where it is not fooled."""
        return self.size / self.norm


def attacked(attack: Attack, classifier: Classifier, subject: Benchmark, threat: Lp) -> Rows:
    """Run an attack on every test image against the class that the network predicts for it."""
    parts: list[tuple[Floats, ...]] = []
    seconds: list[float] = []
    for block in subject.blocks(type(attack).__name__):
        result = run(
            attack,
            classifier,
            block.images,
            threat=threat,
            seed=subject.setting.seed,
            batch=subject.batch,
            ids=block.index,
        )
        columns = (result.size, norms.size(block.images, threat.p), result.forward, result.backward, result.iterations)
        parts.append(tuple(column.double().cpu().numpy() for column in columns))
        seconds.append(float(result.seconds.mean()))
    size, norm, forward, backward, iterations = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Rows(size, norm, forward, backward, iterations, np.asarray(seconds))


def _cost(rows: Rows, prefix: str) -> tuple[dict[str, Estimate | str], dict[str, str]]:
    """Passes and time of an image, and a note that tells forward from backward passes."""
    times = mean(rows.batch_seconds)
    low = max(times.low, 0.0) if times.has_interval else times.low
    seconds = Estimate(times.value, low, times.high, len(rows.size))
    values: dict[str, Estimate | str] = {
        f"{prefix}.passes": mean(rows.forward + rows.backward),
        f"{prefix}.seconds": seconds,
    }
    return values, {f"{prefix}.passes": f"({rows.forward.mean():.3g} + {rows.backward.mean():.3g})"}
