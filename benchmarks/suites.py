"""What is compared: an attack, a norm, a radius, and who takes part."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A comparison.

    Attributes:
        name: what the user writes.
        attack: deepfool, pgd or fgsm.
        p: the norm's exponent.
        steps: most steps.
        contenders: who takes part, the one that times are compared with first.
        images: how many by default.
        radius: a number, or by the name of the network, `*` for others.
        right_only: leave out what the network gets wrong, so that nobody can save passes on it.
        about: what it shows, in a line.
    """

    name: str
    attack: str
    p: float
    steps: int
    contenders: tuple[str, ...]
    images: int
    about: str
    radius: float | dict[str, float] = math.inf
    right_only: bool = False

    def radius_for(self, network: str) -> float:
        """Return the radius for a network."""
        if isinstance(self.radius, dict):
            return self.radius.get(network, self.radius["*"])
        return self.radius


COMMON = {"lenet-mnist": 0.3, "*": 0.1}
"""Madry et al.'s radius for MNIST; a smaller one for the upsampled digits."""
NOTHING = 1e-5
"""A radius at which nothing succeeds and therefore nobody stops early."""
FIXED = ("bare", "brittle", "foolbox", "torchattacks", "art", "adv-lib")

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "deepfool-l2",
            "deepfool",
            2,
            50,
            ("brittle", "adv-lib", "foolbox", "art", "torchattacks"),
            1000,
            "DeepFool, l2, at most 50 steps",
        ),
        Suite(
            "deepfool-linf",
            "deepfool",
            math.inf,
            50,
            ("brittle", "adv-lib", "foolbox"),
            1000,
            "DeepFool, linf, at most 50 steps (torchattacks and ART have l2 alone)",
        ),
        Suite("fgsm", "fgsm", math.inf, 1, FIXED[:-1], 1000, "the fast gradient sign method", COMMON),
        Suite("pgd40", "pgd", math.inf, 40, FIXED, 256, "PGD, linf, 40 steps, as a user would call it", COMMON),
        Suite(
            "pgd40-full",
            "pgd",
            math.inf,
            40,
            FIXED,
            256,
            "PGD, linf, at a radius where nothing succeeds: everybody makes all 40 steps",
            NOTHING,
            right_only=True,
        ),
    )
}

SLOW = {("deepfool", "foolbox"), ("deepfool", "art"), ("deepfool", "torchattacks")}
"""Who takes minutes for what others do in seconds, and is therefore given fewer images (`--slow-images`)."""
