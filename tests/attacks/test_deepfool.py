"""DeepFool against the published algorithm, written out again from the paper, and what it does beyond it."""

import math

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from scipy.optimize import linprog
from torch import Tensor, nn

from brittle import Classifier, DeepFool, Lp, Targeted, run


def crooked(classes: int = 12, seed: int = 0) -> Classifier:
    """A network so curved that DeepFool needs several steps."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1), nn.Tanh(), nn.Flatten(),
            nn.Linear(8 * 36, 24), nn.Tanh(), nn.Linear(24, classes),
        ).double()  # fmt: skip
        with torch.no_grad():
            for index in (0, 2, 5):
                module[index].weight *= 4
            module[7].bias += torch.linspace(0, 0.1, classes)
    return Classifier(module.eval())


def squares(n: int = 12) -> Tensor:
    return middle(n, (1, 6, 6))


def towards(normal: Tensor, rise: float, p: float) -> Tensor:
    """Section 4: |f| / ||w||_q^q |w|^(q-1) sign(w); for p = 1 the limit, which is the largest entry alone."""
    if p == 1:
        step = torch.zeros_like(normal)
        place = normal.abs().argmax()
        step.view(-1)[place] = rise / normal.view(-1)[place]
        return step
    q = 1 if p == math.inf else p / (p - 1)
    return rise / (normal.abs() ** q).sum() * normal.abs() ** (q - 1) * normal.sign()


def published(
    module: nn.Module, image: Tensor, p: float, *, steps=50, overshoot=0.02, candidates=10, nudge=1e-4
) -> Tensor:
    """Algorithm 2 for one image, step by step; the loop ends when another class is predicted."""
    q = 1 if p == math.inf else math.inf if p == 1 else p / (p - 1)
    order = module(image[None])[0].argsort(descending=True)[:candidates]
    label, x, total = order[0], image, torch.zeros_like(image)
    for _ in range(steps):
        x = x.detach().requires_grad_()
        logits = module(x[None])[0]
        if logits.argmax() != label:
            break
        gradients = [torch.autograd.grad(logits[k], x, retain_graph=True)[0] for k in order]
        nearest, along = math.inf, None
        for k, gradient in zip(order[1:], gradients[1:], strict=True):
            normal, gap = gradient - gradients[0], float((logits[k] - logits[label]).detach())
            norm = float(torch.linalg.vector_norm(normal, q))
            if abs(gap) / norm < nearest:
                nearest, along = abs(gap) / norm, (normal, (abs(gap) / norm + nudge) * norm)
        total = total + towards(*along, p)
        x = (image + (1 + overshoot) * total).clamp(0, 1)
    return x.detach()


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_is_the_published_algorithm(p):
    classifier, images = crooked(), squares()
    result = run(DeepFool(slack=math.inf, box=0), classifier, images, threat=Lp(p), batch=5)
    expected = torch.stack([published(classifier.module, image, p) for image in images])
    assert (result.iterations > 1).any()
    assert result.success.all()
    torch.testing.assert_close(result.adversarial, expected, atol=1e-9, rtol=0)


def test_few_candidates_are_the_likeliest_of_the_clean_image():
    classifier, images = crooked(), squares()
    result = run(DeepFool(slack=math.inf, box=0, candidates=3), classifier, images, threat=Lp(2))
    expected = torch.stack([published(classifier.module, image, 2, candidates=3) for image in images])
    torch.testing.assert_close(result.adversarial, expected, atol=1e-9, rtol=0)
    assert (result.backward <= 2 * result.iterations).all()
    assert not torch.allclose(run(DeepFool(), classifier, images, threat=Lp(2)).size, result.size)


def test_pruning_changes_nothing_but_the_passes():
    classifier, images = crooked(), squares(24)
    for p in (1, 2, "inf"):
        full, pruned = (run(DeepFool(slack=slack), classifier, images, threat=Lp(p)) for slack in (math.inf, 2.0))
        torch.testing.assert_close(pruned.adversarial, full.adversarial, atol=1e-6, rtol=0)
        assert torch.equal(pruned.iterations, full.iterations)
        assert pruned.backward.sum() < 0.8 * full.backward.sum()
        assert pruned.success.all()


def test_pruning_on_the_shipped_digits_network():
    from brittle.data.open import open_source
    from brittle.models.builtin import load_builtin

    block = next(iter(open_source("digits").blocks(8)))
    classifier = Classifier(load_builtin("digits-lenet").module)
    full, pruned = (
        run(DeepFool(slack=s), classifier, block.images, block.labels, threat=Lp(2)) for s in (math.inf, 2.0)
    )
    right = ~full.already
    assert right.double().mean() > 0.9
    assert full.success[right].all()
    torch.testing.assert_close(pruned.size, full.size, atol=1e-6, rtol=1e-5)
    assert pruned.backward.sum() < 0.8 * full.backward.sum()


@pytest.mark.parametrize("p", [1, 2, "inf"])
def test_affine_networks_fall_in_one_step_at_their_distance(p):
    classifier, images = affine(), middle()
    labels = classifier.logits(images).argmax(1)
    result = run(DeepFool(nudge=1e-9), classifier, images, labels, threat=Lp(p))
    least = distance(classifier, images, labels, Lp(p).dual)
    assert (result.iterations == 1).all()
    torch.testing.assert_close(result.size, 1.02 * least, rtol=1e-6, atol=1e-8)


def test_the_overshoot_lengthens_the_total_and_is_never_compounded():
    classifier, images = crooked(), squares(6)
    plain = [published(classifier.module, image, 2, overshoot=o) for image in images for o in (0.02, 0.3)]
    for place, overshoot in enumerate((0.02, 0.3)):
        result = run(DeepFool(overshoot=overshoot, slack=math.inf, box=0), classifier, images, threat=Lp(2))
        torch.testing.assert_close(result.adversarial, torch.stack(plain[place::2]), atol=1e-9, rtol=0)


def on_the_boundary() -> tuple[Classifier, Tensor]:
    """Two classes that score the same: the first is predicted, the boundary is at distance 0."""
    layer = nn.Linear(4, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0.0, 1.0, 0, 0]]))
        layer.bias.fill_(3.0)
    return Classifier(nn.Sequential(nn.Flatten(), layer)), torch.full((1, 1, 2, 2), 0.5, dtype=torch.float64)


def test_without_the_nudge_an_image_on_the_boundary_stays_there():
    """A step of length 0 is lengthened in vain; the nudge of the authors' code carries it across."""
    classifier, image = on_the_boundary()
    still = run(DeepFool(nudge=0), classifier, image, threat=Lp(2))
    assert not still.success
    assert still.iterations == 50
    moved = run(DeepFool(), classifier, image, threat=Lp(2))
    assert moved.success
    assert moved.size == pytest.approx(1.02e-4, rel=1e-6)


def test_without_nudge_and_overshoot_successes_are_lost():
    classifier, images = affine(), middle(60)
    counts = []
    for settings in (DeepFool(steps=1), DeepFool(steps=1, nudge=0), DeepFool(steps=1, nudge=0, overshoot=0)):
        counts.append(int(run(settings, classifier, images, threat=Lp(2)).success.sum()))
    assert counts[:2] == [60, 60]
    assert counts[2] < 50


@pytest.mark.parametrize("span", [1.0, 255.0])
def test_the_nudge_is_a_fraction_of_the_span(span):
    classifier, image = on_the_boundary()
    wide = Classifier(classifier.module, bounds=(0, span))
    assert run(DeepFool(), wide, image * span, threat=Lp(2)).size == pytest.approx(1.02e-4 * span, rel=1e-6)


def cornered(steep: float = 1000.0) -> tuple[Classifier, Tensor]:
    """The steep value is at the upper end and would have to rise; the flat one has room."""
    layer = nn.Linear(4, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [steep, 1.0, 0, 0]]))
        layer.bias.copy_(torch.tensor([0.0, -steep - 0.5]))
    image = torch.tensor([1.0, 0.1, 0.5, 0.5], dtype=torch.float64).reshape(1, 1, 2, 2)
    return Classifier(nn.Sequential(nn.Flatten(), layer)), image


@pytest.mark.parametrize("p", [1, 2])
def test_at_a_corner_the_published_step_stalls_and_the_step_within_the_box_does_not(p):
    classifier, image = cornered()
    stalled = run(DeepFool(box=0), classifier, image, threat=Lp(p))
    assert not stalled.success
    assert stalled.iterations == 50
    result = run(DeepFool(), classifier, image, threat=Lp(p))
    assert result.success
    assert result.iterations <= 3
    assert result.adversarial.flatten()[0] == 1
    assert result.size == pytest.approx(1.02 * (0.4 + 0.1), rel=0.01)  # the nudge is 0.1 in logits here


def within_the_box(normal: np.ndarray, rise: float, image: np.ndarray, p: float) -> float | None:
    """The smallest size by a linear program, or None where the box does not let the function rise so far."""
    n = len(image)
    eye, ones = np.eye(n), np.eye(n) if p == 1 else np.ones((n, 1))
    rows = np.vstack([np.r_[-normal, np.zeros(ones.shape[1])], np.hstack([eye, -ones]), np.hstack([-eye, -ones])])
    bounds = [*zip(-image, 1 - image, strict=True), *[(0, None)] * ones.shape[1]]
    found = linprog(np.r_[np.zeros(n), np.ones(ones.shape[1])], rows, np.r_[-rise, np.zeros(2 * n)], bounds=bounds)
    return found.fun if found.success else None


@pytest.mark.parametrize("p", [1.0, math.inf])
def test_within_the_box_it_is_exact_on_affine_networks(p):
    classifier = affine(classes=2)
    images = torch.rand(40, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).pow(3)
    attack = DeepFool(box=1, nudge=1e-9, overshoot=1e-7)
    result = run(attack, classifier, images, threat=Lp(p))
    logits, weight = classifier.logits(images).detach(), classifier.module[1].weight.detach()
    free = distance(classifier, images, logits.argmax(1), Lp(p).dual)
    cut_off = 0
    for row, image in enumerate(images):
        label = int(logits[row].argmax())
        normal, rise = weight[1 - label] - weight[label], float(logits[row, label] - logits[row, 1 - label])
        least = within_the_box(normal.numpy(), rise, image.flatten().numpy(), p)
        assert bool(result.success[row]) == (least is not None)
        if least is not None:
            assert result.size[row] == pytest.approx(least, rel=1e-5)
            cut_off += least > 1.001 * float(free[row])
    assert cut_off > 5


def test_a_binary_network_is_algorithm_1():
    """r_i = -f(x_i) / ||grad f(x_i)||^2 grad f(x_i) until the sign changes; (1 + eta) times their sum."""

    class Curved(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("precision", torch.zeros((), dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            flat = x.flatten(1) - 0.5
            return (flat[:, :4].sum(1) ** 3 + 2 * flat.square().sum(1) + flat[:, 0] - 0.5)[:, None]

    classifier, images = Classifier(Curved(), binary=True), middle(8)
    result = run(DeepFool(nudge=0, box=0), classifier, images, threat=Lp(2))
    assert (result.iterations > 1).any()
    assert result.success.all()
    for image, found in zip(images, result.adversarial, strict=True):
        sign, total, x = classifier.module(image[None]).sign(), torch.zeros_like(image), image
        for _ in range(50):
            leaf = x[None].clone().requires_grad_()
            value = classifier.module(leaf)
            if value.sign() != sign:
                break
            (slope,) = torch.autograd.grad(value.sum(), leaf)
            total = total - (value.detach() / slope.square().sum() * slope)[0]
            x = image + 1.02 * total
        torch.testing.assert_close(found, x, atol=1e-9, rtol=0)


def test_targeted_reaches_the_target_and_on_two_classes_it_is_the_untargeted():
    classifier, images = crooked(), squares(10)
    clean = classifier.logits(images).argmax(1)
    targets = (clean + 1 + torch.arange(10) % 5) % 12
    aimed = run(DeepFool(), classifier, images, goal=Targeted(targets), threat=Lp(2), batch=1)
    free = run(DeepFool(), classifier, images, threat=Lp(2))
    assert aimed.success.double().mean() >= 0.9
    assert torch.equal(aimed.prediction[aimed.success], targets[aimed.success])
    assert (aimed.size >= 0.9 * free.size).all()
    assert (aimed.backward == aimed.iterations).all()  # one normal a step
    two = affine(classes=2)
    other = 1 - two.logits(middle()).argmax(1)
    one, same = (run(DeepFool(), two, middle(), goal=goal, threat=Lp(2)) for goal in (None, Targeted(other)))
    torch.testing.assert_close(one.adversarial, same.adversarial)


def test_a_radius_keeps_what_is_within_it():
    images = middle(20)
    free = run(DeepFool(), convolutional(), images, threat=Lp(2))
    radius = float(free.size.median())
    bound = run(DeepFool(), convolutional(), images, threat=Lp(2, radius))
    assert torch.equal(bound.success, free.size <= radius)
    assert torch.equal(bound.adversarial[bound.success], free.adversarial[bound.success])


def test_class_without_slope_is_never_the_nearest():
    """Two dead classes with constant logits close to the label's: their boundaries are nowhere."""
    layer = nn.Linear(12, 3)
    with torch.no_grad():
        layer.weight[1:] = layer.weight[0]
        layer.bias.copy_(torch.tensor([0.1, 0.09, 0.08]))
    classifier = Classifier(nn.Sequential(nn.Flatten(), layer))
    result = run(DeepFool(), classifier, middle(4).float(), threat=Lp(2))
    assert not result.success.any()
    assert torch.isfinite(result.adversarial).all()
