"""Images that were printed and photographed."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brittle.arguments import Within, check_fields
from brittle.base.seeds import Streams
from brittle.physical.blur import Blur
from brittle.physical.chain import Chain
from brittle.physical.channel import Channel
from brittle.physical.colour_shift import ColourShift
from brittle.physical.jpeg import JPEGFile
from brittle.physical.noise import Noise
from brittle.physical.resample import Resample
from brittle.physical.vignetting import Vignetting
from brittle.physical.warp import Warp
from brittle.types import Images

WIDEST = 0.3
"""Of the perspective, beyond which corners could meet."""
FINEST = 4.0
"""Pixels of the camera to each of the picture, beyond which a grid more or less changes nothing that is seen."""


@dataclass(frozen=True)
class Photograph(Channel):
    """Print and photograph, simulated: what becomes of a picture on its way through a printer, a lens and a camera.

    In this order: the picture is held not quite straight (`warp`), lies on the camera's own grid of pixels
    (`resample`), and is out of focus by a little (`blur`); printer, light and white balance shift its colours
    (`colour-shift`), the lens darkens its corners (`vignetting`), the sensor adds noise (`noise`), and the file is
    compressed (`jpeg`). Kurakin, Goodfellow & Bengio 2016, section 3.2 (arXiv:1607.02533), did it with paper.

    Everything is drawn anew for each image. The way back is that of each part, and passes the JPEG by.

    The amounts are ours, those of a photograph by hand at a strength of 1, and grow in proportion to the strength; at
    0 images stay as they are. Without any attack a strength of 1 took a MobileNet from 77.5 % to 63.5 % of 200 images
    of 192 x 192, and 0.5 to 71.5 %. Blur is counted in pixels of the image that the network sees, whatever its size.

    Args:
        strength: of everything together, 0 to 5.
        perspective: how far each corner moves at most, as a part of the side; at most 0.3 times strength.
        sharpness: pixels of the camera to each of the picture, at a strength of 1; they are 1 + (sharpness - 1) /
            strength at others, and 4 at most.
        blur: mean standard deviation in pixels; each image's lies within half of it about it.
        gain: of each colour channel, at most.
        offset: of each colour channel, at most, as a part of the range.
        vignetting: mean part of the light lost in the corners; each image's lies within half of it about it.
        noise: standard deviation, as a part of the range.
        quality: of the JPEG file at a strength of 1; it loses 100 - quality with each further step.

    Example:
        >>> import torch
        >>> picture = torch.rand(1, 3, 32, 32)
        >>> torch.equal(Photograph(strength=0)(picture), picture)
        True
    """

    title: ClassVar[str] = "Print and photograph"
    random: ClassVar[bool] = True

    strength: Annotated[float, Within(0, 5)] = 1.0
    perspective: Annotated[float, Within(0, WIDEST)] = 0.02
    sharpness: Annotated[float, Within(1, FINEST)] = 2.0
    blur: Annotated[float, Within(0, 20)] = 0.5
    gain: Annotated[float, Within(0, 1)] = 0.08
    offset: Annotated[float, Within(0, 1)] = 0.04
    vignetting: Annotated[float, Within(0, 1)] = 0.15
    noise: Annotated[float, Within(0, 1)] = 0.015
    quality: Annotated[int, Within(1, 100)] = 90

    def __post_init__(self):
        check_fields(self)
        object.__setattr__(self, "random", self.strength > 0)

    def links(self) -> tuple[Channel, ...]:
        """Return the channels that images go through one after the other; none at a strength of 0.

        Example:
            >>> Photograph(strength=2).links()[-1]
            JPEGFile(quality=80, spread=0)
        """
        strength = self.strength
        if not strength:
            return ()
        light, blur = min(strength * self.vignetting, 2 / 3), strength * self.blur
        return (
            Warp(min(strength * self.perspective, WIDEST)),
            Resample(min(1 + (self.sharpness - 1) / strength, FINEST)),
            Blur(min(blur, 100.0), blur / 2),
            ColourShift(min(strength * self.gain, 1.0), min(strength * self.offset, 1.0)),
            Vignetting(light, light / 2),
            Noise(min(strength * self.noise, 1.0)),
            JPEGFile(max(round(100 - strength * (100 - self.quality)), 1)),
        )

    def transform(self, images: Images, streams: Streams) -> Images:
        """Print and photograph each image."""
        links = self.links()
        return Chain(links).transform(images, streams) if links else images.clone()
