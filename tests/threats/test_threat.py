"""Threats: sizes, what is allowed, projections and draws."""

import math

import pytest
import torch
from affine import convolutional, middle

from brittle import Bounds, InputError, Lp, Pixels, RandomNoise, run
from brittle.base.seeds import Streams
from brittle.tolerance import TOLERANCE

CLEAN = torch.full((6, 3, 4, 5), 0.5, dtype=torch.float64)
EVERYONE = torch.arange(6)


def drawn(threat, clean=CLEAN, seed=0):
    streams = Streams(seed, torch.arange(len(clean)), clean.dtype)
    return threat.draw(clean, streams, torch.arange(len(clean)), Bounds())


@pytest.mark.parametrize(("p", "name"), [(0, "l0"), ("1", "l1"), ("L2", "l2"), (math.inf, "linf"), ("linf", "linf")])
def test_norms_go_by_number_and_by_name(p, name):
    assert Lp(p).name == name
    assert Lp(p).radius == math.inf
    assert not Lp(p).bounded
    assert Lp(p, 1.0).bounded


@pytest.mark.parametrize("p", [3, "l3", -1, "max", math.nan])
def test_other_norms_are_refused(p):
    with pytest.raises(InputError, match="expected 0, 1, 2 or 'inf'"):
        Lp(p)


@pytest.mark.parametrize("radius", [-0.1, math.nan, -math.inf])
@pytest.mark.parametrize("threat", [lambda radius: Lp(2, radius), Pixels], ids=["lp", "pixels"])
def test_radii_that_mean_nothing_are_refused(threat, radius):
    with pytest.raises(InputError, match=f"the radius is {radius}; expected a number from 0 up"):
        threat(radius)


@pytest.mark.parametrize(
    ("radii", "message"),
    [
        ([0.1, 0.2], r"shape \(2,\) for 3 images; expected one per image"),
        ([[0.1], [0.2], [0.3]], r"shape \(3, 1\) for 3 images"),
        ([0.1, -0.2, 0.3], "radius 1 is -0.2; expected numbers from 0 up"),
        ([0.1, 0.2, math.nan], "radius 2 is nan"),
    ],
)
def test_radii_that_do_not_fit_the_images_are_refused(radii, message):
    with pytest.raises(InputError, match=message):
        run(RandomNoise(), convolutional(), middle(3), threat=Lp("inf", torch.tensor(radii)))


def test_allows_the_tolerance_and_no_more():
    radius = 0.3
    sizes = torch.tensor([0.2, radius, radius + 0.9 * TOLERANCE, radius + 1.2 * TOLERANCE], dtype=torch.float64)
    assert Lp(2, radius).allows(sizes).tolist() == [True, True, True, False]
    assert Lp(2, 100.0).allows(100 + 100 * sizes * TOLERANCE).all()
    assert Lp(2).allows(torch.tensor([1e30])).all()
    each = Lp(2, torch.tensor([0.1, 0.2, 0.4, 0.4]))
    assert each.allows(torch.full((4,), 0.3)).tolist() == [False, False, True, True]
    assert each.rows(torch.tensor([3, 0])).radius.tolist() == pytest.approx([0.4, 0.1])


def test_the_tolerance_grows_with_the_bounds():
    """At 0..255 float32 itself is no better than 1e-5: a change of exactly the radius must still be allowed."""
    clean = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 250
    threat = Lp("inf", 1.0)
    size = threat.size(clean, clean + 1)
    assert not threat.allows(size).all()
    assert threat.allows(size, 255.0).all()
    moved = run(RandomNoise(draws=1), convolutional(scale=255.0), clean.double(), threat=threat).linf > 0
    assert moved.all()


def test_float32_images_at_other_bounds_may_be_moved_by_the_whole_radius():
    """Every step to the edge of the ball counts, though rounding makes it 1 + 4e-6 long."""
    from brittle import PGD, Classifier

    module = convolutional(scale=255.0).module.float()
    images = torch.rand(60, 1, 3, 4, generator=torch.Generator().manual_seed(1)) * 250
    attack = PGD(steps=1, step_size=9.0, random_start=False, loss="margin")
    result = run(attack, Classifier(module, bounds=(0, 255)), images, threat=Lp("inf", 1.0))
    assert (result.linf > 0.99).all()


@pytest.mark.parametrize("p", [0, 1, 2, "inf"])
def test_draws_lie_inside_and_differ(p):
    radius = torch.tensor([0.0, 1.0, 2.0, 2.0, 3.0, 3.0], dtype=torch.float64) * (1 if p == 0 else 0.1)
    points = drawn(Lp(p, radius))
    size = Lp(p).size(CLEAN, points)
    assert (size <= radius + 1e-12).all()
    assert (size > 0).tolist() == [False, *[True] * 5]
    assert not torch.equal(points[2], points[3])
    assert torch.equal(points, drawn(Lp(p, radius)))
    assert not torch.equal(points, drawn(Lp(p, radius), seed=1))


@pytest.mark.parametrize(("p", "dimensions"), [(1, 2), (2, 2), ("inf", 2)])
def test_draws_are_uniform_in_the_ball(p, dimensions):
    """Half the ball's volume lies within 2^(-1/d) of the radius."""
    clean = torch.zeros(4000, 1, 1, dimensions, dtype=torch.float64)
    points = drawn(Lp(p, 1.0), clean)
    size = Lp(p).size(clean, points)
    assert (size <= 2 ** (-1 / dimensions)).double().mean() == pytest.approx(0.5, abs=0.03)
    assert points.mean(0).abs().max() < 0.03
    quadrant = (points > 0).flatten(1).double() @ torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert (torch.bincount(quadrant.long()) / 4000 - 0.25).abs().max() < 0.03


def test_ceiling_is_the_farthest_corner():
    clean = torch.tensor([0.2, 0.9]).reshape(1, 1, 1, 2)
    assert Lp("inf").max_size(clean, Bounds()).tolist() == pytest.approx([0.9])
    assert Lp(1).max_size(clean, Bounds()).tolist() == pytest.approx([1.7])
    assert Lp(0).max_size(clean, Bounds()).tolist() == [2]
    assert Pixels(1).max_size(CLEAN, Bounds()).tolist() == [20] * 6


def test_pixels_count_once_however_many_channels_change():
    moved = CLEAN.clone()
    moved[0, :, 1, 2] += 0.1
    moved[1, 0, 1, 2] += 0.1
    moved[1, 2, 0, 0] -= 0.1
    assert Pixels(1).size(CLEAN, moved).tolist() == [1, 2, 0, 0, 0, 0]
    assert Lp(0).size(CLEAN, moved).tolist() == [3, 2, 0, 0, 0, 0]


def test_pixels_project_on_those_that_changed_most():
    moved = CLEAN.clone()
    moved[:, :, 0, 0] += 0.1
    moved[:, 1, 2, 2] += 0.5
    moved[:, :, 3, 3] += 0.2
    radius = torch.tensor([0, 1, 2, 3, 2, 1])
    back = Pixels(radius).project(CLEAN, moved)
    assert Pixels(1).size(CLEAN, back).tolist() == radius.tolist()
    assert back[1, 1, 2, 2] == moved[1, 1, 2, 2]
    assert torch.equal(back[2, :, 3, 3], moved[2, :, 3, 3])
    assert torch.equal(back[3], moved[3])


def test_pixels_draw_so_many():
    points = drawn(Pixels(2))
    assert Pixels(2).size(CLEAN, points).tolist() == [2] * 6
    assert points.min() >= 0
    assert points.max() <= 1
    result = run(RandomNoise(draws=20), convolutional(), middle(), threat=Pixels(3))
    assert result.success.any()
    assert (result.size[result.success] <= 3).all()


def test_a_radius_per_image_holds_for_each_in_any_batch():
    images = middle()
    radius = torch.linspace(0, 0.2, len(images), dtype=torch.float64)
    results = [run(RandomNoise(draws=5), convolutional(), images, threat=Lp("inf", radius), batch=n) for n in (12, 5)]
    assert (results[0].linf <= radius + 1e-9).all()
    assert (results[0].linf >= 0.5 * radius).all()
    assert torch.equal(results[0].adversarial, results[1].adversarial)
