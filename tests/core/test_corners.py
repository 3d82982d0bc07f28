"""Corners where two rules of the core meet: budgets and outputs that are no numbers, noise and batches, buffers."""

import math

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

import brittle
from brittle import Classifier, Lp, Problem, Targeted, Untargeted, run
from brittle.base.seeds import Streams
from brittle.classifiers.frozen import has_written, preserving_state
from brittle.core.quantize import _linearised, _StrictGoal
from brittle.core.record import Record


class Holes(nn.Module):
    """The affine network, which says NaN of some images."""

    def __init__(self, holes: Tensor):
        super().__init__()
        self.inner, self.holes = affine().module, holes

    def forward(self, x: Tensor) -> Tensor:
        logits = self.inner(x)
        lost = (x.flatten(1)[:, None] == self.holes.flatten(1)[None]).all(2).any(1)
        return torch.where(lost[:, None], torch.nan, logits)


@pytest.mark.parametrize("graph", [True, False])
def test_points_beyond_the_budget_and_points_without_an_output_are_told_apart(graph: bool):
    images = middle(4)
    points = images + 0.01
    classifier = Classifier(Holes(points[1:3]))
    clean = classifier.logits(images).detach()
    record, ids = Record(images, budget=2), torch.arange(4)
    record.count(torch.tensor([0, 2]), forward=2)
    labels = (clean.argmax(1) + 1) % 4  # met from the start, wherever the network says something
    problem = Problem(
        classifier, images, clean, Untargeted(labels), Lp(2), ids, record, Streams(0, ids, images.dtype), 9
    )
    probe = problem.probe(points, graph=graph)
    assert probe.met.tolist() == [False, False, False, True]
    assert record.nonfinite_outputs.tolist() == [0, 1, 0, 0]
    assert record.forward.tolist() == [2, 1, 2, 1]
    assert torch.equal(probe.logits[:3], clean[:3])
    assert torch.isfinite(record.size).tolist() == [False, False, False, True]
    if graph:
        assert probe.unusable is not None
        assert probe.unusable.tolist() == [False, True, False, False]
        back = probe.gradient(problem.goal.margin)
        assert not back[[0, 2]].any()
        assert back[[1, 3]].flatten(1).any(1).all()
        assert ((back[1] * (images[1] - points[1])) >= 0).all()


def test_the_noise_of_each_image_is_that_of_its_own_logits():
    logits = torch.tensor([[1e6, 0.0], [1.0, 0.0], [0.0, -1e3]])
    labels = torch.ones(3, dtype=torch.int64)
    firm = _StrictGoal(labels, 0.5, inner=Untargeted(labels))
    noise = 16 * torch.finfo(torch.float32).eps * torch.tensor([1e6, 1.0, 1e3])
    torch.testing.assert_close(firm.beyond(logits), torch.tensor([1e6, 1.0, 1e3]) - 0.5 - noise)


def silent() -> Classifier:
    """A network that shows scores and has no way back."""
    module = convolutional().module
    return Classifier(lambda images: module(images).detach())


def test_without_gradients_the_margin_is_taken_to_grow_along_the_change():
    """The slope is the change times what the margin gained on the way, by the way's square; the image itself has 0."""
    images = middle(3)
    change = torch.linspace(-0.2, 0.3, 12, dtype=torch.float64).reshape(1, 1, 3, 4) * torch.tensor([0.0, 1, 2]).reshape(
        3, 1, 1, 1
    )
    classifier, ids = silent(), torch.arange(3)
    clean = classifier.logits(images)
    firm = _StrictGoal(clean.argmax(1), 0.0, inner=Untargeted(clean.argmax(1)))
    problem = Problem(classifier, images, clean, firm, Lp(2), ids, Record(images), Streams(0, ids, images.dtype), 9)
    beyond, slope, slopes = _linearised(problem, images + change, True)
    gained = firm.beyond(classifier.logits(images + change)) - firm.beyond(clean)
    squared = change.square().flatten(1).sum(1).clamp_min(1e-300)
    assert not slopes
    torch.testing.assert_close(beyond, gained + firm.beyond(clean))
    torch.testing.assert_close(slope, change * (gained / squared).reshape(3, 1, 1, 1))
    assert not slope[0].any()


class Buffers(nn.Module):
    """Puts another buffer in the place of its own, of the same values or of others."""

    def __init__(self, more: float):
        super().__init__()
        self.more = more
        self.register_buffer("kept", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.kept + self.more
        return x.flatten(1)


@pytest.mark.parametrize(("more", "written"), [(0.0, False), (1.0, True)])
def test_a_buffer_in_the_place_of_another_is_a_change_where_its_values_are_others(more: float, written: bool):
    module = Buffers(more)
    before = module.kept
    with preserving_state(module):
        module(torch.zeros(1, 1, 1, 2))
    assert module.kept is before
    assert not before.any()
    assert has_written(module) == written


def test_the_buffers_of_inner_modules_are_put_back_once_and_in_place():
    outer = nn.Sequential(Buffers(1.0), nn.Sequential(Buffers(2.0)))
    kept = list(outer.buffers())
    with preserving_state(outer):
        outer[0](torch.zeros(1, 1, 1, 2))
        outer[1][0](torch.zeros(1, 1, 1, 2))
    assert all(now is then for now, then in zip(outer.buffers(), kept, strict=True))
    assert not any(buffer.any() for buffer in kept)
    assert set(dict(outer.named_buffers())) == {"0.kept", "1.0.kept"}


def test_the_threshold_of_sigma_zero_stays_within_0_and_1():
    """On a network that never gives in it falls to 0 and waits there; one that does at once lets it rise to 1."""
    attack = brittle.SigmaZero(steps=1, pace=0.5, threshold=0.3)
    images = middle(2)
    clean = affine().logits(images).detach()
    for goal, expected in (
        (Targeted(clean.argmin(1), confidence=100.0), [0.0, 0.0, 0.0]),
        (Untargeted(clean.argmin(1)), [0.8, 1.0, 1.0]),
    ):
        ids = torch.arange(2)
        problem = Problem(affine(), images, clean, goal, Lp(0), ids, Record(images), Streams(0, ids, images.dtype), 9)
        state, seen = attack.start(problem), []
        for _ in range(3):
            state = replace_age(attack.step(problem, state, problem.probe(images)))
            seen.append(float(state.threshold[0]))
        assert seen == pytest.approx(expected)


def replace_age(state):
    """Let the next step be the first again, where the pace is the whole one."""
    from dataclasses import replace

    return replace(state, moments=replace(state.moments, age=0))


def test_a_budget_that_is_endless_costs_what_none_costs():
    images = middle(3)
    one, other = (run(brittle.PGD(steps=3), affine(), images, threat=Lp(2, 0.1), budget=b) for b in (None, 10**6))
    assert torch.equal(one.adversarial, other.adversarial)
    assert torch.equal(one.forward, other.forward)
    assert math.isfinite(float(one.margin.sum()))
