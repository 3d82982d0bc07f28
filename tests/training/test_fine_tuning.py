"""Images attacked once for fine-tuning: closed forms on linear networks, and what is left alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from brittle import FGSM, PGD, Classifier, DeepFool, Lp, run
from brittle.errors import BoundsError, InputError, LabelError, UnsupportedThreat
from brittle.metrics import mean
from brittle.threats import Flow
from brittle.training import accuracy, fit, perturbed_once
from brittle.training.fine_tuning import magnified
from brittle.training.named import seeded
from training.test_adversarial import linear
from training.test_fit import SETTINGS, build, data


def distance(module, images):
    """Signed distance of each image to the boundary of a linear network of two classes, and the unit normal."""
    weight, bias = module[1].weight.detach(), module[1].bias.detach()
    normal, offset = weight[1] - weight[0], bias[1] - bias[0]
    return (images.flatten(1) @ normal + offset) / normal.norm(), (normal / normal.norm()).reshape(images.shape[1:])


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
def test_on_a_linear_network_the_change_is_alpha_times_the_way_to_the_boundary(alpha):
    module, images, _ = linear()
    labels = module(images).argmax(1)
    moved = perturbed_once(module, images, labels, DeepFool(nudge=0.0), Lp(2), alpha=alpha)
    away, normal = distance(module, images)
    way = -alpha * 1.02 * away[:, None, None, None] * normal
    assert ((images + way) > 0).all()  # no value is clipped
    assert ((images + way) < 1).all()
    torch.testing.assert_close(moved - images, way, rtol=1e-6, atol=1e-9)
    assert moved.dtype == torch.float64


def test_what_alpha_carries_beyond_the_box_is_clipped():
    module, images, _ = linear()
    labels = module(images).argmax(1)
    once = perturbed_once(module, images, labels, DeepFool(), Lp(2))
    far = perturbed_once(module, images, labels, DeepFool(), Lp(2), alpha=1e4)
    torch.testing.assert_close(far, (images + 1e4 * (once - images)).clamp(0, 1))
    assert set(far[far != images].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(far, magnified(images, once, 1e4))


def test_images_that_are_wrong_already_stay_as_they_are():
    module, images, labels = linear()
    wrong = module(images).argmax(1) != labels
    assert 0 < wrong.sum() < len(labels)
    for attack, threat in ((DeepFool(), Lp(2)), (FGSM(), Lp("inf", 0.1)), (PGD(steps=3), Lp("inf", 0.1))):
        moved = perturbed_once(module, images, labels, attack, threat, alpha=3.0)
        assert torch.equal(moved[wrong], images[wrong])
        assert ((moved != images).flatten(1).any(1)[~wrong]).all()


def test_fast_gradient_sign_goes_alpha_times_the_radius():
    module, images, _ = linear()
    labels = module(images).argmax(1)
    moved = perturbed_once(module, images, labels, FGSM(), Lp("inf", 0.05), alpha=2.0)
    assert (moved - images).abs().flatten(1).amax(1).numpy() == pytest.approx(0.1)


def test_at_alpha_1_it_is_what_the_attack_found_to_the_bit_in_any_batch():
    module, (images, labels) = seeded(build, 5).eval(), data(40)
    found = run(DeepFool(), Classifier(module), images, labels, threat=Lp(2), seed=3).adversarial
    told: list[int] = []
    moved = perturbed_once(module, images, labels, DeepFool(), Lp(2), seed=3, progress=told.append)
    assert torch.equal(moved, found)
    assert sum(told) == 40
    split = perturbed_once(module, images, labels, DeepFool(), Lp(2), seed=3, batch=7)
    torch.testing.assert_close(split, moved)


def test_whole_numbers_become_floats():
    module, (images, labels) = seeded(build, 5).eval(), data(10)
    numbers = (images * 255).round().to(torch.uint8)
    moved = perturbed_once(module, numbers, labels, DeepFool(), Lp(2))
    assert torch.equal(moved, perturbed_once(module, numbers / 255, labels, DeepFool(), Lp(2)))


@pytest.mark.parametrize("within", [torch.no_grad, torch.enable_grad])
def test_nothing_else_is_changed(within):
    module, (images, labels) = seeded(build, 5), data(20)
    module.train()
    before = [images.clone(), labels.clone(), *(tensor.clone() for tensor in module.state_dict().values())]
    state = torch.get_rng_state()
    with within():
        moved = perturbed_once(module, images, labels, DeepFool(), Lp(2))
    after = [images, labels, *module.state_dict().values()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(part.training for part in module.modules())
    assert all(weight.requires_grad and weight.grad is None for weight in module.parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert not moved.requires_grad


def test_fine_tuning_on_them_makes_the_network_more_robust():
    images, labels = data(200)
    module = seeded(build, 5)
    fit(module, images, labels, settings=SETTINGS)
    held_out, truth = data(100, seed=1)

    def rho():
        found = run(DeepFool(), Classifier(module), held_out, threat=Lp(2))
        return mean((found.l2 / held_out.flatten(1).norm(dim=1)).double().numpy()).value

    before = rho()
    moved = perturbed_once(module, images, labels, DeepFool(), Lp(2))
    fit(module, moved, labels, settings=replace(SETTINGS, rate=SETTINGS.rate / 2, epochs=5))
    assert rho() > 1.1 * before
    assert accuracy(module, held_out, truth) > 0.95


def test_what_cannot_be_attacked_is_refused():
    module, images, labels = linear()
    with pytest.raises(InputError, match="alpha is -1"):
        perturbed_once(module, images, labels, DeepFool(), Lp(2), alpha=-1.0)
    with pytest.raises(InputError, match="alpha is nan"):
        perturbed_once(module, images, labels, DeepFool(), Lp(2), alpha=float("nan"))
    with pytest.raises(BoundsError):
        perturbed_once(module, images + 1, labels, DeepFool(), Lp(2))
    with pytest.raises(LabelError):
        perturbed_once(module, images, labels + 5, DeepFool(), Lp(2))
    with pytest.raises(UnsupportedThreat):
        perturbed_once(module, images, labels, DeepFool(), Flow(2.0))
    with pytest.raises(InputError):
        perturbed_once(nn.Linear(2, 2), images[0], labels, FGSM(), Lp("inf", 0.1))
