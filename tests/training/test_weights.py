import json

import pytest
import torch
from safetensors import safe_open
from torch import nn

from brittle.data.open import open_source
from brittle.models import ARCHITECTURES, open_network
from brittle.models.weights import load_weights
from brittle.training import PlainTraining, accuracy, fit, save_weights, train_named, training_story


def small(path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images, labels = torch.rand(8, 1, 2, 2), torch.arange(8) % 2
    history = fit(module, images, labels, settings=PlainTraining(epochs=1))
    save_weights(path, module, training_story("small", "brittle train small", history, {"train": "made up"}))
    return module


def test_weights_and_their_story_arrive(tmp_path):
    module, other = small(tmp_path / "w.safetensors"), nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(module[1].weight, other[1].weight)
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        story = json.loads(file.metadata()["brittle"])
    assert story["settings"]["epochs"] == 1
    assert story["data"] == {"train": "made up"}
    assert story["versions"]["torch"] == torch.__version__


def test_the_same_weights_and_story_give_the_same_bytes(tmp_path):
    module, story = nn.Linear(2, 2), {"b": 1, "a": {"d": 2, "c": 3}}
    save_weights(tmp_path / "one", module, story)
    save_weights(tmp_path / "two", module, {"a": {"c": 3, "d": 2}, "b": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def digits(split):
    blocks = list(open_source(f"digits:{split}").blocks(4096))
    return torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])


def test_the_shipped_network_is_right_on_98_percent_of_the_test_digits():
    assert accuracy(open_network("digits-lenet").module, *digits("test")) >= 0.98


@pytest.mark.slow
def test_the_recipe_gives_the_shipped_network_again():
    module, _ = train_named(ARCHITECTURES["digits-lenet"], *digits("train"))
    shipped = open_network("digits-lenet").module.state_dict()
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, shipped[name], rtol=0, atol=1e-3)  # other processors round differently
