"""Lengths, radii and constants over the steps, against the schedules written out again."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

import brittle
from brittle import Attack, Classifier, Flow, Lp, Pixels, Problem, Untargeted, run
from brittle.attacks.boundary import Boundary, BoundaryState
from brittle.attacks.hop_skip_jump import _strode
from brittle.attacks.rotation_translation import RotationTranslation
from brittle.attacks.square import _allowed
from brittle.base.seeds import Streams
from brittle.core.record import Record

GREY = torch.full((1, 1, 2, 3), 0.5, dtype=torch.float64)


class Between(nn.Module):
    """Class 1 where the sum of all values lies between two numbers, otherwise class 0; counts what it is shown."""

    def __init__(self, low: float, high: float = math.inf):
        super().__init__()
        self.low, self.high = low, high
        self.one = nn.Parameter(torch.ones(1, dtype=torch.float64))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        total = x.flatten(1).sum(1) * self.one
        inside = torch.minimum(total - self.low, (self.high - total).clamp_max(1e6))
        return torch.stack([torch.zeros_like(inside), inside], 1)


def problem_of(module: nn.Module, images: Tensor, threat: Lp | Flow, **settings: float) -> Problem:
    classifier = Classifier(module)
    clean = classifier.logits(images).detach()
    ids = torch.arange(len(images))
    goal = Untargeted(clean.argmax(1), **settings)
    record, streams = Record(threat.zero(images)), Streams(0, ids, images.dtype)
    return Problem(classifier, images, clean, goal, threat, ids, record, streams, 100)


@dataclass(frozen=True)
class ToTheRim(Attack):
    """Moves every value up by the radius, and notes the radii that it was given."""

    radii: tuple[list[float], ...] = ()
    needs_radius = True

    def perturb(self, problem: Problem) -> None:
        radius = torch.as_tensor(problem.threat.radius).reshape(-1, 1, 1, 1)
        self.radii[0].append(float(radius))
        problem.probe(problem.images + radius, graph=False)


@pytest.mark.parametrize("least", [0.013, 0.3])
def test_the_smallest_radius_doubles_to_the_first_success_and_then_halves_to_what_was_found(least: float):
    radii, low, high, radius, expected = list[float](), 0.0, math.inf, 0.5 / 16, list[float]()
    for _ in range(7):
        expected.append(radius)
        low, high = (low, min(high, radius)) if radius > least else (radius, high)
        radius = (low + high) / 2 if high < math.inf else min(2 * radius, 0.5)
    search = brittle.SmallestRadius(ToTheRim((radii,)), steps=7, first=1 / 16)
    found = run(search, Classifier(Between(3 + 6 * least)), GREY, threat=Lp("inf"))
    assert radii == pytest.approx(expected, rel=1e-12)
    assert found.size.item() == pytest.approx(min(one for one in expected if one > least), rel=1e-9)


def test_the_smallest_radius_never_goes_beyond_the_box_or_the_radius_given():
    for threat, ceiling in ((Lp("inf"), 0.5), (Lp("inf", 0.2), 0.2)):
        radii = list[float]()
        search = brittle.SmallestRadius(ToTheRim((radii,)), steps=4, first=0.25)
        run(search, Classifier(Between(100)), GREY, threat=threat)
        assert radii == pytest.approx([ceiling / 4, ceiling / 2, ceiling, ceiling], rel=1e-12)


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_restarts_are_made_and_none_after_a_success(count: int):
    for least, expected in ((100.0, count), (3.1, 1)):
        radii = list[float]()
        run(brittle.Restarts(ToTheRim((radii,)), count), Classifier(Between(least)), GREY, threat=Lp("inf", 0.1))
        assert len(radii) == expected


def test_a_random_direction_is_doubled_to_the_boundary_and_then_bisected():
    module = Between(3.0001)
    attack = brittle.RandomDirection(directions=1, doublings=5, bisections=4)
    found = run(attack, Classifier(module), GREY, threat=Lp(2), seed=2)
    assert found.success.item()
    lengths = [float((points - GREY).norm()) for points in module.seen[1:-1]]
    reach, low, high = math.sqrt(6) / 2, 0.0, math.inf
    length, way = reach / 2**5, module.seen[1] - GREY
    slope = float(way.sum() / way.norm())
    for seen in lengths:
        assert seen == pytest.approx(length, rel=1e-9)
        low, high = (low, length) if slope * length > 1e-4 else (length, high)
        length = (low + high) / 2 if high < math.inf else 2 * length
    assert len(lengths) == 1 + 5 + 4


def test_a_random_direction_that_never_succeeds_ends_with_its_doublings():
    module = Between(100.0)
    run(brittle.RandomDirection(directions=2, doublings=3, bisections=9), Classifier(module), GREY, threat=Lp("inf"))
    looks = [points for points in module.seen[1:-1]]
    assert len(looks) == 2 * (1 + 3)
    assert float((looks[0] - GREY).abs().amax()) == pytest.approx(0.5 / 2**3, rel=1e-9)


@pytest.mark.parametrize(("first", "looks"), [(1e9, 2), (0.09e9, 3), (2e10, 1)])
@pytest.mark.parametrize("carry", [True, False])
def test_constants_in_the_2_norm_grow_tenfold_up_to_the_largest(first: float, looks: int, carry: bool):
    attack = brittle.CarliniWagnerL2(searches=20, steps=1, constant=first, carry=carry)
    assert run(attack, Classifier(Between(100)), GREY, threat=Lp(2)).iterations.item() == looks


@pytest.mark.parametrize(("first", "looks"), [(1e6, 2), (0.4e6, 3), (3e6, 1)])
def test_constants_of_the_count_double_up_to_the_largest(first: float, looks: int):
    attack = brittle.CarliniWagnerL0(steps=1, constant=first, skip=False, abort_early=False, candidates=0)
    for threat in (Lp(0), Pixels(math.inf)):
        assert run(attack, Classifier(Between(100)), GREY, threat=threat).iterations.item() == looks


@pytest.mark.parametrize(("first", "looks"), [(10.0, 1), (9.0, 2), (2.4, 4)])
def test_constants_in_the_maximum_norm_double_to_the_largest(first: float, looks: int):
    attack = brittle.CarliniWagnerLinf(steps=1, constant=first, skip=False, abort_early=False)
    assert run(attack, Classifier(Between(100)), GREY, threat=Lp("inf")).iterations.item() == looks


@pytest.mark.parametrize("halvings", [0, 1, 5])
def test_a_stride_is_halved_until_the_goal_is_met(halvings: int):
    """From 3.1, where the goal is met, strides of 0.8 / 2^k lead to 3.1 + 0.8 / 2^k, and class 1 ends just above."""
    problem = problem_of(Between(3.05, 3.1 + 0.8 / 2**halvings + 1e-6), GREY, Lp(2))
    up = torch.full_like(GREY, 1 / 6)
    found = _strode(problem, GREY + 0.1 * up, up, torch.tensor([0.8], dtype=torch.float64))
    assert float(found.sum()) == pytest.approx(3.1 + 0.8 / 2**halvings, abs=1e-9)


def test_step_sizes_on_the_boundary_change_at_the_published_shares():
    """Of 100 answers about the sphere and 30 about the way to the source: Foolbox's 0.5 and 0.2, 0.25 and 0.1."""
    met, took = torch.tensor([19.0, 20.0, 50.0, 51.0]), torch.tensor([2.0, 3.0, 7.0, 8.0])
    one = torch.ones(4)
    walk = BoundaryState(torch.zeros(4, 1, 1, 1), one, one, 100 * one, met, 30 * one, took)
    after = Boundary(adaptation=2.0)._adapted(walk)
    assert after.sphere.tolist() == after.source.tolist() == [0.5, 1.0, 1.0, 2.0]
    assert not torch.stack([after.asked, after.met, after.tried, after.took]).any()
    early = replace(walk, asked=99 * one, tried=29 * one)
    same = Boundary()._adapted(early)
    assert torch.equal(same.sphere, one)
    assert torch.equal(same.source, one)
    assert torch.equal(same.asked, early.asked)
    assert torch.equal(same.took, took)


def test_the_boundary_attack_asks_about_the_sphere_at_every_tenth_step():
    module = Between(3.3)
    run(Boundary(steps=21, starts=200), Classifier(module), GREY, threat=Lp(2))
    start = Between(3.3)
    run(Boundary(steps=0, starts=200), Classifier(start), GREY, threat=Lp(2))
    assert len(module.seen) - len(start.seen) == 21 + 3


@pytest.mark.parametrize(("walk", "search"), [(1, 0), (4, 3)])
def test_super_deepfool_makes_so_many_steps_and_halvings(walk: int, search: int):
    """On a network that never gives in there is nothing to bisect."""
    attack = brittle.SuperDeepFool(walk=walk, search=search)
    images, classifier = middle(3), affine(classes=2)
    with torch.no_grad():
        classifier.module[1].bias[0] += 100
    never = run(attack, classifier, images, threat=Lp(2))
    assert (never.iterations == walk).all()
    assert (never.forward == walk + 3).all()
    once = run(replace(attack, search=0), affine(), images, threat=Lp(2))
    more = run(replace(attack, search=search), affine(), images, threat=Lp(2))
    assert (more.forward - once.forward == search * once.success).all()


def test_super_deepfool_bisects_the_line_to_the_clean_image():
    """The record holds the best point on the line: never more than 2^-8 of it beyond the boundary, seen from before."""
    images, classifier = middle(6), convolutional()
    ends, halved = (
        run(brittle.SuperDeepFool(steps=1, overshoot=0.5, search=count), classifier, images, threat=Lp(2))
        for count in (0, 8)
    )
    for row in range(6):
        far, fractions = ends.adversarial[row] - images[row], torch.arange(1, 257, dtype=torch.float64) / 256
        line = images[row] + fractions[:, None, None, None] * far
        classes = classifier.logits(line).argmax(1)
        reached = fractions[classes != ends.clean_prediction[row]]
        assert float(halved.size[row] / ends.size[row]) == pytest.approx(float(reached.min()), abs=1e-9)


def test_the_grid_of_rotations_and_translations_is_evenly_spaced_without_the_one_that_changes_nothing():
    images = torch.zeros(2, 1, 5, 9, dtype=torch.float64)
    problem = problem_of(Between(100), images, Flow(math.inf))
    for angles, shifts, rotations, moves in (
        (1, 3, [0.0], (-1.0, 0.0, 1.0)), (3, 1, [-20.0, 0.0, 20.0], (0.0,)), (2, 2, [-20.0, 20.0], (-1.0, 1.0)),
    ):  # fmt: skip
        grid = RotationTranslation(angles=angles, shifts=shifts, degrees=20, reach=0.2)._grid(problem)
        wanted = {
            (angle, round(1.0 * down, 6), round(1.8 * across, 6))
            for angle in rotations for down in moves for across in moves
        } - {(0.0, 0.0, 0.0)}  # fmt: skip
        for row in range(2):
            triples = torch.cat([grid.angles[row, :, None], grid.shifts[row]], 1).tolist()
            assert len(triples) == len(wanted)
            assert {tuple(round(value, 6) for value in triple) for triple in triples} == wanted
            assert (grid.lengths[row].diff() >= 0).all()


@pytest.mark.parametrize("factor", [0.01, 1.0, 100.0])
def test_scaled_deformations_do_not_depend_on_the_scale_of_the_logits(factor: float):
    images, module = middle(4), convolutional().module
    attack = brittle.SpatiallyTransformed(steps=8, scaled=True)
    usual = run(attack, Classifier(module), images, threat=Flow(math.inf))
    times = run(attack, Classifier(_Times(module, factor)), images, threat=Flow(math.inf))
    assert usual.success.any()
    assert usual.field is not None
    assert times.field is not None
    torch.testing.assert_close(times.field, usual.field, rtol=1e-6, atol=1e-9)
    assert torch.equal(times.backward, usual.backward)


def test_deformations_that_are_not_scaled_do():
    images, module, attack = middle(4), convolutional().module, brittle.SpatiallyTransformed(steps=8, tau=5.0)
    one, other = (
        run(attack, Classifier(_Times(module, factor)), images, threat=Flow(math.inf)) for factor in (1.0, 0.01)
    )
    assert not torch.equal(one.adversarial, other.adversarial)


class _Times(nn.Module):
    def __init__(self, module: nn.Module, factor: float):
        super().__init__()
        self.module, self.factor = module, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.module(x)


@pytest.mark.parametrize("side", [0.02, 0.98])
def test_in_l1_square_takes_the_nearest_change_within_ball_and_box(side: float):
    """Towards the near edge only 0.02 is left for each value: what the box takes away, others get."""
    images = torch.full((1, 1, 2, 3), side, dtype=torch.float64)
    sign = 1.0 if side > 0.5 else -1.0
    change = sign * torch.tensor([[[[0.5, 0.3, 0.2], [-0.4, -0.1, 0.0]]]], dtype=torch.float64)
    moved = _allowed(problem_of(Between(100), images, Lp(1, 0.5)), change) - images
    # the shared amount 0 < t solves 3 * 0.02 + (0.4 - t) + (0.1 - t) = 0.5 with t below 0.1
    expected = sign * torch.tensor([[[[0.02, 0.02, 0.02], [-0.37, -0.07, 0.0]]]], dtype=torch.float64)
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)
