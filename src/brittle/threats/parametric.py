"""Threats whose points are the parameters of a change, not images."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from brittle.base.bounds import Bounds
from brittle.threats.grid import QuantizationGrid
from brittle.threats.threat import Threat
from brittle.types import Images, Mask, PerImage, Points


@dataclass(frozen=True)
class Parametric(Threat):
    """A change with parameters, such as a deformation: the network sees the clean images changed by them.

    The size is that of the parameters, and the radius is in their unit, whatever the images' bounds.

    Attributes:
        grid: levels that the changed images are rounded to before the network sees them; none by default.
    """

    on_images: ClassVar[bool] = False
    flattens: ClassVar[bool] = False
    grid: QuantizationGrid | None = None

    @abstractmethod
    def zero(self, clean: Images) -> Points:
        """Return the parameters that change nothing, for each image."""

    @abstractmethod
    def changed(self, clean: Images, moved: Points, bounds: Bounds) -> Images:
        """Return the images changed by parameters, before they are brought back into the box; torch differentiates."""

    def apply(self, clean: Images, moved: Points, bounds: Bounds) -> Images:
        """Return the images changed by parameters, in the box and on the grid where there is one."""
        bent = bounds.clamp(self.changed(clean, moved, bounds))
        return bent if self.grid is None else self.grid.rounded(bent)

    def seen(self, clean: Images, moved: Points, bounds: Bounds) -> tuple[Points, Images]:
        """Return the parameters as they are, and the images changed by them."""
        return moved, self.apply(clean, moved, bounds)

    def pulled_back(self, clean: Images, moved: Points, gradient: Images, bounds: Bounds) -> Points:
        """Carry a gradient by the changed images back to the parameters: it is chained through `changed` and the box.

        Levels of a grid are passed over, for rounding has no slope.
        """
        leaf = moved.detach().requires_grad_()
        with torch.enable_grad():
            total = (bounds.clamp(self.changed(clean, leaf, bounds)) * gradient).sum()
        return torch.autograd.grad(total, leaf)[0]

    def allows(self, size: PerImage, span: float = 1.0) -> Mask:
        """Say which sizes are within the radius, up to the tolerance: of the radius or of 1, whatever the span."""
        return super().allows(size, 1.0)
