"""Dense networks as the core sees them, and what is none."""

import pytest
import torch
from torch import nn

from brittle import Classifier, ModelError
from brittle.dense.segmenter import Segmenter

IMAGES = torch.rand(2, 3, 4, 6)


def test_a_row_holds_one_class_after_the_other():
    network = Segmenter.of(Classifier(nn.Conv2d(3, 5, 1)))
    maps = network.maps(IMAGES)
    assert maps.shape == (2, 5, 4, 6)
    assert torch.equal(network.logits(IMAGES).reshape(2, 5, 24)[:, 3], maps[:, 3].flatten(1))


def test_bounds_and_probabilities_are_kept():
    network = Segmenter.of(Classifier(lambda x: torch.cat([x, 255 - x], 1)[:, :2] / 255, (0, 255), probabilities=True))
    assert network.bounds.upper == 255
    assert network.probabilities


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda x: x.flatten(1), r"shape \(2, 72\) for 2 images.*brittle.run"),
        (lambda x: x[:1], r"shape \(1, 3, 4, 6\) for 2 images"),
        (lambda x: {"out": x}, r"returns a dict with 'out'.*--output out"),
        (lambda x: x[:, :1], "no second class"),
        (lambda x: x / 0, "NaN or infinite for 2 of 2"),
        (lambda x: x.softmax(1), "probabilities"),
        (lambda x: x[:, :, :0], "at least one pixel"),
    ],
)
def test_what_are_no_logits_of_pixels_is_refused(module, message):
    with pytest.raises(ModelError, match=message):
        Segmenter.of(Classifier(module)).checked_maps(IMAGES)
    with pytest.raises(ModelError, match=message):
        Segmenter.of(Classifier(module)).checked(IMAGES)


@pytest.mark.parametrize("said", [{"binary": True}, {"labels": 5}, {"rejects": True}])
def test_what_is_said_of_one_class_per_image_is_refused(said):
    with pytest.raises(ModelError, match=f"{next(iter(said))}="):
        Segmenter.of(Classifier(nn.Conv2d(3, 5, 1), **said))
