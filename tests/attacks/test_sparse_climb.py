"""APGD in l1 against the algorithm of Croce & Hein (ICML 2021), written out again for one image at a time."""

import math

import numpy as np
import pytest
import torch
from hill import Hill

from brittle import APGD, Classifier, Lp, run
from brittle.attacks.apgd_l1 import SparseAPGD
from brittle.base.seeds import Streams

EPS, ENTRIES, STEPS = 0.35, 12, 75


def loss_and_slope(x: np.ndarray, top: np.ndarray, steepness: np.ndarray) -> tuple[float, np.ndarray]:
    """The cross-entropy of class 0, log(1 + exp(-lead)), and its slope."""
    lead = 1 + ((x - top) ** 2 * steepness).sum()
    return math.log1p(math.exp(-lead)), -2 * (x - top) * steepness / (1 + math.exp(lead))


def projected(clean: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """The nearest point of ball and box, by halving the bracket of the shared amount that each entry gives up."""
    change = x - clean

    def cut(by: float) -> np.ndarray:
        return (np.sign(change) * (np.abs(change) - by).clip(0)).clip(-clean, 1 - clean)

    if np.abs(cut(0)).sum() <= radius:
        return clean + cut(0)
    low, high = 0.0, np.abs(change).max()
    for _ in range(60):
        low, high = (
            ((low + high) / 2, high) if np.abs(cut((low + high) / 2)).sum() > radius else (low, (low + high) / 2)
        )
    return clean + cut(high)


def sparse(slope: np.ndarray, fraction: float) -> np.ndarray:
    count = len(slope)
    least = np.sort(np.abs(slope))[min(max(int((1 - fraction) * count), 0), count - 1)]
    signs = np.sign(slope) * (np.abs(slope) >= least)
    return signs / max(np.abs(signs).sum(), 1)


def climbed(
    clean: np.ndarray, noise: np.ndarray, top: np.ndarray, steepness: np.ndarray, *, widened: bool
) -> tuple[list[np.ndarray], int]:
    """Return the points on the way, and how often the climb went back because its best change had become sparser."""
    stages = [(3, round(0.3 * STEPS)), (2, round(0.3 * STEPS))] if widened else []
    stages.append((1, STEPS - sum(steps for _, steps in stages)))
    x, path, back = projected(clean, clean + noise, stages[0][0] * EPS), [], 0
    for stage, (factor, steps) in enumerate(stages):
        radius = factor * EPS
        support = float((x != clean).sum())
        fraction, stride = (support / ENTRIES / 1.5, radius) if widened else (0.2, radius)
        support = support if widened else float(ENTRIES)
        best_value, best, best_slope = -math.inf, x, np.zeros_like(x)
        for done in range(steps + 1):
            value, slope = loss_and_slope(x, top, steepness)
            path.append(x)
            if value > best_value:
                best_value, best, best_slope = value, x, slope
            if done == steps:
                break
            here = x
            if done and done % max(int(0.04 * steps), 1) == 0:
                now = float((best != clean).sum())
                if now < 0.95 * support:
                    stride, here, slope, back = radius, best, best_slope, back + 1
                else:
                    stride = max(stride / 1.5, radius / 10)
                support, fraction = now, now / ENTRIES / 1.5
            x = projected(clean, here + stride * sparse(slope, fraction), radius)
        if stage + 1 < len(stages):
            x = projected(clean, best, stages[stage + 1][0] * EPS)
    return path, back


@pytest.mark.parametrize("widened", [True, False])
def test_every_point_is_that_of_the_published_algorithm(widened: bool):
    generator, rows, back = torch.Generator().manual_seed(4), 3, 0
    clean = torch.rand(rows, 1, 3, 4, generator=generator).double()
    away = torch.rand(clean.shape, generator=generator).double()
    tops = clean + (away > 0.7) * 0.15 * torch.rand(clean.shape, generator=generator).double().sub(0.5).sign()
    steepness = 30 ** (torch.rand(clean.shape, generator=generator).double() * 2 - 1)
    hill, labels = Hill(tops, steepness), torch.zeros(rows, dtype=torch.int64)
    run(APGD(steps=STEPS, widened=widened), Classifier(hill), clean, labels, threat=Lp(1, EPS), seed=3)
    everyone = torch.arange(rows)
    start = Streams(3, everyone, clean.dtype).normal(everyone, tuple(clean.shape[1:]))
    shown = torch.stack(hill.seen[1:-1], 1).flatten(2).numpy()
    for row in range(rows):
        given = [one[row].flatten().numpy() for one in (clean, start, tops, steepness)]
        path, went = climbed(*given, widened=widened)
        back += went
        np.testing.assert_allclose(shown[row], np.stack(path), rtol=0, atol=1e-10)
    assert back >= 3


def test_the_stages_share_the_steps():
    assert SparseAPGD(75, "margin", None, widened=True).stages() == [(3.0, 22), (2.0, 22), (1.0, 31)]
    assert SparseAPGD(3, "margin", None, widened=True).stages() == [(3.0, 1), (2.0, 1), (1.0, 1)]
    assert SparseAPGD(2, "margin", None, widened=True).stages() == [(1.0, 2)]
