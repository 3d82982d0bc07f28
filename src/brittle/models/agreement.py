"""Compares the arithmetic that was put before a network with that of the library the network comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brittle.errors import ModelError, quoted
from brittle.models.normalise import Normalise

Pictures = NDArray[np.uint8]
"""Images as libraries of networks take them: bytes (n, height, width, channels)."""
Prepare = Callable[[Pictures], Tensor]
"""What a library does to images before its network: from bytes to (n, channels, height, width)."""
SIDES = (61, 160)
"""Of pictures of one colour, most of which have to be resampled."""
COLOURS = 4  # pictures of one colour at each of the sizes
NOISY = 3  # pictures of noise
RESAMPLED = 1.01
"""Grey levels by which resampling may change a picture of one colour: bytes are rounded on the way."""
EXACT = 0.01
"""Grey levels by which arithmetic in float32 may differ from itself in another order."""


class ReversedChannels(nn.Module):
    """From red, green, blue to blue, green, red.

    Example:
        >>> ReversedChannels()(torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)).flatten()
        tensor([3., 2., 1.])
    """

    def forward(self, images: Tensor) -> Tensor:
        """Images with their channels in reverse."""
        return images.flip(1)


@dataclass(frozen=True)
class Arithmetic:
    """What happens to images in [0, 1] before a network: (x - mean) / std, perhaps after a change of the order.

    Attributes:
        mean: one number a channel, or one for all.
        std: likewise, positive.
        reverse: whether the network wants blue, green, red; mean and std are then in that order.
    """

    mean: Sequence[float]
    std: Sequence[float]
    reverse: bool = False

    def normalise(self) -> Normalise:
        """Return the module that shifts and scales."""
        return Normalise(tuple(map(float, self.mean)), tuple(map(float, self.std)))

    def of(self, images: Tensor) -> Tensor:
        """Return what a network gets for images in [0, 1]."""
        scale = self.normalise().to(images.device, images.dtype)
        return scale(ReversedChannels()(images) if self.reverse else images)

    def undone(self, images: Tensor) -> Tensor:
        """Return the images for which a network behind this is given the images as they are.

        Example:
            >>> scale = Arithmetic((0.5,), (0.25,))
            >>> scale.of(scale.undone(torch.full((1, 1, 1, 1), 0.75))).item()
            0.75
        """
        scale = self.normalise().to(images.device, images.dtype)
        back = images * scale.std + scale.mean
        return ReversedChannels()(back) if self.reverse else back


def coloured(channels: int, side: int) -> Pictures:
    """Return square pictures of one colour each, which resampling leaves as they are.

    >>> coloured(3, 2).shape
    (4, 2, 2, 3)
    """
    draw = np.random.default_rng(side)
    colours = draw.integers(0, 256, (COLOURS, 1, 1, channels), np.uint8)
    return np.ascontiguousarray(np.broadcast_to(colours, (COLOURS, side, side, channels)))


def noisy(channels: int, height: int, width: int) -> Pictures:
    """Return pictures of noise.

    >>> noisy(1, 4, 5).shape
    (3, 4, 5, 1)
    """
    return np.random.default_rng(0).integers(0, 256, (NOISY, height, width, channels), np.uint8)


def shape_made(prepare: Prepare, channels: int, name: str) -> tuple[int, int, int] | None:
    """Return the shape that the library makes of square pictures; None where it leaves their size free."""
    made = {tuple(_prepared(prepare, coloured(channels, side), name).shape[1:]) for side in SIDES}
    if len(made) > 1:
        return None
    _, height, width = made.pop()
    return channels, height, width


def check_colours(ours: Arithmetic, prepare: Prepare, channels: int, name: str) -> None:
    """Compare on pictures of one colour that the library resizes and crops, in the middle that no border reaches.

    Raises:
        ModelError: the largest difference, where resampling does not explain it.
    """
    for side in SIDES:
        pictures = coloured(channels, side)
        theirs = _prepared(prepare, pictures, name)
        height, width = theirs.shape[2:]
        theirs = theirs[:, :, height // 4 : height - height // 4, width // 4 : width - width // 4]
        given = torch.from_numpy(pictures[:, :1, :1]).permute(0, 3, 1, 2).expand(-1, -1, *theirs.shape[2:])
        _compare(ours, theirs, given, RESAMPLED, name)


def check_noise(ours: Arithmetic, prepare: Prepare, shape: tuple[int, int, int], name: str) -> None:
    """Compare on noise that the library neither resizes nor crops.

    Raises:
        ModelError: the largest difference, where rounding does not explain it.
    """
    channels, height, width = shape
    pictures = noisy(channels, height, width)
    _compare(ours, _prepared(prepare, pictures, name), torch.from_numpy(pictures).permute(0, 3, 1, 2), EXACT, name)


def _prepared(prepare: Prepare, pictures: Pictures, name: str) -> Tensor:
    """What the library makes of pictures; whatever goes wrong in it is told."""
    seen = "x".join(map(str, pictures.shape[1:]))
    try:
        made = prepare(pictures.copy())
    except Exception as error:  # any library's any error means the same here
        raise ModelError(
            f"the preprocessing of {name} fails on images of {seen} ({type(error).__name__}: {quoted(error)}), so that "
            "brittle's copy of it cannot be compared; give the network as FILE.py:FACTORY with its preprocessing inside"
        ) from error
    expected = (len(pictures), pictures.shape[3])
    if made.ndim != 4 or tuple(made.shape[:2]) != expected:
        raise ModelError(
            f"the preprocessing of {name} makes {tuple(made.shape)} of {len(pictures)} images of {seen}; expected "
            f"({expected[0]}, {expected[1]}, height, width); give the network as FILE.py:FACTORY"
        )
    return made.detach().to("cpu", torch.float32)


def _compare(ours: Arithmetic, theirs: Tensor, pictures: Tensor, allowed: float, name: str) -> None:
    """Refuse where both differ by more than some grey levels, measured at the input of our arithmetic."""
    if theirs.shape != pictures.shape:
        seen, wanted = tuple(theirs.shape), tuple(pictures.shape)
        raise ModelError(f"the preprocessing of {name} makes {seen} of images {wanted} that it was told not to resize")
    mine = ours.of(pictures.float() / 255)
    scale = torch.tensor([float(number) for number in ours.std]).reshape(-1, 1, 1)
    levels = ((mine - theirs) * scale * 255).abs().nan_to_num(torch.inf)
    worst = levels.max().item()
    if worst <= allowed:
        return
    image, channel, row, column = np.unravel_index(int(levels.argmax()), levels.shape)
    colour = tuple(pictures[image, :, row, column].tolist())
    given, found = theirs[image, channel, row, column].item(), mine[image, channel, row, column].item()
    raise ModelError(
        f"the preprocessing of {name} gives {given:.4g} in channel {channel} for a pixel {colour} of 255, and "
        f"brittle's copy of it {found:.4g}: {worst:.4g} grey levels apart, where {allowed} is explained by rounding; "
        "the network would not see what it was trained on; give it as FILE.py:FACTORY with its preprocessing inside"
    )
