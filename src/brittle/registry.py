"""What there is to choose from, by name; a new attack is its file and its line here."""

from brittle.attacks.adef import ADef
from brittle.attacks.alma import ALMA
from brittle.attacks.apgd import APGD
from brittle.attacks.autoattack import AutoAttack
from brittle.attacks.basic_iterative import BasicIterative, IterativeLeastLikely
from brittle.attacks.boundary import Boundary
from brittle.attacks.boundary_descent import BoundaryDescent
from brittle.attacks.carlini_wagner_l0 import CarliniWagnerL0
from brittle.attacks.carlini_wagner_l2 import CarliniWagnerL2
from brittle.attacks.carlini_wagner_linf import CarliniWagnerLinf
from brittle.attacks.ddn import DDN
from brittle.attacks.deepfool import DeepFool
from brittle.attacks.estimated_ascent import NES, SPSA
from brittle.attacks.fab import FAB
from brittle.attacks.fgsm import FGSM
from brittle.attacks.fmn import FMN
from brittle.attacks.hop_skip_jump import HopSkipJump
from brittle.attacks.jsma import JSMA
from brittle.attacks.lbfgs import LBFGS
from brittle.attacks.noise import RandomDirection, RandomNoise
from brittle.attacks.one_pixel import OnePixel
from brittle.attacks.pdpgd import PDPGD
from brittle.attacks.pgd import PGD
from brittle.attacks.rotation_translation import RotationTranslation
from brittle.attacks.sigma_zero import SigmaZero
from brittle.attacks.simba import SimBA
from brittle.attacks.square import Square
from brittle.attacks.stadv import SpatiallyTransformed
from brittle.attacks.superdeepfool import SuperDeepFool
from brittle.attacks.support_descent import SupportDescent
from brittle.core.attack import Attack
from brittle.core.combinators import Cascade, Restarts, SmallestRadius
from brittle.universal.ascent import UniversalAscent
from brittle.universal.fast_feature_fool import FastFeatureFool
from brittle.universal.gd_uap import GDUAP
from brittle.universal.search import UniversalAttack
from brittle.universal.uap import UniversalDeepFool

ATTACKS: dict[str, type[Attack]] = {
    "adef": ADef,
    "alma": ALMA,
    "apgd": APGD,
    "autoattack": AutoAttack,
    "bim": BasicIterative,
    "boundary": Boundary,
    "boundary-descent": BoundaryDescent,
    "cw-l0": CarliniWagnerL0,
    "cw-l2": CarliniWagnerL2,
    "cw-linf": CarliniWagnerLinf,
    "ddn": DDN,
    "deepfool": DeepFool,
    "fab": FAB,
    "fgsm": FGSM,
    "fmn": FMN,
    "hop-skip-jump": HopSkipJump,
    "jsma": JSMA,
    "lbfgs": LBFGS,
    "least-likely": IterativeLeastLikely,
    "nes": NES,
    "noise": RandomNoise,
    "one-pixel": OnePixel,
    "pdpgd": PDPGD,
    "pgd": PGD,
    "random-direction": RandomDirection,
    "rotation-translation": RotationTranslation,
    "sigma-zero": SigmaZero,
    "simba": SimBA,
    "spsa": SPSA,
    "square": Square,
    "stadv": SpatiallyTransformed,
    "superdeepfool": SuperDeepFool,
    "support-descent": SupportDescent,
}

COMBINATORS: dict[str, type[Attack]] = {
    "cascade": Cascade,
    "restarts": Restarts,
    "smallest": SmallestRadius,
}

UNIVERSAL: dict[str, type[UniversalAttack]] = {
    "ascent": UniversalAscent,
    "fff": FastFeatureFool,
    "gd-uap": GDUAP,
    "uap": UniversalDeepFool,
}
"""Ways to make one perturbation for all images."""
