"""The probe: several points per image, parts, gradients, sweeps, and passes that an independent hook confirms."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from affine import convolutional, middle

from brittle import Attack, Classifier, Lp, Problem, Untargeted, run
from brittle.base.seeds import Streams
from brittle.core.record import Record


def problem_of(
    n: int = 5, max_points: int = 100, classifier: Classifier | None = None, threat: Lp | None = None
) -> Problem:
    classifier, images = classifier or convolutional(), middle(n) + 0.1
    clean = classifier.logits(images).detach()
    ids = torch.arange(n)
    threat = threat or Lp(2)
    record, streams = Record(threat.zero(images)), Streams(0, ids, images.dtype)
    return Problem(classifier, images, clean, Untargeted(clean.argmax(1)), threat, ids, record, streams, max_points)


class Hook:
    """Counts the images that go through a module, forwards and backwards, and the largest batch."""

    def __init__(self, module: torch.nn.Module):
        self.forward = self.backward = self.largest = 0
        module.register_forward_hook(self.seen)

    def seen(self, module, inputs, output):
        self.forward += len(inputs[0])
        self.largest = max(self.largest, len(inputs[0]))
        if output.requires_grad:
            output.register_hook(self.back)

    def back(self, gradient):
        self.backward += len(gradient)


def slopes(classifier: Classifier, points: torch.Tensor, value) -> torch.Tensor:
    """Central differences, entry by entry."""
    entries = points[0].numel()
    steps = 1e-6 * torch.eye(entries, dtype=points.dtype).reshape(entries, 1, *points.shape[1:])
    with torch.no_grad():
        up, down = (value(classifier.logits((points + side * steps).flatten(0, 1))) for side in (1, -1))
    return ((up - down) / 2e-6).reshape(entries, -1).T.reshape(points.shape)


def test_gradients_agree_with_finite_differences():
    problem = problem_of()
    probe = problem.probe(problem.images + 0.03)
    value = lambda logits: logits[:, 1] - logits[:, 0].tanh()  # noqa: E731
    torch.testing.assert_close(
        probe.gradient(value), slopes(problem.classifier, probe.points, value), rtol=1e-5, atol=1e-7
    )
    each = problem.probe(problem.images).gradients(lambda logits: logits[:, :3])
    assert each.shape == (5, 3, 1, 3, 4)
    for j in range(3):
        expected = slopes(problem.classifier, problem.images, lambda logits, j=j: logits[:, j])
        torch.testing.assert_close(each[:, j], expected, rtol=1e-5, atol=1e-7)


def test_points_are_clamped_to_the_box_and_judged_there():
    problem = problem_of()
    probe = problem.probe(problem.images + 3)
    assert torch.equal(probe.points, torch.ones_like(problem.images))
    assert torch.equal(probe.logits, problem.classifier.logits(torch.ones_like(problem.images)).detach())
    assert (problem.record.best <= 1).all()


def test_met_means_the_goal_and_the_threat():
    problem = problem_of(threat=Lp(2, 0.01))
    probe = problem.probe(1 - problem.images)
    assert problem.goal.met(probe.logits).any()
    assert not probe.met.any()
    assert torch.isinf(problem.record.size).all()
    assert torch.equal(problem.record.best, problem.images)


def test_points_are_what_the_threat_sees_in_them():
    """Under a threat of its own a point may be anything: here the fraction of the way to the inverted image."""

    class Inversion(Lp):
        def zero(self, clean):
            return torch.zeros_like(clean)

        def seen(self, clean, moved, bounds):
            return moved, clean + moved * (1 - 2 * clean)

        def size(self, clean, moved):
            return moved.flatten(1).amax(1)

    problem = problem_of(threat=Inversion(2, 0.5))
    probe = problem.probe(torch.full_like(problem.images, 0.4))
    torch.testing.assert_close(probe.points, 0.6 * problem.images + 0.4 * (1 - problem.images))
    assert torch.equal(probe.met, problem.goal.met(problem.classifier.logits(probe.points)))
    assert (problem.record.best[probe.met] == 0.4).all()
    assert not problem.probe(torch.full_like(problem.images, 0.6)).met.any()


def test_several_points_of_an_image_leave_the_best():
    problem = problem_of(3)
    owners = torch.tensor([2, 0, 2, 1, 2])
    points = problem.images[owners] + torch.linspace(-0.4, 0.4, 5, dtype=torch.float64)[:, None, None, None]
    probe = problem.probe(points, of=owners)
    assert torch.equal(probe.problem.ids, owners)
    sizes = (probe.points - problem.images[owners]).flatten(1).norm(dim=1).where(probe.met, torch.inf)
    for image in range(3):
        assert problem.record.size[image] == sizes[owners == image].min()
    assert problem.record.forward.tolist() == [1, 1, 3]


@pytest.mark.parametrize("max_points", [4, 7])
def test_more_points_than_the_limit_go_in_parts_with_the_same_outcome(max_points):
    whole, parts = problem_of(5), problem_of(5, max_points)
    hook = Hook(parts.classifier.module)
    owners = torch.arange(15) % 5
    points = whole.images[owners] + torch.linspace(-0.3, 0.3, 15, dtype=torch.float64)[:, None, None, None]
    value = lambda logits: logits.gather(1, whole.goal.labels[owners][:, None])[:, 0] if len(logits) == 15 else None  # noqa: E731
    one, other = whole.probe(points, of=owners), parts.probe(points, of=owners)
    torch.testing.assert_close(other.logits, one.logits)
    assert torch.equal(parts.record.size, whole.record.size)
    torch.testing.assert_close(other.gradient(value), one.gradient(value))
    torch.testing.assert_close(other.gradients(lambda z: z[:, :2] ** 2), one.gradients(lambda z: z[:, :2] ** 2))
    assert hook.largest <= max_points
    assert hook.forward == int(parts.record.forward.sum())
    assert hook.backward == int(parts.record.backward.sum())


@pytest.mark.parametrize("max_points", [100, 3])
def test_a_sweep_goes_as_deep_as_each_point_needs(max_points):
    problem = problem_of(6, max_points)
    hook = Hook(problem.classifier.module)
    depth = torch.tensor([3, 0, 1, 2, 3, 1])
    expected = problem_of(6).probe(problem.images).gradients(lambda logits: logits)
    seen = torch.zeros(6, 4, dtype=torch.int64)
    probe = problem.probe(problem.images)
    for j, rows, gradients in probe.sweep(lambda logits, at: logits * torch.ones(6, 1, dtype=torch.float64)[at], depth):
        seen[rows, j] += 1
        torch.testing.assert_close(gradients, expected[rows, j])
    assert torch.equal(seen, (torch.arange(4) < depth[:, None]).long())
    assert hook.forward == int(problem.record.forward.sum())
    assert hook.backward >= int(problem.record.backward.sum())
    assert torch.equal(problem.record.backward, depth)
    again = (depth > 1).long() + (depth > 0).long() * (max_points < 6)  # in parts the first look has no graph
    assert torch.equal(problem.record.forward, 1 + again)


def test_who_rides_along_in_the_graph_of_others_is_not_charged():
    problem = problem_of(8)
    hook = Hook(problem.classifier.module)
    probe = problem.probe(problem.images)
    one = probe.rows(torch.tensor([3]))
    expected = problem_of(8).probe(problem.images).gradient(lambda logits: logits[:, 0])
    torch.testing.assert_close(one.gradient(lambda logits: logits[:, 0]), expected[3:4])
    assert problem.record.forward.tolist() == [1] * 8
    assert problem.record.backward.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert (hook.forward, hook.backward) == (8, 8)


def test_several_points_of_an_image_cost_the_same_whether_they_fit_into_one_pass_or_not():
    for max_points in (1, 3, 100):
        problem = problem_of(3, max_points)
        owners = torch.arange(3).repeat(4)
        probe = problem.probe(problem.images[owners], of=owners)
        probe.gradient(lambda logits: logits[:, 0])
        assert problem.record.forward.tolist() == [8] * 3
        assert problem.record.backward.tolist() == [4] * 3


def test_a_graph_that_was_used_is_made_again():
    problem = problem_of()
    hook = Hook(problem.classifier.module)
    probe = problem.probe(problem.images)
    first, second = (probe.gradient(lambda logits: logits[:, 1]) for _ in range(2))
    assert torch.equal(first, second)
    assert (hook.forward, hook.backward) == (10, 10)
    assert int(problem.record.forward.sum()) == 10


def test_without_a_graph_a_gradient_still_comes():
    problem = problem_of()
    with torch.no_grad():
        expected = problem.probe(problem.images).gradient(lambda logits: logits[:, 1])
        found = problem.probe(problem.images, graph=False).gradient(lambda logits: logits[:, 1])
    assert torch.equal(found, expected)


def test_labels_of_a_targeted_goal_are_the_clean_predictions():
    from brittle import Targeted

    problem = problem_of()
    assert torch.equal(problem.labels, problem.goal.labels)
    aimed = replace(problem, goal=Targeted((problem.labels + 1) % 4))
    assert torch.equal(aimed.labels, problem.labels)


def test_solved_asks_the_problems_own_threat():
    problem = problem_of()
    problem.probe(1 - problem.images)
    solved = problem.solved
    assert solved.any()
    sizes = problem.record.size
    assert not replace(problem, threat=Lp(2, 0.5 * float(sizes.min()))).solved.any()
    assert torch.equal(replace(problem, threat=Lp(2, torch.where(solved, sizes, 0))).solved, solved)


def test_outputs_that_are_not_numbers_are_never_a_success():
    """Argmax takes NaN for the largest of all, so that a network out of its depth would look broken."""

    class Fragile(torch.nn.Module):
        def forward(self, x):
            total = x.flatten(1).sum(1, keepdim=True)
            return torch.cat([torch.full_like(total, 5), (total - 6.5).sqrt()], 1)  # NaN where the sum is below 6.5

    images = torch.full((2, 1, 3, 4), 0.55, dtype=torch.float64)
    result = run(Once(0.1), Classifier(Fragile()), images, threat=Lp(2))
    assert not result.success.any()
    assert torch.isinf(result.size).all()
    problem = problem_of(2, classifier=Classifier(Fragile()))
    probe = problem.probe(images * 0.1)
    assert torch.equal(probe.logits, problem.clean)
    assert (problem.record.nonfinite_outputs == 1).all()
    assert (probe.gradient(problem.goal.margin) * (problem.images - probe.points) >= 0).all(), "leads back"
    assert not probe.met.any()


@dataclass(frozen=True)
class Once(Attack):
    """Looks once, at the image times a factor."""

    factor: float

    def perturb(self, problem: Problem) -> None:
        problem.probe(self.factor * problem.images)


class Ahead(torch.nn.Module):
    """Two classes, the second ahead by what the first value is above 0.5; logits near 100."""

    def forward(self, images):
        gap = images.flatten(1)[:, 0] - 0.5
        return torch.stack([torch.full_like(gap, 100.0), 100.0 + gap], 1)


@pytest.mark.parametrize(("threat", "counts"), [(Lp(2), False), (Lp(2, 1.0), True)])
def test_where_the_smallest_is_wanted_a_margin_that_rounding_may_undo_does_not_count(threat, counts):
    """Float32 logits of 100 round by 8e-6; another batch may turn a lead of one or two such units around."""
    images = torch.full((1, 1, 1, 2), 0.4)
    classifier = Classifier(Ahead())
    ids, clean, goal = torch.arange(1), classifier.logits(images).detach(), Untargeted(torch.tensor([0]))
    for doubts, graph in ((True, True), (True, False), (False, False)):
        record, streams = Record(threat.zero(images), doubts=doubts), Streams(0, ids, images.dtype)
        problem = Problem(classifier, images, clean, goal, threat, ids, record, streams, 10)
        for lead, wanted in ((1e-5, counts or not doubts), (1e-3, True)):
            points = images.clone()
            points[0, 0, 0, 0] = 0.5 + lead
            assert bool(problem.probe(points, graph=graph).met) == bool(problem.solved) == wanted


@dataclass(frozen=True)
class AtOnce(Attack):
    """Shows the network one point, whose lead is a single unit in the last place."""

    def perturb(self, problem):
        problem.probe(problem.images + torch.tensor([0.1 + 1e-5, 0.0]), graph=False)


@dataclass(frozen=True)
class ByClass(AtOnce):
    """Goes by the class alone."""

    gradients: ClassVar[bool] = False


@pytest.mark.parametrize("attack", [AtOnce(), ByClass()])
def test_a_search_by_the_class_alone_is_not_told_of_margins(attack):
    result = run(attack, Classifier(Ahead()), torch.full((1, 1, 1, 2), 0.4), threat=Lp(2))
    assert bool(result.success) != attack.gradients
