"""The order of images in memory: who gets channels last, who does not, and that nothing else changes."""

import pytest
import torch
from torch import nn

from brittle import PGD, Classifier, Lp, run
from brittle.classifiers.memory_format import to_channels_last

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="only oneDNN gains by it")


class Seen(nn.Module):
    """A convolution that keeps the strides of what it is shown; `body` turns its features into logits."""

    def __init__(self, channels: int = 3, body: nn.Module | None = None):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(channels, 8, 3, padding=1)
        self.body = body or nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 4))
        self.strides: list[tuple[int, ...]] = []

    def forward(self, images):
        self.strides.append(images.stride())
        return self.body(self.convolution(images))


class Viewed(nn.Module):
    """Asks for the usual order in memory, as `view` does."""

    def forward(self, features):
        return features.view(len(features), 4, -1).mean(2)


class Careless(nn.Module):
    """Reads the memory as if it were always in the usual order."""

    def forward(self, features):
        return torch.as_strided(features, (len(features), 4, 16), (512, 16, 1)).sum(2)


class Restless(nn.Module):
    """Draws numbers for the memory rather than for the values."""

    def forward(self, features):
        return (features + torch.rand_like(features)).mean(2).mean(2)[:, :4]


USUAL, LAST = (192, 64, 8, 1), (192, 1, 24, 3)


def shown(body=None, images=None, **given):
    module = Seen(body=body).eval()
    images = torch.rand(5, 3, 8, 8) if images is None else images
    Classifier(module, **given).logits(images)
    return module.strides[-1]


def test_convolutions_get_the_channels_last():
    assert shown() == LAST
    assert shown(images=torch.rand(1, 3, 8, 8)) == LAST
    gray = Seen(channels=1).eval()
    Classifier(gray).logits(torch.rand(5, 1, 8, 8))
    assert gray.convolution(to_channels_last(gray, torch.rand(5, 1, 8, 8))).is_contiguous(
        memory_format=torch.channels_last
    )


@pytest.mark.parametrize("body", [Viewed(), Careless(), Restless()], ids=lambda body: type(body).__name__)
def test_networks_that_would_say_something_else_are_asked_as_usual(body):
    body = nn.Sequential(nn.MaxPool2d(2), body) if isinstance(body, Viewed) else body
    assert shown(body) == USUAL


def test_black_boxes_other_types_and_networks_in_train_mode_are_asked_as_usual():
    module = Seen().eval()
    Classifier(lambda images: module(images)).logits(torch.rand(2, 3, 8, 8))
    Classifier(module, probabilities=True).logits(torch.rand(2, 3, 8, 8))
    assert set(module.strides) == {USUAL}
    assert len(module.strides) == 2, "nobody tried anything else"
    double = Seen().double().eval()
    Classifier(double).logits(torch.rand(2, 3, 8, 8, dtype=torch.float64))
    training = Seen(body=nn.Sequential(nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(512, 4))).train()
    Classifier(training).logits(torch.rand(2, 3, 8, 8))
    assert double.strides == training.strides == [USUAL]
    assert training.body[0].num_batches_tracked == 1


def test_it_is_tried_once_for_each_size_and_leaves_the_random_state():
    module = Seen(body=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))).eval()
    before = torch.get_rng_state()
    for side in (8, 8, 6, 8):
        Classifier(module).logits(torch.zeros(2, 3, side, side))
    assert len(module.strides) == 4 + 2 * 2
    assert torch.equal(torch.get_rng_state(), before)


def test_logits_and_gradients_are_those_of_the_usual_order():
    module, images = Seen().eval(), torch.rand(6, 3, 8, 8)
    torch.testing.assert_close(Classifier(module).logits(images), module(images))
    result = run(PGD(steps=5, loss="margin"), Classifier(module), images, threat=Lp("inf", 0.05))
    plain = run(PGD(steps=5, loss="margin"), Classifier(module.double()), images.double(), threat=Lp("inf", 0.05))
    assert result.adversarial.is_contiguous()
    torch.testing.assert_close(result.adversarial.double(), plain.adversarial, atol=1e-5, rtol=0)
