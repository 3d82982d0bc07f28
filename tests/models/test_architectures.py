from itertools import pairwise

import pytest
import torch

from brittle.models import ARCHITECTURES
from brittle.models.normalise import Normalise

WEIGHTS = {
    "ae400-10": 400 * 785 + 10 * 401,
    "allconv-cifar": 1369738,
    "digits-lenet": 16 * 26 + 32 * (16 * 25 + 1) + 128 * 513 + 10 * 129,
    "fc10": 10 * 785,
    "fc100-100-10": 100 * 785 + 100 * 101 + 10 * 101,
    "fc123-456-10": 123 * 785 + 456 * 124 + 10 * 457,
    "fc200-200-10": 200 * 785 + 200 * 201 + 10 * 201,
    "fc500-150-10": 500 * 785 + 150 * 501 + 10 * 151,
    "lenet-cifar": 32 * 76 + 32 * 801 + 64 * 801 + 64 * 1025 + 10 * 65,
    "lenet-mnist": 20 * 26 + 50 * 501 + 500 * 801 + 10 * 501,
    "mnist-a": 32 * 26 + 64 * (32 * 25 + 1) + 1024 * 3137 + 10 * 1025,
    "mnist-a-quarter": 8 * 26 + 16 * (8 * 25 + 1) + 256 * 785 + 10 * 257,
    "mnist-a-robust": 32 * 26 + 64 * (32 * 25 + 1) + 1024 * 3137 + 10 * 1025,
    "mnist-b": 128 * 10 + 64 * (128 * 9 + 1) + 128 * 50177 + 10 * 129,
    "mnist-b-quarter": 32 * 10 + 16 * (32 * 9 + 1) + 32 * 12545 + 10 * 33,
    "mnist-carlini": 32 * 10 + 32 * 289 + 64 * 289 + 64 * 577 + 200 * 1025 + 200 * 201 + 10 * 201,
    "nin-cifar": 966986,
    "vgg16-cifar": 19990602,
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maps_images_to_logits_and_has_the_published_size(name):
    architecture = ARCHITECTURES[name]
    module = architecture.build().eval()
    logits = module(torch.rand(3, *architecture.input_shape))
    assert architecture.name == name
    assert logits.shape == (3, architecture.classes)
    assert sum(weight.numel() for weight in module.parameters()) == WEIGHTS[name]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_images_do_not_influence_each_other(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = ARCHITECTURES[name].build().eval()
        images = torch.rand(3, *ARCHITECTURES[name].input_shape)
    logits = module(images)  # other kernels for other batches: the last digits of the largest logit may differ
    torch.testing.assert_close(logits[1:2], module(images[1:2]), rtol=0, atol=1e-4 * float(logits.detach().abs().max()))


def test_the_normalisation_is_inside():
    for name, architecture in ARCHITECTURES.items():
        first = next(architecture.build().children())
        assert isinstance(first, Normalise), name
        assert "0.mean" in architecture.build().state_dict()


def test_nin_counts_by_block():
    first = 192 * (3 * 25 + 1) + 160 * 193 + 96 * 161
    second = 192 * (96 * 25 + 1) + 192 * 193 + 192 * 193
    third = 192 * (192 * 9 + 1) + 192 * 193 + 10 * 193
    assert first + second + third == WEIGHTS["nin-cifar"]


def test_allconv_counts_by_layer():
    threes = 96 * (27 + 1) + 2 * 96 * (96 * 9 + 1) + 192 * (96 * 9 + 1) + 3 * 192 * (192 * 9 + 1)
    assert threes + 192 * 193 + 10 * 193 == WEIGHTS["allconv-cifar"]


def test_vgg16_counts_by_layer():
    sides = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = sum(after * (before * 9 + 1) for before, after in pairwise(sides))
    normalised = 2 * sum(sides[1:])
    assert convolutions + normalised + 2048 * 513 + 2048 * 2049 + 10 * 2049 == WEIGHTS["vgg16-cifar"]


@pytest.mark.parametrize("name", ["mnist-a", "mnist-b"])
def test_the_networks_of_adef_start_wide_and_take_pixels_as_they_are(name):
    module = ARCHITECTURES[name].build().eval()
    layers = [layer for layer in module if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 4
    for layer in layers:
        assert (layer.bias == 0.1).all()
        assert layer.weight.std().item() == pytest.approx(0.1, rel=0.1)
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(module[0](images), images)
    dropped = [(type(layer).__name__, layer.p) for layer in module if "Dropout" in type(layer).__name__]
    assert dropped == ([] if name == "mnist-a" else [("Dropout2d", 0.25), ("Dropout", 0.5)])
