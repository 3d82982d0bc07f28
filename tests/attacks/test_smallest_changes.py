"""Minimum-norm attacks on affine networks, where the smallest changes are known, and at the box's corners."""

import math

import pytest
import torch
from affine import affine, distance, middle
from torch import Tensor, nn

from brittle import DDN, FMN, PDPGD, Attack, Classifier, DeepFool, Lp, SigmaZero, SuperDeepFool, Targeted, run


@pytest.mark.parametrize(
    ("attack", "p", "median", "worst"),
    [
        (DDN(steps=200), 2, 1.002, 1.01),
        (FMN(steps=200), 1, 1.001, 1.01),
        (FMN(steps=200), 2, 1.001, 1.01),
        (FMN(steps=200), math.inf, 1.001, 1.01),
        (SuperDeepFool(), 2, 1.001, 1.002),
        (PDPGD(steps=200), 1, 1.06, 1.3),
        (PDPGD(steps=200), math.inf, 1.06, 1.3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Attack) else str(value),
)
def test_sizes_are_the_closed_form_within_a_few_percent(attack, p, median, worst):
    classifier, images = affine(classes=2), middle()
    result = run(attack, classifier, images, threat=Lp(p))
    least = distance(classifier, images, classifier.logits(images).argmax(1), Lp(p).dual)
    fraction = result.size / least
    assert result.success.all()
    assert fraction.min() >= 1 - 1e-9
    assert fraction.median() <= median
    assert fraction.max() <= worst


def fewest(classifier: Classifier, images: Tensor) -> Tensor:
    """The fewest values that lead to another class of an affine network: the most favourable ones, to the box's end."""
    weight, logits = classifier.module[1].weight.detach(), classifier.logits(images).detach()
    counts = []
    for image, scores in zip(images.flatten(1), logits, strict=True):
        label = int(scores.argmax())
        best = math.inf
        for other in set(range(len(scores))) - {label}:
            slope = weight[other] - weight[label]
            gain = torch.where(slope > 0, slope * (1 - image), -slope * image).sort(descending=True).values.cumsum(0)
            best = min(best, 1 + int((gain <= scores[label] - scores[other]).sum()))
        counts.append(best)
    return torch.tensor(counts, dtype=images.dtype)


@pytest.mark.parametrize(
    "attack", [FMN(steps=200), SigmaZero(steps=100), PDPGD(steps=200)], ids=lambda a: type(a).__name__
)
def test_counts_are_the_fewest_values(attack):
    classifier, images = affine(classes=2, shape=(2, 5, 4), seed=1), middle(shape=(2, 5, 4))
    with torch.no_grad():
        classifier.module[1].bias[0] += 9
    result = run(attack, classifier, images, threat=Lp(0))
    least = fewest(classifier, images)
    assert result.success.all()
    assert (result.size >= least).all()
    assert (result.size - least).mean() <= 1
    assert least.mean() > 5


def cornered(steep: float = 1000.0) -> tuple[Classifier, Tensor]:
    """The steep value is at the upper end and would have to rise; the flat one has room."""
    layer = nn.Linear(4, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [steep, 1.0, 0, 0]]))
        layer.bias.copy_(torch.tensor([0.0, -steep - 0.5]))
    image = torch.tensor([1.0, 0.1, 0.5, 0.5], dtype=torch.float64).reshape(1, 1, 2, 2)
    return Classifier(nn.Sequential(nn.Flatten(), layer)), image


@pytest.mark.parametrize(
    ("attack", "p"),
    [
        *((FMN(steps=30), p) for p in (0, 1, 2, math.inf)),
        *((PDPGD(steps=30), p) for p in (0, 1, 2, math.inf)),
        (SigmaZero(steps=30), 0),
        (SuperDeepFool(), 2),
        *((DeepFool(), p) for p in (1, 2, math.inf)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Attack) else str(value),
)
def test_an_image_at_a_corner_of_the_box_is_broken(attack, p):
    classifier, image = cornered()
    result = run(attack, classifier, image, threat=Lp(p))
    assert result.success
    assert result.adversarial.flatten()[0] == 1


@pytest.mark.parametrize("attack", [DDN(), FMN(), SuperDeepFool(), PDPGD(steps=50)], ids=lambda a: type(a).__name__)
def test_targets_are_reached(attack):
    classifier, images = affine(), middle()
    targets = (classifier.logits(images).argmax(1) + 1) % 4
    result = run(attack, classifier, images, goal=Targeted(targets), threat=Lp(2))
    assert result.success.all()
    assert torch.equal(result.prediction, targets)


@pytest.mark.parametrize("attack", [DDN, FMN, SigmaZero, PDPGD])
def test_each_step_costs_one_pass_each_way(attack):
    result = run(attack(steps=5), affine(), middle(), threat=Lp(attack.threats[0]))
    assert (result.backward == 5).all()
    assert (result.forward == 5 + 1 + 2).all()  # the points, the last one, and `run`'s own two
