"""How many photographs the universal studies take, and the perturbation of each network that they share."""

from brittle.studies.bench.study import Setting
from brittle.studies.shared.photographs import FAST, Photographs
from brittle.studies.shared.views import (
    MOBILENET_128,
    MOBILENET_160,
    MOBILENET_192,
    MOBILENET_V2,
    SQUEEZENET,
    View,
)
from brittle.threats import Lp
from brittle.universal_attacks.perturbation import Perturbation

RESNET = View(
    "ResNet-32 (CIFAR-10)",
    "cifar10_resnet32.pt2",
    images="cifar10/test.parquet",
    training="cifar10/train.parquet",
    note="Not in the paper: small images, of which there are enough for the 10,000 that the paper's X has.",
)
SMALL = {
    MOBILENET_V2.row: (50, 100),
    SQUEEZENET.row: (50, 100),
    MOBILENET_192.row: (50, 100),
    MOBILENET_160.row: (100, 200),
    MOBILENET_128.row: (200, 500),
    RESNET.row: (200, 500),
}
"""Images of X and held-out ones at the small scale, by network; at full it is the whole sample, half and half."""
FULL = {RESNET.row: (2000, 5000)}
"""The same at full, where there is more than the sample."""


def taken(view: View, setting: Setting, most: tuple[int, int] | None = None) -> Photographs:
    """Return a network with its photographs.

    Args:
        view: the network.
        setting: what the user chose.
        most: images of X and held-out ones below the scale of the paper, where a study needs others than all.
    """
    return Photographs(view, setting, most or {"small": SMALL, "full": FULL}.get(setting.scale, {}).get(view.row))


def shared_perturbation(photographs: Photographs, threat: Lp, seed: int | None = None) -> Perturbation:
    """Return the fast solver's perturbation of a network, which all these studies share.

    Args:
        photographs: the network; at the small scale the first images of X count, as many as `SMALL` says.
        threat: norm and radius.
        seed: of the shufflings and crops; the study's by default.
    """
    row = photographs.view.row
    if photographs.setting.scale != "small" or row not in SMALL:
        return photographs.found(FAST, threat, seed=seed)
    return photographs.found(FAST, threat, photographs.first(SMALL[row][0]), seed)
