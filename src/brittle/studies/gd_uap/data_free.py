"""The data-free methods as studies compare them: their settings at either scale, and the names of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from brittle.studies.bench.study import Scale
from brittle.studies.shared.photographs import LINF, Photographs
from brittle.universal.excitation import ActivationAttack
from brittle.universal.fast_feature_fool import FastFeatureFool
from brittle.universal.gd_uap import GDUAP
from brittle.universal.perturbation import Perturbation

NOISE = "uniform noise"
FFF = "Fast Feature Fool"
METHODS: Mapping[str, ActivationAttack] = {
    FFF: FastFeatureFool(),
    "GD-UAP, no prior": GDUAP(),
    "GD-UAP, range prior": GDUAP(prior="range"),
    "GD-UAP, data prior": GDUAP(prior="data"),
}
"""Every method with its published settings; `NOISE` is what they are compared with."""
JUDGED = 50
"""Images of X that judge the perturbations of a search at the small scale."""
STEP = 1 / 255
"""Adam's rate at the small scale, ten times the published one, since so few steps would not reach the radius."""


@dataclass(frozen=True)
class Short:
    """What is cut at the small scale.

    Attributes:
        iterations: steps of methods that show one image in a step.
        shown: steps of methods with a prior, which show `batch` images.
        batch: views in a step.
    """

    iterations: int
    shown: int
    batch: int

    def method(self, name: str, scale: Scale) -> ActivationAttack:
        """Return a method by name, at full length or cut."""
        method = METHODS[name]
        if scale == "paper":
            return method
        if isinstance(method, GDUAP) and method.prior != "none":
            return replace(method, iterations=self.shown, batch=self.batch, step=STEP)
        return replace(method, iterations=self.iterations, step=STEP)

    def made(self, name: str, photographs: Photographs) -> Perturbation:
        """Make a perturbation for a network; at the small scale a few images of X judge it, otherwise all."""
        scale = photographs.setting.scale
        judge = photographs.first(JUDGED).fooling_rate if scale != "paper" else None
        return photographs.found(self.method(name, scale), LINF, judge=judge)

    @property
    def note(self) -> str:
        """What the scales mean, in words."""
        prior = f"{self.shown:,} with a prior, showing {self.batch} view{'s' if self.batch > 1 else ''} in a step"
        return (
            f"Scale small: {self.iterations:,} steps, {prior}, with ten times the published rate of Adam; all "
            "perturbations are still growing louder. Scale paper: the published settings, up to 40,000 steps (10,000 "
            "of Fast Feature Fool) and 25 views, which a processor works on for days."
        )


LAYERS = (
    "Layers are the activations of convolutions, found in the network's graph; the papers list them by hand. Without a "
    "prior, and by Fast Feature Fool, the network is shown a grey image with the perturbation alone."
)
"""The note of every study: what is excited."""
RADIUS = f"All changes have a maximum norm of {255 * float(LINF.radius):g}/255."
