"""The rows of the table of Athalye, Carlini and Wagner: which defence, around which network, within which radius."""

from dataclasses import dataclass

from brittle.threats import Lp

CIFAR, PHOTOGRAPHS, DIGITS = "cifar10/test.parquet", "imagenet-sample/val.parquet", "mnist/test.parquet"


@dataclass(frozen=True)
class Amount:
    """How much is done in a row.

    Attributes:
        images: test images.
        steps: of PGD.
        samples: draws that the adaptive attack averages over; None for the defence's own number.
    """

    images: int
    steps: int
    samples: int | None = None


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        paper: authors and year, as the table names the defence; several rows may be of one paper.
        defence: as it is written; "" for a network that is trained to be robust and needs none.
        network: key of `NETWORKS`.
        threat: with the table's radius.
        small: how much is done at the small scale.
        full: the same at full scale.
        paper_steps: of PGD at the scale of the paper, which has all test images and the defence's own draws.
        clean: clean training images that the defence is given, as a file of the folder of data.
    """

    paper: str
    defence: str
    network: str
    threat: Lp
    small: Amount
    full: Amount
    paper_steps: int = 100
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
    Line("Buckman 2018", "thermometer", "thermometer", _CIFAR, Amount(50, 50), Amount(200, 100)),
    Line("Ma 2018", "lid", "resnet32", _CIFAR, Amount(40, 40), Amount(100, 40), clean=_TRAINING),
    Line("Guo 2018", "jpeg", "mobilenet", _PHOTOGRAPH, Amount(15, 20), Amount(40, 20)),
    Line("Guo 2018", "bit-depth", "mobilenet", _PHOTOGRAPH, Amount(15, 20), Amount(40, 20)),
    Line("Guo 2018", "tv", "mobilenet", _PHOTOGRAPH, Amount(8, 10, 2), Amount(10, 10, 3)),
    Line("Guo 2018", "quilting", "mobilenet", _PHOTOGRAPH, Amount(8, 8, 1), Amount(8, 8, 2), clean=PHOTOGRAPHS),
    Line("Guo 2018", "crops", "mobilenet", _PHOTOGRAPH, Amount(8, 5, 1), Amount(8, 10, 1)),
    Line("Dhillon 2018", "sap", "resnet32", _CIFAR, Amount(15, 40, 10), Amount(40, 40, 10)),
    Line("Xie 2018", "randomise", "mobilenet", Lp("inf", 0.031), Amount(8, 10, 5), Amount(20, 10, 5)),
    Line("Song 2018", "pixeldefend", "resnet32", _CIFAR, Amount(15, 20), Amount(40, 20)),
    Line("Samangouei 2018", "defense-gan", "mnist", _DIGIT, Amount(8, 8, 1), Amount(12, 25, 1)),
    Line("Madry 2018", "", "madry", _CIFAR, Amount(100, 40), Amount(200, 40)),
)
"""In the order of the table; what Guo 2018 joins in one row stands apart here."""
