"""SimBA, NES and SPSA: their bases and estimates, and what they cost."""

import pytest
import torch
from affine import affine, convolutional, middle
from torch import Tensor, nn

from brittle import NES, SPSA, Attack, Classifier, InputError, Lp, Problem, SimBA, Targeted, run
from brittle.attacks.simba import directions


class Watched(Attack):
    """Keeps the problem that it is given."""

    def perturb(self, problem: Problem) -> None:
        Watched.seen = problem


def problem(classifier: Classifier, images: Tensor, threat: Lp) -> Problem:
    run(Watched(), classifier, images, threat=threat)
    return Watched.seen


def every_direction(images: Tensor, shape: tuple[int, int, int], basis: str) -> Tensor:
    count = torch.Size(shape).numel()
    return directions(images.expand(count, *images.shape[1:]), torch.Size(shape), torch.arange(count), basis)


@pytest.mark.parametrize("basis", ["pixel", "cosine"])
def test_the_basis_is_orthonormal(basis):
    flat = every_direction(torch.zeros(1, 2, 5, 4, dtype=torch.float64), (2, 5, 4), basis).flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(40, dtype=torch.float64))


def test_low_frequencies_come_first_in_each_axis():
    waves = every_direction(torch.zeros(1, 1, 8, 6, dtype=torch.float64), (1, 2, 3), "cosine")
    changes = (waves.sign().diff(dim=2) != 0).flatten(1).sum(1), (waves.sign().diff(dim=3) != 0).flatten(1).sum(1)
    assert changes[0].tolist() == [0, 0, 0, 6, 6, 6]
    assert changes[1].tolist() == [0, 8, 16, 0, 8, 16]


@pytest.mark.parametrize("basis", ["pixel", "cosine"])
def test_simba_never_gets_worse_and_is_as_long_as_published(basis):
    classifier, images = convolutional(), middle(10, (1, 6, 6))
    label = classifier.logits(images).argmax(1)
    before = classifier.logits(images).log_softmax(1).gather(1, label[:, None])[:, 0].detach()
    last = before
    for steps in (1, 4, 9, 16):
        attack = SimBA(epsilon=0.02, basis=basis, frequencies=1.0, steps=steps)
        result = run(attack, classifier, images, threat=Lp(2))
        now = classifier.logits(result.adversarial).log_softmax(1).gather(1, label[:, None])[:, 0].detach()
        assert (result.l2 <= 0.02 * steps**0.5 + 1e-9).all()
        assert (result.iterations <= steps).all()
        if not result.success.any():
            assert (result.forward <= 2 * steps + 2).all()
            assert (now < before).all()
        last = now
    assert (last < before).all()


def test_simba_finds_the_best_signs_of_an_affine_network():
    classifier, images = affine(classes=2), middle(6)
    weight, label = classifier.module[1].weight.detach(), classifier.logits(images).argmax(1)
    slope = weight[1 - label] - weight[label]
    gap = classifier.logits(images).detach()
    gap = (gap.gather(1, 1 - label[:, None]) - gap.gather(1, label[:, None]))[:, 0]
    epsilon = 0.9 * float((-gap / slope.abs().sum(1)).min())
    result = run(SimBA(epsilon=epsilon), classifier, images, threat=Lp(2))
    assert not result.success.any()
    torch.testing.assert_close(result.margin, gap + epsilon * slope.abs().sum(1))


def test_simba_stays_within_a_radius():
    result = run(SimBA(), convolutional(), middle(8, (1, 6, 6)), threat=Lp(2, 0.3))
    assert (result.l2 <= 0.3 + 1e-6).all()


class Bent(nn.Module):
    """Smooth, with known gradients by autograd."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x.flatten(1)) @ self.weight.T


@pytest.mark.parametrize("kind", [NES, SPSA])
def test_estimates_converge_to_the_gradient(kind):
    classifier, images = Classifier(Bent()), middle(3)
    given = problem(classifier, images, Lp(2, 1.0))
    leaf = images.clone().requires_grad_()
    logits, labels = classifier.logits(leaf), given.goal.labels
    log_odds = (
        nn.functional.cross_entropy(logits, labels, reduction="none") if kind is NES else given.goal.margin(logits)
    )
    (true,) = torch.autograd.grad(log_odds.sum(), leaf)
    errors = []
    for draws in (40, 4000):
        slope = kind(draws=draws, delta=1e-4).slope(given, images)
        errors.append(float((slope - true).flatten(1).norm(dim=1).max() / true.flatten(1).norm(dim=1).max()))
    assert errors[1] < 0.15
    assert errors[1] < errors[0] / 3


def test_one_pair_measures_the_slope_along_its_direction():
    """On an affine network an estimate of one pair is exactly (slope . u) u."""
    classifier, images = affine(classes=2), middle(4)
    given = problem(classifier, images, Lp(2, 1.0))
    weight, label = classifier.module[1].weight.detach(), given.goal.labels
    slope = (weight[1 - label] - weight[label]).reshape(images.shape)
    estimate = SPSA(draws=2, delta=1e-6).slope(given, images)
    u = estimate.sign()
    expected = (slope * u).flatten(1).sum(1).abs()[:, None, None, None]
    torch.testing.assert_close(estimate.abs(), expected.expand_as(estimate))


@pytest.mark.parametrize("kind", [NES, SPSA])
@pytest.mark.parametrize(("p", "radius"), [(2, 0.5), ("inf", 0.2)])
def test_they_break_and_cost_what_they_say(kind, p, radius):
    classifier, images = convolutional(), middle(8, (1, 6, 6))
    result = run(kind(draws=21, steps=6, delta=0.01, stride=0.04), classifier, images, threat=Lp(p, radius))
    assert result.success.any()
    assert torch.equal(result.forward, 20 * result.iterations + result.iterations + 1 + 2)
    assert (result.backward == 0).all()


@pytest.mark.parametrize("attack", [NES(draws=20, steps=40, delta=0.01), SPSA(draws=20, steps=40), SimBA(epsilon=0.3)])
def test_targets_are_reached(attack):
    classifier, images = convolutional(), middle(6, (1, 6, 6))
    target = (classifier.logits(images).argmax(1) + 1) % 4
    result = run(attack, classifier, images, goal=Targeted(target), threat=Lp(2, 3.0))
    assert result.success.any()
    assert (result.prediction == target)[result.success].all()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *[(NES, {"draws": 1}), (SPSA, {"delta": 0.0}), (NES, {"stride": -1.0}), (SPSA, {"steps": -1})],
        *[(SimBA, {"epsilon": 0.0}), (SimBA, {"frequencies": 0.0}), (SimBA, {"steps": 0})],
    ],
)
def test_settings_that_cannot_be_meant(kind, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        kind(**wrong)


class Drifting(nn.Module):
    """Two classes by the sum of an image, the first one less sure by a last digit with every look."""

    def __init__(self):
        super().__init__()
        self.looks = 0
        self.edge = nn.Parameter(torch.tensor(8.5, dtype=torch.float64))

    def forward(self, x):
        self.looks += 1
        total = x.flatten(1).sum(1) - self.edge - 1e-12 * self.looks
        return torch.stack([total, -total], 1)


def test_a_step_of_simba_that_the_box_undoes_is_no_improvement():
    white = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    found = run(SimBA(), Classifier(Drifting()), white, threat=Lp(2))
    assert bool(found.success), "half of the steps lead out of the box, whose last digits rise all the same"
