"""A defence that asks a model of a file: a run is known by what the file holds, wherever it lies."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from brittle import Classifier
from brittle.evaluation.defended import defence_of
from brittle.identity.walk import reach

WEIGHTS = files("brittle.models") / "weights"
SPECS = {
    "pixelcnn-digits": "pixeldefend:weights={}",
    "wgan-digits": "defense-gan:steps=2,restarts=1,weights={}",
}


def digest(spec: str) -> str:
    return reach(defence_of(spec).adaptive(Classifier(nn.Flatten())).classifier.module).digest()


@pytest.mark.parametrize("name", SPECS)
def test_other_weights_under_the_same_name_are_another_network(name: str, tmp_path: Path):
    with safe_open(str(WEIGHTS / f"{name}.safetensors"), "pt") as shipped:
        about, tensors = shipped.metadata(), {one: shipped.get_tensor(one) for one in shipped.keys()}  # noqa: SIM118
    path = tmp_path / "weights.safetensors"
    save_file(tensors, path, about)
    spec = SPECS[name].format(path)
    before = digest(spec)
    assert digest(spec) == before == digest(SPECS[name].format(name))
    save_file({one: tensor * 1.01 for one, tensor in tensors.items()}, path, about)
    assert digest(spec) != before


@pytest.mark.parametrize("spec", ["pixeldefend", "defense-gan:steps=2,restarts=1"])
def test_the_models_of_a_defence_are_none_of_the_networks_weights(spec: str):
    module = defence_of(spec).protect(Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 2)))).module
    assert sum(one.numel() for one in module.parameters()) == 785 * 2
    assert module(torch.rand(1, 1, 28, 28)).shape == (1, 2)
