"""The networks of the one-pixel studies, and how many of their images are attacked for how long at each scale."""

from dataclasses import dataclass

from brittle.attacks.one_pixel import OnePixel
from brittle.studies.bench.study import Scale, sized
from brittle.studies.shared.networks import ORIGINS as SHARED
from brittle.studies.shared.subject import NetworkSource

_TEST, _TRAINING = "cifar10/test.parquet", "cifar10/train.parquet"
_FULL: tuple[tuple[Scale, int | None], ...] = (("paper", None),)
_PHOTOGRAPHS = next(origin.test for origin in SHARED if origin.row.startswith("SqueezeNet"))
ALLCONV, NIN, VGG16 = "AllConv (CIFAR-10)", "NiN (CIFAR-10)", "VGG16 (CIFAR-10)"
LENET, RESNET = "LeNet (CIFAR-10)", "ResNet-32 (CIFAR-10)"
SQUEEZENET, ALEXNET = "SqueezeNet 1.0 (ImageNet)", "AlexNet of torchvision (ImageNet)"
SMALL_PICTURES = (
    NetworkSource(ALLCONV, _TEST, ("allconv-cifar.safetensors",), "allconv-cifar", _TRAINING, _FULL),
    NetworkSource(NIN, _TEST, ("nin-cifar.safetensors",), "nin-cifar", _TRAINING, _FULL),
    NetworkSource(VGG16, _TEST, ("vgg16-cifar.safetensors",), "vgg16-cifar", _TRAINING, _FULL),
    NetworkSource(LENET, _TEST, ("cifar10_lenet.pt2",), full=None),
    NetworkSource(RESNET, _TEST, ("cifar10_resnet32.pt2",), images=500),
)
"""The networks of CIFAR-10, each attacked towards every other class."""
PHOTOGRAPHS = NetworkSource(SQUEEZENET, _PHOTOGRAPHS, ("squeezenet1_0.pt2",), images=100, full=None)
"""The network of ImageNet at hand, attacked away from the label."""
FETCHED = NetworkSource(ALEXNET, _PHOTOGRAPHS, ("torchvision:alexnet",))
"""The one nearest to the paper's, at the scale of the paper."""
PIXELS = (1, 3, 5)


@dataclass(frozen=True)
class Size:
    """How many images of a network are attacked, and how.

    Attributes:
        images: the first that the network gets right.
        attack: the search.
    """

    images: int
    attack: OnePixel


QUICK = OnePixel(population=100, generations=20)
"""A twentieth of the paper's forward passes."""
ALL, ALL_PHOTOGRAPHS = Size(500, OnePixel()), Size(105, OnePixel())
"""The paper's."""
SIZES: dict[str, dict[str, Size]] = {
    "small": {
        LENET: Size(20, QUICK),
        RESNET: Size(8, OnePixel(population=50, generations=6)),
        SQUEEZENET: Size(8, OnePixel(population=40, generations=4)),
    },
    "full": {
        LENET: Size(50, OnePixel()),
        RESNET: Size(10, QUICK),
        SQUEEZENET: Size(40, OnePixel(population=100, generations=8)),
    },
    "paper": {SQUEEZENET: ALL_PHOTOGRAPHS, ALEXNET: ALL_PHOTOGRAPHS},
}
"""By scale and network."""
GIVEN = Size(2, QUICK)
"""Of networks that are named in none, and given as files."""


def size(row: str, scale: str) -> Size:
    """Return how many images of a network are attacked at a scale, and how.

    Example:
        >>> size("LeNet (CIFAR-10)", "paper").images
        500
    """
    return sized(SIZES, scale).get(row, ALL if scale == "paper" else GIVEN)


def told(scale: str) -> str:
    """Say what is attacked at a scale."""
    return "; ".join(
        f"{one.images} images of {row}, {one.attack.population} candidates and {one.attack.generations} generations"
        for row, one in sized(SIZES, scale).items()
    )
