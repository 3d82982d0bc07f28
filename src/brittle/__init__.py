"""brittle: find out how brittle an image classifier is, and how far the number can be trusted."""

import importlib
from typing import TYPE_CHECKING, Any

from brittle.public import NAMES
from brittle.version import __version__

if TYPE_CHECKING:
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
    from brittle.attacks.fast_ensemble import FastEnsemble
    from brittle.attacks.fgsm import FGSM
    from brittle.attacks.fmn import FMN
    from brittle.attacks.hop_skip_jump import HopSkipJump
    from brittle.attacks.jsma import JSMA
    from brittle.attacks.lbfgs import LBFGS
    from brittle.attacks.memetic_ascent import MemeticAscent
    from brittle.attacks.noise import RandomDirection, RandomNoise
    from brittle.attacks.one_pixel import OnePixel
    from brittle.attacks.patch_ascent import PatchAscent
    from brittle.attacks.pdpgd import PDPGD
    from brittle.attacks.pgd import PGD
    from brittle.attacks.rotation_translation import RotationTranslation
    from brittle.attacks.sigma_zero import SigmaZero
    from brittle.attacks.simba import SimBA
    from brittle.attacks.square import Square
    from brittle.attacks.stadv import SpatiallyTransformed
    from brittle.attacks.superdeepfool import SuperDeepFool
    from brittle.attacks.support_descent import SupportDescent
    from brittle.bars import Bar
    from brittle.base.bounds import Bounds
    from brittle.blackbox.transfer import Transfer, transfer_matrix
    from brittle.classifiers.classifier import Classifier
    from brittle.classifiers.ensemble import at_size, ensemble
    from brittle.classifiers.surrogate import Surrogate
    from brittle.core.attack import Attack, State, Stepwise
    from brittle.core.combinators import Cascade, Restarts, SmallestRadius
    from brittle.core.curve import security_curve
    from brittle.core.goal import Goal, LeastLikely, Targeted, Untargeted
    from brittle.core.polish import Polish
    from brittle.core.probe import Probe
    from brittle.core.problem import Problem
    from brittle.core.result import Result
    from brittle.core.run import run
    from brittle.data.open import open_source
    from brittle.defences import Adaptive, Defence, Masking
    from brittle.dense.pixel_descent import PixelDescent
    from brittle.dense.result import DenseResult
    from brittle.dense.run import run_dense
    from brittle.engine.process_engine import ProcessEngine
    from brittle.engine.ray_engine import RayEngine
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
        OracleError,
        OverLimit,
        OwnCodeFailed,
        RunError,
        UnsupportedThreat,
    )
    from brittle.evaluation.apply import apply
    from brittle.evaluation.assert_robust import assert_robust
    from brittle.evaluation.attack import attack
    from brittle.evaluation.audit import audit
    from brittle.evaluation.compare import compare
    from brittle.evaluation.defence import audit_defence
    from brittle.evaluation.leaderboard import leaderboard
    from brittle.evaluation.merge import merge
    from brittle.evaluation.train import train
    from brittle.evaluation.universal import universal
    from brittle.limits import Limits, use_limits
    from brittle.models.open import open_network
    from brittle.processes.memory import keep_freed_memory
    from brittle.report.write import write_report
    from brittle.studies.bench.run import run_study
    from brittle.threats import ColourShift, Flow, Frame, Lp, Patch, Pixels, Threat
    from brittle.training.adversarial import adversarial_batch
    from brittle.universal_attacks.activation_ascent import ActivationAscent
    from brittle.universal_attacks.ascent import UniversalAscent
    from brittle.universal_attacks.fast_feature_fool import FastFeatureFool
    from brittle.universal_attacks.gd_uap import GDUAP
    from brittle.universal_attacks.images import ImageSet
    from brittle.universal_attacks.joint_ascent import JointAscent
    from brittle.universal_attacks.perturbation import Perturbation
    from brittle.universal_attacks.psp_uap import PSPUAP
    from brittle.universal_attacks.search import UniversalAttack, UniversalProblem, UniversalState, find_universal
    from brittle.universal_attacks.sga import SGA
    from brittle.universal_attacks.trm_uap import TRMUAP
    from brittle.universal_attacks.uap import UniversalDeepFool

_PLACES = {name: module for module, names in NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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
    "PSPUAP",
    "SGA",
    "SPSA",
    "TRMUAP",
    "ADef",
    "ActivationAscent",
    "Adaptive",
    "Attack",
    "AutoAttack",
    "BadImage",
    "Bar",
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
    "Defence",
    "DenseResult",
    "FastEnsemble",
    "FastFeatureFool",
    "Flow",
    "ForwardFailed",
    "Frame",
    "Goal",
    "HopSkipJump",
    "ImageSet",
    "InputError",
    "IterativeLeastLikely",
    "JointAscent",
    "LabelError",
    "LeastLikely",
    "Limits",
    "Lp",
    "Masking",
    "MemeticAscent",
    "MissingExtra",
    "ModelError",
    "OnePixel",
    "OracleError",
    "OverLimit",
    "OwnCodeFailed",
    "Patch",
    "PatchAscent",
    "Perturbation",
    "PixelDescent",
    "Pixels",
    "Polish",
    "Probe",
    "Problem",
    "ProcessEngine",
    "RandomDirection",
    "RandomNoise",
    "RayEngine",
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
    "Transfer",
    "UniversalAscent",
    "UniversalAttack",
    "UniversalDeepFool",
    "UniversalProblem",
    "UniversalState",
    "UnsupportedThreat",
    "Untargeted",
    "__version__",
    "adversarial_batch",
    "apply",
    "assert_robust",
    "at_size",
    "attack",
    "audit",
    "audit_defence",
    "compare",
    "ensemble",
    "find_universal",
    "keep_freed_memory",
    "leaderboard",
    "merge",
    "open_network",
    "open_source",
    "run",
    "run_dense",
    "run_study",
    "security_curve",
    "train",
    "transfer_matrix",
    "universal",
    "use_limits",
    "write_report",
]
