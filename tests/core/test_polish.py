"""Polish: on small networks the truth, found by going through all patterns; elsewhere nothing is lost."""

from itertools import product

import numpy as np
import pytest
import torch
from affine import convolutional, middle
from scipy.optimize import linprog
from torch import nn

from brittle import (
    PGD,
    BoundaryDescent,
    Classifier,
    DeepFool,
    InputError,
    Lp,
    MemeticAscent,
    Polish,
    RandomNoise,
    Restarts,
    Square,
    Targeted,
    run,
)
from brittle.core.attack import uses_gradients

VALUES = 9


def small(seed: int, classes: int = 3, hidden: int = 7) -> Classifier:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(VALUES, hidden), nn.ReLU(), nn.Linear(hidden, classes)).double()
    with torch.no_grad():
        for weight in module.parameters():
            nn.init.normal_(weight)
        module[1].bias.copy_(-module[1].weight.sum(1) / 2)
        module[3].bias.zero_()
    return Classifier(module)


def images(count: int = 12) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(count, 1, 3, 3, dtype=torch.float64)


def truth(classifier: Classifier, image: torch.Tensor, label: int, p: float) -> float:
    """The smallest change in l1 or linf that leads to another class, by one linear programme for each pattern."""
    first, last = classifier.module[1], classifier.module[3]
    w, b, v, c = (part.detach().numpy() for part in (first.weight, first.bias, last.weight, last.bias))
    x, best = image.flatten().numpy(), np.inf
    ones, nothing = np.eye(VALUES), np.zeros((len(w), VALUES if p == 1 else 1))
    size = -np.eye(VALUES) if p == 1 else -np.ones((VALUES, 1))
    aim = np.r_[np.zeros(VALUES), np.ones(size.shape[1])]
    for pattern in product((0.0, 1.0), repeat=len(w)):
        on = np.array(pattern)
        sides = np.hstack([(1 - 2 * on)[:, None] * w, nothing])
        limits = (2 * on - 1) * (w @ x + b)
        for other in range(len(v)):
            if other == label:
                continue
            lead = (v[other] - v[label]) * on
            wanted = np.r_[-(lead @ w), np.zeros(size.shape[1])]
            found = linprog(
                aim,
                A_ub=np.vstack([sides, wanted, np.hstack([ones, size]), np.hstack([-ones, size])]),
                b_ub=np.r_[limits, lead @ (w @ x + b) + c[other] - c[label], np.zeros(2 * VALUES)],
                bounds=[*zip(-x, 1 - x, strict=True), *[(0, None)] * size.shape[1]],
            )
            best = min(best, found.fun) if found.status == 0 else best
    return best


@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_small_networks_come_to_the_truth(norm):
    classifier, some = small(4, hidden=5), images(4)
    labels = classifier.logits(some).argmax(1)
    rough = run(DeepFool(steps=10), classifier, some, threat=Lp(norm))
    fine = run(Polish(BoundaryDescent(30)), classifier, some, threat=Lp(norm))
    true = torch.tensor([truth(classifier, x, int(y), Lp(norm).p) for x, y in zip(some, labels, strict=True)])
    assert rough.size.median() > 1.003 * true.median(), "otherwise there is nothing to polish"
    assert (fine.size >= true * (1 - 1e-6)).all()
    assert (fine.size / true).median() <= 1.003
    assert (fine.size / true <= 1.0001).sum() >= 3, "of the fourth another basin is smaller"


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_logits_near_0_round_as_the_sums_that_they_are_of(norm):
    """One output for two classes: at the boundary both logits are 0 and hide what they are made of."""
    torch.manual_seed(4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 1))
    seen = torch.rand(24, 1, 6, 6)
    with torch.no_grad():
        module[3].bias -= module(seen).median()
    labels, classifier = (module(seen)[:, 0] > 0).long(), Classifier(module, binary=True)
    attack = BoundaryDescent(15)
    before, after = (run(one, classifier, seen, labels, threat=Lp(norm)) for one in (attack, Polish(attack)))
    assert (after.success >= before.success).all()
    for batch in (1, 5):
        again = torch.cat([(module(part)[:, 0] > 0).long() for part in after.adversarial.split(batch)])
        assert (again[after.success] != labels[after.success]).all()


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_nothing_gets_larger_and_most_gets_smaller(norm):
    classifier, some = small(2), images()
    plain, fine = (run(one, classifier, some, threat=Lp(norm)) for one in (DeepFool(), Polish(DeepFool())))
    assert (fine.size <= plain.size).all()
    assert (fine.size < 0.999 * plain.size).sum() >= 6
    assert (fine.forward > plain.forward).all()
    assert (fine.success >= plain.success).all()


def test_a_target_is_kept_to():
    classifier, some = small(2, classes=5), images()
    goal = Targeted((classifier.logits(some).argmax(1) + 1) % 5)
    plain, fine = (run(one, classifier, some, goal=goal, threat=Lp(2)) for one in (DeepFool(), Polish(DeepFool())))
    assert (classifier.logits(fine.adversarial).argmax(1) == goal.labels)[fine.success].all()
    assert (fine.size <= plain.size).all()
    assert (fine.size < plain.size).any()


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_within_a_radius_it_breaks_what_the_attack_leaves(norm):
    classifier, some = small(2), images()
    smallest = run(Polish(BoundaryDescent(60)), classifier, some, threat=Lp(norm)).size
    for radius in smallest.quantile(torch.tensor([0.3, 0.6], dtype=torch.float64)) * 1.001:
        threat = Lp(norm, float(radius))
        noise = RandomNoise(draws=2)
        plain, fine = (run(one, classifier, some, threat=threat) for one in (noise, Polish(noise)))
        assert plain.success.sum() + 2 <= fine.success.sum() <= (smallest <= float(radius)).sum() + 1
        kept = plain.success
        assert torch.equal(fine.forward[kept], plain.forward[kept]), "what is broken is left alone"


def test_smooth_networks_are_left_alone_at_one_forward_pass():
    classifier, some = convolutional(), middle(5)
    plain, fine = (run(one, classifier, some, threat=Lp(2)) for one in (DeepFool(), Polish(DeepFool())))
    assert torch.equal(plain.adversarial, fine.adversarial)
    assert torch.equal(plain.forward + 1, fine.forward)
    assert torch.equal(plain.backward, fine.backward)


def test_large_images_and_other_threats_are_left_alone():
    classifier, some = small(2), images(3)
    plain = run(DeepFool(), classifier, some, threat=Lp(2))
    large = run(Polish(DeepFool(), entries=8), classifier, some, threat=Lp(2))
    assert torch.equal(plain.forward, large.forward)
    noise = RandomNoise(draws=4)
    plain, fine = (run(one, classifier, some, threat=Lp("l0", 3)) for one in (noise, Polish(noise)))
    assert torch.equal(plain.forward, fine.forward)


@pytest.mark.parametrize("budget", [1, 7, 30, 60])
def test_a_budget_is_kept(budget):
    result = run(Polish(DeepFool(steps=3)), small(2), images(3), threat=Lp(1), budget=budget)
    assert ((result.forward + result.backward) <= budget + 2).all()


def test_around_a_black_box_it_needs_gradients():
    assert uses_gradients(Polish(Square()))
    assert uses_gradients(Polish(MemeticAscent()))


def test_what_the_attack_refuses_is_refused():
    with pytest.raises(InputError, match="was given none"):
        run(Polish(PGD()), small(2), images(2), threat=Lp(2))


def test_each_restart_polishes_what_it_has_found_itself():
    """The second run's points are worse than the first's, and are polished all the same."""
    classifier, some = small(2), images()
    smallest = run(Polish(BoundaryDescent(60)), classifier, some, threat=Lp(2)).size
    threat = Lp(2, float(smallest.median()) * 1.001)
    once, again = (
        run(Restarts(Polish(RandomNoise(draws=1), programmes=2), count), classifier, some, threat=threat)
        for count in (1, 8)
    )
    assert again.success.sum() > once.success.sum()


class InHalves(nn.Module):
    """Calculates in a type of 16 bits."""

    def __init__(self, inner: nn.Module, kind: torch.dtype):
        super().__init__()
        self.inner, self.kind = inner.to(kind), kind

    def forward(self, images):
        return self.inner(images.to(self.kind))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_networks_in_halves_lose_nothing(kind):
    classifier, some = Classifier(InHalves(small(2).module, kind)), images().float()
    plain, fine = (run(one, classifier, some, threat=Lp(2)) for one in (DeepFool(), Polish(DeepFool())))
    assert (fine.success >= plain.success).all()
    assert (fine.size <= plain.size).all()
    assert (fine.size < plain.size).any()


class Root(nn.Module):
    """Has no finite slope where a root is taken of 0: by a unit's output, or by the darkest value itself."""

    def __init__(self, inner: nn.Module, *, unit: bool):
        super().__init__()
        self.inner, self.unit = inner, unit

    def forward(self, images):
        flat = images.flatten(1)
        above = torch.relu(flat - 2) if self.unit else flat - flat.amin(1, keepdim=True).detach()
        return self.inner(images) + 0 * above.sqrt().sum(1, keepdim=True)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_slopes_that_are_not_finite_stop_nothing(norm, unit):
    classifier, some = Classifier(Root(small(2).module, unit=unit)), images(4)
    attack = DeepFool(steps=3)
    plain, fine = (run(one, classifier, some, threat=Lp(norm)) for one in (attack, Polish(attack)))
    assert (fine.success >= plain.success).all()
    assert (fine.size < plain.size).any()
    assert unit or (fine.nonfinite_gradients > plain.nonfinite_gradients).any(), "they are counted"
