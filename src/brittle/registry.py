"""What there is to choose from, by name; a new attack is its file and its line here.

Nothing is imported before it is asked for. Packages add to each of them that names a group with an entry point of that
group, see `brittle.plugins.Registry`; what a user wrote as `FILE.py:NAME` is found by `find`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from brittle.data.open import SOURCES
from brittle.defences import Defence
from brittle.models.open import NETWORKS
from brittle.plugins import Registry
from brittle.threats import THREATS

if TYPE_CHECKING:
    from brittle.core.attack import Attack
    from brittle.physical import Channel
    from brittle.universal_attacks.search import UniversalAttack

__all__ = [
    "ATTACKS",
    "CHANNELS",
    "CHECKS",
    "COMBINATORS",
    "DEFENCES",
    "DENSE",
    "NETWORKS",
    "SOURCES",
    "STUDIES",
    "THREATS",
    "UNIVERSAL",
    "Registry",
]


def _subclass_of(place: str) -> Callable[[object], bool]:
    """Return what says whether an object is a subclass of the class at "module:NAME"."""
    return lambda found: isinstance(found, type) and issubclass(found, _at(place))


def _instance_of(place: str) -> Callable[[object], bool]:
    """Return what says whether an object is of the class at "module:NAME"."""
    return lambda found: isinstance(found, _at(place))


def _at(place: str) -> type:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


ATTACKS: "Registry[type[Attack]]" = Registry(
    "attack",
    {
        "adef": "brittle.attacks.adef:ADef",
        "alma": "brittle.attacks.alma:ALMA",
        "apgd": "brittle.attacks.apgd:APGD",
        "autoattack": "brittle.attacks.autoattack:AutoAttack",
        "bim": "brittle.attacks.basic_iterative:BasicIterative",
        "boundary": "brittle.attacks.boundary:Boundary",
        "boundary-descent": "brittle.attacks.boundary_descent:BoundaryDescent",
        "cw-l0": "brittle.attacks.carlini_wagner_l0:CarliniWagnerL0",
        "cw-l2": "brittle.attacks.carlini_wagner_l2:CarliniWagnerL2",
        "cw-linf": "brittle.attacks.carlini_wagner_linf:CarliniWagnerLinf",
        "ddn": "brittle.attacks.ddn:DDN",
        "deepfool": "brittle.attacks.deepfool:DeepFool",
        "fab": "brittle.attacks.fab:FAB",
        "fast-ensemble": "brittle.attacks.fast_ensemble:FastEnsemble",
        "fgsm": "brittle.attacks.fgsm:FGSM",
        "fmn": "brittle.attacks.fmn:FMN",
        "hop-skip-jump": "brittle.attacks.hop_skip_jump:HopSkipJump",
        "jsma": "brittle.attacks.jsma:JSMA",
        "lbfgs": "brittle.attacks.lbfgs:LBFGS",
        "least-likely": "brittle.attacks.basic_iterative:IterativeLeastLikely",
        "memetic-ascent": "brittle.attacks.memetic_ascent:MemeticAscent",
        "nes": "brittle.attacks.estimated_ascent:NES",
        "noise": "brittle.attacks.noise:RandomNoise",
        "one-pixel": "brittle.attacks.one_pixel:OnePixel",
        "patch-ascent": "brittle.attacks.patch_ascent:PatchAscent",
        "pdpgd": "brittle.attacks.pdpgd:PDPGD",
        "pgd": "brittle.attacks.pgd:PGD",
        "random-direction": "brittle.attacks.noise:RandomDirection",
        "rotation-translation": "brittle.attacks.rotation_translation:RotationTranslation",
        "sigma-zero": "brittle.attacks.sigma_zero:SigmaZero",
        "simba": "brittle.attacks.simba:SimBA",
        "spsa": "brittle.attacks.estimated_ascent:SPSA",
        "square": "brittle.attacks.square:Square",
        "stadv": "brittle.attacks.stadv:SpatiallyTransformed",
        "superdeepfool": "brittle.attacks.superdeepfool:SuperDeepFool",
        "support-descent": "brittle.attacks.support_descent:SupportDescent",
    },
    "brittle.attacks",
    _subclass_of("brittle.core.attack:Attack"),
    "a subclass of brittle.Attack",
)

DENSE: "Registry[type[Attack]]" = Registry(
    "attack of dense outputs",
    {"pixel-descent": "brittle.dense.pixel_descent:PixelDescent"},
    None,
    _subclass_of("brittle.core.attack:Attack"),
    "a subclass of brittle.Attack",
)
"""Attacks of networks with a class for every pixel, and of no others; those of packages are among `ATTACKS`."""

COMBINATORS: "Registry[type[Attack]]" = Registry(
    "combinator",
    {
        "cascade": "brittle.core.combinators:Cascade",
        "polish": "brittle.core.polish:Polish",
        "restarts": "brittle.core.combinators:Restarts",
        "smallest": "brittle.core.combinators:SmallestRadius",
    },
    None,
    _subclass_of("brittle.core.attack:Attack"),
    "a subclass of brittle.Attack",
)

UNIVERSAL: "Registry[type[UniversalAttack]]" = Registry(
    "universal attack",
    {
        "activation-ascent": "brittle.universal_attacks.activation_ascent:ActivationAscent",
        "ascent": "brittle.universal_attacks.ascent:UniversalAscent",
        "fff": "brittle.universal_attacks.fast_feature_fool:FastFeatureFool",
        "gd-uap": "brittle.universal_attacks.gd_uap:GDUAP",
        "joint-ascent": "brittle.universal_attacks.joint_ascent:JointAscent",
        "psp-uap": "brittle.universal_attacks.psp_uap:PSPUAP",
        "sga": "brittle.universal_attacks.sga:SGA",
        "trm-uap": "brittle.universal_attacks.trm_uap:TRMUAP",
        "uap": "brittle.universal_attacks.uap:UniversalDeepFool",
    },
    "brittle.universal",
    _subclass_of("brittle.universal_attacks.search:UniversalAttack"),
    "a subclass of brittle.UniversalAttack",
)
"""Ways to make one perturbation for all images."""

DEFENCES: "Registry[type[Defence]]" = Registry(
    "defence",
    {
        "bit-depth": "brittle.defences.bit_depth:BitDepth",
        "crops": "brittle.defences.crops:Crops",
        "defense-gan": "brittle.defences.defense_gan:DefenseGAN",
        "distillation": "brittle.defences.distillation:Distillation",
        "jpeg": "brittle.defences.jpeg:JPEG",
        "lid": "brittle.defences.lid:LID",
        "pixeldefend": "brittle.defences.pixeldefend:PixelDefend",
        "quilting": "brittle.defences.quilting:Quilting",
        "randomise": "brittle.defences.randomise:Randomise",
        "sap": "brittle.defences.sap:StochasticActivationPruning",
        "subspace": "brittle.defences.subspace:SubspaceRemoval",
        "thermometer": "brittle.defences.thermometer:Thermometer",
        "tv": "brittle.defences.total_variation:TotalVariation",
    },
    "brittle.defences",
    _subclass_of("brittle.defences:Defence"),
    "a subclass of brittle.defences.Defence",
)
"""Ways to make a network harder to break; called with their settings."""

CHANNELS: "Registry[type[Channel]]" = Registry(
    "channel",
    {
        "blur": "brittle.physical.blur:Blur",
        "brightness": "brittle.physical.brightness:Brightness",
        "colour-shift": "brittle.physical.colour_shift:ColourShift",
        "contrast": "brittle.physical.contrast:Contrast",
        "corruption": "brittle.physical.corruptions:Corruption",
        "jpeg": "brittle.physical.jpeg:JPEGFile",
        "noise": "brittle.physical.noise:Noise",
        "photograph": "brittle.physical.photograph:Photograph",
        "resample": "brittle.physical.resample:Resample",
        "rotation": "brittle.physical.rotation:Rotation",
        "scaling": "brittle.physical.scaling:Scaling",
        "vignetting": "brittle.physical.vignetting:Vignetting",
        "warp": "brittle.physical.warp:Warp",
    },
    "brittle.channels",
    _subclass_of("brittle.physical:Channel"),
    "a subclass of brittle.physical.Channel",
)
"""What may happen to images on their way to a network; called with their settings."""

CHECKS: Registry[Any] = Registry(
    "check",
    "brittle.health.examine:BY_NAME",
    "brittle.checks",
    _instance_of("brittle.health.check:Check"),
    "a brittle Check",
)
"""What an audit looks at to say how far its own number can be trusted."""

STUDIES: Registry[Any] = Registry(
    "study",
    "brittle.studies.bench.catalogue:STUDIES",
    "brittle.studies",
    _instance_of("brittle.studies.bench.study:Study"),
    "a brittle.studies.Study",
)
"""Published tables and figures."""
