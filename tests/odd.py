"""Values that nobody means, for the property-based tests: every kind in place of every other."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import nn

from brittle import (
    FGSM,
    PGD,
    Bounds,
    BrittleError,
    Cascade,
    Classifier,
    DeepFool,
    Flow,
    LeastLikely,
    Lp,
    Pixels,
    RandomNoise,
    Restarts,
    SmallestRadius,
    Targeted,
    Untargeted,
)

CASES = int(os.environ.get("BRITTLE_CASES", "24"))
"""Cases of each property; 10,000 by hand."""
LONGEST = 1200
"""Letters of a refusal: more than a screen full is not read."""
FEW = settings(
    max_examples=CASES,
    derandomize="BRITTLE_CASES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
IMAGES = torch.rand(4, 1, 3, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


NETWORK = network()
NUMBERS: list[Any] = [
    *(0, 1, 2, 3, -1, 1.0, 1.5, -0.5, True, False, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**4000),
    *(1e-300, 1e300, float("inf"), float("-inf"), float("nan"), 1j, "1", "8/255", "", "inf", b"1"),
    *(np.int64(2), np.uint8(3), np.float32(0.1), np.float64("nan"), np.bool_(True), np.array(2), np.array([1, 2])),
    *(torch.tensor(1), torch.tensor(0.5), torch.tensor(True), torch.tensor([1.0, 2.0]), torch.empty(0, device="meta")),
]
OBJECTS: list[Any] = [
    *(None, NETWORK, nn.Linear, object(), [], [1], (), {}, {"a": 1}, set(), print, int, lambda images: images, "pgd"),
    *(PGD, FGSM(), Lp, Lp("inf", 0.1), Classifier, Classifier(NETWORK), LeastLikely, LeastLikely(), Bounds(), range(3)),
]
ODD: list[Any] = [*NUMBERS, *OBJECTS]
TENSORS: list[Any] = [
    *(IMAGES, IMAGES[0], IMAGES[:0], IMAGES[:, :0], IMAGES.double(), IMAGES.half(), IMAGES.bfloat16(), IMAGES.bool()),
    *((IMAGES * 255).to(torch.uint8), IMAGES.to(torch.complex64), IMAGES.to(torch.float8_e5m2), IMAGES.to_sparse()),
    *(IMAGES.to("meta"), IMAGES * 255, IMAGES - 0.5, IMAGES * torch.nan, IMAGES.repeat(1, 3, 1, 1), IMAGES.tolist()),
    *(
        IMAGES.numpy(),
        IMAGES.numpy().astype(">f4"),
        IMAGES.numpy().astype(np.float16),
        (IMAGES.numpy() * 9).astype("u2"),
    ),
    *(IMAGES.numpy().astype(object), np.ma.masked_array(IMAGES.numpy()), [IMAGES[0]], IMAGES.clone().requires_grad_()),
    *(IMAGES.numpy()[..., ::-1], IMAGES.numpy().astype(np.longdouble), np.array("cat"), IMAGES.transpose(2, 3)),
]
ROWS: list[Any] = [
    *(LABELS, LABELS.int(), LABELS.float(), LABELS + 1, -LABELS, LABELS[:2], LABELS[:, None], LABELS.bool()),
    *(LABELS.tolist(), tuple(LABELS), LABELS.to("meta"), LABELS.to_sparse(), LABELS.to(torch.uint64), LABELS * 2**62),
    *(LABELS.numpy(), LABELS.numpy().astype(">i8"), LABELS.numpy().astype(str), nn.functional.one_hot(LABELS)),
]


def made(kind: Any, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Call something with drawn values later, within the test, where its error is looked at."""
    return st.tuples(*values).map(lambda drawn: lambda: kind(*drawn))


odd = st.sampled_from(ODD)
number = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())
radius = st.one_of(st.sampled_from([0.1, torch.full((4,), 0.1), torch.inf]), number)


def refusal(call: Callable[[], object]) -> str | None:
    """Return what a call is refused with; None where it is not. Any other error passes, and fails the test."""
    try:
        call()
    except BrittleError as error:
        return str(error)
    return None


def later(value: Any) -> Any:
    return lambda: value


def each(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values).map(later)


def mostly(*right: Any) -> st.SearchStrategy[Any]:
    """What is meant, more often than not."""
    return st.one_of(*[st.sampled_from(right).map(later)] * 3, odd.map(later))


attacks = st.one_of(
    mostly(FGSM(), PGD(steps=2), DeepFool(steps=2), RandomNoise(draws=2)),
    made(PGD, number.filter(lambda one: not isinstance(one, int) or one < 100), number, odd),
    made(FGSM, odd),
    made(Restarts, odd, st.sampled_from([1, 2, "2", None])),
    made(lambda one, two: SmallestRadius(one, steps=2, first=two), st.sampled_from([FGSM(), FGSM, None]), number),
    made(Cascade, st.lists(odd, max_size=2)),
)
classifiers = st.one_of(
    mostly(Classifier(NETWORK)),
    made(lambda module, bounds, labels: Classifier(module, bounds, labels=labels), odd, odd, st.sampled_from(ODD)),
    made(lambda one, two, binary: Classifier(NETWORK, (one, two), binary=binary), number, number, odd),
)
threats = st.one_of(
    mostly(Lp("inf", 0.1), Lp(2), Lp(2, 0.5), Pixels(1)),
    made(Lp, odd, radius),
    made(lambda value: Lp(2, value), radius),
    made(Pixels, radius),
    made(Flow, radius),
)
goals = st.one_of(
    mostly(None, LeastLikely()),
    made(Targeted, st.sampled_from([*ROWS, *ODD])),
    made(lambda value: Untargeted(LABELS, confidence=value), number),
)
