"""Images moved to where a PixelCNN finds them likely."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within, check_fields
from brittle.defences.defence import Masking
from brittle.defences.transformation import InputTransformation
from brittle.errors import InputError
from brittle.models.generative.files import SHIPPED, pixelcnn_of
from brittle.models.generative.likeliest import likeliest_near
from brittle.models.generative.pixelcnn import PixelCNN
from brittle.types import Images

AUTO = "auto"
GREY, COLOUR = "pixelcnn-mnist", "pixelcnn-cifar"
"""What "auto" takes."""


@dataclass(frozen=True)
class PixelDefend(InputTransformation):
    """PixelDefend: every value moves to the likeliest level near it, given those before it in raster order.

    Song, Kim, Nowozin, Ermon & Kushman, ICLR 2018 (arXiv:1710.10766), section 4 and algorithm 1, with their radius for
    CIFAR-10. Deviations: the PixelCNN is a small one (`brittle.models.generative`), and where 255 x is no whole number
    the levels within the radius are meant and not those that rounding brings within it. Broken by going back through
    the identity (Athalye, Carlini & Wagner, ICML 2018, section 5: 9 % left).

    An image takes about as long as one pass of the PixelCNN: every layer's features are computed once.

    Args:
        radius: eps_defend, in units of a range from 0 to 1; 16/255 by default.
        weights: a PixelCNN for images with as many channels: "auto" takes pixelcnn-mnist for grey images and
            pixelcnn-cifar for those in colour; or the name of another one that comes with brittle, or the file or
            folder of `brittle train pixelcnn`. It takes images of any size, and knows of those that it was trained on.

    Raises:
        InputError: a radius out of range; later, images with a number of channels that the weights are not for.
        ModelError: no such weights.

    Example:
        >>> import torch
        >>> images = torch.full((1, 1, 8, 8), 0.5)
        >>> (PixelDefend().transform(images) - images).abs().max() <= 16.01 / 255
        tensor(True)
    """

    title: ClassVar[str] = "PixelDefend"
    masking: ClassVar[Masking] = Masking.SHATTERED

    radius: Annotated[float, Within(0.0, 1.0)] = 16 / 255
    weights: str = AUTO

    def __post_init__(self):
        check_fields(self)
        if self.weights != AUTO:
            pixelcnn_of(self.weights)

    def image_shape(self, shape: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        """Return the shape, which stays as it is; refuse one that the PixelCNN is not for."""
        if shape is not None:
            self._check(shape[0])
        return shape

    def models(self) -> tuple[PixelCNN, ...]:
        """Return the PixelCNN; both of them for "auto"."""
        return tuple(map(pixelcnn_of, (GREY, COLOUR) if self.weights == AUTO else (self.weights,)))

    def transform(self, images: Images) -> Images:
        """Return the likeliest images within the radius."""
        self._check(images.shape[1])
        return likeliest_near(pixelcnn_of(self._named(images.shape[1])), images, self.radius)

    def _named(self, channels: int) -> str:
        if self.weights != AUTO:
            return self.weights
        return GREY if channels == 1 else COLOUR

    def _check(self, channels: int) -> None:
        name = self._named(channels)
        takes = SHIPPED[name][0] if name in SHIPPED else pixelcnn_of(name).channels
        if takes != channels:
            raise InputError(
                f"the PixelCNN {name!r} is for images with {takes} channels, and these have {channels}; name another "
                "one with weights=, made by brittle train pixelcnn"
            )
