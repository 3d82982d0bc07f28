"""Pixel descent beside smallest changes in closed form."""

import pytest
import torch
from torch import nn

from brittle import Classifier, InputError, Lp, PixelDescent, UnsupportedThreat, run, run_dense
from dense.pointwise import middle, pointwise, smallest

THREATS = {"linf": Lp("inf"), "l2": Lp(2)}


WITHIN = {"linf": 1.02, "l2": 1.45}
"""How near to the smallest change the search comes where it is known, with 60 steps and two classes."""


@pytest.mark.parametrize("norm", THREATS)
@pytest.mark.parametrize(("share", "needed"), [(0.5, 18), (0.9, 33), (1.0, 36)])
def test_affine_pixels_are_moved_by_little_more_than_the_smallest_change(norm, share, needed):
    classifier, images = pointwise(classes=2), middle()
    result = run_dense(PixelDescent(steps=60), classifier, images, threat=THREATS[norm], share=share, batch=4)
    least = smallest(classifier, images, needed, norm)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * WITHIN[norm]).all(), (result.size / least).tolist()


@pytest.mark.parametrize("norm", THREATS)
def test_of_several_classes_the_nearest_is_not_always_found_and_nothing_smaller_is_claimed(norm):
    classifier, images = pointwise(classes=4), middle(8)
    result = run_dense(PixelDescent(steps=60), classifier, images, threat=THREATS[norm], share=0.9, batch=8)
    least = smallest(classifier, images, 33, norm)
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-9)).all()
    assert (result.size <= least * 1.6).all(), (result.size / least).tolist()


def test_more_steps_come_nearer():
    classifier, images = pointwise(), middle(8)
    few, many = (
        run_dense(PixelDescent(steps=n), classifier, images, threat=THREATS["linf"], batch=8).size.mean()
        for n in (5, 60)
    )
    assert many < few


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_the_scale_of_the_logits_does_not_matter(scale):
    images = middle()
    one, other = (
        run_dense(PixelDescent(steps=30), pointwise(scale=by), images, threat=THREATS["linf"]) for by in (1.0, scale)
    )
    assert torch.equal(one.success, other.success)
    torch.testing.assert_close(one.size, other.size, rtol=1e-3, atol=0)


def test_targets_are_reached():
    classifier, images = pointwise(), middle()
    targets = torch.zeros(4, 6, 6, dtype=torch.int64)
    result = run_dense(PixelDescent(steps=60), classifier, images, targets=targets, threat=THREATS["linf"])
    assert result.success.all()
    assert ((result.map == 0).double().mean((1, 2)) >= 0.99).all()


def test_it_stays_within_a_radius_that_is_given():
    classifier, images = pointwise(), middle(8)
    free = run_dense(PixelDescent(steps=60), classifier, images, threat=THREATS["linf"], batch=8).size
    radius = float(free.median())
    held = run_dense(PixelDescent(steps=60), classifier, images, threat=Lp("inf", radius), batch=8)
    assert held.sizes["linf"].max() <= radius + 1e-6
    assert 0 < int(held.success.sum()) < 8


def test_a_network_without_slopes_is_left_as_it_is():
    flat = Classifier(Flat())
    images = middle(2)
    result = run_dense(PixelDescent(steps=5), flat, images, threat=THREATS["linf"])
    assert not result.success.any()
    assert torch.isfinite(result.adversarial).all()


class Flat(nn.Module):
    """Says the same of every image, with a gradient of zeros."""

    def forward(self, images):
        return torch.cat([images * 0, images * 0 - 1], 1)


def test_it_says_where_it_belongs():
    network = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(8, 3)))
    with pytest.raises(InputError, match="run_dense"):
        run(PixelDescent(), network, torch.rand(1, 2, 2, 2), threat=Lp("inf"))


def test_a_norm_without_mathematics_is_refused():
    with pytest.raises(UnsupportedThreat, match="l1"):
        run_dense(PixelDescent(), pointwise(), middle(1), threat=Lp(1))


@pytest.mark.parametrize(
    "settings",
    [{"steps": 0}, {"first": 0.0}, {"first_stride": 0.0}, {"momentum": 1.0}, {"last_gamma": 1.0}, {"temperature": 0.0},
     {"cushion": -0.1}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        PixelDescent(**settings)
