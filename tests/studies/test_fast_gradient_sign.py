"""Fast gradient sign at the smallest eps with 90 % fooled, against a closed form on affine networks."""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from affine import affine, distance, middle

from brittle import FGSM, Classifier, Lp, run
from brittle.data import Block
from brittle.metrics import Estimate
from brittle.studies.bench.study import Setting
from brittle.studies.deepfool.fast_gradient_sign import SignSteps, smallest_eps
from brittle.studies.deepfool.methods import ByDeepFool, ByFastGradientSign


@dataclass
class Given:
    """A network and images as they are, in place of a subject that finds them in files."""

    classifier: Classifier
    images: torch.Tensor
    batch: int = 16
    setting: Setting = field(default_factory=lambda: Setting(None, None, "small", "cpu", 0, None))

    def blocks(self, doing):
        for index in torch.arange(len(self.images)).split(self.batch):
            yield Block(self.images[index], torch.zeros_like(index), index, tuple(map(str, index.tolist())))


@pytest.fixture
def two_classes():
    return Given(affine(classes=2), middle(40))


def thresholds(given):
    """The eps at which each image of an affine network of two classes changes its class."""
    predicted = given.classifier.logits(given.images).argmax(1)
    return distance(given.classifier, given.images, predicted, 1).numpy()


def test_the_search_finds_the_closed_form(two_classes):
    found = smallest_eps(SignSteps(two_classes, two_classes.classifier).rate)
    exact = np.sort(thresholds(two_classes))[35]  # the 36th of 40 is what makes it 90 %
    assert found.reached
    assert found.rate == 0.9
    assert exact <= found.eps <= exact * (1 + 1 / 256)


def test_the_rate_is_that_of_the_attack(two_classes):
    steps = SignSteps(two_classes, two_classes.classifier)
    for eps in np.quantile(thresholds(two_classes), [0.2, 0.5, 0.8]):
        result = run(FGSM(), two_classes.classifier, two_classes.images, threat=Lp("inf", float(eps)))
        assert steps.rate(float(eps)) == pytest.approx(result.success.double().mean().item())
        changed = result.success.numpy()
        relative = (result.l2 / two_classes.images.flatten(1).norm(dim=1)).numpy()
        assert steps.relative(float(eps)).numpy()[changed] == pytest.approx(relative[changed])


def test_the_size_counts_every_image_and_what_the_box_leaves():
    given = Given(affine(classes=2, shape=(1, 2, 2)), torch.ones(3, 1, 2, 2, dtype=torch.float64))
    signs = torch.where(given.classifier.logits(given.images)[0].argmax() == 0, 1.0, -1.0)
    weight = given.classifier.module[1].weight
    outward = ((weight[1] - weight[0]) * signs > 0).sum().item()  # these pixels are white already and cannot rise
    assert SignSteps(given, given.classifier).relative(0.25).numpy() == pytest.approx(
        [0.25 * (4 - outward) ** 0.5 / 2] * 3
    )


def test_measured_rho_is_the_closed_form(two_classes):
    measured = ByFastGradientSign(two_classes).measure()
    exact = np.sort(thresholds(two_classes))[35]
    relative = exact * 12**0.5 / two_classes.images.flatten(1).norm(dim=1).numpy()
    rho = measured.values["sign.rho"]
    assert isinstance(rho, Estimate)
    assert rho.n == 40
    assert rho.value == pytest.approx(relative.mean(), rel=1 / 200)
    told = re.fullmatch(r"\(90\.0 % at ε = (.*)\)", measured.notes["sign.rho"])
    assert float(told[1]) == pytest.approx(exact, rel=1 / 100)
    passes = measured.values["sign.passes"]
    assert (passes.value, measured.notes["sign.passes"]) == (5, "(4 + 1)")


def test_deepfool_rho_is_the_closed_form():
    given = Given(affine(classes=4), middle(40))
    predicted = given.classifier.logits(given.images).argmax(1)
    exact = distance(given.classifier, given.images, predicted, 2) / given.images.flatten(1).norm(dim=1)
    measured = ByDeepFool(given).measure()
    assert measured.values["deepfool.rho"].value == pytest.approx(1.02 * exact.mean().item(), rel=2e-3)
    assert measured.values["deepfool.iterations"].value == 1
    assert measured.values["deepfool.seconds"].n == 40
    assert "deepfool.rho" not in measured.notes


class Deaf(torch.nn.Module):
    """Three of ten images, the bright ones, never change their class."""

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        rise = torch.where(mean > 0.7, 2 + torch.zeros_like(mean), 10 * (0.5 - mean) + 0 * mean)
        return torch.stack([torch.zeros_like(rise), rise], 1)


def test_never_reached_is_said_with_the_largest_rate():
    bright = torch.cat([torch.full((3, 1, 2, 2), 1.0), torch.full((7, 1, 2, 2), 0.4)])
    given = Given(Classifier(Deaf()), bright)
    measured = ByFastGradientSign(given, boxed=True).measure()
    assert measured.values["sign.boxed.rho"] == "90 % never reached"
    assert measured.notes["sign.boxed.rho"].startswith("(at most 70.0 % at ε = ")
    lost = ByDeepFool(given).measure()
    assert lost.values["deepfool.rho"].n == 7
    assert lost.notes["deepfool.rho"] == "(3 of 10 images left out: not fooled in 50 steps)"


def test_a_rate_that_falls_again_is_caught_between_the_doublings():
    found = smallest_eps(lambda eps: 0.95 if 0.3 < eps < 0.4 else 0.5)
    assert found.reached
    assert found.eps == pytest.approx(0.3, rel=1e-2)
    missed = smallest_eps(lambda eps: eps / 2)
    assert (missed.reached, missed.eps, missed.rate) == (False, 1.0, 0.5)


def test_a_share_reached_at_once_is_searched_down_to_nothing():
    found = smallest_eps(lambda eps: 1.0)
    assert found.reached
    assert 0 < found.eps < 1e-5


def test_without_the_box_a_change_may_leave_the_range_of_pixels():
    """Nearly white images of which brighter ones are another class: inside the box only the darker pixels can rise."""
    images = torch.tensor([0.95, 0.95, 0.95, 0.25], dtype=torch.float64).reshape(1, 1, 2, 2).repeat(4, 1, 1, 1)
    layer = torch.nn.Linear(4, 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.zeros(4), torch.ones(4)]))
        layer.bias.copy_(torch.tensor([0.0, -3.5]))  # the sum of the pixels is 3.1 and has to exceed 3.5
    given = Given(Classifier(torch.nn.Sequential(torch.nn.Flatten(), layer)), images)
    norm = images[0].norm().item()
    free = ByDeepFool(given).measure().values["deepfool.rho"].value
    boxed = ByDeepFool(given, boxed=True).measure().values["deepfool.boxed.rho"].value
    assert free == pytest.approx(0.2 * 1.02 / norm, rel=2e-3)
    assert boxed > (3 * 0.05**2 + 0.25**2) ** 0.5 / norm
    signs = ByFastGradientSign(given).measure().values["sign.rho"].value
    assert signs == pytest.approx(0.2 / norm, rel=1 / 100)
    assert ByFastGradientSign(given, boxed=True).measure().notes["sign.boxed.rho"].startswith("(100.0 % at ε = 0.25")
