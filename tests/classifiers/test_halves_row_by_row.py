"""Halves: how finely a network calculates is learnt, and every image is scaled and judged by its own numbers."""

import pytest
import torch
from affine import middle
from torch import Tensor, nn

from brittle import Classifier, Lp, Problem, Untargeted
from brittle.base.seeds import Streams
from brittle.classifiers.door import answer
from brittle.classifiers.manner import grain_of
from brittle.classifiers.slopes import _power, _times
from brittle.core.record import Record


def network(kind: torch.dtype) -> nn.Module:
    layer = nn.Linear(12, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, 36).reshape(3, 12))
        layer.bias.zero_()
    return nn.Sequential(nn.Flatten(), layer).to(kind)


@pytest.mark.parametrize(
    ("kind", "grain"), [(torch.float16, 2**-10), (torch.bfloat16, 2**-7), (torch.float32, 0.0), (torch.float64, 0.0)]
)
def test_the_grain_is_that_of_the_coarsest_type(kind: torch.dtype, grain: float):
    module = network(kind)
    assert grain_of(module) == 0.0
    answer(module, torch.rand(2, 1, 3, 4))
    assert grain_of(module) == grain


def test_the_grain_of_a_callable_is_seen_in_what_it_says():
    module = network(torch.float32)
    classifier = Classifier(lambda images: module(images).half())
    classifier.logits(torch.rand(2, 1, 3, 4))
    assert grain_of(classifier.module) == 2**-10


def test_the_noise_of_an_image_is_a_share_of_its_own_largest_logit():
    classifier, images = Classifier(network(torch.float16)), middle(3).float()
    clean, ids = classifier.logits(images), torch.arange(3)
    problem = Problem(
        classifier, images, clean, Untargeted(clean.argmax(1)), Lp(2), ids, Record(images),
        Streams(0, ids, images.dtype), 9,
    )  # fmt: skip
    logits = torch.tensor([[1.0, -8.0, 0.0], [0.0, 0.5, 0.25], [100.0, 0.0, 0.0]])
    assert torch.equal(torch.as_tensor(problem.noise(logits)), 2**-10 * torch.tensor([8.0, 0.5, 100.0]))


@pytest.mark.parametrize(
    ("slopes", "count", "powers"),
    [
        ([torch.tensor([[1.0, -0.5], [0.0, 64.0], [0.0, 0.0]])], 3, [5, -1, 5]),
        ([torch.tensor([[1.0], [2.0]]), torch.tensor([4.0, 0.25])], 2, [3, 4]),
        ([torch.tensor([[1.0], [torch.inf]])], 2, [5, 5]),
        ([torch.tensor([1.0, 16.0, 2.0])], 2, [1, 1]),
        ([torch.tensor(8.0)], 3, [2, 2, 2]),
        ([torch.tensor(8.0)], 1, [2]),
        ([torch.tensor([1e-38])], 1, [100]),
        ([torch.tensor([1e38])], 1, [-100]),
    ],
)
def test_the_largest_slope_of_each_image_is_brought_to_the_level(slopes: list[Tensor], count: int, powers: list[int]):
    """Slopes of an image lie between 2^(6 - 1) and 2^6 afterwards; where rows are not images one power serves all."""
    assert _power(slopes, count).tolist() == powers


def test_rows_are_multiplied_each_by_its_power_and_what_is_no_row_by_the_first():
    powers = torch.tensor([3, -1])
    assert _times(torch.ones(2, 2), powers).tolist() == [[8.0, 8.0], [0.5, 0.5]]
    assert _times(torch.ones(3), powers).tolist() == [8.0, 8.0, 8.0]
    assert _times(torch.tensor(1.0), powers).item() == 8.0
    assert _times(torch.ones(2), powers[:1]).tolist() == [8.0, 8.0]
