"""APGD against algorithm 1, written out again from the paper for one image at a time."""

import math
from collections import Counter

import pytest
import torch
from affine import affine, convolutional, distance, middle
from hill import Hill
from torch import Tensor
from torch.nn import functional

from brittle import APGD, PGD, Classifier, InputError, Lp, Targeted, run
from brittle.attacks.apgd import checkpoints
from brittle.attacks.apgd_l1 import SparseAPGD, _sparse
from brittle.base.seeds import Streams


def projected(image: Tensor, x: Tensor, p: float, eps: float) -> Tensor:
    change = x - image
    change = change.clamp(-eps, eps) if p == math.inf else change * min(1.0, eps / float(change.norm()))
    return (image + change).clamp(0, 1)


def algorithm_1(
    classifier: Classifier, image: Tensor, label: int, start: Tensor, p: float, eps: float, steps: int,
    rho: float = 0.75, alpha: float = 0.75,
):  # fmt: skip
    """Return the points on the way, the largest margin of another class there, and why the stride was halved or not.

    The reasons are pairs at each checkpoint: whether condition 1 held, too few rises, and condition 2, no better point.
    """

    def look(x: Tensor) -> tuple[float, float, Tensor]:
        leaf = x[None].requires_grad_()
        logits = classifier.module(leaf)
        loss = functional.cross_entropy(logits, torch.tensor([label]))
        (slope,) = torch.autograd.grad(loss, leaf)
        scores = logits[0].detach()
        others = torch.cat([scores[:label], scores[label + 1 :]])
        return float(loss.detach()), float(others.max() - scores[label]), slope[0]

    def steepest(slope: Tensor) -> Tensor:
        return slope.sign() if p == math.inf else slope / slope.norm()

    eta, path, reasons = 2 * eps, [start], []
    x_old = x = start
    loss, margin, slope = look(x)
    best_loss, best, best_slope, largest = loss, x, slope, margin
    losses, halved, best_then, last = [loss], False, -math.inf, 0
    for k in range(steps):
        if k in checkpoints(steps):
            rises = sum(losses[i + 1] > losses[i] for i in range(last, k))
            reasons.append((rises < rho * (k - last), not halved and best_loss <= best_then))
            halve = any(reasons[-1])
            halved, best_then, last = halve, best_loss, k
            if halve:
                eta /= 2
        else:
            halve = False
        here, direction = (best, best_slope) if halve else (x, slope)
        ahead = projected(image, here + eta * steepest(direction), p, eps)
        if k:
            ahead = projected(image, here + alpha * (ahead - here) + (1 - alpha) * (here - x_old), p, eps)
        x_old, x = x, ahead
        path.append(x)
        loss, margin, slope = look(x)
        losses.append(loss)
        largest = max(largest, margin)
        if loss > best_loss:
            best_loss, best, best_slope = loss, x, slope
    return torch.stack(path), largest, reasons


@pytest.mark.parametrize(("p", "eps"), [(math.inf, 0.01), (2, 0.03)])
def test_it_is_algorithm_1(p, eps):
    """With so small a radius that no image falls, every run goes to its end."""
    classifier, images = convolutional(), middle(5)
    labels = classifier.logits(images).argmax(1).detach()
    result = run(APGD(steps=30), classifier, images, labels, threat=Lp(p, eps), seed=3)
    streams, everyone = Streams(3, torch.arange(5), images.dtype), torch.arange(5)
    shape = tuple(images.shape[1:])
    drawn = 2 * streams.uniform(everyone, shape) - 1 if p == math.inf else streams.normal(everyone, shape)
    halvings = 0
    for row in range(5):
        if result.success[row]:
            continue
        start = (images[row] + eps * drawn[row] / drawn[row].norm(p)).clamp(0, 1)
        _, largest, reasons = algorithm_1(classifier, images[row], int(labels[row]), start, p, eps, 30)
        halvings += sum(any(one) for one in reasons)
        assert float(result.margin[row]) == pytest.approx(largest, rel=1e-9)
        assert result.iterations[row] == 30
    assert halvings > 5


@pytest.mark.parametrize(("p", "eps", "rho", "alpha"), [(math.inf, 0.2, 0.75, 0.75), (2, 0.4, 0.35, 0.6)])
def test_every_point_is_that_of_algorithm_1_whatever_halves_the_stride(p, eps, rho, alpha):
    """On hills with a top within the ball or near its edge; with a small rho condition 2 decides alone at times."""
    generator, rows, steps = torch.Generator().manual_seed(5), 8, 40
    images = torch.full((rows, 1, 1, 4), 0.5).double()
    tops = 0.5 + 0.4 * (torch.rand(images.shape, generator=generator).double() - 0.5)
    steepness = 30 ** (torch.rand(images.shape, generator=generator).double() * 2 - 1)
    hill = Hill(tops, steepness)
    labels, everyone = torch.zeros(rows, dtype=torch.int64), torch.arange(rows)
    attack = APGD(steps=steps, rises=rho, momentum=alpha)
    result = run(attack, Classifier(hill), images, labels, threat=Lp(p, eps), seed=3)
    assert not result.success.any()
    path = torch.stack(hill.seen[1 : steps + 2], 1)  # between the clean look and the verdict
    streams, shape = Streams(3, everyone, images.dtype), tuple(images.shape[1:])
    drawn = 2 * streams.uniform(everyone, shape) - 1 if p == math.inf else streams.normal(everyone, shape)
    counted = Counter()
    for row in range(rows):
        start = (images[row] + eps * drawn[row] / drawn[row].norm(p)).clamp(0, 1)
        alone = Classifier(Hill(tops[row], steepness[row]))
        expected, _, reasons = algorithm_1(alone, images[row], 0, start, p, eps, steps, rho, alpha)
        torch.testing.assert_close(path[row], expected, rtol=0, atol=1e-12)
        counted.update(reasons)
    assert min(counted[True, False], counted[False, False]) > 3, counted
    assert rho == 0.75 or counted[False, True] > 3, counted


@pytest.mark.parametrize(("p", "q", "more"), [(math.inf, 1, 1.02), (2, 2, 1.02), (1, math.inf, 1.25)])
def test_affine_networks_fall_where_they_must(p, q, more):
    """In l1 the smallest change is a single entry, around which strides of at least a tenth of the radius swing."""
    classifier, images = affine(), middle()
    least = distance(classifier, images, classifier.logits(images).argmax(1), q)
    for factor, falls in ((more, True), (0.98, False)):
        result = run(APGD(steps=40, targets=3), classifier, images, threat=Lp(p, factor * least))
        assert (result.success == falls).all()


def test_runs_towards_each_class_find_what_one_run_misses():
    """The nearest class by the logits is a decoy that never leads; another one is reached."""
    classifier = affine(classes=5, seed=3)
    images = middle(40, seed=4)
    least = distance(classifier, images, classifier.logits(images).argmax(1), 1)
    threat = Lp("inf", 1.01 * least)
    one = run(APGD(steps=10, loss="dlr"), classifier, images, threat=threat)
    all_ = run(APGD(steps=10, targets=4), classifier, images, threat=threat)
    assert all_.success.all()
    assert not one.success.all()


def test_it_needs_no_step_size_where_pgd_with_a_poor_one_fails():
    classifier, images = convolutional(), middle(30)
    threat = Lp("inf", 0.06)
    poor = run(PGD(steps=40, step_size=0.0002), classifier, images, threat=threat)
    ours = run(APGD(steps=40), classifier, images, threat=threat)
    assert int(ours.success.sum()) > int(poor.success.sum())


def test_targets_of_a_goal_are_reached_and_do_not_go_with_targets_of_its_own():
    classifier, images = affine(), middle()
    goal = Targeted((classifier.logits(images).argmax(1) + 1) % 4)
    result = run(APGD(steps=40), classifier, images, goal=goal, threat=Lp("inf", 0.4))
    assert result.success.any()
    with pytest.raises(InputError, match="the goal names its own target"):
        run(APGD(targets=2), classifier, images, goal=goal, threat=Lp("inf", 0.4))
    with pytest.raises(InputError, match="the network has 3 classes"):
        run(APGD(targets=2), affine(classes=3), images, threat=Lp("inf", 0.4))


def test_checkpoints_are_the_papers():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert all(0 < one <= steps for steps in range(1, 60) for one in checkpoints(steps))


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"restarts": 0}, {"targets": -1}, {"momentum": 0.0}, {"rises": 1.2}]
)
def test_what_cannot_be_meant_is_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        APGD(**settings)


def test_in_l1_the_radii_shrink_and_only_the_last_one_counts():
    run_of = SparseAPGD(100, "cross_entropy", None, widened=True)
    assert run_of.stages() == [(3.0, 30), (2.0, 30), (1.0, 40)]
    assert SparseAPGD(100, "cross_entropy", None, widened=False).stages() == [(1.0, 100)]
    assert all(
        sum(count for _, count in SparseAPGD(steps, "cross_entropy", None, widened=True).stages()) == steps
        for steps in range(1, 40)
    )
    classifier, images = affine(), middle()
    least = distance(classifier, images, classifier.logits(images).argmax(1), math.inf)
    result = run(APGD(steps=30), classifier, images, threat=Lp(1, 0.9 * least))
    assert not result.success.any()
    assert (
        result.forward == 30 + 2 + 1 + 2
    ).all()  # steps, beginnings of the later stages, start, clean and final look


def test_in_l1_a_step_moves_the_share_of_entries_with_the_largest_gradients():
    gradient = torch.tensor([[[[4.0, -3.0], [2.0, 1.0]]], [[[4.0, -3.0], [2.0, 1.0]]]])
    moved = _sparse(gradient, torch.tensor([0.5, 0.25]))
    assert moved.flatten(1).tolist() == [[0.5, -0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
