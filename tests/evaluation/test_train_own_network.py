"""`train` of a network of the user's own: from a file, as a module, from given weights, killed, and what is refused."""

import json
import signal

import numpy as np
import pytest
import torch
from forked import ending, kill
from safetensors.torch import load_file, save_file
from torch import nn

import brittle
from brittle.errors import InputError, LabelError, ModelError
from brittle.models import open_network
from brittle.training import AdversarialTraining, HeldOut, PlainTraining, fit

RESIDUAL = """
from torch import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, images):
        return (images + self.way(images)).relu()


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(Block(4), nn.AvgPool2d(2), nn.Dropout(0.1), Block(4))
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.blocks(self.stem(2 * images - 1)).mean((2, 3)))


def make():
    return Residual()


class Several(Residual):
    def forward(self, images):
        return {"scores": super().forward(images), "images": images}


def several():
    return Several()


def function():
    return lambda images: images.flatten(1)[:, :3]
"""
HARD = {"attack": "pgd:steps=2", "eps": 8 / 255, "epochs": 3, "settings": "batch=16,rate=0.02,threads=1"}


@pytest.fixture
def file(tmp_path):
    (tmp_path / "net.py").write_text(RESIDUAL)
    return str(tmp_path / "net.py")


@pytest.fixture
def images(tmp_path):
    """Photographs of CIFAR's size whose brightest channel is the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    pixels = rng.integers(0, 160, (60, 32, 32, 3), dtype=np.uint8)
    pixels[np.arange(60), :, :, labels] += 90
    np.savez(tmp_path / "images.npz", images=pixels, labels=labels)
    return str(tmp_path / "images.npz")


def weights(folder):
    return load_file(folder / "weights.safetensors")


def alike(first, second):
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_a_network_of_a_file_is_trained_killed_and_goes_on_to_the_same_bits(file, images, tmp_path):
    def train(out, **options):
        return brittle.train(f"{file}:make", images, tmp_path / out, **HARD, test=images, **options)

    whole = train("whole")
    assert [one.held_out_accuracy is not None for one in whole.history.epochs] == [True] * 3
    assert whole.robust is not None
    assert ending(lambda: train("killed", progress=kill)) == -signal.SIGKILL
    assert (tmp_path / "killed" / "checkpoint").is_file()
    killed = train("killed")
    assert killed.history.resumed == 1
    assert alike(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert killed.history == whole.history
    result = brittle.audit(f"{file}:make", images, weights=tmp_path / "whole", attacks=["fgsm"], eps=0.01)
    assert result is not None
    told = json.loads((tmp_path / "whole" / "training.json").read_text())
    assert told["architecture"] == f"{file}:make"
    assert told["data"]["held_out"] == 6


def test_mean_and_output_are_around_a_training_and_not_in_its_weights(file, images, tmp_path):
    """One of (x - 1/2) / (1/2) is the network's own 2 x - 1 done twice."""
    (tmp_path / "twice.py").write_text(RESIDUAL.replace("2 * images - 1", "2 * (2 * images - 1) - 1"))
    short = {**HARD, "epochs": 1, "held_out": 0}
    brittle.train(f"{tmp_path / 'twice.py'}:make", images, tmp_path / "bare", **short)
    made = brittle.train(f"{file}:several", images, tmp_path / "around", **short, mean="half", output="scores")
    found, expected = weights(tmp_path / "around"), weights(tmp_path / "bare")
    assert found.keys() == expected.keys()
    assert all(torch.allclose(tensor, expected[name], atol=1e-4) for name, tensor in found.items())
    assert "--mean half --output scores" in json.loads(made.course.read_text())["command"]
    again = brittle.train(f"{file}:several", images, tmp_path / "on", **short, output="scores", start=made.path)
    assert again.history.epochs
    with pytest.raises(ModelError, match="say which of them is meant"):
        brittle.train(f"{file}:several", images, tmp_path / "none", **short)
    with pytest.raises(InputError, match="normalises images itself and has one output"):
        brittle.train("lenet-mnist", images, tmp_path / "none", **short, mean="half")


def test_the_first_weights_are_drawn_from_the_seed(file, images, tmp_path):
    short = {**HARD, "epochs": 1}
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        brittle.train(f"{file}:make", images, tmp_path / out, seed=seed, **short)
    assert alike(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not alike(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_a_module_is_copied_and_trained_as_from_python(file, images, tmp_path):
    module = open_network(f"{file}:make").module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    made = brittle.train(module, images, tmp_path / "out", **HARD, held_out=0)
    assert alike(before, module.state_dict()), "what the caller holds stays"
    content = np.load(images)
    pixels = torch.from_numpy(content["images"]).permute(0, 3, 1, 2).float() / 255
    hard = AdversarialTraining(brittle.PGD(steps=2), brittle.Lp("inf", 8 / 255))
    settings = PlainTraining(epochs=3, batch=16, rate=0.02, threads=1)
    fit(module, pixels, torch.from_numpy(content["labels"]), settings=settings, adversarial=hard)
    assert alike(weights(made.folder), module.state_dict())


def test_fine_tuning_begins_with_given_weights(file, images, tmp_path):
    first = brittle.train(f"{file}:make", images, tmp_path / "first", epochs=2, settings="batch=16,rate=0.05")
    tuned = {"epochs": 1, "settings": "batch=60,rate=1e-9,momentum=0"}
    for given in (tmp_path / "first", first.path):
        made = brittle.train(f"{file}:make", images, tmp_path / f"from {given.stem}", start=given, **tuned)
        kept, moved = weights(tmp_path / "first"), weights(made.folder)
        assert all(torch.allclose(kept[name], moved[name], atol=1e-6) for name in kept if "head" in name)
    with pytest.raises(brittle.errors.RunError, match="another"):
        brittle.train(f"{file}:make", images, tmp_path / f"from {given.stem}", **tuned)


def test_an_interrupted_training_lends_its_weights(file, images, tmp_path):
    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        brittle.train(f"{file}:make", images, tmp_path / "cut", **HARD, progress=stop)
    made = brittle.train(
        f"{file}:make", images, tmp_path / "on", start=tmp_path / "cut", epochs=1, settings="rate=1e-9,momentum=0"
    )
    once = brittle.train(f"{file}:make", images, tmp_path / "one", **HARD, patience=1, keep="last")
    assert len(once.history.epochs) >= 1
    assert not alike(weights(made.folder), weights(once.folder))


def test_a_loss_that_runs_away_is_an_error(file, images, tmp_path):
    wild = {**HARD, "settings": "batch=16,rate=1e30,schedule=constant,momentum=0"}
    with pytest.raises(ModelError, match=r"epoch 1|finite|not a number|NaN"):
        brittle.train(f"{file}:make", images, tmp_path / "wild", **wild)


def test_an_exported_graph_is_no_network_to_train(file, images, tmp_path):
    pytest.importorskip("torch.export.pt2_archive", reason="torch before 2.8 exports in another format")
    module = open_network(f"{file}:make").module
    program = torch.export.export(module, (torch.zeros(2, 3, 32, 32),))
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(ModelError, match=r"exported graph, which cannot be trained.*--from"):
        brittle.train(str(tmp_path / "net.pt2"), images, tmp_path / "out")
    with pytest.raises(ModelError, match="exported graph, which cannot be trained"):
        brittle.train(program.module(), images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_trained_is_refused_with_nothing_left(file, images, tmp_path):
    save_file({"head.weight": torch.zeros(2, 4)}, tmp_path / "other.safetensors")
    for options, error, said in (
        ({"start": tmp_path / "other.safetensors"}, ModelError, "not of this network"),
        ({"start": tmp_path / "none.safetensors"}, ModelError, "there is no file"),
        ({"held_out": 60}, InputError, "none is left to train on"),
        ({"held_out": 0, "patience": 2}, InputError, "no images are held out"),
        ({"objective": "trade", "attack": "pgd"}, InputError, "there is no objective 'trade'"),
        ({"objective": "trades"}, InputError, "without an attack"),
        ({"distil": 20.0, "held_out": 5}, InputError, "distil is given beside"),
        ({"distil": 20.0, "pool": ["v"]}, InputError, "distil is given beside an attack, a recipe, a pool"),
    ):
        with pytest.raises(error, match=said):
            brittle.train(f"{file}:make", images, tmp_path / "out", **options)
    with pytest.raises(ModelError, match=r"expected a torch\.nn\.Module"):
        brittle.train(f"{file}:function", images, tmp_path / "out")
    two = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    with pytest.raises(LabelError, match="labels reach from 0 to 2, but the network has 2 classes"):
        brittle.train(two, images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_objective_reaches_the_training(file, images, tmp_path):
    made = brittle.train(f"{file}:make", images, tmp_path / "out", **{**HARD, "epochs": 1}, objective="trades:beta=2")
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["adversarial"]["objective"] == "Trades(beta=2.0)"
    assert made.history.adversarial.objective.beta == 2


def test_the_held_out_images_are_drawn_by_the_seed_and_no_step_is_made_on_them(file, images, tmp_path, monkeypatch):
    seen, drawn = [], []
    original = HeldOut.__post_init__
    monkeypatch.setattr(HeldOut, "__post_init__", lambda self: (original(self), seen.append(self.labels.tolist()))[0])
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        short = {"epochs": 1, "held_out": 20, "seed": seed, "settings": "batch=64"}
        brittle.train(f"{file}:make", images, tmp_path / out, **short)
        drawn.append(next(one for one in seen if len(one) == 20))
        seen.clear()
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
