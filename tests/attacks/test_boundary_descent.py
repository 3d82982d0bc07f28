"""Boundary descent: its closed-form pieces, its passes, and that it finds less than DeepFool."""

import math

import pytest
import torch
from affine import affine, convolutional, distance, middle
from torch import nn

from brittle import ALMA, BoundaryDescent, Classifier, DeepFool, InputError, Lp, Targeted, run
from brittle.attacks import boundary_descent
from brittle.maths.hyperplane import shrink_to_boundary
from brittle.maths.losses import logit_margin, smooth_margin

NORMS = (1, 2, math.inf)


@pytest.mark.parametrize("p", NORMS)
def test_shortened_steps_reach_the_height_and_no_more(p):
    generator = torch.Generator().manual_seed(0)
    step, normal = torch.randn(2, 5, 1, 3, 4, generator=generator, dtype=torch.float64)
    step = step.abs() * normal.sign()  # every entry helps
    room = torch.full_like(step, 0.8)
    reached = (normal * step.clamp(-0.8, 0.8)).flatten(1).sum(1)
    wanted = reached / 2
    short = shrink_to_boundary(step, normal, wanted, p, -room, room)
    height = (normal * short).flatten(1).sum(1)
    assert (height >= wanted - 1e-12).all()
    assert (height <= wanted * 1.002).all()
    assert (short.abs() <= step.abs().clamp_max(0.8) + 1e-12).all()
    if p == 1:
        kept = short != 0
        lost = (step.abs() - short.abs())[kept & (step.abs() < 0.8)]
        assert len(lost) > 3
        shrunk = (step.abs() - short.abs()).flatten(1).amax(1)
        within = kept & (step.abs() < 0.8)
        difference = (step.abs() - short.abs() - shrunk[:, None, None, None]).masked_fill(~within, 0)
        assert (difference <= 1e-12).all()


def test_what_does_not_reach_the_height_is_left_alone():
    step, normal = torch.tensor([[0.5, -0.25]]), torch.ones(1, 2)
    room = torch.ones(1, 2)
    assert torch.equal(shrink_to_boundary(step, normal, torch.tensor([9.0]), 2, -room, room), step)


def test_the_smooth_lead_goes_from_the_nearest_class_to_all_of_them():
    logits = torch.tensor([[3.0, 1.0, 0.5, -2.0]], dtype=torch.float64).requires_grad_()
    label = torch.tensor([0])
    torch.testing.assert_close(smooth_margin(logits, label, torch.tensor([1e-9])), logit_margin(logits, label))
    cold, warm = (
        torch.autograd.grad(smooth_margin(logits, label, torch.tensor([heat]).double()).sum(), logits)[0][0]
        for heat in (1e-3, 1e3)
    )
    torch.testing.assert_close(cold, torch.tensor([1.0, -1.0, 0.0, 0.0]).double())
    torch.testing.assert_close(warm, torch.tensor([1.0, -1 / 3, -1 / 3, -1 / 3]).double(), atol=1e-2, rtol=0)


@pytest.mark.parametrize("p", NORMS)
def test_affine_networks_are_solved_almost_exactly(p):
    classifier, images = affine(), middle()
    labels = classifier.logits(images).argmax(1)
    result = run(BoundaryDescent(steps=30), classifier, images, threat=Lp(p))
    least = distance(classifier, images, labels, Lp(p).dual)
    assert result.success.all()
    assert (result.size <= 1.02 * least).all()


@pytest.mark.parametrize("p", NORMS)
def test_it_finds_less_than_deepfool_where_boundaries_bend(p):
    classifier, images = convolutional(), middle(24)
    ours = run(BoundaryDescent(steps=30), classifier, images, threat=Lp(p))
    deepfool = run(DeepFool(), classifier, images, threat=Lp(p))
    assert ours.success.all()
    assert ours.size.mean() < 0.985 * deepfool.size.mean()


def test_steps_are_backward_passes_and_runs_cost_little_more():
    result = run(BoundaryDescent(steps=25, runs=2), convolutional(), middle(), threat=Lp(2))
    assert (result.backward == 25).all()
    assert (
        result.forward == 25 + 2 + 3
    ).all()  # the last point of each run, the classes that are next, clean, verified
    assert (result.iterations == 25).all()


def seen_by(classifier, attack, images, threat):
    """Return what the network was shown during the attack, one tensor for each forward pass."""
    seen = []
    handle = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    result = run(attack, classifier, images, threat=threat)
    handle.remove()
    return result, seen


def test_later_runs_begin_far_from_the_image(monkeypatch):
    monkeypatch.setattr(boundary_descent, "REMOTE", math.inf)
    classifier, images = convolutional(classes=6), middle(24)
    once = run(BoundaryDescent(steps=15), classifier, images, threat=Lp(2))
    often, seen = seen_by(classifier, BoundaryDescent(steps=45, runs=3, spread=0.3), images, Lp(2))
    assert (often.size <= once.size * (1 + 1e-9)).all()
    assert (often.prediction != once.prediction).any()
    starts = [seen[1 + 16 * number + (number > 0)] - images for number in range(3)]  # a run looks at 16 points
    assert not starts[0].any()
    for start in starts[1:]:
        moved = start[(images > 0.3) & (images < 0.7)]  # where the box does not cut
        assert moved.abs().max() <= 0.3 * (1 + 1e-6)
        assert moved.std() == pytest.approx(0.3 / 3**0.5, rel=0.1)
    assert (starts[1] != starts[2]).all(1).any()
    nowhere, seen = seen_by(classifier, BoundaryDescent(steps=45, runs=3, spread=0), images, Lp(2))
    assert torch.equal(seen[18], images)
    assert (nowhere.size <= once.size * (1 + 1e-9)).all()


@pytest.mark.parametrize(("p", "remote", "classes"), [(math.inf, 20, 1), (2, 0, 2), (2, math.inf, 0)])
def test_later_runs_go_from_the_image_to_the_classes_that_are_next(p, remote, classes, monkeypatch):
    """In linf every second one; in l2 where a far start would be too far."""
    monkeypatch.setattr(boundary_descent, "REMOTE", remote)
    classifier, images = affine(classes=6), middle(24)
    clean = classifier.logits(images)
    labels = clean.argmax(1, keepdim=True)
    once, _ = seen_by(classifier, BoundaryDescent(steps=15), images, Lp(p))
    often, seen = seen_by(classifier, BoundaryDescent(steps=45, runs=3), images, Lp(p))
    assert (often.backward == 45).all()
    assert (often.size <= once.size * (1 + 1e-9)).all()
    order = classifier.logits(seen[17]).scatter(1, labels, -torch.inf).argsort(1, descending=True)
    for number in (1, 2):
        begun = 2 + 16 * number  # after the clean images, 16 points of each run, and a look at the best ones
        assert torch.equal(seen[begun], images) == (number <= classes)
        if number <= classes:
            aim, points = order[:, number : number + 1], seen[begun + 15]
            lead, before = (
                (logits.gather(1, aim) - logits.gather(1, labels)).abs()
                for logits in (classifier.logits(points), clean)
            )
            assert (lead < 1e-2 * before).all(), "it ends at the boundary to that class"


@pytest.mark.parametrize("change", [{"goal": Targeted(torch.arange(24) % 3)}, {"classes": 2}])
def test_where_there_is_no_other_class_later_runs_begin_far_away(change):
    classes, goal = change.get("classes", 6), change.get("goal")
    classifier, images = affine(classes=classes), middle(24)
    seen = []
    handle = classifier.module.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    run(BoundaryDescent(steps=30, runs=2), classifier, images, threat=Lp(math.inf), goal=goal)
    handle.remove()
    assert not any(torch.equal(points, images) for points in seen[2:] if len(points) == len(images))


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_scale_of_the_logits_does_not_matter(p, scale):
    classifier, images, times = convolutional(classes=6), middle(12), nn.Linear(6, 6, bias=False).double()
    with torch.no_grad():
        times.weight.copy_(scale * torch.eye(6))
    other = Classifier(nn.Sequential(classifier.module, times).eval())
    usual, scaled = (run(BoundaryDescent(20), one, images, threat=Lp(p)) for one in (classifier, other))
    torch.testing.assert_close(scaled.size, usual.size, rtol=1e-3, atol=0)


@pytest.mark.parametrize("p", [1, math.inf])
def test_a_search_of_many_runs_ends_at_the_best_point(p):
    classifier, images = convolutional(classes=6), middle(8)
    result, seen = seen_by(classifier, BoundaryDescent(steps=50, runs=5), images, Lp(p))
    assert (result.backward == 50).all()
    last = len(seen) - 1 - 11  # 10 steps and the last point; what is returned is verified
    before = [(points - images).flatten(1).norm(p, 1) for points in seen[:last]]
    met = [classifier.logits(points).argmax(1) != classifier.logits(images).argmax(1) for points in seen[:last]]
    best = torch.stack([torch.where(ok, size, torch.inf) for ok, size in zip(met, before, strict=True)]).min(0).values
    torch.testing.assert_close((seen[last] - images).flatten(1).norm(p, 1), best)
    _, seen = seen_by(classifier, BoundaryDescent(steps=50, runs=4), images, Lp(p))
    assert len(seen) == 1 + 50 + 4 + 1 + (p == math.inf), "and a look for the order of the classes"


def test_a_long_search_looks_farther_first_at_no_more_backward_passes(monkeypatch):
    threat, classifier, images = Lp(2), convolutional(classes=6), middle(8)
    monkeypatch.setattr(boundary_descent, "FARTHER", 60)
    long, plain, far = (
        run(attack, classifier, images, threat=threat)
        for attack in (
            *(BoundaryDescent(steps=60), BoundaryDescent(steps=30)),
            ALMA(steps=30, first_distance=0.5, smoothing=0.5),
        )
    )
    assert (long.backward == 60).all()
    assert (long.size <= torch.minimum(plain.size, far.size) * (1 + 1e-9)).all()
    near = run(BoundaryDescent(steps=60, farther=0), classifier, images, threat=threat)
    assert (near.size != long.size).any()
    monkeypatch.setattr(boundary_descent, "FARTHER", 61)
    assert torch.equal(run(BoundaryDescent(steps=60), classifier, images, threat=threat).size, near.size)


class Plateau(nn.Module):
    """Two classes by the mean m of 64 values, apart by 1 / (1 + e^(-s (m - 0.7))) - 1 / 2: almost flat far from 0.7."""

    def forward(self, images):
        gap = torch.sigmoid(40 * (images.flatten(1).mean(1) - 0.7)) - 0.5
        return torch.stack([-gap, gap], 1)


@pytest.mark.parametrize("p", [1, 2, math.inf])
def test_a_network_that_is_flat_at_the_image_does_not_send_the_walk_to_and_fro(p):
    """The linear model asks for 160 times the distance there; the truth is 0.4 in each of 64 values."""
    images = torch.full((4, 1, 8, 8), 0.3)
    result = run(BoundaryDescent(steps=20), Classifier(Plateau()), images, threat=Lp(p))
    truth = {1: 64 * 0.4, 2: 8 * 0.4, math.inf: 0.4}[p]
    assert result.success.all()
    assert (result.size <= 1.01 * truth).all()


def test_targets_and_confidence_are_reached():
    classifier, images = convolutional(), middle()
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    goal = Targeted(targets, confidence=0.5)
    result = run(BoundaryDescent(steps=40), classifier, images, goal=goal, threat=Lp(2))
    assert result.success.all()
    assert (result.prediction == targets).all()
    assert (result.margin >= 0.5).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"runs": 0},
        {"stride": 1.5},
        {"momentum": -0.1},
        {"smoothing": -1},
        {"farther": 1},
        {"spread": 1.1},
    ],
)
def test_hyper_parameters_are_checked(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        BoundaryDescent(**wrong)
