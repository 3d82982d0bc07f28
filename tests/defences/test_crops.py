"""The mean prediction over random crops."""

import math
from types import SimpleNamespace

import pytest
import torch
from affine import affine, middle
from torch import nn

from brittle import Classifier
from brittle.defences.crops import Crops
from brittle.errors import InputError


def test_a_single_crop_of_the_whole_image_changes_nothing():
    classifier, images = affine(), middle()
    found = Crops(crops=1, side=1.0).protect(classifier).logits(images)
    torch.testing.assert_close(found, classifier.logits(images).log_softmax(1))


def test_logits_are_the_logarithms_of_the_mean_probabilities():
    classifier, images, defence = affine(shape=(1, 6, 8)), middle(3, (1, 6, 8)), Crops(crops=5, side=0.5)
    torch.manual_seed(1)
    places = defence.places(5, images)
    said = [classifier.logits(defence.cropped(images, top, left)).softmax(1) for top, left in places]
    torch.manual_seed(1)
    torch.testing.assert_close(defence.protect(classifier).logits(images), torch.stack(said).mean(0).log())


def test_places_are_uniform_over_all_that_there_are():
    torch.manual_seed(0)
    counts = torch.zeros(4, 3)
    for top, left in Crops(side=0.5).places(12_000, torch.zeros(1, 1, 6, 4)):
        counts[top, left] += 1
    assert float(((counts - 1000) ** 2 / 1000).sum()) < 31.3  # the 99.9 % quantile of chi-squared with 11 degrees


def test_its_gradient_is_that_of_the_differences():
    classifier, images, defence = affine(shape=(1, 6, 6)), middle(1, (1, 6, 6)), Crops(crops=3, side=0.6)
    protected = defence.protect(classifier)

    def value(points):
        torch.manual_seed(2)
        return protected.logits(points)[0, 0]

    assert torch.autograd.gradcheck(value, (images.requires_grad_(),))


def test_as_published_crops_of_224_are_90():
    assert Crops()._length(224) == 90
    assert Crops()._length(32) == 13
    assert math.isclose(Crops().side, 90 / 224)


@pytest.mark.parametrize("options", [{"binary": True}, {"probabilities": True}, {"labels": 3}])
def test_other_outputs_than_logits_are_refused(options):
    with pytest.raises(InputError, match="returns no logits"):
        Crops().protect(Classifier(nn.Flatten(), **options))


@pytest.mark.parametrize("wrong", [{"crops": 0}, {"side": 1.5}, {"side": -0.1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError):
        Crops(**wrong)


def test_a_network_that_returns_an_object_with_logits_is_averaged_too():
    class Wrapped(nn.Module):
        def forward(self, images: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(logits=images.flatten(1)[:, :3])

    found = Crops(crops=2).protect(Classifier(Wrapped())).logits(torch.rand(2, 1, 4, 4))
    assert found.shape == (2, 3)


def test_the_way_back_keeps_no_graph_of_each_crop():
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 1000), nn.ReLU(), nn.Linear(1000, 3))
    module, kept = Crops(crops=4, side=0.5).protect(Classifier(network)).module, list[int]()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.shape[-1])
        return tensor

    images = torch.rand(2, 1, 6, 6).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = module(images)
    assert 1000 not in kept, "features of every crop are kept until the gradient is asked for"
    torch.autograd.grad(outputs.sum(), images)
