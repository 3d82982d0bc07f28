"""Attacks on the latents of a generator: every registered one that changes values within linf or l2."""

import pytest
import torch
from torch import Tensor, nn

from brittle import Classifier, Lp, run
from brittle.classifiers.reparameterised import Reparameterised
from brittle.errors import BoundsError, InputError
from brittle.registry import ATTACKS
from tests.cases import CASES, Case

LATENT = 5


class Generator(nn.Module):
    """A small smooth generator of grey images."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(LATENT, 16)

    def forward(self, latents: Tensor) -> Tensor:
        return self.layer(latents).sigmoid().reshape(-1, 1, 4, 4)


@pytest.fixture(scope="module")
def around() -> Reparameterised:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, generator = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), Generator()
    with torch.no_grad():
        network[1].weight *= 8
        network[1].bias -= network(generator(torch.zeros(1, LATENT)))[0]
    return Reparameterised(Classifier(network), generator)


def latents_of(count: int) -> Tensor:
    return torch.randn((count, LATENT), generator=torch.Generator().manual_seed(2)) / 2


def in_values(case: Case) -> bool:
    return isinstance(case.threat, Lp) and case.threat.p in (2, float("inf"))


VALUES = [case for case in CASES if in_values(case)]


def test_most_registered_attacks_are_tried_here():
    tried = {type(case.attack) for case in VALUES}
    left = {name for name in ATTACKS if ATTACKS[name] not in tried}
    assert left == {
        "adef",
        "rotation-translation",
        "stadv",
        "one-pixel",
        "cw-l0",
        "jsma",
        "sigma-zero",
        "support-descent",
        "patch-ascent",
    }


@pytest.mark.parametrize("case", VALUES, ids=str)
def test_an_attack_finds_latents_whose_images_the_network_gets_wrong(around: Reparameterised, case: Case):
    latents = around.shaped(latents_of(4))
    labels = around.of_latents.logits(latents).argmax(1)
    found = run(case.attack, around.of_latents, latents, labels, threat=Lp(case.threat.p, 2.5))
    assert found.adversarial.shape == (4, LATENT, 1, 1)
    assert found.adversarial.abs().max() <= 3
    images = around.images(found.adversarial)
    with torch.no_grad():
        answers = around.classifier.logits(images).argmax(1)
    assert torch.equal(answers != labels, found.success)


def test_the_gradient_is_that_through_the_generator(around: Reparameterised):
    latents = around.shaped(latents_of(2)).requires_grad_()
    (found,) = torch.autograd.grad(around.of_latents.logits(latents)[:, 0].sum(), latents)
    weights = around.classifier.module[1].weight[0]
    images = around.generator(latents.flatten(1)).flatten(1)
    assert isinstance(around.generator, Generator)
    expected = (weights * images * (1 - images)) @ around.generator.layer.weight
    torch.testing.assert_close(found.flatten(1), expected)


def test_images_come_within_the_bounds_of_the_classifier():
    wide = Reparameterised(Classifier(nn.Flatten(), bounds=(-1, 3)), lambda latents: latents[:, :, None, None])
    torch.testing.assert_close(wide.images(torch.tensor([[0.0, 1.0]])).flatten(), torch.tensor([-1.0, 3.0]))
    torch.testing.assert_close(wide.of_latents.logits(torch.tensor([[[[0.5]], [[1.0]]]])), torch.tensor([[1.0, 3.0]]))


def test_latents_are_moved_into_the_bounds_and_given_their_shape(around: Reparameterised):
    assert around.shaped(torch.tensor([[5.0, -7.0]])).flatten().tolist() == [3.0, -3.0]
    with pytest.raises(InputError, match=r"expected \(n, d\)"):
        around.shaped(torch.zeros(2, 1, 4, 4))


def test_bounds_that_are_none_are_refused():
    with pytest.raises(BoundsError):
        Reparameterised(Classifier(nn.Flatten()), nn.Identity(), bounds=(3, -3))
