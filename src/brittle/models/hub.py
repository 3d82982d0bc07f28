"""Image classifiers of the Hugging Face hub, with their processor's arithmetic moved inside."""

import importlib
from pathlib import Path
from typing import Any, cast

from torch import nn

from brittle.errors import MissingExtra, ModelError
from brittle.models.network import Network, digest_of, parameters_of, seeded
from brittle.models.preprocessing import with_normalisation
from brittle.models.weights import load_weights


def load_hub(name: str, weights: Path | None = None) -> Network:
    """A classifier by its name on the hub, or by a folder; only weights in safetensors, never code of the repository.

    Args:
        name: such as `microsoft/resnet-50`, or a folder that `save_pretrained` wrote.
        weights: a safetensors file with the network's names, used instead of the published weights.

    Raises:
        MissingExtra: transformers is not installed.
        ModelError: no such network, none with safetensors, or none with a processor of images.
    """
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingExtra("transformers", "hub", "a network of the Hugging Face hub") from error
    try:
        processor, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
        with seeded():
            if weights:
                config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
                module: nn.Module = transformers.AutoModelForImageClassification.from_config(config)
            else:
                module = transformers.AutoModelForImageClassification.from_pretrained(
                    name, use_safetensors=True, trust_remote_code=False
                )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"hf:{name} cannot be loaded ({error}); it must be an image classifier with weights in safetensors, "
            "on the hub or in a folder"
        ) from error
    if weights:
        load_weights(module, weights)
    classes = _classes(cast("Any", module).config.id2label)
    shape = _input_shape(processor, getattr(cast("Any", module).config, "num_channels", 3))
    module = with_normalisation(module, *_scale(processor))
    return Network(f"hf:{name}", module, digest_of(module), shape, classes, parameters_of(module))


def _scale(processor: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation for images in [0, 1], from a processor that begins with 0 to 255.

    The processor computes (255 x f - offset - mean) / std with the factor f of its rescaling.
    """
    factor = 255 * processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", True) else 255.0
    offset = 1.0 if processor.get("rescale_offset", False) else 0.0
    normalises = processor.get("do_normalize", True)
    mean = processor.get("image_mean") if normalises else None
    std = processor.get("image_std") if normalises else None
    mean = [0.0] if mean is None else mean if isinstance(mean, list) else [mean]
    std = [1.0] if std is None else std if isinstance(std, list) else [std]
    return [(number + offset) / factor for number in mean], [number / factor for number in std]


def _input_shape(processor: dict[str, Any], channels: int) -> tuple[int, int, int] | None:
    """The size of what the processor makes; None where it says none."""
    size = (processor.get("crop_size") if processor.get("do_center_crop") else None) or processor.get("size")
    if isinstance(size, int):
        return channels, size, size
    if not isinstance(size, dict):
        return None
    sides = cast("dict[str, int]", size)
    edge = sides.get("shortest_edge")
    height, width = sides.get("height", edge), sides.get("width", edge)
    return (channels, height, width) if height and width else None


def _classes(names: dict[int, str]) -> tuple[str, ...]:
    """Class names in order; () when they are the placeholders LABEL_0, LABEL_1, ..."""
    ordered = tuple(names[index] for index in sorted(names))
    return () if all(name == f"LABEL_{index}" for index, name in enumerate(ordered)) else ordered
