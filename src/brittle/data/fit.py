"""Fit: how an image of any size and colour becomes the tensor that a network takes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from brittle.errors import InputError

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
            raise InputError(f"crop={self.crop!r} is unknown; give 'center', 'none' or a number of pixels")
        if self.crop == "none" and (self.height is None or self.resize is not None):
            raise InputError("crop='none' stretches to height and width: give these two, and no resize")
        if self.interpolation not in FILTERS:
            raise InputError(f"interpolation={self.interpolation!r} is unknown; known are {', '.join(FILTERS)}")

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

    def _arrange(self, image: Image.Image) -> Image.Image:
        if self.resize is not None:
            image = self._scale(image, self.resize / min(image.size))
        if isinstance(self.crop, int):
            image = self._cover_and_cut(image, self.crop, self.crop)
        if self.width is None or self.height is None or image.size == (self.width, self.height):
            return image
        if self.crop != "center":
            return image.resize((self.width, self.height), FILTERS[self.interpolation])
        ratio = min(image.width / self.width, image.height / self.height)
        if ratio > NEAR and self.resize is None:
            image = self._scale(
                image, round(min(self.width, self.height) / CENTRE) / min(self.width, self.height) / ratio
            )
        return self._cover_and_cut(image, self.width, self.height)

    def _scale(self, image: Image.Image, factor: float) -> Image.Image:
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image if size == image.size else image.resize(size, FILTERS[self.interpolation])

    def _cover_and_cut(self, image: Image.Image, width: int, height: int) -> Image.Image:
        """Cut width x height out of the middle, of an image enlarged first where it is too small for that.

        Where the rest is odd, the right and the lower margin are the wider ones.
        """
        ratio = min(image.width / width, image.height / height)
        if ratio < 1:
            image = self._scale(image, 1 / ratio)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))
