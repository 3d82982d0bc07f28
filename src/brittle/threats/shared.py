"""Threats under which one change can be put on any number of images."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from brittle.base.bounds import Bounds
from brittle.base.seeds import Streams
from brittle.threats.threat import Threat
from brittle.types import Images


@dataclass(frozen=True)
class SharedThreat(Threat):
    """A threat whose change is one tensor, the same for all images: something added, or something stuck on.

    Attributes:
        placed: whether each image wears it at a place of its own, which is drawn.
        exponent: p of the norm in which a search measures its steps.
    """

    placed: ClassVar[bool] = False

    @property
    @abstractmethod
    def exponent(self) -> float:
        """The p in which a search measures its steps."""

    @abstractmethod
    def change_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the shape of the change for images (c, h, w)."""

    @abstractmethod
    def blank_change(self, shape: tuple[int, int, int], bounds: Bounds) -> Tensor:
        """Return what a search begins at, for images (c, h, w)."""

    @abstractmethod
    def put_on(
        self, images: Images, change: Tensor, bounds: Bounds, ids: Tensor | None = None, seed: int = 0
    ) -> Images:
        """Return images (n, c, h, w) with the change, within the bounds; torch differentiates it by the change.

        Args:
            images: to put it on; not written into.
            change: of the shape that `change_shape` tells.
            bounds: of the images.
            ids: which image is which, (n,), by which places are drawn; 0 to n - 1 by default.
            seed: of the places.
        """

    @abstractmethod
    def project_change(self, change: Tensor, bounds: Bounds) -> Tensor:
        """Return the nearest change that is allowed and that the bounds hold."""

    @abstractmethod
    def change_size(self, change: Tensor) -> float:
        """Measure a change."""

    @abstractmethod
    def reach(self, bounds: Bounds) -> float:
        """Return how far a search may move a change, in the norm of its steps."""

    @abstractmethod
    def draw_change(self, shape: tuple[int, int, int], streams: Streams) -> Tensor:
        """Draw a change of a given shape for images from 0 to 1, as large as it may be."""

    @abstractmethod
    def rescaled_change(self, change: Tensor, before: Bounds, after: Bounds) -> Tensor:
        """Return a change made for images of some bounds as it is for images of others."""
