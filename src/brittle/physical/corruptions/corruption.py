"""One of the common corruptions, at one of five severities."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from brittle.arguments import Within, check_fields
from brittle.base.seeds import Streams
from brittle.errors import InputError
from brittle.near import meant
from brittle.physical.channel import Channel
from brittle.physical.corruptions.kinds import KINDS
from brittle.types import Images

LARGEST_SMALL = 64
"""Shorter side up to which images count as small."""


@dataclass(frozen=True)
class Corruption(Channel):
    """A common corruption: what happens to photographs without any adversary.

    Hendrycks & Dietterich, ICLR 2019, section 3 (arXiv:1903.12261): fifteen kinds in four families. Severities are
    the published ones, of which there are two lists: that of CIFAR-10-C for images whose shorter side has up to 64
    pixels, and that of ImageNet-C for larger ones. Blurs and distances are counted in pixels, as published.

    Deviations, which the functions name: frost is drawn and not cut out of photographs, values are not rounded to 8
    bits (JPEG's are), motion blur is that of ImageMagick in our own words, and sides may be unequal.

    Args:
        kind: one of `brittle.physical.corruptions.KINDS`, such as "fog"; "gaussian-noise" by default.
        severity: 1 to 5; 3 by default (ours).
        published: whose list of severities; "auto" goes by the images' size.

    Raises:
        InputError: an unknown kind, or another severity.

    Example:
        >>> import torch
        >>> Corruption("contrast", severity=5)(torch.tensor([0.2, 0.8]).reshape(1, 1, 1, 2)).flatten()
        tensor([0.4550, 0.5450])
    """

    title: ClassVar[str] = "Common corruption"

    kind: str = "gaussian-noise"
    severity: Annotated[int, Within(1, 5)] = 3
    published: Literal["auto", "cifar", "imagenet"] = "auto"

    def __post_init__(self):
        check_fields(self)
        if self.kind not in KINDS:
            raise InputError(
                f"there is no corruption {self.kind!r}{meant(self.kind, KINDS)}; there are {', '.join(KINDS)}"
            )
        kind = KINDS[self.kind]
        object.__setattr__(self, "title", kind.title)
        object.__setattr__(self, "random", kind.random)
        object.__setattr__(self, "differentiable", kind.differentiable)

    def transform(self, images: Images, streams: Streams) -> Images:
        """Corrupt each image."""
        kind = KINDS[self.kind]
        small = min(images.shape[2:]) <= LARGEST_SMALL if self.published == "auto" else self.published == "cifar"
        levels = kind.cifar if small else kind.imagenet
        return kind.change(images, streams, *levels[self.severity - 1]).clamp(0, 1)
