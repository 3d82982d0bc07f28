"""What stands beside the DeepFool paper's first table: its other norm, its algorithm to the letter, and its picture."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from brittle.attacks.boundary_descent import BoundaryDescent
from brittle.attacks.deepfool import DeepFool
from brittle.core.run import run
from brittle.metrics import Estimate, mean
from brittle.metrics.estimate import Floats
from brittle.studies.bench.drawing import Picture, encoded
from brittle.studies.bench.study import Measured
from brittle.studies.bench.work import Work
from brittle.studies.deepfool.fast_gradient_sign import signs_of, smallest_eps
from brittle.studies.deepfool.methods import attacked, unbounded
from brittle.studies.shared.subject import Benchmark
from brittle.threats import Lp

OVERSHOOT = DeepFool().overshoot
GAP = 4
"""Pixels between the images of the picture."""


def _free(subject: Benchmark, **options: float) -> DeepFool:
    """DeepFool without a box; its nudge is a fraction of the bounds' span, and meant for a span of 1."""
    attack = DeepFool(**options)  # pyright: ignore[reportArgumentType]
    return replace(attack, nudge=attack.nudge / unbounded(subject).bounds.span)


def _mean_of_found(relative: Floats) -> Estimate | str:
    found = np.isfinite(relative)
    return mean(relative[found]) if found.any() else "no image fooled"


@dataclass(frozen=True)
class InMaximumNorm(Work):
    """DeepFool with p = inf (the paper's table 2), without a box."""

    subject: Benchmark
    name = "DeepFool, maximum norm"
    identity_fields = ("attack",)

    @property
    def attack(self) -> DeepFool:
        """The attack."""
        return _free(self.subject)

    def measure(self) -> Measured:
        """Attack every test image."""
        rows = attacked(self.attack, unbounded(self.subject), self.subject, Lp("inf"))
        return Measured({"linf.deepfool.rho": _mean_of_found(rows.relative)})


@dataclass(frozen=True)
class AsPublished(Work):
    """DeepFool as in the paper's algorithm 2: linearised at the total as it is, which is lengthened at the end."""

    subject: Benchmark
    name = "DeepFool, algorithm 2"
    identity_fields = ("attack",)

    @property
    def attack(self) -> DeepFool:
        """The attack."""
        return _free(self.subject, overshoot=0.0)

    def measure(self) -> Measured:
        """Attack every test image."""
        rows = attacked(self.attack, unbounded(self.subject), self.subject, Lp(2))
        rho = _mean_of_found((1 + OVERSHOOT) * rows.relative)
        return Measured({"published.rho": rho, "published.iterations": mean(rows.iterations)})


@dataclass(frozen=True)
class ByBetterSearch(Work):
    """DeepFool, and a longer search, on the images that L-BFGS is given; changed images stay in [0, 1].

    Attributes:
        subject: network and images.
    """

    subject: Benchmark
    deepfool = DeepFool()
    longer = BoundaryDescent(steps=100)
    name = "longer search"
    identity_fields = ("deepfool", "longer")

    def measure(self) -> Measured:
        """Attack every image by both."""
        values: dict[str, Estimate | str] = {}
        for column, attack in (("same.deepfool.rho", self.deepfool), ("same.better.rho", self.longer)):
            rows = attacked(attack, self.subject.classifier, self.subject, Lp(2))
            values[column] = _mean_of_found(rows.relative)
        return Measured(values)


@dataclass(frozen=True)
class Illustration(Work):
    """The paper's figure 1: an image with the changes that DeepFool and fast gradient sign find for it."""

    subject: Benchmark
    attack = DeepFool()
    name = "picture"
    identity_fields = ("attack",)

    def measure(self) -> Measured:
        """Change the first image that the network gets right.

        Raises:
            DataError: there is none.
        """
        image, _, _ = self.subject.first_right(1)
        return Measured(figures=(self._picture(image),))

    def _picture(self, image: torch.Tensor) -> Picture:
        classifier = self.subject.classifier
        image = image.to(classifier.device, classifier.dtype)
        nearest = run(self.attack, classifier, image, threat=Lp(2), seed=self.subject.setting.seed).adversarial
        signs, predicted = signs_of(classifier, image)

        def stepped(eps: float) -> torch.Tensor:
            return classifier.bounds.clamp(image + eps * signs)

        @torch.no_grad()
        def rate(eps: float) -> float:
            return float((classifier.logits(stepped(eps)).argmax(1) != predicted).double().mean())

        found = smallest_eps(rate)
        sign = stepped(found.eps)
        changes = [changed - image for changed in (nearest, sign)]
        factor = 0.5 / max(float(change.abs().max()) for change in changes)
        top = torch.cat([image, nearest, sign])
        bottom = torch.cat([torch.full_like(image, 0.5), *(0.5 + factor * change for change in changes)])
        sizes = [float(change.norm() / image.norm()) for change in changes]
        return Picture(
            "An image, changed by DeepFool and by fast gradient sign",
            f"Above: the image, changed by DeepFool, and by the shortest step of fast gradient sign that changes its "
            f"class (ε = {found.eps:.3g}). Below: both changes, {factor:.3g} times as large. ||r||₂ / ||x||₂ is "
            f"{sizes[0]:.2g} and {sizes[1]:.2g}. {self.subject.origin.row}.",
            encoded(_laid_out(top.cpu().numpy(), bottom.cpu().numpy())),
            "Two rows of pictures: changed by DeepFool the image looks as before, and its change is nearly grey; that "
            "of fast gradient sign is as large everywhere.",
        )


def _laid_out(top: Floats, bottom: Floats) -> Floats:
    """Lay two rows of images (n, c, h, w) out as one picture (height, width, c) on white."""
    count, channels, height, width = top.shape
    sheet = np.ones((2 * height + GAP, count * (width + GAP) - GAP, channels))
    for row, images in enumerate((top, bottom)):
        for number, image in enumerate(images):
            down, right = row * (height + GAP), number * (width + GAP)
            sheet[down : down + height, right : right + width] = image.transpose(1, 2, 0).clip(0, 1)
    return sheet
