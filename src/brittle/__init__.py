"""brittle: find out how brittle an image classifier is, and how far the number can be trusted."""

from brittle.attacks.basic_iterative import BasicIterative, IterativeLeastLikely
from brittle.attacks.deepfool import DeepFool
from brittle.attacks.fgsm import FGSM
from brittle.attacks.noise import RandomDirection, RandomNoise
from brittle.attacks.pgd import PGD
from brittle.core.attack import Attack, State, Stepwise
from brittle.core.bounds import Bounds
from brittle.core.classifier import Classifier
from brittle.core.combinators import Cascade, Restarts, SmallestRadius
from brittle.core.goal import Goal, LeastLikely, Targeted, Untargeted
from brittle.core.problem import Probe, Problem
from brittle.core.result import Result
from brittle.core.run import run
from brittle.core.threat import Lp, Pixels, Threat
from brittle.errors import (
    BadImage,
    BoundsError,
    BrittleError,
    DataError,
    InputError,
    LabelError,
    MissingExtra,
    ModelError,
    RunError,
    UnsupportedThreat,
)
from brittle.version import __version__

__all__ = [
    "FGSM",
    "PGD",
    "Attack",
    "BadImage",
    "BasicIterative",
    "Bounds",
    "BoundsError",
    "BrittleError",
    "Cascade",
    "Classifier",
    "DataError",
    "DeepFool",
    "Goal",
    "InputError",
    "IterativeLeastLikely",
    "LabelError",
    "LeastLikely",
    "Lp",
    "MissingExtra",
    "ModelError",
    "Pixels",
    "Probe",
    "Problem",
    "RandomDirection",
    "RandomNoise",
    "Restarts",
    "Result",
    "RunError",
    "SmallestRadius",
    "State",
    "Stepwise",
    "Targeted",
    "Threat",
    "UnsupportedThreat",
    "Untargeted",
    "__version__",
    "run",
]
