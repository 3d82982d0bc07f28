"""What a result says of gradients that show no way, and of successes that were gone when it was asked again."""

import pytest
import torch
from affine import convolutional
from torch import nn

from brittle import PGD, Classifier, Lp, Square, run
from brittle.core.nonfinite import blank

NETWORK = convolutional().module.float().eval()
WITHIN = Lp("inf", 0.3)


class Rounded(nn.Module):
    """A network whose gradients are zero for some of its images, the dark ones."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        dark = (images.flatten(1).mean(1) < 0.5)[:, None, None, None]
        return self.inner(torch.where(dark, images.round(), images))


class Wavering(nn.Module):
    """A network that answers by the toss of a coin what is near the boundary."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, images):
        logits = self.inner(images)
        return logits + 3 * torch.randn_like(logits)


@pytest.fixture
def images():
    dark = 0.3 * torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.cat([dark, 1 - dark])


def said(found):
    return dict(found.lines())


def attacked(module, images, attack):
    with torch.no_grad():
        labels = module(images).argmax(1)
    return run(attack, Classifier(module), images, labels, threat=WITHIN, seed=0)


def test_zero_gradients_are_counted_and_told_of_images_that_stand(images):
    found = attacked(Rounded(NETWORK), images, PGD(steps=3, random_start=False))
    stands = found.correct & ~found.success
    assert (found.zero_gradients[:6] == 3).all()
    assert not found.zero_gradients[6:].any()
    assert said(found)["zero gradients"].startswith(f"6 of {int(stands.sum())} images that stand had some")
    assert "zero gradients" in repr(found)
    assert {"zero_gradients", "undone"} & {*found.table().column_names} == set()


def test_nothing_is_told_of_gradients_that_nobody_asked_for_or_that_are_fine(images):
    assert "zero gradients" not in said(attacked(NETWORK, images, PGD(steps=3)))
    assert "zero gradients" not in said(attacked(Rounded(NETWORK), images, Square(queries=3)))


def test_successes_that_are_gone_when_asked_again_are_told(images):
    found = attacked(Wavering(NETWORK), images, PGD(steps=5))
    assert found.undone.any()
    assert not (found.undone & found.success).any()
    assert said(found)["not again"].startswith(f"{int(found.undone.sum())} image")
    steady = attacked(NETWORK, images, PGD(steps=5))
    assert not steady.undone.any()
    assert "not again" not in said(steady)


def test_a_gradient_is_blank_only_where_every_value_is_zero():
    rows = torch.tensor([[1.0, -1.0], [0.0, 0.0], [torch.nan, 0.0], [-0.0, 0.0]])[:, None, None]
    assert blank(rows).tolist() == [False, True, False, True]
    assert blank(rows[:1]) is None
