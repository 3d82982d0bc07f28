"""The data-free methods as studies compare them: their settings at every scale, and the names of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from brittle.studies.bench.study import Scale, sized
from brittle.studies.shared.photographs import LINF, Photographs
from brittle.universal_attacks.activation_ascent import ActivationAscent
from brittle.universal_attacks.excitation import ActivationAttack
from brittle.universal_attacks.fast_feature_fool import FastFeatureFool
from brittle.universal_attacks.gd_uap import GDUAP
from brittle.universal_attacks.images import ImageSet
from brittle.universal_attacks.perturbation import Perturbation
from brittle.universal_attacks.psp_uap import PSPUAP
from brittle.universal_attacks.search import UniversalAttack
from brittle.universal_attacks.trm_uap import TRMUAP

NOISE = "uniform noise"
TRM, PSP, OURS = "TRM-UAP", "PSP-UAP", "activation ascent (brittle's own)"
FFF, NONE, RANGE, DATA = "Fast Feature Fool", "GD-UAP, no prior", "GD-UAP, range prior", "GD-UAP, data prior"
METHODS: Mapping[str, ActivationAttack] = {
    FFF: FastFeatureFool(),
    NONE: GDUAP(),
    RANGE: GDUAP(prior="range"),
    DATA: GDUAP(prior="data"),
}
"""Every method of the paper with its published settings; `NOISE` is what they are compared with."""
NEWER: Mapping[str, UniversalAttack] = {TRM: TRMUAP(), PSP: PSPUAP(), OURS: ActivationAscent()}
"""What came later, none of it made from images: with the authors' settings, and ours with its defaults."""
JUDGED = 50
"""Images of X that judge the perturbations of a search below the scale of the paper."""
PUBLISHED_STEP = 0.1
"""Adam's published rate, in levels of 255."""


@dataclass(frozen=True)
class Lengths:
    """What is cut at a scale.

    Attributes:
        iterations: steps of methods that show one image in a step.
        shown: steps of methods with a prior, which show `batch` images.
        batch: views in a step.
        step: Adam's rate, in levels of 255.
    """

    iterations: int
    shown: int
    batch: int
    step: float = PUBLISHED_STEP

    def __str__(self) -> str:
        views = f"{self.batch} view{'s' if self.batch > 1 else ''}"
        rate = "Adam's published rate"
        if self.step != PUBLISHED_STEP:
            rate = f"{self.step / PUBLISHED_STEP:g} times the published rate of Adam"
        return f"{self.iterations:,} steps, {self.shown:,} with a prior, showing {views} in a step, with {rate}"


@dataclass(frozen=True)
class Short:
    """How far searches go at each scale; at that of the paper they have the published settings.

    Attributes:
        small, full: the cuts.
    """

    small: Lengths
    full: Lengths

    def method(self, name: str, scale: Scale) -> UniversalAttack:
        """Return a method by name, at full length or cut."""
        if scale == "paper":
            return {**METHODS, **NEWER}[name]
        cut = sized({"small": self.small, "full": self.full}, scale)
        if name in NEWER:
            return _cut(NEWER[name], cut)
        method = METHODS[name]
        step = cut.step / 255
        if isinstance(method, GDUAP) and method.prior != "none":
            return replace(method, iterations=cut.shown, batch=cut.batch, step=step)
        return replace(method, iterations=cut.iterations, step=step)

    def made(self, name: str, photographs: Photographs) -> Perturbation:
        """Make a perturbation for a network; below the scale of the paper a few images of X judge it, otherwise all."""
        scale = photographs.setting.scale
        judge = _first(photographs).fooling_rate if scale != "paper" else None
        return photographs.found(self.method(name, scale), LINF, judge=judge)

    @property
    def note(self) -> str:
        """What the scales mean, in words."""
        return (
            f"Scale small: {self.small}; perturbations are then still growing louder. Scale full: {self.full}. Scale "
            "paper: the published settings, up to 40,000 steps (10,000 of Fast Feature Fool) and 25 views, which a "
            "processor works on for days."
        )


SHORT = Short(Lengths(200, 100, 5, step=1.0), Lengths(2000, 800, 10))
"""For networks that classify; the same for all studies, so that they share what is made."""


def _cut(method: UniversalAttack, cut: Lengths) -> UniversalAttack:
    """Return one of the newer methods with as many steps as those without a prior, or showing as many views."""
    if isinstance(method, ActivationAscent):
        return replace(method, steps=max(1, cut.iterations // method.passes))
    if isinstance(method, PSPUAP):
        return replace(method, iterations=cut.shown, copies=cut.batch)
    assert isinstance(method, TRMUAP)
    return replace(method, iterations=cut.iterations)


@lru_cache(maxsize=1)
def _first(photographs: Photographs) -> ImageSet:
    """The images that judge all searches for a network; what it says of them as they are is asked once."""
    return photographs.first(JUDGED)


LAYERS = (
    "Layers are the activations of convolutions, found in the network's graph; the papers list them by hand. Without a "
    "prior, and by Fast Feature Fool, the network is shown a grey image with the perturbation alone."
)
"""The note of every study: what is excited."""
RADIUS = f"All changes have a maximum norm of {255 * float(LINF.radius):g}/255."
