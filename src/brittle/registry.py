"""What there is to choose from, by name; a new attack is its file and its line here."""

from brittle.attacks.basic_iterative import BasicIterative, IterativeLeastLikely
from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.attacks.noise import RandomDirection, RandomNoise
from brittle.attacks.pgd import PGD
from brittle.core.attack import Attack
from brittle.core.combinators import Cascade, Restarts, SmallestRadius

ATTACKS: dict[str, type[Attack]] = {
    "bim": BasicIterative,
    "deepfool": DeepFool,
    "fgsm": FGSM,
    "least-likely": IterativeLeastLikely,
    "noise": RandomNoise,
    "pgd": PGD,
    "random-direction": RandomDirection,
}

COMBINATORS: dict[str, type[Attack]] = {
    "cascade": Cascade,
    "restarts": Restarts,
    "smallest": SmallestRadius,
}
