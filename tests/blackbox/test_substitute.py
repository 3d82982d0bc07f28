"""A substitute is taught by the published schedule, from its own weights on, the same way when it is interrupted."""

import copy

import pytest
import torch
from torch import nn

from brittle import InputError
from brittle.blackbox.augmentation import JacobianAugmentation
from brittle.blackbox.substitute import SubstituteTraining, Taught
from brittle.training import PlainTraining, fit

IMAGES = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def linear() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def test_a_step_follows_the_sign_of_the_probability_of_the_label():
    network, labels = linear(), torch.tensor([0, 1, 2, 0, 1])
    inputs = IMAGES.clone().requires_grad_()
    network(inputs).softmax(1).gather(1, labels[:, None]).sum().backward()
    expected = (IMAGES + 0.1 * inputs.grad.sign()).clamp(0, 1)
    assert torch.equal(JacobianAugmentation().new_images(network, IMAGES, labels, 0, 0), expected)
    backwards = (IMAGES - 0.1 * inputs.grad.sign()).clamp(0, 1)
    assert torch.equal(JacobianAugmentation(sample=0).new_images(network, IMAGES, labels, 3, 0), backwards)


def test_a_step_does_not_vanish_where_the_substitute_is_sure():
    network = linear()
    with torch.no_grad():
        network[1].weight.mul_(1e4)
    labels = network(IMAGES).argmin(1)  # probability 0 in float32
    new = JacobianAugmentation(step=0.01).new_images(network, IMAGES, labels, 0, 0)
    assert ((new - IMAGES).abs().flatten(1).amax(1) > 0.009).all()


def test_the_sign_turns_every_few_rounds():
    steps = [JacobianAugmentation(step=0.2, flip=2).step_of(number) for number in range(6)]
    assert steps == [0.2, 0.2, -0.2, -0.2, 0.2, 0.2]
    assert JacobianAugmentation(flip=0).step_of(99) == 0.1


def test_later_rounds_add_a_sample_that_the_seed_draws():
    network, labels = linear(), torch.zeros(5, dtype=torch.int64)
    few = JacobianAugmentation(full_rounds=1, sample=2)
    assert len(few.new_images(network, IMAGES, labels, 0, 0)) == 5
    drawn = [few.new_images(network, IMAGES, labels, 1, seed) for seed in (0, 0, 1, 2, 3)]
    assert len(drawn[0]) == 2
    assert torch.equal(drawn[0], drawn[1])
    assert any(not torch.equal(drawn[0], other) for other in drawn[2:])
    assert few.sizes(5, 4) == [5, 10, 12, 14]


def test_a_sample_takes_every_image_as_often():
    network, labels = linear(), torch.zeros(5, dtype=torch.int64)
    few = JacobianAugmentation(step=1e-6, full_rounds=0, sample=2)
    taken = torch.cat([few.new_images(network, IMAGES, labels, 0, seed) for seed in range(500)])
    counts = ((taken[:, None] - IMAGES).abs().flatten(2).amax(2) < 1e-4).sum(0)
    assert counts.sum() == 1000
    assert (counts - 200).abs().max() < 60


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.BatchNorm2d(1), linear()).train()
    before = copy.deepcopy(network.state_dict())
    JacobianAugmentation().new_images(network, IMAGES, torch.zeros(5, dtype=torch.int64), 0, 0)
    assert network.training
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())


class Lesson:
    """Teaches `linear` to say which half is brighter, and remembers what was asked."""

    def __init__(self):
        self.asked, self.trained, self.states = [], [], []

    def ask(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(images)
        return (images[:, 0, 0].sum(1) > images[:, 0, 1].sum(1)).long()

    def train(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, number: int) -> None:
        self.trained.append((number, len(images)))
        fit(network, images, labels, settings=PlainTraining(epochs=2, batch=4, seed=number))

    def told(self, network: nn.Module):
        return lambda state: self.states.append((state, copy.deepcopy(network.state_dict())))


TEACHING = SubstituteTraining(JacobianAugmentation(full_rounds=2, sample=3), rounds=4)


def test_each_round_labels_what_is_new_and_trains_on_all():
    lesson, network = Lesson(), linear()
    taught = TEACHING.taught(network, Taught.begun(IMAGES), lesson.ask, lesson.train)
    assert [len(some) for some in lesson.asked] == [5, 5, 10, 3]
    assert lesson.trained == [(0, 5), (1, 10), (2, 20), (3, 23)]
    assert len(taught.images) == len(taught.labels) == 23
    assert taught.rounds == 4
    assert torch.equal(torch.cat(lesson.asked), taught.images)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_is_interrupted_gives_the_same_as_what_is_not(after: int):
    whole, network = Lesson(), linear()
    expected = TEACHING.taught(network, Taught.begun(IMAGES), whole.ask, whole.train, told=whole.told(network))
    state, weights = whole.states[after]
    rest, again = Lesson(), linear()
    again.load_state_dict(weights)
    found = TEACHING.taught(again, state, rest.ask, rest.train)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    assert all(torch.equal(one, network.state_dict()[name]) for name, one in again.state_dict().items())
    assert len(rest.asked) == 3 - after


@pytest.mark.parametrize("wrong", [{"step": 0}, {"step": 2}, {"flip": -1}, {"full_rounds": -1}, {"sample": -1}])
def test_settings_that_are_none_are_refused(wrong: dict):
    with pytest.raises(InputError, match=next(iter(wrong))):
        JacobianAugmentation(**wrong)
    with pytest.raises(InputError, match="rounds"):
        SubstituteTraining(rounds=0)


def test_the_defaults_are_the_published_ones():
    assert JacobianAugmentation() == JacobianAugmentation(step=0.1, flip=3, full_rounds=3, sample=400)
    assert SubstituteTraining().rounds == 6
    assert JacobianAugmentation().sizes(150, 6) == [150, 300, 600, 1200, 1600, 2000]
