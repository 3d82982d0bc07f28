"""What to write for attacks that a library has and its wrapper has not, for brittle has them by its own names."""

from collections.abc import Iterable, Mapping
from typing import Never

from brittle.errors import InputError
from brittle.near import did_you_mean

_SQUARE, _FAB, _ADAPTIVE, _JSMA = "brittle.Square()", "brittle.FAB()", "brittle.APGD()", "brittle.JSMA()"
_LINF, _HOP, _BOUNDARY, _SPSA = (
    "brittle.CarliniWagnerLinf()",
    "brittle.HopSkipJump()",
    "brittle.Boundary()",
    "brittle.SPSA()",
)
TORCHATTACKS = {
    "APGD": _ADAPTIVE,
    "APGDT": "brittle.APGD(targets=9)",
    "DIFGSM": "brittle.PGD(steps=10, step_size=2 / 255, momentum=0.0, diversity=0.5)",
    "EOTPGD": "brittle.PGD(steps=10, step_size=2 / 255), with brittle.run(..., eot_samples=2)",
    "FAB": _FAB,
    "FFGSM": "brittle.PGD(steps=1, step_size=10 / 255)",
    "GN": "brittle.RandomNoise()",
    "JSMA": _JSMA,
    "MIFGSM": "brittle.PGD(steps=10, step_size=2 / 255, random_start=False, momentum=1.0)",
    "MultiAttack": "brittle.Cascade((brittle.FGSM(), brittle.PGD()))",
    "OnePixel": "brittle.OnePixel()",
    "SPSA": _SPSA,
    "Square": _SQUARE,
    "TIFGSM": "brittle.PGD(steps=10, step_size=2 / 255, kernel=15, diversity=0.5)",
}
FOOLBOX = {
    "BinarizationRefinementAttack": "brittle.run(..., quantization=256)",
    "BoundaryAttack": _BOUNDARY,
    "DDNAttack": "brittle.DDN()",
    "HopSkipJumpAttack": _HOP,
    "L0FMNAttack": "brittle.FMN(), with threat=brittle.Lp(0)",
    "L1FMNAttack": "brittle.FMN(), with threat=brittle.Lp(1)",
    "L1PGD": "brittle.PGD(), with threat=brittle.Lp(1, 10.0)",
    "L2AdditiveGaussianNoiseAttack": "brittle.RandomNoise(draws=1), with threat=brittle.Lp(2, 1.0)",
    "L2AdditiveUniformNoiseAttack": "brittle.RandomNoise(draws=1), with threat=brittle.Lp(2, 1.0)",
    "L2BasicIterativeAttack": "brittle.PGD(steps=10, random_start=False), with threat=brittle.Lp(2, 1.0)",
    "L2FMNAttack": "brittle.FMN(), with threat=brittle.Lp(2)",
    "LInfFMNAttack": "brittle.FMN(), with threat=brittle.Lp('inf')",
    "LinfAdditiveUniformNoiseAttack": "brittle.RandomNoise(draws=1), with threat=brittle.Lp('inf', 0.1)",
    "SpatialAttack": "brittle.RotationTranslation()",
}
FOOLBOX_MODEL = {"samples": "brittle.open_source('digits').blocks(20)"}
ART = {
    "AdversarialPatchPyTorch": "brittle.PatchAscent()",
    "AutoAttack": "brittle.AutoAttack()",
    "AutoProjectedGradientDescent": _ADAPTIVE,
    "BasicIterativeMethod": "brittle.BasicIterative()",
    "BoundaryAttack": _BOUNDARY,
    "CarliniL0Method": "brittle.CarliniWagnerL0()",
    "CarliniLInfMethod": _LINF,
    "HopSkipJump": _HOP,
    "MomentumIterativeMethod": "brittle.PGD(random_start=False, momentum=1.0)",
    "PixelAttack": "brittle.OnePixel()",
    "SaliencyMapMethod": _JSMA,
    "SimBA": "brittle.SimBA()",
    "SpatialTransformation": "brittle.RotationTranslation()",
    "SquareAttack": _SQUARE,
    "UniversalPerturbation": "brittle.UniversalDeepFool(brittle.DeepFool())",
}
AUTOATTACK = {
    "APGDAttack": _ADAPTIVE,
    "APGDAttack_targeted": "brittle.APGD(targets=9)",
    "FABAttack": _FAB,
    "FABAttack_PT": _FAB,
    "SquareAttack": _SQUARE,
}


def absent(module: str, name: str, native: Mapping[str, str], there: Iterable[str]) -> Never:
    """Say what to write for a name that a wrapper has not.

    Args:
        module: the wrapper.
        name: what was asked for.
        native: what brittle writes, by the names of the library.
        there: names of the wrapper.

    Raises:
        InputError: brittle has it by another name. It is no AttributeError, for `from ... import` swallows those.
        AttributeError: it does not.

    Example:
        >>> absent("brittle.compat.torchattacks", "Square", TORCHATTACKS, [])
        Traceback (most recent call last):
        ...
        brittle.errors.InputError: brittle.compat.torchattacks has no Square; write brittle.Square()
    """
    if name in native:
        raise InputError(f"{module} has no {name}; write {native[name]}")
    known = [one for one in there if one[0] != "_"]
    raise AttributeError(f"module {module!r} has no attribute {name!r}{did_you_mean(name, known)}")
