"""The rows of the table of Athalye, Carlini and Wagner: which defence, around which network, within which radius."""

from dataclasses import dataclass

from brittle.threats import Lp

CIFAR, PHOTOGRAPHS, DIGITS = "cifar10/test.parquet", "imagenet-sample/val.parquet", "mnist/test.parquet"


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        paper: authors and year, as the table names the defence; several rows may be of one paper.
        defence: as it is written; "" for a network that is trained to be robust and needs none.
        network: key of `NETWORKS`.
        threat: with the table's radius.
        images: test images at the small scale; all of them at the scale of the paper.
        steps: of PGD; `small` at the small scale.
        small: see `steps`.
        samples: draws that the adaptive attack averages over at the small scale; the defence's own at the scale of the
            paper. None for the defence's own at both.
        clean: clean training images that the defence is given, as a file of the folder of data.
    """

    paper: str
    defence: str
    network: str
    threat: Lp
    images: int
    steps: int = 100
    small: int = 40
    samples: int | None = None
    clean: str = ""

    @property
    def key(self) -> str:
        """The name of the row."""
        return f"{self.paper}: {self.defence or 'adversarial training'}"


def root_mean_square(radius: float, values: int) -> Lp:
    """Return the l2 threat of a radius given as a root mean square over the values, as the table gives it.

    Example:
        >>> round(root_mean_square(0.005, 3 * 224 * 224).radius, 2)
        1.94
    """
    return Lp(2, radius * values**0.5)


def mean_square(distance: float, values: int) -> Lp:
    """Return the l2 threat of a distance given as a mean square over the values.

    So we read the table's 0.005 of Defense-GAN: as a root mean square it is 0.14, within which no network of digits
    falls, and the authors' published code shows a change of length 3.1 for it.

    Example:
        >>> round(mean_square(0.005, 28 * 28).radius, 2)
        1.98
    """
    return Lp(2, (distance * values) ** 0.5)


_CIFAR, _PHOTOGRAPH, _DIGIT = Lp("inf", 0.031), root_mean_square(0.005, 3 * 224 * 224), mean_square(0.005, 28 * 28)
_TRAINING = "cifar10/train.parquet"
LINES = (
    Line("Buckman 2018", "thermometer", "thermometer", _CIFAR, 200, small=100),
    Line("Ma 2018", "lid", "resnet32", _CIFAR, 100, clean=_TRAINING),
    Line("Guo 2018", "jpeg", "mobilenet", _PHOTOGRAPH, 40, small=20),
    Line("Guo 2018", "bit-depth", "mobilenet", _PHOTOGRAPH, 40, small=20),
    Line("Guo 2018", "tv", "mobilenet", _PHOTOGRAPH, 10, small=10, samples=3),
    Line("Guo 2018", "quilting", "mobilenet", _PHOTOGRAPH, 8, small=8, samples=2, clean=PHOTOGRAPHS),
    Line("Guo 2018", "crops", "mobilenet", _PHOTOGRAPH, 8, small=10, samples=1),
    Line("Dhillon 2018", "sap", "resnet32", _CIFAR, 40, samples=10),
    Line("Xie 2018", "randomise", "mobilenet", Lp("inf", 0.031), 20, small=10, samples=5),
    Line("Song 2018", "pixeldefend", "resnet32", _CIFAR, 40, small=20),
    Line("Samangouei 2018", "defense-gan", "mnist", _DIGIT, 12, small=25, samples=1),
    Line("Madry 2018", "", "madry", _CIFAR, 200),
)
"""In the order of the table; what Guo 2018 joins in one row stands apart here."""
