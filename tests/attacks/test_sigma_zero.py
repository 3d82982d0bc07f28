"""Sigma-zero: the smooth count and its slope, and the threshold that undoes small changes."""

import pytest
import torch
from affine import convolutional, middle

from brittle import InputError, Lp, SigmaZero, run


def test_the_slope_is_that_of_the_smooth_count():
    change = (torch.rand(3, 2, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5) * 0.2
    change[0, 0] = 0
    leaf = change.clone().requires_grad_()
    count = (leaf.square() / (leaf.square() + 1e-3)).flatten(1).mean(1)
    (slope,) = torch.autograd.grad(count.sum(), leaf)
    torch.testing.assert_close(SigmaZero()._count_slope(change), slope)


def test_changes_below_the_threshold_are_undone():
    """With a threshold that stays, what is left of a change is at least as large."""
    images = middle()
    result = run(SigmaZero(steps=30, threshold=0.25, pace=0), convolutional(), images, threat=Lp(0))
    assert result.success.any()
    change = (result.adversarial - images)[result.success].abs()
    assert change[change > 0].min() >= 0.25 - 1e-12
    everything = run(SigmaZero(steps=30, threshold=0, pace=0), convolutional(), images, threat=Lp(0))
    assert everything.size.median() > result.size[result.success].median()


@pytest.mark.parametrize("settings", [{"stride": 0.0}, {"sigma": -1.0}, {"threshold": 1.5}, {"steps": 0}])
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        SigmaZero(**settings)
