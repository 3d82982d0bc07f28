"""Single transformations at several strengths, and how many adversarial images each makes harmless."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brittle.errors import InputError
from brittle.metrics import destruction_rate
from brittle.physical import Channel
from brittle.physical.blur import Blur
from brittle.physical.brightness import Brightness
from brittle.physical.contrast import Contrast
from brittle.physical.jpeg import JPEGFile
from brittle.physical.noise import Noise
from brittle.physical.rotation import Rotation
from brittle.physical.scaling import Scaling
from brittle.studies.bench.drawing import Curves
from brittle.studies.bench.study import Measured
from brittle.studies.bench.work import Work
from brittle.studies.physical.shots import METHODS, Shots

EPS = 16
"""The radius of the images that are transformed, of 255."""


@dataclass(frozen=True)
class Strengths:
    """A transformation and its strengths.

    Attributes:
        title: of the curve.
        axis: of the strength, with its unit.
        values: from weak to strong.
        channel: makes the channel of a strength.
    """

    title: str
    axis: str
    values: tuple[float, ...]
    channel: Callable[[float], Channel]


SWEPT: dict[str, Strengths] = {
    "brightness": Strengths("Brightness", "added, part of the range", (0.05, 0.1, 0.2, 0.3), Brightness),
    "contrast": Strengths("Contrast", "factor", (0.9, 0.7, 0.5, 0.3), Contrast),
    "blur": Strengths("Gaussian blur", "standard deviation, pixels", (0.5, 1, 1.5, 2), Blur),
    "noise": Strengths("Gaussian noise", "standard deviation, part of the range", (0.02, 0.05, 0.1, 0.15), Noise),
    "jpeg": Strengths("JPEG", "quality", (90, 70, 50, 30, 10), lambda quality: JPEGFile(int(quality))),
    "rotation": Strengths("Rotation", "degrees", (2, 5, 10, 20), Rotation),
    "scaling": Strengths("Scaling", "factor", (0.9, 0.75, 0.5, 0.35), Scaling),
}
"""The transformations of the paper's section on artificial ones, and two of geometry; the strengths are ours."""


@dataclass(frozen=True)
class Swept(Work):
    """One transformation at all its strengths, on the images of every method."""

    shots: Shots
    transformation: str
    eps: int = EPS

    identity_fields = ("strengths",)

    @property
    def strengths(self) -> list[float]:
        """From weak to strong."""
        return [*SWEPT[self.transformation].values]

    @property
    def name(self) -> str:
        """What the work is called."""
        return f"strengths of {self.transformation}"

    def measure(self) -> Measured:
        """Transform and ask, and draw the curves."""
        swept = SWEPT[self.transformation]
        lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
        for method in METHODS:
            at, rates = list[float](), list[float]()
            for value in swept.values:
                table = self.shots.table(method, self.eps, swept.channel(value))
                try:
                    rates.append(100 * destruction_rate(table).value)
                except InputError:  # no image counts
                    continue
                at.append(value)
            lines[method] = at, rates
        curve = Curves(
            f"{swept.title}, {self.shots.view.row}",
            f"Destruction rate, average case, top 1, of images of each method at {self.eps}/255.",
            swept.axis,
            "destruction rate, %",
            lines,
        )
        return Measured(figures=(curve,))
