"""What images an adversarial training is given: what `perturb_batch` finds for a network as it stands."""

import functools
from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn import functional

from brittle import PGD, Classifier, DeepFool, Lp, run
from brittle.attacks.adef import ADef
from brittle.core.attack import Attack
from brittle.threats import Flow
from brittle.training import AdversarialTraining
from brittle.training.adversarial import MaximiseMargin, perturb_batch
from training.test_adversarial import HARD, trained
from training.test_fit import SETTINGS, build, data


@functools.cache
def plain():
    """A network that is right on most images."""
    return trained(None, SETTINGS)[0]


def found(hard=HARD, rows=slice(None), seed=0):
    module = plain()
    images, labels = data(40, seed=2)
    ids = torch.arange(40)[rows]
    moved, _ = perturb_batch(
        hard, Classifier(module), images[rows], labels[rows], threat=hard.threat, ids=ids, seed=seed
    )
    return module, images[rows], labels[rows], moved


def test_draws_belong_to_the_image_and_the_epoch():
    start = replace(HARD, attack=PGD(steps=1, step_size=0.01))
    together, alone = found(start)[3][3:5], found(start, slice(3, 5))[3]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    assert (found(start, seed=1)[3] - found(start)[3]).abs().amax() > 0.05


def test_deformations_serve_as_well():
    module, images, labels, moved = found(AdversarialTraining(ADef(steps=20), Flow(2)))
    assert moved.shape == images.shape
    right = module(images).argmax(1) == labels
    assert torch.equal(moved[~right], images[~right])
    expected = run(ADef(steps=20), Classifier(module), images, labels, threat=Flow(2))
    torch.testing.assert_close(moved[right], expected.adversarial[right])
    assert not torch.equal(moved[right], images[right])


def losses(module, moved, labels):
    with torch.no_grad():
        return functional.cross_entropy(module(moved), labels, reduction="none")


def test_what_is_found_is_allowed_and_worse_than_the_first_success():
    hard = replace(HARD, threat=Lp("inf", 0.3), attack=PGD(steps=10))
    module, images, labels, moved = found(hard)
    assert ((moved - images).abs() <= 0.3 + 1e-6).all()
    assert moved.amin() >= 0
    assert moved.amax() <= 1
    first = run(hard.attack, Classifier(module), images, labels, threat=hard.threat)
    assert first.success.any()
    ours, theirs = losses(module, moved, labels), losses(module, first.adversarial, labels)
    assert (ours[first.success] > theirs[first.success]).float().mean() > 0.9
    assert ours.mean() > losses(module, images, labels).mean()


def test_an_attack_without_a_radius_gives_the_smallest_change_of_the_images_that_are_right():
    module, images, labels, moved = found(AdversarialTraining(DeepFool(), Lp(2)))
    with torch.no_grad():
        right = module(images).argmax(1) == labels
        assert (module(moved).argmax(1) != labels).all()
    assert right.sum() > 30
    assert torch.equal(moved[~right], images[~right])
    expected = run(DeepFool(), Classifier(module), images, labels, threat=Lp(2))
    torch.testing.assert_close(moved, expected.adversarial)


def test_an_attack_that_fails_leaves_the_modes_and_the_random_state():
    @dataclass(frozen=True)
    class Fails(Attack):
        def perturb(self, problem):
            raise ZeroDivisionError

    module, (images, _) = build().eval(), data(4)
    labels = module(images).detach().argmax(1)  # all right, so that all are attacked
    state = torch.get_rng_state()
    module.train()
    hard = AdversarialTraining(Fails(), Lp("inf", 0.1))
    with pytest.raises(ZeroDivisionError):
        perturb_batch(hard, Classifier(module), images, labels, threat=hard.threat, ids=torch.arange(4), seed=0)
    assert all(part.training for part in module.modules())
    assert all(weight.requires_grad for weight in module.parameters())
    assert torch.equal(state, torch.get_rng_state())


def test_nothing_is_ever_bad_enough():
    assert not MaximiseMargin(torch.tensor([0])).met(torch.tensor([[-9.0, 9.0]])).any()
    assert MaximiseMargin(torch.tensor([0])).margin(torch.tensor([[-9.0, 9.0]])).item() == 18
