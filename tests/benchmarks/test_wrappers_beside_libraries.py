"""The wrappers find what the real packages find, where these are installed."""

import warnings

import pytest
import torch

from benchmarks.wrappers import compared, pairs
from brittle.data import open_source
from brittle.models import open_network

QUICK = (
    "torchattacks FGSM",
    "torchattacks PGD",
    "foolbox FGSM",
    "foolbox LinfPGD",
    "foolbox L2DeepFoolAttack",
    "art FastGradientMethod",
    "art ProjectedGradientDescent",
)
PAIRS = {pair.name: pair for pair in pairs(0.1)}


@pytest.mark.parametrize("name", QUICK)
def test_as_many_are_broken_by_the_same_first_step(name):
    network = open_network("digits-lenet")
    module = network.module.eval()
    vars(module)["input_shape"] = network.input_shape  # ART asks for it
    block = next(open_source("digits").blocks(20))
    pair = PAIRS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        try:
            row = compared(pair, module, block.images, block.labels, steps=3)
        except ModuleNotFoundError as missing:
            pytest.skip(f"{missing}; or give its folder as PYTHONPATH")
    assert abs(row["theirs"] - row["ours"]) <= 1
    assert row["same step"] in ("", 20)


def test_an_image_that_leaves_the_radius_is_not_broken():
    from benchmarks.wrappers import broken

    images, labels = torch.full((2, 1, 1, 2), 0.5), torch.tensor([0, 0])
    found = torch.tensor([[0.5, 0.6], [0.5, 0.7]]).reshape(2, 1, 1, 2)
    seen = broken(torch.nn.Flatten(), images, labels, found, PAIRS["torchattacks FGSM"])
    assert seen.tolist() == [True, False]
