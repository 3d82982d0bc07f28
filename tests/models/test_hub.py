import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from brittle.errors import MissingExtra, ModelError
from brittle.models import open_network
from brittle.models.processor import arithmetic


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


class Processor:
    """What the processors of transformers compute, in the order in which they do."""

    def __init__(self, **settings):
        usual = {"do_resize": True, "do_center_crop": True, "size": (6, 5)}
        usual |= {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
        vars(self).update(usual | settings)

    def __call__(self, images, return_tensors, input_data_format, do_resize=True, do_center_crop=True):
        assert (return_tensors, input_data_format) == ("pt", "channels_last")
        return {"pixel_values": torch.stack([self.one(image, do_resize, do_center_crop) for image in images])}

    def one(self, image, do_resize, do_center_crop):
        said = vars(self).get
        if do_resize and said("do_resize", True):
            image = np.asarray(Image.fromarray(image).resize(self.size[::-1], Image.Resampling.BICUBIC))
        if do_center_crop and (border := said("border", 0)):
            image = np.pad(image, ((border, border), (border, border), (0, 0)))
        pixels = image.astype(np.float32)
        if said("do_rescale", True):
            pixels = pixels * said("rescale_factor", 1 / 255) - (1 if said("rescale_offset") else 0)
        if said("do_normalize", True) and "do_flip_channel_order" not in vars(self):
            pixels = (pixels - np.array(self.image_mean)) / np.array(self.image_std)
        if said("include_top"):
            pixels = pixels / np.array(self.image_std)
        pixels = pixels[..., ::-1] if said("do_flip_channel_order") else pixels
        pixels = np.sqrt(np.abs(pixels)) if said("unheard_of") else pixels
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32))


@pytest.fixture
def transformers(monkeypatch):
    package = ModuleType("transformers")
    package.asked = []
    package.told = {"missing_keys": [], "mismatched_keys": []}
    package.names = {1: "dog", 0: "cat", 2: "emu"}
    package.processor = Processor()

    def from_pretrained(name, **options):
        package.asked.append(options)
        if name == "pickled":
            raise OSError("no file named model.safetensors")
        return Recorder(package.names), package.told

    def from_config(config, trust_remote_code):
        assert not trust_remote_code
        return Recorder(package.names)

    def processor_of(name, trust_remote_code):
        assert not trust_remote_code
        if package.processor is None:
            raise RuntimeError("operator torchvision::nms does not exist")
        return package.processor

    package.AutoImageProcessor = SimpleNamespace(from_pretrained=processor_of)
    package.AutoConfig = SimpleNamespace(from_pretrained=lambda name, **options: "config")
    package.AutoModelForImageClassification = SimpleNamespace(from_pretrained=from_pretrained, from_config=from_config)
    monkeypatch.setitem(sys.modules, "transformers", package)
    return package


def test_the_processors_arithmetic_moves_inside(transformers):
    network = open_network("hf:some/net")
    images = torch.rand(2, 3, 6, 5)
    output = network.module(images)
    assert output.logits.shape == (2, 3)
    torch.testing.assert_close(network.module.network.seen, (images - 0.5) / 0.25)
    assert (network.input_shape, network.classes, network.parameters) == ((3, 6, 5), ("cat", "dog", "emu"), 3)
    assert transformers.asked == [{"use_safetensors": True, "trust_remote_code": False, "output_loading_info": True}]


def test_placeholders_are_no_class_names(transformers):
    transformers.names = {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert open_network("hf:some/net").classes == ()


def test_fine_tuned_weights_of_the_hub_say_how_many_classes_there_are(transformers, tmp_path, monkeypatch):
    def from_config(config, trust_remote_code):
        module = Recorder({index: f"LABEL_{index}" for index in range(config.num_labels)})
        module.head = nn.Linear(3, config.num_labels)
        return module

    monkeypatch.setattr(transformers.AutoModelForImageClassification, "from_config", from_config)
    transformers.AutoConfig.from_pretrained = lambda name, **options: SimpleNamespace(num_labels=3)
    mine = from_config(SimpleNamespace(num_labels=7), False)
    save_file(mine.state_dict(), tmp_path / "w.safetensors")
    network = open_network("hf:some/net", weights=tmp_path / "w.safetensors")
    assert torch.equal(network.module.network.head.weight, mine.head.weight)
    assert network.classes == ()


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
    ("settings", "message"),
    [
        ({"image_mean": "half"}, "settings that are none .*could not convert"),
        ({"image_mean": [0.5, 0.5]}, "image_mean is .*, for 3 channels"),
        ({"image_std": [0.5, 0.0, 0.5]}, "image_std is .*a number is not positive"),
        ({"image_std": [float("inf")] * 3}, "image_std is .*, for 3 channels"),
        ({"rescale_factor": 0}, "settings that are none .*ZeroDivisionError"),
        ({"rescale_factor": None}, "settings that are none .*TypeError"),
        ({"size": {"height": -1, "width": 5}}, "-1 is no side from 1 to 4096"),
        ({"size": {"shortest_edge": 10**9}}, "1000000000 is no side"),
        ({"crop_size": {"height": "6", "width": 5}}, "'6' is no side"),
        ({"size": [True, 5]}, "True is no side"),
    ],
)
def test_settings_of_a_processor_that_are_none(transformers, settings, message):
    transformers.processor = Processor(**settings)
    with pytest.raises(ModelError, match=f"the processor of hf:some/net has .*{message}"):
        open_network("hf:some/net")


def test_limits_of_pixels_are_no_sides(transformers):
    transformers.processor = Processor(pad_size={"min_pixels": 10**4, "max_pixels": 10**7})
    assert open_network("hf:some/net").input_shape == (3, 6, 5)


@pytest.mark.parametrize("names", [None, "cat", [0, 1], {0: "cat", 5: "dog"}, {"0": "cat"}])
def test_a_config_that_does_not_say_its_classes(transformers, names):
    transformers.names = names
    with pytest.raises(ModelError, match=r"does not say its classes .*mend id2label"):
        open_network("hf:some/net")


@pytest.mark.parametrize("error", [IndexError("list index"), AttributeError("items"), TypeError("x"), RecursionError()])
def test_whatever_transformers_raises_is_one_sentence(transformers, error):
    def broken(name, **options):
        raise error

    transformers.AutoModelForImageClassification.from_pretrained = broken
    with pytest.raises(ModelError, match=rf"hf:some/net cannot be loaded \({type(error).__name__}.*it must be an"):
        open_network("hf:some/net")


def test_statistics_that_are_missing_are_no_trained_network(transformers, monkeypatch):
    init = Recorder.__init__

    def with_statistics(self, names):
        init(self, names)
        self.norm = nn.BatchNorm2d(3)

    monkeypatch.setattr(Recorder, "__init__", with_statistics)
    transformers.told = {"missing_keys": ["norm.num_batches_tracked"]}
    assert open_network("hf:some/net").parameters == 9
    transformers.told = {"missing_keys": ["norm.running_var"]}
    with pytest.raises(ModelError, match=r"lacks 1 of .*norm\.running_var"):
        open_network("hf:some/net")


PROCESSORS = {
    "plain": {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]},
    "not normalised": {"do_normalize": False},
    "one number": {"image_mean": 0.4, "image_std": 0.2},
    "not rescaled": {"do_rescale": False, "image_mean": [104.0, 117.0, 123.0], "image_std": [1.0, 1.0, 1.0]},
    "from -1 to 1": {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
    "offset and mean": {"rescale_factor": 1 / 127.5, "rescale_offset": True},
    "twice by std (EfficientNet)": {"include_top": True, "image_std": [0.2, 0.3, 0.4]},
    "once by std": {"include_top": True, "do_normalize": False, "image_std": [0.2, 0.3, 0.4]},
    "BGR (MobileViT)": {"do_flip_channel_order": True, "do_normalize": None, "image_std": [0.2, 0.3, 0.4]},
    "MobileViT that says it normalises": {"do_flip_channel_order": True, "do_normalize": True},
    "a black border": {"border": 2},
}


@pytest.mark.parametrize("settings", PROCESSORS.values(), ids=PROCESSORS.keys())
def test_the_network_sees_what_its_processor_makes(transformers, settings):
    transformers.processor = Processor(**settings)
    network = open_network("hf:some/net")
    pictures = np.random.default_rng(1).integers(0, 256, (3, 6, 5, 3), np.uint8)
    theirs = transformers.processor(list(pictures), "pt", "channels_last", do_resize=False, do_center_crop=False)
    network.module(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(network.module.network.seen, theirs["pixel_values"], rtol=1e-4, atol=1e-4)


def test_a_processor_that_does_more_is_refused_with_the_difference(transformers):
    transformers.processor = Processor(unheard_of=True)
    with pytest.raises(ModelError, match=r"hf:some/net gives .* in channel \d for a pixel \(.*grey levels apart"):
        open_network("hf:some/net")


def test_a_processor_that_does_more_only_to_a_few_pixels_is_refused(transformers, monkeypatch):
    one = Processor.one

    def clipped(self, image, do_resize, do_center_crop):
        made = one(self, image, do_resize, do_center_crop)
        made[:, 0, 0] += 0.01  # 0.6 grey levels in a corner
        return made

    monkeypatch.setattr(Processor, "one", clipped)
    with pytest.raises(ModelError, match=r"0\.6375 grey levels apart, where 0\.01 is explained"):
        open_network("hf:some/net")


def test_the_shape_is_what_the_processor_makes(transformers):
    assert open_network("hf:some/net").input_shape == (3, 6, 5)
    transformers.processor = Processor(border=1)
    assert open_network("hf:some/net").input_shape == (3, 8, 7)
    transformers.processor = Processor(do_resize=False)
    assert open_network("hf:some/net").input_shape is None


def test_images_that_are_not_resized_may_lie_within_a_wide_border(transformers):
    transformers.processor = Processor(do_resize=False, border=40)
    assert open_network("hf:some/net").module.normalise.std.flatten().tolist() == [0.25, 0.25, 0.25]


def test_of_timms_wrapper_the_numbers_are_timms(transformers):
    plain = Processor(size=(4, 4))

    class Wrapper:
        def __init__(self):
            self.data_config = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}

        def __call__(self, images, return_tensors):
            return plain(images, return_tensors, "channels_last")

    transformers.processor = Wrapper()
    network = open_network("hf:timm/net")
    assert network.module.normalise.std.flatten().tolist() == [0.25, 0.25, 0.25]
    assert network.input_shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"pixel_values": torch.zeros(4, 2, 3, 6, 5)}, r"makes \(4, 2, 3, 6, 5\) of 4 images"),
        ({"input_ids": torch.zeros(4, 7)}, "KeyError: 'pixel_values'"),
    ],
)
def test_a_processor_that_makes_no_images_is_refused(transformers, made, message):
    transformers.processor = lambda images, **options: made
    with pytest.raises(ModelError, match=message):
        open_network("hf:some/net")


def test_a_processor_that_cannot_be_had_is_told(transformers):
    transformers.processor = None
    with pytest.raises(
        ModelError, match=r"processor of hf:some/net cannot be had \(RuntimeError: oper.*install both in one"
    ):
        open_network("hf:some/net")


def test_a_package_of_transformers_that_does_not_fit_is_told(transformers):
    def broken(name, **options):
        cause = RuntimeError("operator torchvision::nms does not exist")
        raise ModuleNotFoundError("Could not import module 'ViTForImageClassification'") from cause

    transformers.AutoModelForImageClassification.from_pretrained = broken
    with pytest.raises(ModelError, match=r"not the one that belongs to torch .*: install both in one command"):
        open_network("hf:some/net")


@pytest.mark.parametrize(
    "told", [{"missing_keys": ["scale"]}, {"missing_keys": [], "mismatched_keys": [("scale", (2,), (3,))]}]
)
def test_weights_that_would_be_drawn_by_chance_are_refused(transformers, told):
    transformers.told = told
    with pytest.raises(ModelError, match=r"lacks 1 of the network's 1 weights \(scale\)"):
        open_network("hf:some/net")


def test_counters_that_are_missing_are_no_weights(transformers):
    transformers.told = {"missing_keys": {"norm.num_batches_tracked"}}
    assert open_network("hf:some/net").parameters == 3


def test_weights_in_half_precision_become_float32(transformers):
    transformers.names = {0: "cat", 1: "dog"}
    transformers.AutoModelForImageClassification.from_pretrained = lambda name, **options: (
        Recorder(transformers.names).half(),
        {},
    )
    assert {tensor.dtype for tensor in open_network("hf:some/net").module.parameters()} == {torch.float32}


def test_settings_that_are_absent_count_as_those_of_most_processors():
    ours = arithmetic({"image_mean": (0.1, 0.2), "image_std": (0.3, 0.4)})
    assert (ours.mean, ours.std, ours.reverse) == ([0.1, 0.2], [0.3, 0.4], False)


SMALL = {"height": 32, "width": 32}
REAL = {
    "ViT": ("ViT", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}),
    "ConvNext": ("ConvNext", {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}),
    "EfficientNet": ("EfficientNet", {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128}),
    "MobileViT": ("MobileViT", {"hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8] * 6 + [16]}),
    "MobileViTV2": ("MobileViT", {"width_multiplier": 0.25}),
    "ResNet": ("ConvNext", {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "layer_type": "basic"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
@pytest.mark.filterwarnings("ignore")
def test_networks_of_transformers_see_what_their_processors_make(name, tmp_path):
    package = pytest.importorskip("transformers", reason="the extra hub is not installed")
    of, sizes = REAL[name]
    config = getattr(package, f"{name}Config")(image_size=32, **sizes)
    module = getattr(package, f"{name}ForImageClassification")(config).eval()
    size = {"shortest_edge": 36} if name in ("MobileViT", "MobileViTV2") else SMALL
    size = {"shortest_edge": 32} if of == "ConvNext" else size
    processor = getattr(package, f"{of}ImageProcessor")(size=size, crop_size=SMALL)
    module.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    network = open_network(f"hf:{tmp_path}")
    assert network.input_shape == (3, 32, 32)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    off = {"do_resize": False, "do_center_crop": False, "input_data_format": "channels_last"}
    theirs = processor(list(pictures), return_tensors="pt", **off)["pixel_values"]
    mine = network.module[:-1](torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_network_of_transformers_without_its_head_is_refused(tmp_path):
    package = pytest.importorskip("transformers", reason="the extra hub is not installed")
    config = package.ViTConfig(image_size=32, **REAL["ViT"][1])
    package.ViTModel(config).save_pretrained(tmp_path)
    package.ViTImageProcessor(size=SMALL).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks 2 of .* weights \(classifier\.bias, classifier\.weight\)"):
        open_network(f"hf:{tmp_path}")
