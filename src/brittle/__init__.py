"""brittle: find out how brittle an image classifier is, and how far the number can be trusted."""

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
from brittle.base.bounds import Bounds
from brittle.classifiers.classifier import Classifier
from brittle.classifiers.surrogate import Surrogate
from brittle.core.attack import Attack, State, Stepwise
from brittle.core.combinators import Cascade, Restarts, SmallestRadius
from brittle.core.goal import Goal, LeastLikely, Targeted, Untargeted
from brittle.core.problem import Probe, Problem
from brittle.core.result import Result
from brittle.core.run import run
from brittle.errors import (
    BadImage,
    BoundsError,
    BrittleError,
    DataError,
    ForwardFailed,
    InputError,
    LabelError,
    MissingExtra,
    ModelError,
    OverLimit,
    RunError,
    UnsupportedThreat,
)
from brittle.limits import Limits, use_limits
from brittle.threats import ColourShift, Flow, Lp, Pixels, Threat
from brittle.universal.ascent import UniversalAscent
from brittle.universal.fast_feature_fool import FastFeatureFool
from brittle.universal.gd_uap import GDUAP
from brittle.universal.images import ImageSet
from brittle.universal.perturbation import Perturbation
from brittle.universal.search import UniversalAttack, UniversalProblem, UniversalState, find_universal
from brittle.universal.uap import UniversalDeepFool
from brittle.version import __version__

__all__ = [
    "ALMA",
    "APGD",
    "DDN",
    "FAB",
    "FGSM",
    "FMN",
    "GDUAP",
    "JSMA",
    "LBFGS",
    "NES",
    "PDPGD",
    "PGD",
    "SPSA",
    "ADef",
    "Attack",
    "AutoAttack",
    "BadImage",
    "BasicIterative",
    "Boundary",
    "BoundaryDescent",
    "Bounds",
    "BoundsError",
    "BrittleError",
    "CarliniWagnerL0",
    "CarliniWagnerL2",
    "CarliniWagnerLinf",
    "Cascade",
    "Classifier",
    "ColourShift",
    "DataError",
    "DeepFool",
    "FastFeatureFool",
    "Flow",
    "ForwardFailed",
    "Goal",
    "HopSkipJump",
    "ImageSet",
    "InputError",
    "IterativeLeastLikely",
    "LabelError",
    "LeastLikely",
    "Limits",
    "Lp",
    "MissingExtra",
    "ModelError",
    "OnePixel",
    "OverLimit",
    "Perturbation",
    "Pixels",
    "Probe",
    "Problem",
    "RandomDirection",
    "RandomNoise",
    "Restarts",
    "Result",
    "RotationTranslation",
    "RunError",
    "SigmaZero",
    "SimBA",
    "SmallestRadius",
    "SpatiallyTransformed",
    "Square",
    "State",
    "Stepwise",
    "SuperDeepFool",
    "SupportDescent",
    "Surrogate",
    "Targeted",
    "Threat",
    "UniversalAscent",
    "UniversalAttack",
    "UniversalDeepFool",
    "UniversalProblem",
    "UniversalState",
    "UnsupportedThreat",
    "Untargeted",
    "__version__",
    "find_universal",
    "run",
    "use_limits",
]
