"""The box that images live in."""

from dataclasses import dataclass

from brittle.types import Images


@dataclass(frozen=True)
class Bounds:
    """The box that every image lies in."""

    lower: float = 0.0
    upper: float = 1.0

    @property
    def span(self) -> float:
        """The width of the box; constants of published code are meant for a span of 1 and scaled by it."""
        return self.upper - self.lower

    def clamp(self, images: Images) -> Images:
        """Move every value into the box."""
        return images.clamp(self.lower, self.upper)
