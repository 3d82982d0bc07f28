"""FAB against algorithm 1, written out again from the paper image by image, with scipy's solvers as projections."""

import math

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from scipy import optimize
from torch import Tensor

from brittle import FAB, Classifier, DeepFool, InputError, Lp, Targeted, run


def to_plane(x: np.ndarray, normal: np.ndarray, rise: float, p: float) -> np.ndarray:
    """Return the smallest step from x within 0..1 along which the function changes by `rise`, or as far as it can."""
    corner = np.where(normal * rise > 0, 1 - x, -x) * (normal != 0)
    if abs(normal @ corner) <= abs(rise):
        return corner
    if p == 2:
        found = optimize.minimize(
            lambda s: s @ s / 2,
            corner / 2,
            jac=lambda s: s,
            bounds=list(zip(-x, 1 - x, strict=True)),
            constraints={"type": "eq", "fun": lambda s: normal @ s - rise, "jac": lambda s: normal},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 300},
        )
        return found.x
    n = len(x)
    eye = np.eye(n)
    bounds = list(zip(-x, 1 - x, strict=True))
    if p == math.inf:  # minimise t with -t <= s_i <= t
        above = np.block([[eye, -np.ones((n, 1))], [-eye, -np.ones((n, 1))]])
        cost, extra = np.r_[np.zeros(n), 1], [(0, None)]
    else:
        above, cost, extra = np.block([[eye, -eye], [-eye, -eye]]), np.r_[np.zeros(n), np.ones(n)], [(0, None)] * n
    equal = np.r_[normal, np.zeros(len(extra))][None]
    found = optimize.linprog(cost, above, np.zeros(2 * n), equal, [rise], [*bounds, *extra], method="highs")
    return found.x[:n]


def algorithm_1(classifier: Classifier, image: Tensor, label: int, p: float, steps: int) -> float:
    """Return the smallest size across the boundary, with eta = 1.05, alpha_max = 0.1, beta = 0.9."""
    clean = image.flatten().numpy()
    x, smallest, q = clean.copy(), math.inf, {1: math.inf, 2: 2, math.inf: 1}[p]
    for _ in range(steps):
        leaf = torch.tensor(x).reshape(image[None].shape).requires_grad_()
        logits = classifier.module(leaf)[0]
        planes = []
        for other in range(len(logits)):
            if other != label:
                gap = logits[other] - logits[label]
                (slope,) = torch.autograd.grad(gap, leaf, retain_graph=True)
                planes.append((float(gap.detach()), slope.flatten().numpy()))
        gap, normal = min(planes, key=lambda plane: abs(plane[0]) / np.linalg.norm(plane[1], q))
        here = to_plane(x, normal, -gap, p)
        there = to_plane(clean, normal, -gap - normal @ (clean - x), p)
        near, far = np.linalg.norm(here, p), np.linalg.norm(there, p)
        fraction = min(near / (near + far), 0.1)
        x = np.clip((x + 1.05 * here) * (1 - fraction) + (clean + 1.05 * there) * fraction, 0, 1)
        if int(classifier.module(torch.tensor(x).reshape(image[None].shape)).argmax()) != label:
            smallest = min(smallest, float(np.linalg.norm(x - clean, p)))
            x = clean + 0.9 * (x - clean)
    return smallest


@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_it_is_algorithm_1(p):
    """In l1 and linf the smallest step need not be unique where two slopes are equal; here none are."""
    classifier, images = convolutional(), middle(4)
    labels = classifier.logits(images).argmax(1).detach()
    result = run(FAB(steps=6), classifier, images, labels, threat=Lp(p))
    expected = [algorithm_1(classifier, image, int(label), p, 6) for image, label in zip(images, labels, strict=True)]
    assert np.isfinite(expected).sum() >= 3
    assert result.size.tolist() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("p", "q"), [(1, math.inf), (2, 2), (math.inf, 1)])
def test_affine_networks_fall_at_their_distance(p, q):
    classifier, images = affine(), middle()
    least = distance(classifier, images, classifier.logits(images).argmax(1), q)
    result = run(FAB(steps=20), classifier, images, threat=Lp(p))
    assert result.success.all()
    assert (result.size >= least * (1 - 1e-6)).all()
    assert (result.size <= least * 1.01).all()


def test_the_nearest_class_is_found_by_aiming_at_each_in_turn():
    classifier, images = affine(classes=5, seed=3), middle(20, seed=4)
    least = distance(classifier, images, classifier.logits(images).argmax(1), 2)
    result = run(FAB(steps=8, targets=4), classifier, images, threat=Lp(2))
    assert (result.size <= least * 1.01).all()
    one = run(FAB(steps=8, targets=1), classifier, images, threat=Lp(2))
    assert (one.size > least * 1.05).any()


def test_within_a_radius_an_image_leaves_once_it_is_broken():
    classifier, images = convolutional(), middle(10)
    free = run(FAB(steps=20), classifier, images, threat=Lp(2))
    held = run(FAB(steps=20), classifier, images, threat=Lp(2, 1.5 * free.size))
    assert held.success.all()
    assert (held.forward < free.forward).all()
    assert (held.size <= 1.5 * free.size + 1e-9).all()


def test_a_target_is_reached():
    classifier, images = affine(), middle()
    goal = Targeted((classifier.logits(images).argmax(1) + 1) % 4)
    result = run(FAB(steps=40), classifier, images, goal=goal, threat=Lp(2))
    reference = run(DeepFool(), classifier, images, goal=goal, threat=Lp(2))
    assert (result.success >= reference.success).all()
    with pytest.raises(InputError, match="the goal names its own target"):
        run(FAB(targets=2), classifier, images, goal=goal, threat=Lp(2))


def test_restarts_begin_at_half_the_size_known_and_never_make_it_worse():
    seen: list[Tensor] = []
    classifier, images = convolutional(), middle(5)
    classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    once = run(FAB(steps=5), classifier, images, threat=Lp(2))
    looks = len(seen) - 1
    seen.clear()
    twice = run(FAB(steps=5, restarts=2), classifier, images, threat=Lp(2))
    assert (twice.size <= once.size).all()
    start = next(x for x in seen[looks:] if len(x) == 5)
    assert ((start - images).flatten(1).norm(dim=1) <= once.size / 2 + 1e-9).all()
    assert ((start - images).flatten(1).norm(dim=1) > once.size / 4).any()


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 0},
        {"restarts": 0},
        {"targets": -1},
        {"overshoot": 0.9},
        {"pull": 0.0},
        {"back": 1.1},
        {"candidates": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        FAB(**settings)
