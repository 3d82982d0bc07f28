from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from brittle import InputError
from brittle.physical import Channel
from brittle.physical.blur import Blur
from brittle.physical.chain import Chain
from brittle.physical.channel import everyone
from brittle.physical.jpeg import JPEGFile
from brittle.physical.noise import Noise

GREY = torch.full((2, 3, 6, 5), 0.5)


@dataclass(frozen=True)
class Wasteful(Channel):
    """Draws many numbers and uses none."""

    random: ClassVar[bool] = True

    def transform(self, images, streams):
        streams.normal(everyone(images), (100,))
        return images.clone()


def test_a_link_draws_the_same_whatever_those_before_it_draw():
    assert torch.equal(Chain((Wasteful(), Noise()))(GREY), Chain((Blur(sigma=0), Noise()))(GREY))


def test_equal_links_draw_other_numbers():
    once, twice = Noise(0.1)(GREY) - GREY, Chain((Noise(0.1), Noise(0.1)))(GREY) - GREY
    assert float((twice - 2 * once).abs().max()) > 0.1


def test_is_random_where_a_link_is():
    assert not Chain((Blur(), JPEGFile())).random
    assert Chain((Blur(), JPEGFile(spread=3))).random
    assert Chain((Blur(), Chain((Blur(), Noise())))).random


def test_goes_back_past_what_has_no_gradient_and_through_the_rest():
    leaf = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def slope(channel):
        out = channel.transform(leaf, None) if isinstance(channel, Blur) else channel(leaf)
        return torch.autograd.grad((out * weights).sum(), leaf)[0]

    torch.testing.assert_close(slope(Chain((Blur(), JPEGFile()))), slope(Blur()))


def test_needs_two_links_that_are_channels():
    with pytest.raises(InputError, match="a chain of 1 channels; expected two or more"):
        Chain((Blur(),))
    with pytest.raises(InputError, match="a link of the chain is no channel"):
        Chain((Blur(), "jpeg"))
