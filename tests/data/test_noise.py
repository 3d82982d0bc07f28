"""Images of noise: their number, their statistics, and that each is itself wherever one begins."""

import pytest
import torch

from brittle.data import Fit, Noise, open_source
from brittle.errors import DataError


def test_every_image_is_determined_by_its_number():
    source = open_source("noise:30", fit=Fit(3, 8, 8))
    (whole,), (_, second) = source.blocks(30), source.blocks(20)
    assert torch.equal(whole.images[20:], second.images)
    assert not torch.equal(whole.images[0], whole.images[1])
    assert whole.labels.unique().tolist() == [-1]
    assert not source.labelled
    assert whole.names[3] == "noise/3"
    assert whole.images.amin() >= 0
    assert whole.images.amax() <= 1
    levels = whole.images * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_it_is_as_bright_as_photographs_and_of_the_size_asked_for():
    (block,) = open_source("noise", fit=Fit(3, 16, 16)).blocks(200)
    assert block.images.shape == (200, 3, 16, 16)
    assert (255 * block.images.mean((0, 2, 3))).tolist() == pytest.approx([123.68, 116.779, 103.939], abs=1.5)
    (gray,) = Noise(4, fit=Fit(1, 5, 6)).blocks(4)
    assert gray.images.shape == (4, 1, 5, 6)


def test_two_sources_differ_by_number_and_size_alone():
    digests = [Noise(total, fit=Fit(3, side, side)).digest() for total, side in ((5, 8), (5, 8), (6, 8), (5, 9))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize(("spec", "fit"), [("noise", None), ("noise:0", Fit(3, 8, 8)), ("noise:many", Fit(3, 8, 8))])
def test_what_makes_no_images_is_refused(spec, fit):
    with pytest.raises(DataError, match="noise"):
        open_source(spec, fit=fit)
