"""What is asked of a run folder opens its network as the run did, whatever was said of the network then."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from brittle import Flow, RunError, audit, merge
from brittle.evaluation import kept_words, prepared
from brittle.runs.manifest_info import NetworkInfo
from brittle.specs import DataSpec, ModelSpec
from brittle.threats.grid import QuantizationGrid

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
ANY = """
import torch

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(3, 2)

    def forward(self, images):
        return self.inner(images.mean((2, 3)))

def build():
    return Mean()
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
AROUND = [
    {"defence": "bit-depth:bits=2"},
    {"defence": "bit-depth:bits=2", "naive": True},
    {"channel": "noise:sigma=0.12345678"},
    {"defence": "quilting:patch=2,overlap=1,neighbours=2,bank=4", "defence_data": "clean.npz"},
]
"""What stands before and around it."""
ELSEWHERE = {"spec", "weights"}
"""Told by tests of their own."""
FITS = [
    {"max_images": 6},
    {"size": "3x4", "crop": "none", "interpolation": "nearest"},
    {"resize": 4, "crop": 2},
    {"skip_bad": True},
    {"class_order": "text"},
]
"""What is said of the images."""


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
    tried = {name for said in ([each for _, each, _ in SAYINGS], AROUND) for one in said for name in one}
    assert {one.name for one in fields(ModelSpec)} == tried | ELSEWHERE
    assert {one.name for one in fields(DataSpec)} == {name for said in FITS for name in said} | {"spec"}


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


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize("around", AROUND, ids=repr)
def test_shards_behind_a_defence_or_a_channel_are_merged(here, around):
    np.savez("data.npz", images=images()[0], labels=images()[1])
    np.savez("clean.npz", images=np.random.default_rng(0).random((64, 3, 2, 2), np.float32), labels=np.zeros(64, int))
    network = ModelSpec("made.py:build", **around)
    asked = {"attacks": ["fgsm"], "eps": 0.1, "eot_samples": 2, "confidence": 0.0}
    shards = [audit(network, "data.npz", here / str(n), shard=(n, 2), **asked) for n in (1, 2)]
    made = merge(here / "all", *shards)
    assert made.manifest.status == "finished"
    again = kept_words.network_again(made.manifest.network)
    assert {name: getattr(again, name) for name in around} == around


@pytest.mark.usefixtures("few_checks")
@pytest.mark.parametrize("fit", FITS, ids=repr)
def test_shards_of_images_are_merged_whatever_was_said_of_them(here, fit):
    for number, image in enumerate(images()[0]):
        folder = here / "data" / str(2 + 8 * (number % 2))  # as text 10 comes first, as numbers 2
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * image.transpose(1, 2, 0)).astype(np.uint8)).resize((4, 4)).save(folder / f"{number}.png")
    if fit.get("skip_bad"):
        (here / "data" / "2" / "bad.png").write_bytes(b"no picture")
    (here / "any.py").write_text(ANY)
    shards = [
        audit("any.py:build", DataSpec("data", **fit), here / str(n), attacks=["fgsm"], eps=0.1, shard=(n, 2))
        for n in (1, 2)
    ]
    made = merge(here / "all", *shards)
    assert made.manifest.status == "finished"
    again = DataSpec(**kept_words.words_of_images(made.manifest.data), max_images=made.manifest.max_images)
    assert {name: getattr(again, name) for name in fit} == fit


def test_settings_of_a_threat_are_refused_with_the_next_command(here):
    np.savez("data.npz", images=images()[0], labels=images()[1])
    flow = Flow(math.inf, grid=QuantizationGrid(256))
    asked = {"attacks": ["noise:draws=1"], "norm": flow, "eps": 0.5}
    shards = [audit("made.py:build", "data.npz", here / str(n), shard=(n, 2), **asked) for n in (1, 2)]
    with pytest.raises(RunError, match=r"settings of its own \(grid .*that of the audit with --out"):
        merge(here / "all", *shards)


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
