"""Steps and passes of attacks that never succeed: as many as asked for, and the looks around them."""

import math

import pytest
import torch
from torch import Tensor, nn

from brittle import (
    ALMA,
    APGD,
    DDN,
    FAB,
    FGSM,
    FMN,
    NES,
    PDPGD,
    PGD,
    SPSA,
    ADef,
    Attack,
    Cascade,
    Classifier,
    Flow,
    Lp,
    OnePixel,
    Pixels,
    RandomNoise,
    Restarts,
    RotationTranslation,
    SigmaZero,
    SmallestRadius,
    Square,
    Threat,
    run,
)

AROUND = 2
"""The clean image, and what is returned."""


class Firm(nn.Module):
    """Class 0 leads everywhere, though every class has a slope."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(12, 3, generator=generator, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.weight).tanh() + torch.tensor([9.0, 0.0, 0.0], dtype=torch.float64)


LINF, L2, L1, L0 = Lp("inf", 0.1), Lp(2, 0.4), Lp(1, 0.8), Lp(0)


@pytest.mark.parametrize(
    ("attack", "threat", "steps", "looks"),
    [
        (FGSM(), LINF, 1, 2),
        (PGD(steps=6), LINF, 6, 7),
        (PGD(steps=6, restarts=3), L2, 18, 21),
        (Restarts(PGD(steps=3), 2), LINF, 6, 8),
        (Cascade((FGSM(), PGD(steps=3))), LINF, 4, 6),
        (SmallestRadius(PGD(steps=4), steps=5), Lp(2), 20, 25),
        (APGD(steps=6), LINF, 6, 7),
        (APGD(steps=6, restarts=2), L2, 12, 14),
        (APGD(steps=10), L1, 12, 13),  # three radii, each with a first point
        (ALMA(steps=10), Lp(2), 10, 11),
        (DDN(steps=8), Lp(2), 8, 9),
        (FMN(steps=8), L0, 8, 9),
        (SigmaZero(steps=10), L0, 10, 11),
        (PDPGD(steps=10), Lp(2), 10, 11),
        (FAB(steps=6), Lp("inf"), 6, None),
        (ADef(steps=8), Flow(math.inf), 8, None),
        (NES(draws=12, steps=5), LINF, 5, 6 + 5 * 12),
        (SPSA(draws=12, steps=5), L2, 5, 6 + 5 * 12),
        (Square(queries=20), LINF, 19, 20),
        (Square(queries=20, restarts=2), L2, 38, 40),
        (RandomNoise(draws=7), LINF, 7, 7),
        (OnePixel(population=12, generations=4), Pixels(2), 4, None),
        (RotationTranslation("random", draws=10), Flow(math.inf), 4, 10),  # 1, 2, 4 and 3 at a time
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Attack) else getattr(value, "name", None),
)
def test_an_attack_that_never_succeeds_uses_all_its_steps(
    attack: Attack, threat: Threat, steps: int, looks: int | None
):
    images = torch.full((2, 1, 3, 4), 0.5, dtype=torch.float64)
    result = run(attack, Classifier(Firm()), images, threat=threat)
    assert not result.success.any()
    assert result.iterations.tolist() == [steps] * 2
    assert looks is None or result.forward.tolist() == [looks + AROUND] * 2
