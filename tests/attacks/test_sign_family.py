"""FGSM, the basic iterative and the iterative least-likely method: worked examples by hand."""

import math

import pytest
import torch
from affine import convolutional, middle
from torch import nn

from brittle import FGSM, BasicIterative, Classifier, IterativeLeastLikely, Lp, Targeted, run

# Three classes on an image of four values; the weights are chosen so that every figure can be worked out by hand.
WEIGHT = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 1.0, 1.0, 0.5], [-3.0, 0.5, 0.25, 0.5]])
IMAGE = torch.tensor([0.5, 0.25, 0.25, 0.5]).reshape(1, 1, 2, 2)


def by_hand() -> Classifier:
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight.copy_(WEIGHT)
        layer.bias.zero_()
    return Classifier(nn.Sequential(nn.Flatten(), layer))


def climbed(label: int) -> torch.Tensor:
    """The gradient of the cross-entropy: the weights averaged by softmax, minus the label's."""
    fraction = torch.softmax(WEIGHT @ IMAGE.flatten(), 0)
    return (fraction @ WEIGHT - WEIGHT[label]).reshape(1, 1, 2, 2)


def test_fgsm_by_hand():
    """logits (1, 0.75, -1.06); class 0 leads; x1 falls, x2 and x3 rise, x4 says the same of every class."""
    result = run(FGSM(), by_hand(), IMAGE, torch.tensor([0]), threat=Lp("inf", 0.125))
    assert climbed(0).flatten()[:3].sign().tolist() == [-1, 1, 1]
    torch.testing.assert_close(result.adversarial.flatten()[:3], torch.tensor([0.375, 0.375, 0.375]))
    assert result.success
    assert result.prediction == 1
    assert result.iterations == 1
    assert (result.forward, result.backward) == (4, 1)  # clean, at the clean image with a graph, its step, the verdict


def test_targeted_fgsm_goes_down_the_targets_loss():
    result = run(FGSM(), by_hand(), IMAGE, goal=Targeted(torch.tensor([2])), threat=Lp("inf", 0.125))
    expected = IMAGE - 0.125 * climbed(2).sign()
    torch.testing.assert_close(result.adversarial.flatten()[:3], expected.flatten()[:3])


@pytest.mark.parametrize("p", [1, 2])
def test_fgsm_in_other_norms_goes_along_the_steepest_direction(p):
    result = run(FGSM(), by_hand(), IMAGE, torch.tensor([0]), threat=Lp(p, 0.25))
    gradient = climbed(0).flatten()
    direction = gradient / gradient.norm() if p == 2 else torch.zeros(4).index_fill(0, gradient.abs().argmax(), -1.0)
    torch.testing.assert_close(result.adversarial.flatten(), IMAGE.flatten() + 0.25 * direction, atol=1e-6, rtol=0)
    assert result.size == pytest.approx(0.25)


def test_fgsm_in_l2_where_the_gradient_has_all_but_vanished():
    """A network that is sure to e^-70 leaves gradients of 1e-28, whose squares float32 does not hold."""
    classifier = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    with torch.no_grad():
        classifier.module[1].weight.copy_(torch.tensor([[0.0, 0, 0, 0], [-500.0, 0, 0, 0]]))
        classifier.module[1].bias.copy_(torch.tensor([0, 250 - 70.0]))
    result = run(FGSM(), classifier, IMAGE, threat=Lp(2, 0.2))
    assert result.success
    assert result.l2 == pytest.approx(0.2)


def test_fgsm_clamps_to_the_box():
    image = IMAGE.clone()
    image[0, 0, 0, 0], image[0, 0, 0, 1] = 0.05, 0.95
    result = run(FGSM(), by_hand(), image, torch.tensor([2]), threat=Lp("inf", 0.125))
    assert result.adversarial.min() >= 0
    assert result.adversarial.max() <= 1


@pytest.mark.parametrize(
    ("radius", "steps"), [(1, 2), (2, 3), (4, 5), (8, 10), (12, 15), (16, 20), (20, 24), (32, 36), (64, 68)]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_papers_number_of_steps(radius, steps, dtype):
    """ceil(min(eps + 4, 1.25 eps)); 8/255 in float32 is a little more than 8/255 and must not cost a step more."""
    assert math.ceil(min(radius + 4, 1.25 * radius)) == steps
    assert BasicIterative.published_steps(radius / 255) == steps
    assert BasicIterative.published_steps(float(torch.tensor(radius / 255, dtype=dtype))) == steps


@pytest.mark.parametrize("radius", [1, 2, 4, 8, 16])
def test_a_run_takes_the_papers_number_of_steps(radius):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        flat[1].weight.mul_(1e-3)
        flat[1].bias.copy_(torch.tensor([5.0, 0.0, 0.0]))
    for threat in (Lp("inf", radius / 255), Lp("inf", torch.full((2,), radius / 255))):
        result = run(BasicIterative(), Classifier(flat), middle(2).float(), threat=threat)
        assert result.iterations.tolist() == [BasicIterative.published_steps(radius / 255)] * 2
        wide = run(
            BasicIterative(), Classifier(flat, (0, 255)), 255 * middle(2).float(), threat=Lp("inf", float(radius))
        )
        assert torch.equal(wide.iterations, result.iterations)


def test_basic_iterative_by_hand():
    """x_{n+1} = Clip(x_n + alpha sign grad J): three steps of 0.05 within 0.125 end at the edge."""
    classifier = by_hand()
    with torch.no_grad():
        classifier.module[1].bias[0] = 5.0
    attack = BasicIterative(step_size=0.05, steps=3)
    result = run(attack, classifier, IMAGE, torch.tensor([0]), threat=Lp("inf", 0.125), trace=True)
    assert not result.success
    torch.testing.assert_close(result.adversarial.flatten()[:3], torch.tensor([0.375, 0.375, 0.375]))
    lengths = torch.tensor([0, 0.05, 0.1, 0.125])
    margin = 0.75 - 1.0 - 5.0 + lengths * (2 + 1 + 1 + 1)  # |w_1 - w_0| over the three values is 2 + 1 + 2
    torch.testing.assert_close(result.trace[0], margin, atol=1e-5, rtol=0)


def test_basic_iterative_is_clipped_to_box_and_ball_at_every_step():
    classifier, images = convolutional(), middle(8)
    radius, alpha, x = 0.05, 0.02, images
    labels = classifier.logits(images).argmax(1)
    attack = BasicIterative(step_size=alpha, steps=6)
    result = run(attack, classifier, images, threat=Lp("inf", radius), batch=3)
    for image in range(8):
        x, clean = images[image : image + 1], images[image : image + 1]
        for _ in range(6):
            if classifier.logits(x).argmax(1) != labels[image]:
                break
            leaf = x.clone().requires_grad_()
            loss = nn.functional.cross_entropy(classifier.logits(leaf), labels[image : image + 1])
            (gradient,) = torch.autograd.grad(loss, leaf)
            x = torch.minimum(torch.maximum(x + alpha * gradient.sign(), clean - radius), clean + radius).clamp(0, 1)
        if result.success[image]:
            torch.testing.assert_close(result.adversarial[image], x[0])
        assert bool(classifier.logits(x).argmax(1) != labels[image]) == bool(result.success[image])


def test_least_likely_goes_down_the_least_likely_classs_loss():
    classifier = by_hand()
    with torch.no_grad():
        classifier.module[1].bias[0] = 5.0
    attack = IterativeLeastLikely(step_size=0.125, steps=1)
    result = run(attack, classifier, IMAGE, torch.tensor([0]), threat=Lp("inf", 0.125))
    fraction = torch.softmax(WEIGHT @ IMAGE.flatten() + torch.tensor([5.0, 0, 0]), 0)
    gradient = fraction @ WEIGHT - WEIGHT[2]
    expected = IMAGE.flatten() - 0.125 * gradient.sign()
    torch.testing.assert_close(result.adversarial.flatten()[:3], expected[:3])


def test_least_likely_is_fixed_at_the_clean_image_and_any_other_class_is_a_success():
    """On the way to class 2 the image passes through class 1, and is done."""
    layer = nn.Linear(1, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0], [1.0], [2.0]]))
        layer.bias.copy_(torch.tensor([0.0, -0.4, -1.3]))
    classifier, image = Classifier(nn.Sequential(nn.Flatten(), layer)), torch.tensor([[[[0.2]]]])
    result = run(IterativeLeastLikely(step_size=0.1, steps=9), classifier, image, threat=Lp("inf", 0.9))
    assert result.success
    assert result.prediction == 1
    assert result.adversarial == pytest.approx(0.5, abs=1e-5)


def test_the_least_likely_class_stays_what_it_was_when_another_one_falls_behind_it():
    """Logits 5, 1 - 2x and 4x - 0.6: class 2 is the least likely at 0.2, class 1 from 0.27 on."""
    layer = nn.Linear(1, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0], [-2.0], [4.0]]))
        layer.bias.copy_(torch.tensor([5.0, 1.0, -0.6]))
    classifier, image = Classifier(nn.Sequential(nn.Flatten(), layer)), torch.tensor([[[[0.2]]]])
    result = run(IterativeLeastLikely(step_size=0.1, steps=4), classifier, image, threat=Lp("inf", 0.9), trace=True)
    torch.testing.assert_close(result.trace[0, 2:], torch.tensor([-4.0, -3.6, -3.2]))
    assert result.adversarial == pytest.approx(0.6)
