"""L-BFGS: scipy's L-BFGS-B image by image, the closed form on affine networks, and what it does on real digits."""

import numpy as np
import pytest
import torch
from affine import affine, convolutional, distance, middle
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional

from brittle import LBFGS, Classifier, DeepFool, InputError, Lp, Targeted, run
from brittle.base.seeds import Streams
from brittle.core.goal import Untargeted
from brittle.core.problem import Problem
from brittle.core.record import Record
from brittle.data import open_source
from brittle.models import open_network


def lenet() -> Classifier:
    """Two convolutions with pooling and two full layers, smooth, in float64, for images of 1 x 12 x 12."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.Softplus(5), nn.AvgPool2d(2)),
            *(nn.Conv2d(4, 6, 2), nn.Softplus(5), nn.AvgPool2d(2)),
            *(nn.Flatten(), nn.Linear(24, 16), nn.Softplus(5), nn.Linear(16, 4)),
        ).double()
    with torch.no_grad():
        x = digits(40)
        for layer in module:
            x = layer(x)
            if isinstance(layer, nn.Conv2d | nn.Linear):  # every layer's outputs have mean 0 and size 2 on the digits
                gain, middle = 2 / x.std(), x.transpose(0, 1).flatten(1).mean(1)
                layer.weight *= gain
                layer.bias.copy_(gain * (layer.bias - middle))
                x = gain * (x - middle.reshape(-1, *[1] * (x.ndim - 2)))
    return Classifier(module.eval())


def digits(n: int = 4) -> Tensor:
    """Images with much of their area at the ends of the box."""
    generator = torch.Generator().manual_seed(4)
    return (2 * torch.rand(n, 1, 12, 12, generator=generator, dtype=torch.float64) - 0.5).clamp(0, 1)


def by_scipy(classifier: Classifier, image: Tensor, target: int, c: float) -> Tensor:
    """Minimise c ||r||^2 + cross-entropy of one image in the box."""

    def function(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(flat).reshape(image.shape).requires_grad_()
        loss = functional.cross_entropy(classifier.module(x[None]), torch.tensor([target]))
        value = c * (x - image).square().sum() + loss
        (gradient,) = torch.autograd.grad(value, x)
        return value.item(), gradient.flatten().numpy()

    ends = [(0.0, 1.0)] * image.numel()
    found = minimize(function, image.flatten().numpy(), jac=True, method="L-BFGS-B", bounds=ends, tol=1e-8)
    return torch.from_numpy(found.x).reshape(image.shape)


def searched_by_scipy(classifier: Classifier, image: Tensor, target: int, first: float) -> Tensor:
    """Bisect for the largest c whose minimiser is of the target's class, and return that minimiser."""
    low, high, best = 0.0, np.inf, None
    c = first
    for _ in range(11):
        x = by_scipy(classifier, image, target, c)
        if classifier.module(x[None]).argmax().item() == target:
            low, best = c, x
        else:
            high = c
        c = 3 * c if high == np.inf else high / 3 if low == 0 else (low * high) ** 0.5
    assert best is not None
    return best


@pytest.fixture(scope="module", params=[(convolutional, middle), (lenet, digits)], ids=["small", "lenet"])
def case(request) -> tuple[Classifier, Tensor, Tensor]:
    """A network, images and the class that each is to reach, the least likely one."""
    classifier, images = request.param[0](), request.param[1](3)
    return classifier, images, classifier.logits(images).detach().argmin(1)


EXACT = LBFGS(tolerance=1e-4, decrease=1e-10, steps=200, precision=2e-3, searches=30)


def test_the_minimiser_for_one_constant_is_that_of_scipy(case):
    classifier, images, targets = case
    for image, target, c in zip(images, targets, (0.3, 1.0, 3.0), strict=True):
        attack = LBFGS(tolerance=1e-4, decrease=1e-10, steps=200, searches=1, constant=c)
        seen: list[Tensor] = []
        handle = classifier.module.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.append(inputs[0].detach())
        )
        run(attack, classifier, image[None], goal=Targeted(target[None]), threat=Lp(2))
        handle.remove()
        expected = by_scipy(classifier, image, int(target), c)
        last = seen[-2][0]  # the one after it is the verdict's
        assert (last - image).norm().item() == pytest.approx((expected - image).norm().item(), rel=0.02)
        assert (last - expected).norm() <= 0.02 * (expected - image).norm()


def test_the_whole_search_comes_to_the_size_of_scipys(case):
    classifier, images, targets = case
    result = run(EXACT, classifier, images, goal=Targeted(targets), threat=Lp(2))
    expected = [
        (searched_by_scipy(classifier, image, int(target), 1.0) - image).norm().item()
        for image, target in zip(images, targets, strict=True)
    ]
    assert result.success.all()
    assert result.size.tolist() == pytest.approx(expected, rel=5e-3)
    ordinary = run(LBFGS(), classifier, images, goal=Targeted(targets), threat=Lp(2))
    assert ordinary.size.tolist() == pytest.approx(expected, rel=0.02)
    assert (ordinary.forward < result.forward).all()


def test_the_box_holds_part_of_the_image_in_the_comparison():
    result = run(LBFGS(), lenet(), digits(), threat=Lp(2))
    held = (result.adversarial == 0) | (result.adversarial == 1)
    assert held.double().mean() > 0.2
    assert (result.adversarial != digits()).flatten(1).any(1).all()


def test_two_classes_have_the_closed_form():
    """The level sets of the cross-entropy are then the boundary's, so the largest c gives the nearest point on it."""
    classifier, images = affine(classes=2), middle(20)
    least = distance(classifier, images, classifier.logits(images).argmax(1), 2)
    result = run(EXACT, classifier, images, threat=Lp(2))
    assert result.success.all()
    assert (result.size / least).tolist() == pytest.approx([1.0] * 20, rel=5e-3)
    ordinary = run(LBFGS(), classifier, images, threat=Lp(2))
    assert (ordinary.size <= 1.05 * least).all()


def test_the_first_constant_is_the_answer_far_from_the_boundary_of_two_classes():
    classifier, images = affine(classes=2), middle(8)
    with torch.no_grad():
        classifier.module[1].weight *= 30
        classifier.module[1].bias *= 30
    least = distance(classifier, images, classifier.logits(images).argmax(1), 2)
    far = (least * (classifier.module[1].weight[1] - classifier.module[1].weight[0]).norm()) > 8
    assert far.sum() >= 3
    result = run(LBFGS(searches=2, steps=200, tolerance=1e-4, decrease=0), classifier, images[far], threat=Lp(2))
    assert (result.size <= 1.3 * least[far]).all()


def test_with_two_classes_all_losses_of_an_untargeted_goal_are_one():
    classifier, images = convolutional(classes=2), middle(4)
    other = 1 - classifier.logits(images).argmax(1)
    reached = run(LBFGS(searches=4), classifier, images, goal=Targeted(other), threat=Lp(2))
    for way in ("any", "runner-up", "random"):
        left = run(LBFGS(searches=4, untargeted=way), classifier, images, threat=Lp(2))
        torch.testing.assert_close(left.adversarial, reached.adversarial)


def test_the_random_class_is_any_but_the_label():
    logits = torch.zeros(3000, 4)
    labels = torch.arange(3000) % 4
    ids = torch.arange(3000)
    images = torch.zeros(3000, 4, 1, 1)
    problem = Problem(
        Classifier(nn.Flatten()), images, logits, Untargeted(labels), Lp(2), ids, Record(images), Streams(0, ids), 9
    )
    chosen = LBFGS(untargeted="random").labels(problem)
    counts = torch.zeros(4, 4).index_put((labels, chosen), torch.ones(()), accumulate=True)
    assert (counts.diagonal() == 0).all()
    assert (counts[~torch.eye(4, dtype=torch.bool)] > 200).all()
    again = LBFGS(untargeted="random").labels(problem)
    assert (again != chosen).any()


def test_the_runner_up_is_what_is_reached():
    classifier, images = affine(), middle()
    second = classifier.logits(images).topk(2).indices[:, 1]
    result = run(LBFGS(untargeted="runner-up"), classifier, images, threat=Lp(2))
    aimed = run(LBFGS(), classifier, images, goal=Targeted(second), threat=Lp(2))
    same = result.prediction == second
    assert same.double().mean() > 0.5
    torch.testing.assert_close(result.size[same], aimed.size[same], rtol=0.05, atol=0)


def test_every_digit_is_broken_by_less_than_deepfool_needs():
    classifier = Classifier(open_network("digits-lenet").module)
    block = next(open_source("digits", max_images=4).blocks(4))
    found, reference = (
        run(attack, classifier, block.images, block.labels, threat=Lp(2)) for attack in (LBFGS(), DeepFool())
    )
    assert (found.success | found.already).all()
    assert found.size.mean() < 0.97 * reference.size.mean()
    assert (found.forward < 200).all()


def test_confidence_asks_for_a_smaller_constant():
    classifier, images = lenet(), digits()
    targets = classifier.logits(images).topk(2).indices[:, 1]
    near, far = (run(LBFGS(), classifier, images, goal=Targeted(targets, kappa), threat=Lp(2)) for kappa in (0.0, 1.0))
    assert far.success.all()
    assert (far.margin >= 1).all()
    assert (far.size > near.size).all()


def test_a_budget_ends_the_search():
    result = run(LBFGS(), lenet(), digits(), threat=Lp(2), budget=20)
    assert ((result.forward + result.backward) <= 20 + 3).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"searches": 0}, "searches is 0; expected at least 1"),
        ({"factor": 1.0}, "factor is 1.0; expected a number above 1"),
        ({"constant": 0.0}, "constant is 0.0; expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        LBFGS(**wrong)
    unchecked = getattr(LBFGS.__init__, "__wrapped__", LBFGS.__init__)
    with pytest.raises(InputError, match="untargeted is 'best'; expected 'any' or 'runner-up' or 'random'"):
        unchecked(object.__new__(LBFGS), untargeted="best")
