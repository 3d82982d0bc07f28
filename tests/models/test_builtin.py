import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from brittle.errors import ModelError
from brittle.models import ARCHITECTURES, open_network
from brittle.models import builtin as builtin_module


def test_the_shipped_digits_network_is_complete_and_says_how_it_was_made():
    network = open_network("digits-lenet")
    assert (network.input_shape, network.classes, network.parameters) == ((1, 28, 28), tuple("0123456789"), 80202)
    assert not network.module.training
    folder = builtin_module.files("brittle.models") / "weights"
    path = folder / "digits-lenet.safetensors"
    assert len(path.read_bytes()) < 2_000_000
    with safe_open(str(path), "pt") as file:
        story = json.loads(file.metadata()["brittle"])
    assert story["command"].startswith("brittle train digits-lenet --data digits:train")
    assert story["data"]["test_accuracy"] >= 0.98
    assert story["settings"]["epochs"] == 20
    assert {"torch", "brittle", "python"} <= story["versions"].keys()


def test_the_shipped_robust_network_is_small_and_says_what_it_withstands():
    network = open_network("mnist-a-robust")
    assert (network.input_shape, network.classes, network.parameters) == ((1, 28, 28), tuple("0123456789"), 3_274_634)
    assert all(weight.dtype == torch.float32 for weight in network.module.parameters())
    path = builtin_module.files("brittle.models") / "weights" / "mnist-a-robust.safetensors"
    assert len(path.read_bytes()) < 7_000_000
    with safe_open(str(path), "pt") as file:
        story = json.loads(file.metadata()["brittle"])
        assert {str(file.get_slice(name).get_dtype()) for name in file.keys()} == {"F16"}  # noqa: SIM118
    assert story["command"].startswith("brittle train mnist-a --data mnist/train.parquet")
    assert story["command"].endswith("--recipe madry-mnist-quick")
    assert story["data"]["robust_accuracy"]["value"] > 0.9


def test_opening_leaves_the_random_state():
    before = torch.get_rng_state()
    open_network("digits-lenet")
    assert torch.equal(before, torch.get_rng_state())


def test_the_digest_is_that_of_the_weights(tmp_path):
    module = ARCHITECTURES["lenet-mnist"].build()
    save_file(module.state_dict(), tmp_path / "a.safetensors")
    first = open_network("lenet-mnist", weights=tmp_path / "a.safetensors")
    assert first.digest == open_network("lenet-mnist", weights=tmp_path / "a.safetensors").digest
    with torch.no_grad():
        module[1].bias += 1
    save_file(module.state_dict(), tmp_path / "b.safetensors")
    assert first.digest != open_network("lenet-mnist", weights=tmp_path / "b.safetensors").digest


@pytest.mark.parametrize("name", [name for name, design in ARCHITECTURES.items() if not design.shipped])
def test_an_architecture_without_weights_says_how_to_train_it(name):
    with pytest.raises(ModelError, match=f"brittle train {name} --data"):
        open_network(name)
