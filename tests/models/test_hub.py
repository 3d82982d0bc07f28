import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brittle.errors import MissingExtra, ModelError
from brittle.models import open_network
from brittle.models.hub import _input_shape, _scale


class Output:
    def __init__(self, logits):
        self.logits = logits


class Recorder(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.config = SimpleNamespace(id2label=names, num_channels=3)

    def forward(self, images):
        self.seen = images
        return Output(images.mean((2, 3)) * self.scale)


@pytest.fixture
def transformers(monkeypatch):
    package = ModuleType("transformers")
    package.asked = []
    package.names = {1: "dog", 0: "cat", 2: "emu"}
    package.processor = {
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.25, 0.25],
        "size": {"height": 6, "width": 5},
    }

    def from_pretrained(name, **options):
        package.asked.append(options)
        if name == "pickled":
            raise OSError("no file named model.safetensors")
        return Recorder(package.names)

    package.ImageProcessingMixin = SimpleNamespace(get_image_processor_dict=lambda name: (package.processor, {}))
    package.AutoConfig = SimpleNamespace(from_pretrained=lambda name, **options: "config")
    package.AutoModelForImageClassification = SimpleNamespace(
        from_pretrained=from_pretrained, from_config=lambda config: Recorder(package.names)
    )
    monkeypatch.setitem(sys.modules, "transformers", package)
    return package


def test_the_processors_arithmetic_moves_inside(transformers):
    network = open_network("hf:some/net")
    images = torch.rand(2, 3, 6, 5)
    output = network.module(images)
    assert output.logits.shape == (2, 3)
    torch.testing.assert_close(network.module.network.seen, (images - 0.5) / 0.25)
    assert (network.input_shape, network.classes, network.parameters) == ((3, 6, 5), ("cat", "dog", "emu"), 3)
    assert transformers.asked == [{"use_safetensors": True, "trust_remote_code": False}]


def test_placeholders_are_no_class_names(transformers):
    transformers.names = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert open_network("hf:some/net").classes == ()


def test_weights_of_a_file(transformers, tmp_path):
    save_file({"scale": torch.full((3,), 2.0)}, tmp_path / "w.safetensors")
    network = open_network("hf:some/net", weights=tmp_path / "w.safetensors")
    assert network.module.network.scale.tolist() == [2, 2, 2]
    assert transformers.asked == []


@pytest.mark.usefixtures("transformers")
def test_pickles_are_refused():
    with pytest.raises(ModelError, match="weights in safetensors"):
        open_network("hf:pickled")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"brittle\[hub\]"):
        open_network("hf:some/net")


@pytest.mark.parametrize(
    "processor",
    [
        {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]},
        {"do_normalize": False, "image_mean": [0.4], "image_std": [0.2]},
        {"do_rescale": False, "image_mean": [104.0, 117.0, 123.0], "image_std": [1.0, 1.0, 1.0]},
        {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "rescale_offset": True, "image_mean": 0.5, "image_std": 0.5},
    ],
)
def test_the_scale_is_what_the_processor_computes(processor):
    pixels = 200.0
    step = pixels * processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else pixels
    step -= 1 if processor.get("rescale_offset") else 0
    mean, std = _scale(processor)
    first = lambda value: value[0] if isinstance(value, list) else value  # noqa: E731
    if processor.get("do_normalize", True):
        step = (step - first(processor["image_mean"])) / first(processor["image_std"])
    assert (pixels / 255 - mean[0]) / std[0] == pytest.approx(step)


@pytest.mark.parametrize(
    ("processor", "shape"),
    [
        ({"size": 224}, (3, 224, 224)),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True},
            (3, 224, 224),
        ),
        ({"size": {"shortest_edge": 64}, "crop_size": {"height": 9, "width": 9}}, (3, 64, 64)),
        ({}, None),
        ({"size": {"longest_edge": 9}}, None),
    ],
)
def test_the_shape_is_what_the_processor_makes(processor, shape):
    assert _input_shape(processor, 3) == shape
