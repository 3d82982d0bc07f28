"""HopSkipJump and the boundary attack: what they know, where they begin, and what they find where it is known."""

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import Tensor, nn

from brittle import Attack, Boundary, Classifier, HopSkipJump, InputError, Lp, Problem, RandomDirection, Targeted, run
from brittle.attacks.boundary import BoundaryState, candidates
from brittle.attacks.hop_skip_jump import _boundary, _shrunk, direction
from brittle.attacks.starting import bisected, reached, straight


class Watched(Attack):
    """Keeps the problem that it is given."""

    gradients = False

    def perturb(self, problem: Problem) -> None:
        Watched.seen = problem


def problem(classifier: Classifier, images: Tensor, threat: Lp) -> Problem:
    run(Watched(), classifier, images, threat=threat)
    return Watched.seen


@pytest.mark.parametrize("attack", [HopSkipJump(steps=4, draws=30), Boundary(steps=60), RandomDirection(2)], ids=repr)
def test_only_the_class_is_used(attack):
    classifier, images = convolutional(), middle(6).float()
    scores = Classifier(lambda x: classifier.module(x.double()))
    told = run(attack, scores, images, threat=Lp(2))
    silent = run(attack, Classifier(lambda x: classifier.module(x.double()).argmax(1), labels=4), images, threat=Lp(2))
    assert told.success.all()
    assert torch.equal(silent.adversarial, told.adversarial)
    assert torch.equal(silent.forward, told.forward)


@pytest.mark.parametrize("p", [2, "inf"])
def test_hop_skip_jump_approaches_the_hyperplane(p):
    classifier, images = affine(classes=2), middle(4)
    least = distance(classifier, images, classifier.logits(images).argmax(1), Lp(p).dual)
    few, many = (run(HopSkipJump(steps=n), classifier, images, threat=Lp(p)) for n in (2, 8))
    assert many.success.all()
    assert (many.size >= least).all()
    assert float((many.size / least).mean()) < 1.1
    assert (many.size <= few.size + 1e-12).all()
    assert float((few.size / least).mean()) > float((many.size / least).mean())


def test_the_boundary_attack_approaches_the_hyperplane():
    classifier, images = affine(classes=2), middle(4)
    least = distance(classifier, images, classifier.logits(images).argmax(1), 2)
    attack = Boundary(steps=150, delta=0.3, epsilon=0.05)
    few, many = (run(Boundary(**{**vars(attack), "steps": n}), classifier, images, threat=Lp(2)) for n in (25, 150))
    assert (many.size >= least).all()
    assert float((many.size / least).mean()) < 1.2
    assert float((few.size / least).mean()) > 1.1 * float((many.size / least).mean())


@pytest.mark.parametrize("p", [2, "inf"])
def test_the_estimate_converges_to_the_normal(p):
    classifier, images = affine(classes=2), middle(4)
    given = problem(classifier, images, Lp(p))
    at = bisected(given, reached(given, 40).points, straight, torch.full((4,), 1e-9, dtype=torch.float64))
    weight = classifier.module[1].weight.detach()
    label = given.labels
    normal = (weight[1 - label] - weight[label]).reshape(images.shape)
    reach = torch.full((4,), 1e-3, dtype=torch.float64)
    near, far = (direction(given, at, reach, count) for count in (2000, 20))
    cosines = [nn.functional.cosine_similarity(way.flatten(1), normal.flatten(1)) for way in (near, far)]
    if p == 2:
        assert (cosines[0] > 0.99).all()
        assert (cosines[0] > cosines[1]).all()
        torch.testing.assert_close(near.flatten(1).norm(dim=1), torch.ones(4, dtype=torch.float64))
    else:
        assert (near.sign() == normal.sign()).double().mean() > 0.9
        assert near.abs().max() == 1


@pytest.mark.parametrize("max_points", [1000, 25])
@pytest.mark.parametrize("p", [2, "inf"])
def test_the_estimate_is_equation_12_with_the_mean_decision_as_baseline(p, max_points):
    """With the same draws, at points off the boundary, so that one side has many more of them than the other.

    At the edge of the box it is the change made that counts, not the draw. Where all draws lie on one side, equation 12
    is 0; as in the published code the decisions themselves are the weights then.
    """
    classifier, images, count = affine(classes=2), middle(6), 20
    given = replace(problem(classifier, images, Lp(p)), max_points=max_points)
    ends = bisected(given, reached(given, 40).points, straight, torch.full((6,), 1e-9, dtype=torch.float64))
    way = (ends - images) / (ends - images).flatten(1).norm(dim=1)[:, None, None, None]
    offset = torch.tensor([0.0, 0.06, 0.1, -0.08, -9.0, 9.0], dtype=torch.float64)[:, None, None, None]
    points = (ends + offset * way).clamp(0, 1)
    points[0, 0, 0, 0] = 1.0
    reach = torch.linspace(0.2, 0.3, 6, dtype=torch.float64)
    reach[4:] = 1e-4
    again = deepcopy(given.streams)
    shape, met, estimates = (count, *images.shape[1:]), [], []
    drawn = again.normal(given.ids, shape) if p == 2 else 2 * again.uniform(given.ids, shape) - 1
    for row in range(6):
        decisions, changes = [], []
        for draw in drawn[row] / drawn[row].flatten(1).norm(dim=1)[:, None, None, None]:
            near = (points[row] + reach[row] * draw).clamp(0, 1)
            decisions.append(1.0 if classifier.logits(near[None]).argmax(1) != given.labels[row] else -1.0)
            changes.append((near - points[row]) / reach[row])
        mean = sum(decisions) / count
        baseline = 0.0 if abs(mean) == 1 else mean
        met.append(mean)
        estimates.append(sum((side - baseline) * change for side, change in zip(decisions, changes, strict=True)))
    assert met[4] == -1
    assert met[5] == 1
    assert sum(0.1 < abs(mean) < 1 for mean in met) >= 2, met
    estimate = torch.stack(estimates)
    expected = estimate.sign() if p == "inf" else estimate / estimate.flatten(1).norm(dim=1)[:, None, None, None]
    torch.testing.assert_close(direction(given, points, reach, count), expected)


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 5, 4)])
@pytest.mark.parametrize("p", [2, "inf"])
def test_the_boundary_is_known_to_the_tolerance_of_the_paper(p, shape):
    """theta is d^(-3/2) for l2 and d^(-2) for linf, d being the number of values: so often is the way halved."""
    classifier, images = affine(shape=shape), middle(3, shape)
    given = problem(classifier, images, Lp(p))
    points, before = reached(given, 50).points, given.record.forward.clone()
    ends = _boundary(given, points)
    values = math.prod(shape)
    theta = values**-1.5 if p == 2 else values**-2
    assert (given.record.forward - before).tolist() == [math.ceil(-math.log2(theta))] * 3
    assert given.goal.reached(classifier.logits(ends)).all()
    path = straight if p == 2 else _shrunk
    fraction = (ends - images).flatten(1).norm(given.lp.p, 1) / (points - images).flatten(1).norm(given.lp.p, 1)
    assert not given.goal.reached(classifier.logits(path(images, points, (fraction - theta).clamp_min(0)))).any()


def test_the_number_of_draws_grows_with_the_root_of_the_step():
    asked = []
    classifier = convolutional()
    handle = classifier.module.register_forward_hook(lambda _, images, __: asked.append(len(images[0])))
    run(HopSkipJump(steps=9, draws=20), classifier, middle(1), threat=Lp(2))
    handle.remove()
    assert [count for count in asked if count > 1] == [int(20 * math.sqrt(step)) for step in range(1, 10)]


def test_the_bisection_ends_at_the_boundary_on_the_side_that_meets_the_goal():
    classifier, images = convolutional(), middle(8)
    given = problem(classifier, images, Lp(2))
    state = reached(given, 50)
    tolerance = torch.full_like(state.problem.clean[:, 0], 1e-6)
    ends = bisected(state.problem, state.points, straight, tolerance)
    goal, clean = state.problem.goal, state.problem.images
    assert goal.reached(classifier.logits(ends)).all()
    before = clean + (1 - 2e-6) * (ends - clean)
    assert not goal.reached(classifier.logits(before)).any()


def test_an_image_without_a_first_point_stays_unbroken():
    constant = Classifier(lambda images: torch.zeros(len(images), dtype=torch.int64), labels=3)
    for attack in (HopSkipJump(steps=2, starts=7), Boundary(steps=5, starts=7)):
        result = run(attack, constant, middle(3).float(), threat=Lp(2))
        assert not result.success.any()
        assert (result.forward == 7 + 2).all()


def test_coarse_images_find_what_noise_does_not():
    """Class 1 needs a mean far from the middle, which no uniform noise on 400 values has."""

    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([torch.full_like(x[:, 0, 0, 0], 0.15), (x.flatten(1).mean(1) - 0.5).abs()], 1)

    images = torch.full((6, 1, 20, 20), 0.5)
    result = run(HopSkipJump(steps=1, draws=10), Classifier(Mean()), images, threat=Lp(2))
    assert result.success.float().mean() > 0.8


def test_targets_are_reached_where_a_first_point_is_found():
    classifier, images = convolutional(), middle(8)
    target = (classifier.logits(images).argmax(1) + 1) % 4
    for attack in (HopSkipJump(steps=3, draws=20), Boundary(steps=50)):
        result = run(attack, classifier, images, goal=Targeted(target), threat=Lp(2))
        assert result.success.any()
        assert (result.prediction == target)[result.success].all()


def test_candidates_are_on_the_sphere_and_nearer():
    images = middle(50)
    given = problem(affine(classes=2), images, Lp(2))
    points = images + 0.05 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    none = torch.zeros(50, dtype=torch.float64)
    aside, nearer = candidates(given, BoundaryState(points, none + 0.3, none + 0.1, none, none, none, none))
    radius = (points - images).flatten(1).norm(dim=1)
    torch.testing.assert_close((aside - images).flatten(1).norm(dim=1), radius)
    torch.testing.assert_close((nearer - images).flatten(1).norm(dim=1), 0.9 * radius)
    angle = nn.functional.cosine_similarity((aside - images).flatten(1), (points - images).flatten(1))
    torch.testing.assert_close(angle, torch.full_like(angle, 1 / math.sqrt(1.09)))


def test_step_sizes_adapt_as_published():
    attack, none = Boundary(), torch.zeros(4, dtype=torch.float64)
    size = none + 0.1
    asked = torch.tensor([99.0, 100, 100, 100], dtype=torch.float64)
    met = torch.tensor([99.0, 51, 19, 30], dtype=torch.float64)
    new, left, _ = attack._changed(size, asked, met, 100, (0.2, 0.5))
    torch.testing.assert_close(new, torch.tensor([0.1, 0.15, 0.1 / 1.5, 0.1], dtype=torch.float64))
    assert left.tolist() == [99, 0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *[(HopSkipJump, {"steps": -1}), (HopSkipJump, {"draws": 0}), (HopSkipJump, {"starts": 0})],
        *[
            (Boundary, {"delta": 0}),
            (Boundary, {"epsilon": 1}),
            (Boundary, {"adaptation": 1}),
            (Boundary, {"steps": -1}),
        ],
    ],
)
def test_settings_that_cannot_be_meant(kind, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        kind(**wrong)


def test_the_bisection_ends_where_no_number_is_left_between_two_shares():
    classifier, images = convolutional(), middle(8)
    given = problem(classifier, images, Lp(2))
    state = reached(given, 50)
    before = given.record.forward.clone()
    ends = bisected(state.problem, state.points, straight, torch.zeros_like(state.problem.clean[:, 0]))
    assert state.problem.goal.reached(classifier.logits(ends)).all()
    assert (
        given.record.forward - before <= 60
    ).all()  # float64 halves a fraction at most 53 times, and a few to the end
