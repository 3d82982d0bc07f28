"""What is asked of a run folder opens its network as the run did, whatever was said of the network then."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from brittle import RunError, audit, merge
from brittle.evaluation import kept_words, prepared
from brittle.runs.manifest_info import NetworkInfo
from brittle.specs import ModelSpec

FACTORY = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))

class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = build()

    def forward(self, images):
        return torch.zeros(len(images), 2), self.inner(images)

def two():
    return Two()

class Last(torch.nn.Module):
    def __init__(self, last):
        super().__init__()
        self.inner, self.last = build(), last

    def forward(self, images):
        return self.last(self.inner(images))

def soft():
    return Last(torch.nn.Softmax(1))

def one():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1))

class Numbers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = build()

    def forward(self, images):
        return self.inner(images).argmax(1)

def numbers():
    return Numbers()
"""
SAYINGS = [
    ("build", {"mean": "imagenet"}, "fgsm"),
    ("build", {"mean": [0.4, 0.5, 0.6], "std": 0.25}, "fgsm"),
    ("build", {"dtype": "float64"}, "fgsm"),
    ("two", {"output": 1}, "fgsm"),
    ("two", {"output": "1"}, "fgsm"),
    ("soft", {"probabilities": True}, "fgsm"),
    ("one", {"binary": True}, "fgsm"),
    ("numbers", {"labels": 3}, "noise:draws=1"),
]
"""A function of the file, what is said of its network, and an attack."""
ELSEWHERE = {"spec", "weights", "defence", "defence_data", "naive", "channel"}
"""Told by tests of their own, or, what stands before a network, refused by a merge."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "made.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepared, "PARTS_OF", 4)
    return tmp_path


def images():
    draw = torch.Generator().manual_seed(0)
    return torch.rand(8, 3, 2, 2, generator=draw).numpy(), torch.arange(8).numpy() % 2


def test_every_option_of_a_network_is_tried():
    assert {one.name for one in fields(ModelSpec)} == {name for _, said, _ in SAYINGS for name in said} | ELSEWHERE


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize(("function", "said", "attack"), SAYINGS)
def test_shards_of_a_network_are_merged_whatever_was_said_of_it(here, function, said, attack):
    np.savez("data.npz", images=images()[0], labels=images()[1])
    network = ModelSpec(f"made.py:{function}", **said)
    shards = [audit(network, "data.npz", here / str(n), attacks=[attack], eps=0.1, shard=(n, 2)) for n in (1, 2)]
    made = merge(here / "all", *shards)
    assert made.manifest.status == "finished"
    assert {name: value for name, value in kept_words.words_of_network(made.manifest.network).items() if value} == {
        "spec": network.spec,
        **{name: getattr(network, name) for name in said},
    }


def test_a_network_that_changed_is_named_without_advice_to_force(here):
    np.savez("data.npz", images=images()[0], labels=images()[1])
    asked = {"attacks": ["fgsm"], "eps": 0.1}
    shards = [audit("made.py:build", "data.npz", here / str(n), shard=(n, 2), **asked) for n in (1, 2)]
    (here / "made.py").write_text(FACTORY.replace("manual_seed(0)", "manual_seed(1)"))
    with pytest.raises(RunError, match=r"checks could not be made: what opens here is another run: .*network") as seen:
        merge(here / "all", *shards)
    assert "--force" not in str(seen.value)


def test_what_was_not_said_is_not_kept():
    plain = NetworkInfo(spec="a", digest="0", parameters=1, input_shape=None, bounds=(0.0, 1.0))
    assert {"dtype", "mean", "std", "output"} & {*plain.model_dump()} == set()
    assert plain.model_copy(update={"output": 0}).model_dump()["output"] == 0, "the first position is one"
