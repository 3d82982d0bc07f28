"""Fit: how an image of any size and colour becomes the tensor that a network takes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brittle.errors import InputError
from brittle.near import meant

Pixels = NDArray[np.float32]
"""One image as an array, channels x height x width, in [0, 1]."""
Picture = Image.Image | Pixels
"""One decoded image: Pillow's, 8 bits in mode L or RGB, or an array of pixels where 8 bits would lose something."""

CENTRE = 0.875
"""Fraction of the short side that the centre crop keeps (224 of 256, the custom for ImageNet)."""
NEAR = 1.25
"""An image up to this many times larger than the network's input is cropped without being resized."""
LUMA = np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
"""Weights of red, green and blue in grey (ITU-R 601-2, which Pillow uses too)."""

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


GREYED, COLOURED = "colours made grey", "grey made RGB"
SMALLER, LARGER, STRETCHED, CROPPED = "made smaller", "made larger", "stretched", "cropped"
"""What a fit can do to an image, as it is said."""


@dataclass(frozen=True)
class Step:
    """One change of size.

    Attributes:
        name: as it is said.
        size: width and height afterwards.
        corner: the left and upper pixel of what is cut out; None where the image is resized.
    """

    name: str
    size: tuple[int, int]
    corner: tuple[int, int] | None = None


@dataclass(frozen=True)
class Fit:
    """How images are brought to the form that a network takes; `Fit(*input_shape)` is the usual call.

    The rule for `height` and `width`, with s = the image's side over the network's, the smaller of the two directions:

    * an image of just that size stays untouched;
    * 1 <= s <= 1.25: centre crop, no resizing;
    * s > 1.25: resized so that the network's input is 87.5 % of the short side, then centre crop;
    * s < 1: resized so that it covers the network's input, then centre crop (of a square image nothing is cut off).

    Resizing is Pillow's, with antialiasing. A grey image becomes RGB by repetition, an RGB image becomes grey by
    its luma.

    Attributes:
        channels: 1 (grey) or 3 (RGB); None keeps what the image has.
        height: height in pixels; None (together with `width`) keeps the image's size.
        width: width in pixels.
        resize: length in pixels that the short side gets first, instead of the rule.
        crop: "center" follows the rule; a number is the side of a square centre crop, resized to `height` x `width`
            afterwards if these differ; "none" stretches the whole image to `height` x `width`.
        interpolation: "bilinear" (torchvision's default for classifiers), "bicubic", "lanczos" or "nearest".

    Raises:
        InputError: for options that contradict each other or are no sizes.

    >>> Fit(3, 32, 32).apply(Image.new("L", (28, 28))).shape
    (3, 32, 32)
    """

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    resize: int | None = None
    crop: int | Literal["center", "none"] = "center"
    interpolation: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bilinear"

    def __post_init__(self):
        sizes = {"channels": self.channels, "height": self.height, "width": self.width, "resize": self.resize}
        if not isinstance(self.crop, str):
            sizes["crop"] = self.crop
        for name, size in sizes.items():
            if size is not None and size < 1:
                raise InputError(f"{name}={size} is no size; give a number of at least 1")
        if (self.height is None) != (self.width is None):
            raise InputError(f"height={self.height} and width={self.width}: give both, or neither")
        if isinstance(self.crop, str) and self.crop not in ("center", "none"):
            raise InputError(
                f"crop={self.crop!r} is unknown{meant(self.crop, ('center', 'none'))}; give 'center', 'none' or a "
                "number of pixels"
            )
        if self.crop == "none" and (self.height is None or self.resize is not None):
            raise InputError("crop='none' stretches to height and width: give these two, and no resize")
        if self.interpolation not in FILTERS:
            raise InputError(
                f"interpolation={self.interpolation!r} is unknown{meant(self.interpolation, FILTERS)}; known are "
                f"{', '.join(FILTERS)}"
            )

    def apply(self, picture: Picture) -> Pixels:
        """Return the picture as float32 channels x height x width in [0, 1].

        Args:
            picture: a Pillow image in mode L or RGB, or float32 pixels c x h x w in [0, 1].

        Raises:
            InputError: if the picture has a number of channels that cannot be converted.
        """
        if isinstance(picture, Image.Image):
            mode = picture.mode if self.channels is None else {1: "L", 3: "RGB"}.get(self.channels)
            if mode is None:
                raise InputError(f"the network takes {self.channels} channels; images can be made grey (1) or RGB (3)")
            pixels = np.asarray(self._arrange(picture.convert(mode)), dtype=np.float32) / np.float32(255)
            return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
        pixels = self._recolour(picture)
        if self.height is None and self.resize is None and self.crop == "center":
            return pixels
        planes = [np.asarray(self._arrange(Image.fromarray(plane))) for plane in pixels]
        return np.stack(planes).clip(0, 1)  # bicubic and lanczos overshoot

    def _recolour(self, pixels: Pixels) -> Pixels:
        if self.channels is None or self.channels == len(pixels):
            return pixels
        if len(pixels) == 1 and self.channels == 3:
            return np.repeat(pixels, 3, axis=0)
        if len(pixels) == 3 and self.channels == 1:
            return np.tensordot(LUMA, pixels, axes=1)[None]
        raise InputError(f"images of {len(pixels)} channels cannot be made ones of {self.channels}")

    def conversions(self, channels: int, width: int, height: int) -> tuple[tuple[str, ...], tuple[int, int, int]]:
        """Return what `apply` does to an image, in words, and the shape that comes out, without an image.

        >>> Fit(1, 28, 28).conversions(3, 500, 375)
        (('colours made grey', 'made smaller', 'cropped'), (1, 28, 28))
        """
        wanted = channels if self.channels is None else self.channels
        steps = self._steps(width, height)
        colour = () if wanted == channels else (GREYED if wanted == 1 else COLOURED,)
        names = (*colour, *(step.name for step in steps))
        width, height = steps[-1].size if steps else (width, height)
        return tuple(dict.fromkeys(names)), (wanted, height, width)

    def _arrange(self, image: Image.Image) -> Image.Image:
        for step in self._steps(image.width, image.height):
            if step.corner is None:
                image = image.resize(step.size, FILTERS[self.interpolation])
            else:
                left, top = step.corner
                image = image.crop((left, top, left + step.size[0], top + step.size[1]))
        return image

    def _steps(self, width: int, height: int) -> list[Step]:
        """Return what is done to an image of this size, in order."""
        steps: list[Step] = []
        size = width, height
        if self.resize is not None:
            size = _scale(steps, size, self.resize / min(size))
        if isinstance(self.crop, int):
            size = _cover_and_cut(steps, size, (self.crop, self.crop))
        if self.width is None or self.height is None or size == (self.width, self.height):
            return steps
        target = self.width, self.height
        if self.crop != "center":  # the whole image, or a square crop of another size than the network's
            return [*steps, Step(_direction(size, target), target)]
        ratio = min(size[0] / self.width, size[1] / self.height)
        if ratio > NEAR and self.resize is None:
            size = _scale(steps, size, round(min(target) / CENTRE) / min(target) / ratio)
        _cover_and_cut(steps, size, target)
        return steps


def _scale(steps: list[Step], size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Add a resizing by a factor, unless it changes nothing; return the size afterwards."""
    scaled = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
    if scaled != size:
        steps.append(Step(LARGER if factor > 1 else SMALLER, scaled))
    return scaled


def _cover_and_cut(steps: list[Step], size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """Add a cut of the target's size out of the middle, of an image enlarged first where it is too small for that.

    Where the rest is odd, the right and the lower margin are the wider ones.
    """
    ratio = min(size[0] / target[0], size[1] / target[1])
    if ratio < 1:
        size = _scale(steps, size, 1 / ratio)
    if size != target:
        steps.append(Step(CROPPED, target, ((size[0] - target[0]) // 2, (size[1] - target[1]) // 2)))
    return target


def _direction(size: tuple[int, int], target: tuple[int, int]) -> str:
    """Return whether a resizing that may change the proportions makes an image smaller, larger or stretches it."""
    if size[0] * target[1] != size[1] * target[0]:
        return STRETCHED
    return LARGER if target[0] > size[0] else SMALLER
