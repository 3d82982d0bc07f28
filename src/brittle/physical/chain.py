"""Several channels, one after the other."""

from dataclasses import dataclass

from brittle.base.seeds import Streams
from brittle.errors import InputError
from brittle.physical.channel import Channel
from brittle.types import Images


@dataclass(frozen=True)
class Chain(Channel):
    """Channels one after the other: an image meets the first one first.

    Every link has random streams of its own: how many numbers one draws changes nothing in those behind it. It is
    random where a link is. Where a link cannot be differentiated, the way back passes it by (BPDA at that link alone,
    Athalye, Carlini & Wagner, ICML 2018, section 4.1, arXiv:1802.00420), so that the chain counts as differentiable.

    Attributes:
        links: the channels, two or more; written `first+second`.

    Raises:
        InputError: fewer than two.

    Example:
        >>> import torch
        >>> from brittle.physical.brightness import Brightness
        >>> Chain((Brightness(0.5), Brightness(-0.25)))(torch.full((1, 1, 1, 1), 0.75))
        tensor([[[[0.7500]]]])
    """

    links: tuple[Channel, ...] = ()

    def __post_init__(self):
        if len(self.links) < 2:
            raise InputError(f"a chain of {len(self.links)} channels; expected two or more, such as blur+jpeg")
        if not all(isinstance(link, Channel) for link in self.links):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError("a link of the chain is no channel; expected channels, such as Blur(sigma=1)")
        object.__setattr__(self, "random", any(link.random for link in self.links))
        object.__setattr__(self, "title", ", ".join(link.title for link in self.links))

    def transform(self, images: Images, streams: Streams) -> Images:
        """Return what becomes of images after all of them."""
        for link in self.links:
            images = link.stage(images, streams.branch())
        return images
