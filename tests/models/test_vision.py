import os
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittle.errors import MissingExtra, ModelError
from brittle.models import open_network
from brittle.models.preprocessing import ONLY_WEIGHTS, only_weights

MEAN, STD = [0.5, 0.25, 0.0], [0.5, 0.25, 2.0]


class Recorder(nn.Module):
    """Classifies by the channels' means; remembers what it was given."""

    def __init__(self, num_classes=3):
        super().__init__()
        self.num_classes = num_classes
        self.scale = nn.Parameter(torch.ones(3))
        self.head = nn.Linear(3, num_classes)

    def forward(self, images):
        self.seen = images
        return self.head(images.mean((2, 3)) * self.scale)


class Preset:
    """What torchvision and timm do to one picture before a network: resize, crop, divide by 255 and normalise."""

    def __init__(self, mean=MEAN, std=STD, size=(6, 6), flip=False):
        self.mean, self.std, self.crop_size, self.size, self.flip = mean, std, [size[0]], size, flip

    def __call__(self, picture):
        pixels = torch.from_numpy(np.array(picture.resize(self.size[::-1]))).permute(2, 0, 1) / 255
        pixels = pixels.flip(0) if self.flip else pixels
        return (pixels - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]


@pytest.fixture
def torchvision(monkeypatch):
    built = []

    def get_model(name, weights, **own):
        built.append((name, weights, os.environ.get(ONLY_WEIGHTS)))
        return Recorder(**own)

    def get_model_weights(name):
        if name == "nonesuch":
            raise ValueError("Unknown model nonesuch")
        preset = Preset(flip=name == "bgr") if name != "segment" else SimpleNamespace(mean=MEAN)
        best = SimpleNamespace(transforms=lambda: preset, meta={"categories": ["cat", "dog", "<i>emu</i>"]})

        class Published(dict):
            DEFAULT = best

        return Published(V1=SimpleNamespace(transforms=lambda: preset, meta={"categories": ["a", "b", "c"]}))

    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    models.get_model, models.get_model_weights = get_model, get_model_weights
    package.models = models
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return SimpleNamespace(built=built, models=models)


def test_torchvisions_normalisation_moves_inside(torchvision):
    network = open_network("torchvision:net")
    images = torch.rand(2, 3, 6, 6)
    network.module(images)
    expected = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(network.module.network.seen, expected)
    assert (network.input_shape, network.classes, network.parameters) == ((3, 6, 6), ("cat", "dog", "<i>emu</i>"), 15)
    assert network.spec == "torchvision:net"
    assert torchvision.built[0][2] == "1", "downloads must not be unpickled freely"
    assert ONLY_WEIGHTS not in os.environ


def test_torchvisions_named_weights(torchvision):
    assert open_network("torchvision:net@V1").classes == ("a", "b", "c")


def test_torchvision_with_weights_of_a_file(torchvision, tmp_path):
    save_file({**Recorder().state_dict(), "scale": torch.full((3,), 2.0)}, tmp_path / "w.safetensors")
    network = open_network("torchvision:net", weights=tmp_path / "w.safetensors")
    assert network.module.network.scale.tolist() == [2, 2, 2]
    assert torchvision.built[0][1] is None


@pytest.mark.parametrize(
    ("name", "message"), [("nonesuch", "no weights"), ("net@V9", "no weights"), ("segment", "no classifier")]
)
def test_torchvision_refuses_what_it_has_not(torchvision, name, message):
    with pytest.raises(ModelError, match=message):
        open_network(f"torchvision:{name}")


@pytest.mark.parametrize("error", [OSError("no route"), pickle.UnpicklingError("global os.system")])
def test_a_download_that_fails_or_is_no_plain_weights(torchvision, monkeypatch, error):
    def get_model(name, weights):
        raise error

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    with pytest.raises(ModelError, match=r"cannot be had .*--weights FILE\.safetensors"):
        open_network("torchvision:net")


@pytest.fixture
def timm(monkeypatch):
    package = ModuleType("timm")

    def create_model(name, pretrained, **own):
        module = Recorder(**own)
        module.pretrained_cfg = {"mean": MEAN, "std": STD, "input_size": (3, 5, 7)}
        module.pretrained = pretrained
        return module

    package.create_model, package.is_model = create_model, lambda name: name != "nonesuch"
    package.preset = Preset(size=(5, 7))
    package.data = SimpleNamespace(
        resolve_data_config=lambda given, model: {"input_size": model.pretrained_cfg["input_size"]},
        create_transform=lambda input_size, is_training: package.preset,
    )
    monkeypatch.setitem(sys.modules, "timm", package)
    return package


@pytest.mark.usefixtures("timm")
def test_timms_normalisation_moves_inside(tmp_path):
    network = open_network("timm:net.tag")
    images = torch.rand(2, 3, 5, 7)
    network.module(images)
    expected = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(network.module.network.seen, expected)
    assert network.input_shape == (3, 5, 7)
    assert network.module.network.pretrained
    save_file(Recorder().state_dict(), tmp_path / "w.safetensors")
    assert not open_network("timm:net", weights=tmp_path / "w.safetensors").module.network.pretrained
    with pytest.raises(ModelError, match="no network 'nonesuch'"):
        open_network("timm:nonesuch")


@pytest.mark.usefixtures("timm", "torchvision")
@pytest.mark.parametrize("spec", ["timm:net", "torchvision:net"])
def test_fine_tuned_weights_say_how_many_classes_there_are(spec, tmp_path):
    mine = Recorder(num_classes=7)
    save_file(mine.state_dict(), tmp_path / "w.safetensors")
    network = open_network(spec, weights=tmp_path / "w.safetensors")
    assert torch.equal(network.module.network.head.weight, mine.head.weight)
    assert network.module(torch.rand(2, *network.input_shape)).shape == (2, 7)
    assert network.classes == ()
    save_file({**mine.state_dict(), "scale": torch.ones(4)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"head\.bias is \(7,\), not \(3,\).*scale is \(4,\), not \(3,\)"):
        open_network(spec, weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize(("spec", "package"), [("torchvision:resnet18", "torchvision"), ("timm:resnet18", "timm")])
def test_a_missing_package_names_the_extra(monkeypatch, spec, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"{package}.models", raising=False)
    with pytest.raises(MissingExtra, match=r"brittle\[vision\]"):
        open_network(spec)


def test_a_package_for_another_torch_is_told_apart_from_a_missing_one(monkeypatch, tmp_path):
    (tmp_path / "timm.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=r"installed but cannot be imported .*nms.*install both in one command"):
        open_network("timm:resnet18")


def test_only_weights_restores_the_environment(monkeypatch):
    monkeypatch.setenv(ONLY_WEIGHTS, "0")
    with only_weights():
        assert os.environ[ONLY_WEIGHTS] == "1"
    assert os.environ[ONLY_WEIGHTS] == "0"


def test_only_weights_makes_torch_refuse_pickles(tmp_path):
    torch.save({"a": pickle.Pickler}, tmp_path / "armed.pth")
    with only_weights(), pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "armed.pth", weights_only=False)


@pytest.mark.usefixtures("torchvision")
def test_torchvision_that_prepares_images_in_another_way_is_refused():
    with pytest.raises(ModelError, match=r"torchvision:bgr gives .* grey levels apart"):
        open_network("torchvision:bgr")


def test_timm_that_prepares_images_in_another_way_is_refused(timm):
    timm.preset = Preset(std=[0.5, 0.25, 1.9], size=(5, 7))
    with pytest.raises(ModelError, match=r"timm:net\.tag gives .* in channel 2 .* grey levels apart"):
        open_network("timm:net.tag")


def test_a_name_that_a_collection_has_not_is_met_with_near_ones(timm, torchvision):
    timm.list_models = lambda: ["nonesuch18", "resnet18"]
    torchvision.models.list_models = lambda: ["nonesuch50", "resnet18"]
    for spec, near in (("timm:nonesuch", "timm:nonesuch18"), ("torchvision:nonesuch", "torchvision:nonesuch50")):
        with pytest.raises(ModelError, match=f"; did you mean '{near}'"):
            open_network(spec)
