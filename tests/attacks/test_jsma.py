"""JSMA against the paper's algorithms, written out again with the full Jacobian and all pairs."""

import pytest
import torch
from affine import convolutional, middle
from torch import nn

from brittle import JSMA, Classifier, InputError, Lp, Targeted, UnsupportedThreat, run
from brittle.attacks.jsma import saliency_maps


def outputs(module, on):
    return lambda x: module(x[None])[0].softmax(0) if on == "probabilities" else module(x[None])[0]


def published(module, image, target, *, theta, pairs, on, most=8):
    """Algorithms 1 and 3: full Jacobian, one pair after the other, saturated features leave the domain."""
    sign, end, x, changed = (1, 1.0, image.clone(), 0) if theta > 0 else (-1, 0.0, image.clone(), 0)
    network = outputs(module, on)
    while network(x).argmax() != target and changed + (2 if pairs else 1) <= most:
        jacobian = torch.autograd.functional.jacobian(network, x).flatten(1) * sign
        alpha, beta = jacobian[target], jacobian.sum(0) - jacobian[target]
        domain = [i for i, value in enumerate(x.flatten()) if value != end]
        best, chosen = 0.0, None
        for place, p in enumerate(domain):
            for q in domain[place + 1 :] if pairs else [None]:
                a, b = (s[p] + (0 if q is None else s[q]) for s in (alpha, beta))
                if a > 0 and b < 0 and -a * b > best:
                    best, chosen = -a * b, [p, q]
        if chosen is None:
            break
        for place in chosen[: 2 if pairs else 1]:
            x.view(-1)[place] = (x.view(-1)[place] + theta).clamp(0, 1)
            changed += 1
    return x


def targets_of(classifier, images, shift=1):
    logits = classifier.logits(images)
    return (logits.argmax(1) + shift) % logits.shape[1]


@pytest.mark.parametrize("theta", [1.0, -1.0])
@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("on", ["logits", "probabilities"])
def test_is_the_published_algorithm(theta, pairs, on):
    classifier, images = convolutional(channels=3), middle(8, (3, 3, 4))
    targets = targets_of(classifier, images)
    attack = JSMA(theta=theta, fraction=8 / 36, pairs=pairs, on=on)
    result = run(attack, classifier, images, goal=Targeted(targets), threat=Lp(0), batch=5)
    expected = torch.stack(
        [
            published(classifier.module, image, target, theta=theta, pairs=pairs, on=on)
            for image, target in zip(images, targets, strict=True)
        ]
    )
    reached = classifier.logits(expected).argmax(1) == targets
    assert reached.any()
    assert torch.equal(result.success, reached)
    torch.testing.assert_close(result.adversarial[reached], expected[reached], atol=1e-12, rtol=0)
    assert torch.equal(result.size[reached], (expected != images).flatten(1).sum(1).double()[reached])


@pytest.mark.parametrize("on", ["logits", "probabilities"])
@pytest.mark.parametrize("increasing", [True, False])
def test_maps_are_those_of_the_full_jacobian(on, increasing):
    classifier, images = convolutional(channels=3), middle(3, (3, 3, 4))
    targets = targets_of(classifier, images)
    maps = saliency_maps(classifier, images, targets, on=on, increasing=increasing)
    for image, target, found in zip(images, targets, maps, strict=True):
        jacobian = torch.autograd.functional.jacobian(outputs(classifier.module, on), image)
        jacobian = jacobian if increasing else -jacobian
        alpha, beta = jacobian[target], jacobian.sum(0) - jacobian[target]
        expected = (alpha * -beta).where((alpha > 0) & (beta < 0), 0)
        assert (expected > 0).any()
        torch.testing.assert_close(found / found.max(), expected / expected.max(), atol=1e-9, rtol=0)


def test_maps_leave_the_network_as_it_was():
    classifier = convolutional()
    module = classifier.module.train()
    saliency_maps(classifier, middle(2), torch.tensor([0, 1]))
    assert module.training
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_step_costs_two_backward_passes_on_logits_and_one_on_probabilities():
    classifier, images = convolutional(), middle()
    for on, passes in (("logits", 2), ("probabilities", 1)):
        result = run(JSMA(fraction=0.5, on=on), classifier, images, threat=Lp(0))
        moved = result.success
        assert (result.iterations[moved] > 0).all()
        assert torch.equal(result.backward[moved], passes * result.iterations[moved])


def linear(weight, bias=0.0):
    """Class 1 against class 0, whose logit is the bias; and an image all black."""
    layer = nn.Linear(len(weight), 2).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[-one for one in weight], weight]) / 2)
        layer.bias.copy_(torch.tensor([bias, 0.0]))
    return Classifier(nn.Sequential(nn.Flatten(), layer)), torch.zeros(1, 1, 2, len(weight) // 2, dtype=torch.float64)


def test_saturated_features_are_left_alone():
    classifier, image = linear([4.0, 3.0, 2.0, 1.0], bias=6.5)
    image[0, 0, 0, 0] = 1.0  # the strongest feature is at the end of the box already
    one = JSMA(pairs=False, fraction=1)
    result = run(one, classifier, image, threat=Lp(0))
    assert result.adversarial.flatten().tolist() == [1, 1, 0, 0]
    pair = run(JSMA(fraction=1), classifier, image, threat=Lp(0))
    assert pair.adversarial.flatten().tolist() == [1, 1, 1, 0]
    stuck = run(JSMA(pairs=False, theta=-1.0, fraction=1), classifier, image, threat=Lp(0))
    assert not stuck.success.any()
    assert stuck.iterations.tolist() == [0]


def test_small_theta_goes_on_with_the_features_it_has_when_the_limit_is_reached():
    classifier, image = linear([4.0, 3.0, 2.0, 1.0], bias=6.5)
    result = run(JSMA(theta=0.25, fraction=0.5), classifier, image, threat=Lp(0))
    assert result.iterations.tolist() == [4]
    assert result.adversarial.flatten().tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("radius", [4, 5.0, torch.tensor([0.0, 3.0, 4.0, 40.0])])
def test_no_more_features_than_the_radius_are_changed(radius):
    classifier, images = convolutional(channels=3), middle(4, (3, 3, 4))
    goal = Targeted(targets_of(classifier, images, 2))
    result = run(JSMA(fraction=1), classifier, images, goal=goal, threat=Lp(0, radius))
    changed = (result.adversarial != images).flatten(1).sum(1)
    assert (changed <= torch.as_tensor(radius)).all()
    assert (changed > 0).any()
    assert (2 * result.iterations <= torch.as_tensor(radius)).all()


@pytest.mark.parametrize("aim", ["label", "nearest", "runner-up"])
@pytest.mark.parametrize("on", ["logits", "probabilities"])
def test_untargeted_aims(aim, on):
    classifier, images = convolutional(), middle()
    labels = classifier.logits(images).argmax(1)
    result = run(JSMA(fraction=1, aim=aim, on=on), classifier, images, threat=Lp(0))
    assert result.success.sum() >= 4
    if aim == "runner-up":
        runner_up = classifier.logits(images).scatter(1, labels[:, None], -torch.inf).argmax(1)
        goal = Targeted(runner_up)
        targeted = run(JSMA(fraction=1, aim=aim, on=on), classifier, images, goal=goal, threat=Lp(0))
        first = result.prediction == runner_up
        assert torch.equal(result.adversarial[first], targeted.adversarial[first])


def test_a_saturated_softmax_hides_nothing():
    classifier, images = convolutional(), middle().float()
    module = classifier.module.float()
    module[6].weight.data *= 1e4
    module[6].bias.data *= 1e4
    sharp = Classifier(module)
    assert (sharp.logits(images).softmax(1).amax(1) == 1).all()
    assert run(JSMA(fraction=1), sharp, images, threat=Lp(0)).success.any()


def test_refusals():
    wrong = [("theta", 0.0), ("theta", -1.5), ("fraction", 0.0), ("fraction", 1.1), ("on", "loss"), ("aim", "x")]
    for field, value in wrong:
        unchecked = getattr(JSMA.__init__, "__wrapped__", JSMA.__init__)  # not through the type checker of the tests
        with pytest.raises(InputError, match=f"{field} is"):
            unchecked(object.__new__(JSMA), **{field: value})
    classifier, images = convolutional(), middle(2)
    with pytest.raises(UnsupportedThreat):
        run(JSMA(), classifier, images, threat=Lp(2))
    with pytest.raises(InputError, match="pairs=false"):
        run(JSMA(), classifier, images, threat=Lp(0, 1))
    assert (run(JSMA(pairs=False, fraction=1), classifier, images, threat=Lp(0, 1)).size[:2] >= 1).all()
