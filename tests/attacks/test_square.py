"""Square: its squares, pyramids and schedule, and what they find where the answer is known."""

import math

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

from brittle import Attack, Classifier, InputError, Lp, Problem, Square, Targeted, run
from brittle.attacks.square import _corner, _moved, _pyramids, _recoloured, _stripes, bump, shrunk


class Watched(Attack):
    """Keeps the problem that it is given."""

    def perturb(self, problem: Problem) -> None:
        Watched.seen = problem


def problem(threat: Lp, images: Tensor, channels: int = 1, batch: int = 256) -> Problem:
    run(Watched(), convolutional(channels), images, threat=threat, batch=batch)
    return Watched.seen


def looked_at(attack: Attack, classifier: Classifier, images: Tensor, threat: Lp, **options: object) -> list[Tensor]:
    """Every point after the clean image, and the verified one at the end."""
    points: list[Tensor] = []
    handle = classifier.module.register_forward_hook(lambda _, given, __: points.append(given[0].detach().clone()))
    run(attack, classifier, images, threat=threat, **options)
    handle.remove()
    return points[1:]


def constant(shape: tuple[int, int, int]) -> Classifier:
    """No point is better than another, so that the first one is kept and every proposal starts from it."""
    layer = nn.Linear(math.prod(shape), 3).double()
    nn.init.zeros_(layer.weight)
    return Classifier(nn.Sequential(nn.Flatten(), layer))


def test_the_share_shrinks_as_published():
    expected = {0: 1, 10: 1, 11: 2, 50: 2, 51: 4, 201: 8, 501: 16, 1001: 32, 2001: 64, 4001: 128, 6001: 256, 8001: 512}
    for step, part in expected.items():
        assert shrunk(0.8, step, 10_000) == pytest.approx(0.8 / part)
        assert shrunk(0.8, math.ceil(step / 2), 5_000) == pytest.approx(0.8 / part), "not rescaled"
    assert shrunk(0.8, 9_999, 10_000) == 0.8 / 512


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 5, 8)])
def test_linf_starts_with_stripes_and_stays_at_the_corners(shape):
    images = middle(4, shape)
    points = looked_at(Square(queries=60), constant(shape), images, Lp("inf", 0.07))
    assert len(points) == 61
    stripes = points[0] - images
    assert torch.equal(stripes.sign(), stripes[:, :, :1].sign().expand_as(stripes))
    assert not torch.equal(stripes.sign(), stripes[:, :, :, :1].sign().expand_as(stripes)), "columns are alike"
    for point in points:
        torch.testing.assert_close((point - images).abs(), torch.full_like(images, 0.07))


def test_at_the_box_the_corners_are_cut_off():
    images = middle(4, (2, 5, 6)).round()
    for point in looked_at(Square(queries=30), constant((2, 5, 6)), images, Lp("inf", 0.07)):
        change = (point - images).abs()
        assert ((change < 1e-12) | ((change - 0.07).abs() < 1e-12)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_proposal_sets_one_square_of_the_side_asked_for_and_always_changes_something(channels):
    images = middle(250, (channels, 9, 7))
    given = problem(Lp("inf", 0.1), images, channels)
    best = _stripes(given)
    for side, expected in ((1, 1), (2.4, 2), (2.6, 3), (20, 7)):
        assert (_recoloured(given, best, side) != best).flatten(1).any(1).all(), "a query is wasted"
        changed = (_recoloured(given, images, side) != images).any(1)
        rows, columns = changed.any(2).sum(1), changed.any(1).sum(1)
        assert rows.max() == expected
        assert columns.max() == expected
    assert (_recoloured(given, images, 3) != images).any(0).all(), "some pixels are never reached"
    signs = (_recoloured(given, best, 20) - given.images)[:, :, 4, 3] > 0
    assert len(torch.unique(signs, dim=0)) == 2**channels


def test_a_square_may_stand_anywhere():
    draw = torch.arange(0, 1, 1 / 4096)
    counts = torch.bincount(_corner(draw, 3, 6), minlength=4)
    assert counts.tolist() == [1024] * 4
    assert _corner(torch.tensor([1 - 2**-24]), 1, 5000).max() == 4999


def test_the_pyramids_are_the_published_ones():
    """Equation 2 by hand, for a window of 5: two rows above, three below."""
    ninth, quarter = 1 / 9, 1 / 4
    above = torch.tensor([[ninth, ninth + quarter, ninth + quarter, ninth + quarter, ninth]] * 2, dtype=torch.float64)
    below = above[:1].repeat(3, 1)
    above[1, 2] += 1
    below[1, 2] += 1
    expected = torch.cat([above / above.norm(), -below / below.norm()])
    torch.testing.assert_close(bump(5), expected / expected.norm())
    assert all(float(bump(side).norm()) == pytest.approx(1) for side in range(1, 9))


@pytest.mark.parametrize("shape", [(1, 12, 11), (3, 11, 12), (1, 2, 3)])
def test_l2_stays_on_the_sphere(shape):
    images = middle(4, shape)
    points = looked_at(Square(queries=40), constant(shape), images, Lp(2, 0.3))
    for point in points:
        assert (point - images).flatten(1).norm(dim=1).tolist() == pytest.approx([0.3] * 4)
    assert not torch.equal(points[1], points[2])


def test_l2_moves_the_mass_of_one_window_to_another():
    images = middle(200, (2, 15, 15))
    given = problem(Lp(2, 0.5), images, 2)
    best = _pyramids(given)
    change, before = _moved(given, best, 3.0) - images, best - images
    window = ((change - before).abs() > 1e-9).any(1)
    emptied = (change.abs() < 1e-12).all(1) & (before.abs() > 1e-12).any(1)
    kept = ~window
    torch.testing.assert_close(change.where(kept[:, None], 0), before.where(kept[:, None], 0))
    assert (window.flatten(1).sum(1) <= 18).all()
    assert (emptied.flatten(1).sum(1) > 0).float().mean() > 0.9
    squares = (before**2).sum((2, 3)) - (change**2).sum((2, 3))
    assert squares.abs().max() < 1e-12, "mass leaks from channel to channel"


def test_l2_draws_both_windows_the_turn_and_the_sign_independently():
    """No two of the six draws go together; the windows are read off what has changed."""
    images = torch.full((6000, 1, 9, 9), 0.5).double()
    given = problem(Lp(2, 0.5), images, batch=len(images))
    best = images + 0.05
    change = (_moved(given, best, 3.0) - images)[:, 0] / 0.05
    emptied, same = change.abs() < 1e-9, (change - change[:, :1, :1]).abs() < 1e-9
    apart = emptied.flatten(1).sum(1) == 9  # the windows do not overlap
    filled = ~(emptied | ((change - change.flatten(1).median(1).values[:, None, None]).abs() < 1e-9))
    apart &= filled.flatten(1).sum(1) == 9
    assert apart.double().mean() > 0.3
    assert same.any()

    def corner(cells: Tensor) -> list[Tensor]:
        return [cells.any(2).int().argmax(1).double(), cells.any(1).int().argmax(1).double()]

    cells = change[apart]
    to, source = corner(filled[apart]), corner(emptied[apart])
    assert {int(place) for place in to[0]} == set(range(7)) == {int(place) for place in source[1]}
    rows = to[0].long()[:, None] + torch.arange(3)
    columns = to[1].long()[:, None] + torch.arange(3)
    window = cells[torch.arange(len(cells))[:, None, None], rows[:, :, None], columns[:, None, :]]
    across = (window[:, 0] - window[:, 2]).sum(1), (window[:, :, 0] - window[:, :, 2]).sum(1)
    upright = (across[0].abs() > across[1].abs()).double()
    sign = torch.where(upright.bool(), *across).sign()
    drawn = torch.stack([*to, *source, upright, sign])
    together = torch.corrcoef(drawn) - torch.eye(6)
    pairs = [(0, 1), (0, 3), (1, 2), (2, 3), *[(a, b) for a in range(4) for b in (4, 5)], (4, 5)]
    for a, b in pairs:  # windows that do not overlap avoid each other's rows and columns
        assert together[a, b].abs() < 0.08, (a, b, float(together[a, b]))
    assert 0.45 < upright.mean() < 0.55
    assert sign.mean().abs() < 0.1


def test_l2_spends_what_the_box_left():
    """From half the radius, the first move restores the whole."""
    images = middle(20, (1, 12, 12))
    given = problem(Lp(2, 0.5), images)
    half = images + (_pyramids(given) - images) / 2
    assert (_moved(given, half, 5.0) - images).flatten(1).norm(dim=1).tolist() == pytest.approx([0.5] * 20)


@pytest.mark.parametrize(("p", "radius"), [("inf", 0.2), (2, 0.6)])
def test_the_loss_never_falls(p, radius):
    classifier, images = convolutional(), middle(8, (1, 10, 9))
    hard = Lp(p, radius / 8)
    trace = run(Square(queries=80), classifier, images, threat=hard, trace=True)
    seen = trace.trace.nan_to_num(nan=-torch.inf).amax(1)
    stuck = ~trace.success
    assert stuck.any()
    torch.testing.assert_close(trace.margin[stuck], seen[stuck])


def test_linf_finds_the_best_corner_of_an_affine_network():
    """With enough queries it flips every value for the better: the margin of the exact optimum."""
    classifier, images = affine(classes=2), middle(6)
    weight = classifier.module[1].weight.detach()
    logits = classifier.logits(images).detach()
    label = logits.argmax(1)
    slope = weight[1 - label] - weight[label]
    gap = (logits.gather(1, 1 - label[:, None]) - logits.gather(1, label[:, None]))[:, 0]
    radius = 0.9 * float((-gap / slope.abs().sum(1)).min())  # nothing can be broken
    result = run(Square(queries=250), classifier, images, threat=Lp("inf", radius))
    assert not result.success.any()
    torch.testing.assert_close(result.margin, gap + radius * slope.abs().sum(1))


def test_it_reaches_a_target():
    classifier, images = affine(), middle(8)
    labels = classifier.logits(images).argmax(1)
    result = run(Square(queries=300), classifier, images, goal=Targeted((labels + 1) % 4), threat=Lp("inf", 0.35))
    assert result.success.float().mean() > 0.7
    assert (result.prediction == (labels + 1) % 4)[result.success].all()


def test_one_query_a_step_and_no_gradient():
    images = middle(5)
    result = run(Square(queries=30, restarts=2), constant((1, 3, 4)), images, threat=Lp("inf", 0.1))
    assert (result.forward == 2 * 30 + 2).all()
    assert (result.backward == 0).all()
    one = run(Square(queries=1), constant((1, 3, 4)), images, threat=Lp(2, 0.1))
    assert (one.forward == 3).all()


def test_broken_images_leave():
    result = run(Square(queries=200), convolutional(), middle(20, (1, 8, 8)), threat=Lp("inf", 0.3))
    assert result.success.all()
    assert (result.forward < 202).all()
    assert (result.forward == result.iterations + 3).all()


def test_a_radius_per_image():
    images = middle(3)
    radius = torch.tensor([0.0, 0.05, 0.2], dtype=torch.float64)
    for p, norm in ((math.inf, math.inf), (2, 2)):
        result = run(Square(queries=20), constant((1, 3, 4)), images, threat=Lp(p, radius))
        size = torch.linalg.vector_norm((result.adversarial - images).flatten(1), norm, dim=1)
        torch.testing.assert_close(size, radius)


@pytest.mark.parametrize("wrong", [{"queries": 0}, {"fraction": 0.0}, {"fraction": 1.2}, {"restarts": 0}])
def test_settings_that_cannot_be_meant(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Square(**wrong)


def test_in_l1_the_whole_radius_is_used_within_the_box_and_the_pyramids_are_sharper():
    classifier, images = convolutional(), middle(20)
    seen: list[Tensor] = []
    handle = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    run(Square(queries=30), classifier, images[:1], threat=Lp(1, 0.02), seed=1)
    handle.remove()
    proposed = torch.cat(seen[1:-1])
    assert ((proposed >= 0) & (proposed <= 1)).all()
    sizes = (proposed - images[:1]).flatten(1).abs().sum(1)
    torch.testing.assert_close(sizes, torch.full_like(sizes, 0.02))
    assert float(bump(5, 1.0).abs().sum()) == pytest.approx(1)
    assert float(bump(7, 1.0).abs().max() / bump(7, 1.0).abs().min()) > float(bump(7).abs().max() / bump(7).abs().min())


def test_in_l1_more_queries_break_more():
    classifier, images = convolutional(), middle(40)
    few, many = (run(Square(queries=n), classifier, images, threat=Lp(1, 0.4)).success.sum() for n in (5, 120))
    assert many > few
