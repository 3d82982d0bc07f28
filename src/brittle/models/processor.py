"""What a processor of images of the package transformers does, read from its settings and compared with itself."""

import math
from typing import Any, cast

import torch
from torch import Tensor

from brittle.models.agreement import SIDES, Arithmetic, Pictures, check_colours, check_noise, shape_made
from brittle.models.network import telling
from brittle.plugins.optional import advice

GEOMETRY = ("do_resize", "do_center_crop", "do_pad")
"""The settings that change the size of an image; they are off where the arithmetic alone is compared."""
SIZES = ("size", "crop_size", "pad_size")
"""The settings that say how large an image becomes."""
KNOWN = (
    *("do_rescale", "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std", "include_top"),
    *("do_flip_channel_order", *GEOMETRY, *SIZES),
)
"""The settings that are read."""
LONGEST_SIDE = 4096
"""Pixels of the longest side that a processor may make: a file can ask for any."""


def inside(processor: Any, channels: int, name: str) -> tuple[Arithmetic, tuple[int, int, int] | None]:
    """Return what a processor computes, in the form in which it is put before a network, and the shape it makes.

    Args:
        processor: an image processor of transformers.
        channels: of the network's images.
        name: of the network, for messages.

    Returns:
        The arithmetic and (channels, height, width); no shape where the processor leaves the size free.

    Raises:
        ModelError: the processor computes something else than its settings say in the words known here.
    """
    with telling(f"the processor of {name} has settings that are none", "mend its preprocessor_config.json"):
        settings = _settings(processor)
        ours = arithmetic(settings)
        _check_settings(settings, ours, channels)

    def prepare(pictures: Pictures, **off: bool) -> Tensor:
        options = {} if "pretrained_cfg" in settings else {"input_data_format": "channels_last", **off}
        made: Any = processor(list(pictures), return_tensors="pt", **options)
        return torch.as_tensor(made["pixel_values"])

    shape = shape_made(prepare, channels, name)
    if settings.get("do_resize", True):  # else images of other sizes are cropped, or lie within a black border
        check_colours(ours, prepare, channels, name)
    off = {key: False for key in GEOMETRY if settings.get(key)}
    if "pretrained_cfg" not in settings:  # timm's wrapper takes no options
        check_noise(ours, lambda pictures: prepare(pictures, **off), shape or (channels, SIDES[0], SIDES[0]), name)
    return ours, shape


def _check_settings(settings: dict[str, Any], ours: Arithmetic, channels: int) -> None:
    """Refuse numbers that no processor can calculate with, and sizes that take all memory."""
    for what, numbers in (("image_mean", ours.mean), ("image_std", ours.std)):
        if len(numbers) not in (1, channels) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{what} is {settings.get(what)!r}, for {channels} channels")
    if not all(number > 0 for number in ours.std):
        raise ValueError(f"image_std is {settings.get('image_std')!r}, in which a number is not positive")
    for what in SIZES:
        for side in _sides(settings.get(what)):
            if isinstance(side, bool) or not isinstance(side, int) or not 0 < side <= LONGEST_SIDE:
                raise ValueError(f"{what} is {settings[what]!r}, in which {side!r} is no side from 1 to {LONGEST_SIDE}")


def _sides(size: Any) -> list[Any]:
    """The lengths that a size is made of, whatever form it has; none where there is none."""
    if size is None:
        return []
    if isinstance(size, dict):
        return [side for key, side in cast("dict[str, Any]", size).items() if side is not None and "pixels" not in key]
    if isinstance(size, list | tuple):
        return [*cast("list[Any]", size)]
    if hasattr(size, "__dict__"):  # transformers wraps what its file says
        return _sides(vars(size))
    return [size]


def arithmetic(settings: dict[str, Any]) -> Arithmetic:
    """Return mean, standard deviation and order of channels for images in [0, 1], from settings for 0 to 255.

    The processor computes (255 x f - offset - mean) / std with the factor f of its rescaling. EfficientNet's divides by
    std once more where `include_top` is set; MobileViT's can turn red, green, blue round (`do_flip_channel_order`) and
    never normalises, whatever its file says.

    >>> arithmetic({"image_mean": [0.5], "image_std": [0.5], "include_top": True}).std
    [0.25]
    """
    factor = 255 * settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 255.0
    offset = 1.0 if settings.get("rescale_offset") else 0.0
    normalises = settings.get("do_normalize", True) and "do_flip_channel_order" not in settings
    mean = _numbers(settings.get("image_mean") if normalises else None, 0.0)
    std = _numbers(settings.get("image_std") if normalises else None, 1.0)
    if settings.get("include_top"):
        again = _numbers(settings.get("image_std"), 1.0)
        width = max(len(std), len(again))
        std = [one * two for one, two in zip(_spread(std, width), _spread(again, width), strict=True)]
    reverse = bool(settings.get("do_flip_channel_order"))
    return Arithmetic([(number + offset) / factor for number in mean], [number / factor for number in std], reverse)


def _settings(processor: Any) -> dict[str, Any]:
    """A processor's settings, with those of its class where its file does not say; of timm's wrapper, timm's.

    They are read off the object: `to_dict` leaves out what is None, which means no for MobileViT's `do_normalize`.
    """
    data = cast("dict[str, Any] | None", getattr(processor, "data_config", None))
    if data is not None:
        return {"pretrained_cfg": data, "image_mean": list(data["mean"]), "image_std": list(data["std"])}
    return {key: getattr(processor, key) for key in KNOWN if hasattr(processor, key)}


def _numbers(value: Any, default: float) -> list[float]:
    """One number for all channels, or one for each."""
    if value is None:
        return [default]
    if isinstance(value, list | tuple):
        return [float(number) for number in cast("list[float]", value)]
    return [float(value)]


def _spread(numbers: list[float], width: int) -> list[float]:
    return numbers * width if len(numbers) == 1 else numbers


def load_processor(transformers: Any, name: str) -> Any:
    """Return the processor of a network of the hub or of a folder.

    Raises:
        ModelError: there is none, or the packages it needs are missing or do not fit.
    """
    mend = (
        "without it nobody knows how its images are prepared: give a network with a whole preprocessor_config.json, in "
        "a folder or on the hub"
    )
    with telling(f"the processor of hf:{name} cannot be had", lambda error: advice(error, mend)):
        return transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
