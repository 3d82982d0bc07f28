"""Walks of boundary descent in l1: each step against a linear programme, where they begin, and what they find."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from scipy.optimize import linprog

from brittle import BoundaryDescent, Lp, Problem, Targeted, Untargeted, run
from brittle.attacks import boundary_descent
from brittle.attacks.boundary_walk import OVERSHOOT, BoundaryWalk
from brittle.base.seeds import Streams
from brittle.core.record import Record


def problem_of(classifier, images, goal=None, threat=None):
    clean = classifier.logits(images).detach()
    ids = torch.arange(len(images))
    threat = threat or Lp(1)
    record, streams = Record(threat.zero(images)), Streams(0, ids, images.dtype)
    return Problem(classifier, images, clean, goal or Untargeted(clean.argmax(1)), threat, ids, record, streams, 100)


def steps_of(walk, problem):
    """Return the points that the network was shown, one tensor for each step."""
    seen = []
    handle = problem.classifier.module.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].detach().clone())
    )
    walk.perturb(problem)
    handle.remove()
    return seen


@pytest.mark.parametrize("reach", [0.02, 0.1, 0.4])
def test_a_step_is_the_solution_of_its_linear_programme(reach):
    classifier, images = affine(classes=2), middle(6)
    begin = torch.rand(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    first, second, *_ = steps_of(BoundaryWalk(1, begin, reach, reach), problem_of(classifier, images))
    torch.testing.assert_close(first, begin)
    weight, labels = classifier.module[1].weight.detach(), classifier.logits(images).argmax(1)
    for place in range(6):
        image, here, found = (one[place].flatten().numpy() for one in (images, begin, second))
        slope = (weight[1 - labels[place]] - weight[labels[place]]).numpy()
        logits = classifier.logits(begin[place : place + 1])[0].detach().numpy()
        size = np.abs(here - image).sum()
        level = slope @ here - (logits[1 - labels[place]] - logits[labels[place]])
        level += (OVERSHOOT * size + 1e-6) * np.abs(slope).max()
        low, high = np.maximum(0, here - reach), np.minimum(1, here + reach)
        # the change is the difference of two parts that are not negative
        split = np.hstack([slope, -slope])
        sides = np.vstack([np.hstack([np.eye(12), -np.eye(12)]), -np.hstack([np.eye(12), -np.eye(12)])])
        solved = linprog(
            np.ones(24),
            A_ub=np.vstack([-split[None], sides]),
            b_ub=np.r_[slope @ image - level, high - image, image - low],
        )
        if solved.success:
            assert np.abs(found - image).sum() == pytest.approx(solved.fun, abs=1e-6)
            assert slope @ found >= level - 1e-9
        else:  # the boundary is out of reach: as far towards it as the box and the reach allow
            np.testing.assert_allclose(found, np.where(slope > 0, high, low), atol=1e-12)


def test_no_value_moves_farther_than_the_reach_which_falls_by_the_same_factor():
    images = middle(8)
    points = steps_of(BoundaryWalk(5, torch.ones_like(images), 0.2, 0.002), problem_of(convolutional(), images))
    moved = [float((after - before).abs().max()) for before, after in pairwise(points)][:5]
    allowed = [0.2 * 0.01 ** (step / 4) for step in range(5)]
    assert all(way <= most * (1 + 1e-9) for way, most in zip(moved, allowed, strict=True))
    assert moved[0] == pytest.approx(0.2)


def test_an_affine_network_is_solved_from_anywhere():
    classifier, images = affine(classes=2), middle()
    labels = classifier.logits(images).argmax(1)
    least = distance(classifier, images, labels, torch.inf)
    problem = problem_of(classifier, images)
    BoundaryWalk(40, torch.rand_like(images), 0.3, 0.01).perturb(problem)
    assert (problem.record.size <= 1.02 * least).all()


def test_a_target_is_what_it_walks_to():
    classifier, images = affine(classes=3), middle(9)
    targets = (classifier.logits(images).argmax(1) + 1) % 3
    problem = problem_of(classifier, images, Targeted(targets))
    BoundaryWalk(30, torch.rand_like(images), 0.5, 0.005).perturb(problem)
    found = classifier.logits(problem.record.best).argmax(1)
    assert problem.solved.all()
    assert torch.equal(found, targets)


def test_within_a_radius_it_ends_with_the_first_that_breaks():
    images, threat = middle(5), Lp(1, 12.0)
    problem = problem_of(affine(), images, threat=threat)
    shown = steps_of(BoundaryWalk(30, torch.rand_like(images), 0.5, 0.005), problem)
    assert problem.solved.all()
    assert len(shown) < 15


def test_every_second_later_run_in_l1_is_a_walk_from_far_away_or_anywhere(monkeypatch):
    monkeypatch.setattr(boundary_descent, "SETTLES", 99)  # no last run
    begun = []

    class Seen(BoundaryWalk):
        def perturb(self, problem):
            begun.append((self.steps, self.begin - problem.images, self.reach, self.last))
            super().perturb(problem)

    monkeypatch.setattr(boundary_descent, "BoundaryWalk", Seen)
    images = middle(24)
    result = run(BoundaryDescent(steps=50, runs=5, spread=0.1), convolutional(), images, threat=Lp(1))
    assert (result.backward == 50).all()
    assert [(steps, reach, last) for steps, _, reach, last in begun] == [(10, 0.5, 0.005)] * 2
    far, anywhere = (change.abs().amax() for _, change, _, _ in begun)
    assert 0.09 < far <= 0.1 + 1e-12
    assert anywhere > 0.3
    begun.clear()
    for p in (2, torch.inf):
        run(BoundaryDescent(steps=50, runs=5), convolutional(), images, threat=Lp(p))
    assert not begun
