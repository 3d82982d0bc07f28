import pytest
import torch

from brittle import InputError
from brittle.base.seeds import Streams
from brittle.evaluation.channel_spec import parse_channel
from brittle.physical.corruptions import KINDS, Corruption

SMOOTH = torch.nn.functional.interpolate(
    torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)), (32, 32), mode="bilinear"
)
"""Images that may be changed by much or little."""


def test_there_are_fifteen_in_four_families_with_five_severities_each():
    assert len(KINDS) == 15
    assert {kind.family for kind in KINDS.values()} == {"noise", "blur", "weather", "digital"}
    assert all(len(levels) == 5 for kind in KINDS.values() for levels in (kind.cifar, kind.imagenet))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "elastic"])
def test_severities_change_images_more_and_more(kind):
    """The first and the last; elastic goes from shifts to fine ripples, which change smooth images less."""
    first, last = (float((Corruption(kind, severity)(SMOOTH) - SMOOTH).abs().mean()) for severity in (1, 5))
    assert 0 <= first < last


@pytest.mark.parametrize(("side", "list_"), [(28, "cifar"), (64, "cifar"), (65, "imagenet"), (96, "imagenet")])
def test_the_list_goes_by_the_shorter_side(side, list_):
    images = torch.rand(1, 3, side, 100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Corruption("contrast")(images), Corruption("contrast", published=list_)(images))


def test_says_which_there_are():
    with pytest.raises(
        InputError,
        match=r"there is no corruption 'fogg' \(did you mean 'fog'\?\); there are gaussian-noise, shot-noise",
    ):
        parse_channel("corruption:kind=fogg")
    with pytest.raises(InputError, match="severity is 6; expected at most 5"):
        parse_channel("corruption:kind=fog,severity=6")
    with pytest.raises(InputError, match="expected 'auto' or 'cifar' or 'imagenet'"):
        Corruption(published="mnist")


@pytest.mark.parametrize("kind", KINDS)
def test_takes_grey_images_and_tiny_ones(kind):
    for shape in ((1, 9, 7), (2, 5, 6), (3, 1, 3)):
        images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
        for list_ in ("cifar", "imagenet"):
            found = Corruption(kind, 5, list_)(images)
            assert found.shape == images.shape
            assert torch.isfinite(found).all()


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.random])
def test_grey_corruptions_of_colour_images_draw_for_each_image(kind):
    same = SMOOTH[:1].expand(2, -1, -1, -1)
    found = Corruption(kind, 5)(same, ids=torch.tensor([3, 4]))
    assert not torch.equal(found[0], found[1])


def test_streams_are_drawn_from_alike_by_all_severities():
    """So that a severity is compared with another one on the same draws."""
    noise = [
        KINDS["gaussian-noise"].change(SMOOTH, Streams(0, torch.arange(4)), sigma) - SMOOTH for sigma in (0.1, 0.2)
    ]
    torch.testing.assert_close(2 * noise[0], noise[1], atol=1e-5, rtol=1e-4)
