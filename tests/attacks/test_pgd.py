"""PGD: the bare loop bit for bit, its losses, and its steps in l1."""

from dataclasses import dataclass

import pytest
import torch
from affine import affine, convolutional, middle
from torch import nn

from brittle import PGD, Classifier, Lp, Targeted, Untargeted, run
from brittle.attacks.objective import objective
from brittle.base.seeds import Streams
from brittle.core.problem import Problem
from brittle.core.record import Record


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(),
            nn.Linear(32, 5),
        ).eval()  # fmt: skip


def bare_loop(module, images, labels, radius, stride, steps):
    """Gradient, sign, clamp: what anyone would write by hand."""
    x = images.clone()
    path = [x]
    for _ in range(steps):
        x = x.detach().requires_grad_()
        loss = nn.functional.cross_entropy(module(x), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            x = images + (x + stride * gradient.sign() - images).clamp(-radius, radius)
            x = x.clamp(0, 1)
        path.append(x)
    return path


@dataclass(frozen=True)
class Unending(PGD):
    """PGD that goes on after a success, so that nothing leaves."""

    stops = False


def test_is_the_bare_loop_bit_for_bit_where_nothing_stops_early():
    images = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    module, radius, stride, seen = small().double(), 2 / 255, 0.75 / 255, []
    labels = module(images).argmax(1)
    path = bare_loop(module, images, labels, radius, stride, 7)
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    attack = Unending(steps=7, step_size=stride, random_start=False)
    result = run(attack, Classifier(module), images, labels, threat=Lp("inf", radius))
    assert len(seen) == 1 + 8 + 1  # the clean look, the path, the verdict
    for point, expected in zip(seen[1:-1], path, strict=True):
        assert torch.equal(point, expected)
    assert (result.forward == 10).all()
    assert (result.backward == 7).all()
    assert (path[-1] - images).abs().amax() == pytest.approx(radius, abs=1e-6)


def test_default_stride_is_two_and_a_half_radii_over_the_steps():
    images, threat = middle(10), Lp("inf", 0.02)
    default = run(PGD(steps=5), convolutional(), images, threat=threat)
    said = run(PGD(steps=5, step_size=2.5 * 0.02 / 5), convolutional(), images, threat=threat)
    assert torch.equal(default.adversarial, said.adversarial)
    each = run(PGD(steps=5), convolutional(), images, threat=Lp("inf", torch.full((10,), 0.02, dtype=torch.float64)))
    torch.testing.assert_close(each.adversarial, default.adversarial)


def problem_at(logits: torch.Tensor, goal) -> Problem:
    images, ids = torch.rand(len(logits), 1, 1, 1), torch.arange(len(logits))
    classifier = Classifier(nn.Flatten())
    return Problem(classifier, images, logits, goal, Lp(2, 1.0), ids, Record(images), Streams(0, ids), 9)


LOGITS = torch.tensor([[3.0, 1.0, 0.0, -2.0], [0.0, 1.0, 4.0, 2.0]])


@pytest.mark.parametrize(
    ("loss", "untargeted", "targeted"),
    [
        ("margin", [1 - 3, 4 - 1], [-2 - 3, 0 - 4]),
        ("dlr", [-(3 - 1) / (3 - 0), -(1 - 4) / (4 - 1)], [-(3 + 2) / (3 + 1), -(4 - 0) / (4 - 0.5)]),
    ],
)
def test_the_objectives_by_hand(loss, untargeted, targeted):
    leaving = problem_at(LOGITS, Untargeted(torch.tensor([0, 1])))
    assert objective(leaving, loss, kappa=50)(LOGITS).tolist() == pytest.approx(untargeted)
    reaching = problem_at(LOGITS, Targeted(torch.tensor([3, 0])))
    assert objective(reaching, loss, kappa=50)(LOGITS).tolist() == pytest.approx(targeted)


def test_cross_entropy_climbs_from_labels_and_falls_towards_targets():
    labels = torch.tensor([0, 1])
    entropy = nn.functional.cross_entropy(LOGITS, labels, reduction="none")
    assert torch.equal(objective(problem_at(LOGITS, Untargeted(labels)), "cross_entropy")(LOGITS), entropy)
    assert torch.equal(objective(problem_at(LOGITS, Targeted(labels)), "cross_entropy")(LOGITS), -entropy)


@pytest.mark.parametrize("targeted", [False, True])
def test_the_scaled_cross_entropy_brings_the_clean_logits_to_a_standard_deviation_of_5(targeted):
    """By hand, at other logits than the clean ones; and k times the network has the same loss, down to tiny logits."""
    labels = torch.tensor([0, 1])
    goal = Targeted(labels) if targeted else Untargeted(labels)
    there = LOGITS.roll(1, 1) + 0.5
    scaled = there * 5 / LOGITS.std(1, correction=1)[:, None]
    expected = nn.functional.cross_entropy(scaled, labels, reduction="none") * (-1 if targeted else 1)
    for scale in (1.0, 100.0, 1e-12):
        value = objective(problem_at(scale * LOGITS, goal), "scaled")(scale * there)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def test_another_loss_is_refused():
    from brittle import InputError

    wrong = getattr(objective, "__wrapped__", objective)
    with pytest.raises(InputError, match="'square'; expected cross_entropy, scaled, margin, dlr or divergence"):
        wrong(problem_at(LOGITS, Untargeted(torch.tensor([0, 1]))), "square")


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("p", [1, 2, "inf"])
@pytest.mark.parametrize("loss", ["cross_entropy", "margin", "dlr"])
def test_every_loss_breaks_an_affine_network_within_twice_the_distance(loss, p, targeted):
    from affine import distance

    classifier, images = affine(classes=4), middle(6)
    clean = classifier.logits(images).argmax(1)
    labels = clean if not targeted else (clean + 1) % 4
    weight, logits = classifier.module[1].weight.detach(), classifier.logits(images).detach()
    if targeted:
        gap = logits.gather(1, clean[:, None]) - logits.gather(1, labels[:, None])
        least = gap[:, 0] / torch.linalg.vector_norm(weight[labels] - weight[clean], Lp(p).dual, dim=1)
    else:
        least = distance(classifier, images, clean, Lp(p).dual)
    radius = (3.5 if targeted else 2) * least.clamp_min(0.01)
    goal = Targeted(labels) if targeted else None
    attack = PGD(steps=30, loss=loss, random_start=False, sparsity=0.9)
    result = run(attack, classifier, images, goal=goal, threat=Lp(p, radius))
    assert result.success.double().mean() >= (0.8 if targeted else 1.0)


def test_kappa_keeps_a_broken_image_moving():
    """With kappa 0 the margin is flat beyond the boundary; with 50 it still has a slope."""
    images = middle(6)
    ends = []
    for kappa in (0.0, 50.0):
        attack = Unending(steps=20, step_size=0.02, loss="margin", kappa=kappa, random_start=False)
        result = run(attack, convolutional(), images, threat=Lp("inf", 0.4), trace=True)
        assert result.trace.shape == (6, 21)
        assert result.success.all()
        ends.append(result.trace[:, -1])
    assert (ends[1] > 2 * ends[0]).all()
    logits = LOGITS[1:].clone().requires_grad_()
    problem = problem_at(LOGITS[1:], Untargeted(torch.tensor([1])))
    for kappa, slope in ((0.0, 0), (50.0, 2)):
        (gradient,) = torch.autograd.grad(objective(problem, "margin", kappa)(logits).sum(), logits)
        assert gradient.abs().sum() == slope


def test_restarts_only_help():
    images, threat = middle(40), Lp("inf", 0.035)
    one, many = (run(PGD(steps=2, restarts=n), convolutional(), images, threat=threat) for n in (1, 8))
    assert (many.success >= one.success).all()
    assert many.success.sum() > one.success.sum()
    broken = one.success
    assert torch.equal(many.forward[broken], one.forward[broken])
    assert torch.equal(many.adversarial[broken], one.adversarial[broken])


def test_random_starts_differ_by_image_and_lie_in_the_ball():
    images = middle(8)[:1].expand(8, -1, -1, -1).contiguous()
    result = run(PGD(steps=1, step_size=0.0), convolutional(), images, threat=Lp("inf", 0.05))
    assert len(result.adversarial.flatten(1).unique(dim=0)) == 8
    assert (result.linf <= 0.05 + 1e-9).all()
    assert (result.linf > 0).all()


class Falling(nn.Module):
    """Class 1 gains as the values fall, the first one most."""

    def forward(self, x):
        flat = x.flatten(1)
        slope = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=x.dtype)
        return torch.stack([flat @ slope, 0.5 - 0 * flat[:, 0]], 1)


def test_the_l1_step_leaves_values_that_push_against_the_box_alone():
    """The first value is at 0 and would fall: the step takes the second, and nothing is wasted."""
    image = torch.tensor([0.0, 0.9, 0.9, 0.9], dtype=torch.float64).reshape(1, 1, 2, 2)
    attack = PGD(steps=1, step_size=0.3, random_start=False, sparsity=0.99, loss="margin")
    result = run(attack, Classifier(Falling()), image, threat=Lp(1, 0.5))
    torch.testing.assert_close(result.adversarial.flatten(), torch.tensor([0, 0.6, 0.9, 0.9], dtype=torch.float64))
    half = PGD(steps=1, step_size=0.3, random_start=False, sparsity=0.5, loss="margin")
    result = run(half, Classifier(Falling()), image, threat=Lp(1, 0.5))
    torch.testing.assert_close(result.adversarial.flatten(), torch.tensor([0, 0.75, 0.75, 0.9], dtype=torch.float64))


def test_the_l1_path_fills_the_values_in_the_order_of_their_slopes():
    image = torch.full((1, 1, 2, 2), 0.2, dtype=torch.float64)
    attack = PGD(steps=40, step_size=0.05, random_start=False, loss="margin")
    result = run(attack, Classifier(Falling()), image, threat=Lp(1, 0.5))
    assert result.success
    assert result.adversarial.flatten().tolist() == pytest.approx([0, 0, 0.1, 0.2], abs=1e-6)
    assert result.size <= 0.5 + 1e-6
